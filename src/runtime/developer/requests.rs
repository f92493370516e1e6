//! The latest requests, and what was found out about each: what was done for it, why, and what moved since the page was made the
//! time before. It keeps them, and shows nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode;

use crate::{
    hidden,
    notes::ImageNote,
    pages::{explain::Explanation, graph::PageNote},
    response_body::ResponseBody,
};

/// So many requests are kept.
pub(super) const MOST: usize = 200;

/// So many pages are compared with the time before.
const MOST_PAGES: usize = 64;

#[derive(Default)]
pub(in crate::runtime) struct Requests(Mutex<State>);

#[derive(Default)]
struct State {
    last: usize,
    latest: VecDeque<Arc<Answered>>,
    /// By target, what pages were made from, the latest last.
    pages: VecDeque<(String, Explanation, Moved)>,
}

/// What a page is made from otherwise than the time before, and since when.
#[derive(Clone, Default)]
pub(super) struct Moved {
    pub(super) parts: Vec<String>,
    pub(super) at: Option<SystemTime>,
    /// Whether it was seen by this very request.
    pub(super) is_news: bool,
}

/// A request with its answer.
pub(super) struct Answered {
    pub(super) number: usize,
    pub(super) at: SystemTime,
    pub(super) took: Duration,
    pub(super) method: Method,
    /// Path and query, without secrets.
    pub(super) target: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: usize,
    pub(super) page: Option<PageNote>,
    pub(super) image: Option<ImageNote>,
    pub(super) moved: Moved,
}

impl Requests {
    /// Adds a request, and says what was done for it.
    pub(in crate::runtime) fn add(
        &self,
        (method, uri): (&Method, &Uri),
        answer: &Response<ResponseBody>,
        took: Duration,
        notes: &Extensions,
    ) -> String {
        let mut state = self.state();
        let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
        let (target, page) = (without_secrets(target), notes.get::<PageNote>().cloned());
        let moved = page.as_ref().map(|page| state.moved(&target, &page.covered)).unwrap_or_default();
        state.last += 1;
        let answered = Answered {
            number: state.last,
            at: SystemTime::now(),
            took,
            method: method.clone(),
            target,
            status: answer.status(),
            headers: answer.headers().clone(),
            bytes: answer.body().bytes().map_or(0, Bytes::len),
            page,
            image: notes.get().cloned(),
            moved,
        };
        let verdict = answered.verdict();
        if state.latest.len() == MOST {
            state.latest.pop_front();
        }
        state.latest.push_back(Arc::new(answered));
        verdict
    }

    /// The last one first.
    pub(super) fn latest(&self) -> Vec<Arc<Answered>> {
        self.state().latest.iter().rev().cloned().collect()
    }

    pub(super) fn get(&self, number: usize) -> Option<Arc<Answered>> {
        self.state().latest.iter().find(|answered| answered.number == number).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What moved since the page was made before, by this request or an earlier one.
    fn moved(&mut self, target: &str, now: &Explanation) -> Moved {
        let known = self.pages.iter().position(|(known, ..)| known == target).and_then(|at| self.pages.remove(at));
        let moved = match known {
            None => Moved::default(),
            Some((_, before, moved)) => match before.changes(now) {
                none if none.is_empty() => Moved { is_news: false, ..moved },
                parts => Moved { parts, at: Some(SystemTime::now()), is_news: true },
            },
        };
        if self.pages.len() == MOST_PAGES {
            self.pages.pop_front();
        }
        self.pages.push_back((target.to_owned(), now.clone(), moved.clone()));
        moved
    }
}

impl Answered {
    /// What was done for it, and why.
    pub(super) fn verdict(&self) -> String {
        if self.status == StatusCode::NOT_MODIFIED {
            return "unchanged".into();
        }
        if self.status.is_server_error() {
            return "failed: the log says why".into();
        }
        if let Some(image) = &self.image {
            return match image.made_in {
                Some(_) if image.is_late => "image that took too long: its source was sent".into(),
                Some(time) => format!("image converted in {} ms", time.as_millis()),
                None => "image converted before".into(),
            };
        }
        match (&self.page, self.reason()) {
            (Some(_), Some(reason)) if reason.starts_with("rendered") => reason,
            (Some(_), Some(reason)) => match reason.strip_prefix("changed: ") {
                Some(parts) => format!("rendered, changed: {}", first_few(parts.split(", "))),
                None => format!("rendered, {reason}"),
            },
            (Some(_), None) if self.moved.is_news => {
                format!("rendered, changed: {}", first_few(self.moved.parts.iter().map(String::as_str)))
            }
            (Some(_), None) => "rendered".into(),
            (None, Some(reason)) => reason,
            (None, None) if self.status.is_redirection() => "redirect".into(),
            (None, None) => String::new(),
        }
    }

    /// What the site says of the tag, in development.
    fn reason(&self) -> Option<String> {
        let reason = self.headers.get("x-etag-reason")?.as_bytes();
        let reason = percent_decode(reason).decode_utf8_lossy();
        // A terminal obeys control characters, and names of arguments may come from anybody.
        Some(reason.chars().map(|c| if c < ' ' || ('\x7f'..='\u{9f}').contains(&c) { '\u{fffd}' } else { c }).collect())
    }
}

/// The first parts of what changed, and how many more there are.
fn first_few<'a>(mut parts: impl Iterator<Item = &'a str>) -> String {
    let first: Vec<&str> = parts.by_ref().take(3).collect();
    match parts.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A URL, or a text with URLs in it, in which the values of secrets are hidden. They may stand in a query or in a fragment.
pub(super) fn without_secrets(text: &str) -> String {
    let mut pieces = text.split_inclusive(['?', '&', '#', ';', ',', ' ']);
    // The first one is a path, and has no names.
    let path = pieces.next().unwrap_or_default().to_owned();
    let shown = pieces.map(|piece| {
        let value = piece.trim_end_matches(['?', '&', '#', ';', ',', ' ']);
        match value.split_once('=') {
            Some((name, _)) if hidden::is_secret_name(name) => format!("{name}=<hidden>{}", &piece[value.len()..]),
            _ => piece.to_owned(),
        }
    });
    path + &shown.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::graph::Graph;
    use http::HeaderValue;
    use std::collections::BTreeMap;

    fn page(parts: &[(&str, &str)]) -> Extensions {
        let digest = |text: &str| Some(crate::fields::digest::PartDigest::of(text));
        let parts: BTreeMap<String, _> = parts.iter().map(|(name, text)| ((*name).to_owned(), digest(text))).collect();
        let graph = Arc::new(Graph::default);
        let mut notes = Extensions::new();
        notes.insert(PageNote { template: "index.html".into(), covered: Explanation::new(parts), graph });
        notes
    }

    fn add(
        requests: &Requests,
        target: &str,
        (status, reason): (u16, &'static str),
        notes: &Extensions,
    ) -> Arc<Answered> {
        let mut answer = Response::new(ResponseBody::from("12345"));
        *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
        if !reason.is_empty() {
            answer.headers_mut().insert("x-etag-reason", HeaderValue::from_static(reason));
        }
        let uri = target.parse().expect("a target");
        requests.add((&Method::GET, &uri), &answer, Duration::from_millis(3), notes);
        requests.latest()[0].clone()
    }

    #[test]
    fn each_request_says_what_was_done_for_it() {
        let requests = Requests::default();
        let (one, other) = (page(&[("args.a", "1"), ("template b", "2")]), page(&[("args.a", "2"), ("args.c", "")]));
        let nothing = Extensions::new();
        for (target, status, notes, expected) in [
            ("/", (200, ""), &one, "rendered"),
            ("/", (304, ""), &one, "unchanged"),
            ("/other", (200, ""), &other, "rendered"),
            ("/", (200, ""), &other, "rendered, changed: args.a, args.c, template b"),
            ("/", (200, ""), &other, "rendered"),
            ("/", (200, "changed: a, b, c, d, e"), &other, "rendered, changed: a, b, c and 2 more"),
            ("/", (200, "no tag: now%20is a clock"), &other, "rendered, no tag: now is a clock"),
            ("/", (200, "no tag: %1B[2J%0Ax"), &other, "rendered, no tag: \u{fffd}[2J\u{fffd}x"),
            ("/", (200, "rendered to know its tag: x"), &other, "rendered to know its tag: x"),
            ("/", (500, ""), &one, "failed: the log says why"),
            ("/a", (302, ""), &nothing, "redirect"),
            ("/a.css", (200, ""), &nothing, ""),
        ] {
            assert_eq!(add(&requests, target, status, notes).verdict(), expected, "{target} {status:?}");
        }
    }

    #[test]
    fn what_moved_stays_known_until_something_else_moves() {
        let requests = Requests::default();
        let (one, other) = (page(&[("args.a", "1")]), page(&[("args.a", "2")]));
        assert!(add(&requests, "/", (200, ""), &one).moved.parts.is_empty());
        for is_news in [true, false, false] {
            let moved = add(&requests, "/", (200, ""), &other).moved.clone();
            assert_eq!((moved.parts, moved.is_news), (vec!["args.a".to_owned()], is_news));
        }
    }

    #[test]
    fn the_latest_are_kept_and_secrets_are_not() {
        let requests = Requests::default();
        for number in 0..MOST + 5 {
            add(&requests, &format!("/{number}?token=hunter2&page=2"), (200, ""), &Extensions::new());
        }
        let latest = requests.latest();
        assert_eq!((latest.len(), latest[0].number), (MOST, MOST + 5));
        assert_eq!(latest[0].target, format!("/{}?token=<hidden>&page=2", MOST + 4));
        assert!(requests.get(3).is_none() && requests.get(MOST).is_some());
    }
}
