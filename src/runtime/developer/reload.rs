//! Pages that show an edit by themselves: the script that they get in development, and the stream of events that it listens to.
//! Both are put on when an answer leaves the local server, so that nothing behind it knows of them.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    fields::{entity_tag::TagList, owners},
    files::changes::{Change, FolderState},
    response_body::ResponseBody,
};

pub(super) const SCRIPT_PATH: &str = "/_dev/reload.js";
pub(super) const EVENTS_PATH: &str = "/_dev/events";

pub(super) const SCRIPT: &str = include_str!("reload.js");

/// What a script has to say where a policy trusts no addresses (CSP Level 3, `'strict-dynamic'`). It is the same for each page,
/// as a page that the browser has kept goes with the policy of a later 304.
const NONCE: &str = "dev-reload";

/// How often folders are looked at while a browser listens, and how long an editor has to write all of a file.
const EVERY: Duration = Duration::from_millis(300);
const SETTLED: Duration = Duration::from_millis(60);

/// After so many looks without a change a comment shows whether the browser is still there.
const QUIET_LOOKS: usize = 50;

/// A page that a browser shows in a tab.
pub(in crate::runtime) struct Document {
    host: String,
    /// What there is to show, which the script compares with what there is when it listens.
    id: String,
}

/// What is another one after each build and each edit.
pub(super) fn id(process: &str, state: &FolderState) -> String {
    let mut hash = DefaultHasher::new();
    (process, state.id()).hash(&mut hash);
    format!("{:016x}", hash.finish())
}

impl Document {
    /// What a browser asks for to show it in a tab (Fetch Metadata, `Sec-Fetch-Dest`); `None` for all else. Of the tags that the
    /// browser has, those of pages with this script are asked for.
    pub(super) fn of(request: &mut request::Parts, id: String) -> Option<Self> {
        let text = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
        let is_document = text(HeaderName::from_static("sec-fetch-dest")) == Some("document");
        if request.method != Method::GET || !is_document || request.headers.contains_key(header::RANGE) {
            return None;
        }
        let document = Self { host: text(header::HOST)?.to_owned(), id };
        let end = document.end_of_tag();
        let held = match TagList::parse(request.headers.get_all(header::IF_NONE_MATCH).iter()) {
            Some(TagList::Tags(tags)) => tags,
            Some(TagList::Any) | None => Vec::new(),
        };
        let held = held.iter().filter_map(|tag| Some(format!("{}\"", tag.to_string().strip_suffix(&end)?)));
        let held = HeaderValue::from_str(&held.collect::<Vec<_>>().join(", ")).ok().filter(|held| !held.is_empty());
        // A compressed page would have to be unpacked.
        for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::ACCEPT_ENCODING] {
            request.headers.remove(name);
        }
        request.headers.extend(held.map(|held| (header::IF_NONE_MATCH, held)));
        Some(document)
    }

    /// How the tag of a page ends that has the script: it is another representation.
    fn end_of_tag(&self) -> String {
        format!("-dev-{}\"", self.id)
    }

    /// The answer with the script, where it is a page that is whole.
    pub(in crate::runtime) fn with_script_in(&self, answer: Response<ResponseBody>) -> Response<ResponseBody> {
        match answer.body().bytes().cloned() {
            Some(page) => self.with_script(answer.map(|_| page)).map(ResponseBody::from),
            None => answer,
        }
    }

    fn with_script(&self, answer: Response<Bytes>) -> Response<Bytes> {
        let (mut parts, body) = answer.into_parts();
        let is_kept = parts.status == StatusCode::NOT_MODIFIED;
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_page = text(header::CONTENT_TYPE).to_ascii_lowercase().starts_with("text/html")
            && text(header::CONTENT_ENCODING).is_empty()
            // What a browser saves is saved as the site sent it.
            && text(header::CONTENT_DISPOSITION).is_empty()
            && parts.status != StatusCode::PARTIAL_CONTENT;
        if !is_kept && !is_page {
            return Response::from_parts(parts, body);
        }
        let tag = text(header::ETAG).strip_suffix('"').map(|tag| format!("{tag}{}", self.end_of_tag()));
        if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
            parts.headers.insert(header::ETAG, tag);
        }
        owners::vary_by(&mut parts.headers, "sec-fetch-dest");
        for name in [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY] {
            self.allow_script(&mut parts.headers, &name);
        }
        if is_kept {
            return Response::from_parts(parts, body);
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, with_script(&body, &self.id))
    }

    fn allow_script(&self, headers: &mut HeaderMap, name: &HeaderName) {
        let lines: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
        headers.remove(name);
        for line in lines {
            // Several policies may stand in one line.
            let policies = line.to_str().ok().map(|line| line.split(',').map(|policy| self.allowed_by(policy)));
            let allowed = policies.map(|policies| policies.collect::<Vec<_>>().join(","));
            let allowed = allowed.and_then(|allowed| HeaderValue::from_str(&allowed).ok());
            headers.append(name, allowed.unwrap_or(line));
        }
    }

    /// A policy that allows these two addresses besides what it allows already: what it blocks of the site stays blocked.
    fn allowed_by(&self, policy: &str) -> String {
        let mut directives: Vec<String> = policy.split(';').map(str::to_owned).collect();
        for (names, path) in [
            (&["script-src-elem", "script-src", "default-src"][..], SCRIPT_PATH),
            (&["connect-src", "default-src"], EVENTS_PATH),
        ] {
            let is = |directive: &String, name: &str| {
                directive.split_ascii_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(name))
            };
            // A browser looks at the first that is there.
            let found = names.iter().find_map(|name| directives.iter().position(|directive| is(directive, name)));
            let Some(at) = found else { continue };
            let sources: Vec<&str> = directives[at].split_ascii_whitespace().skip(1).collect();
            let has = |source: &str| sources.iter().any(|one| one.eq_ignore_ascii_case(source));
            let is_strict = has("'strict-dynamic'");
            if has("'self'") && !is_strict {
                continue;
            }
            let mut sources: Vec<&str> =
                sources.iter().copied().filter(|source| !source.eq_ignore_ascii_case("'none'")).collect();
            let added = match is_strict {
                true => format!("'nonce-{NONCE}'"),
                false => format!("http://{}{path}", self.host),
            };
            sources.push(&added);
            let allowing = |name: &str| format!(" {name} {}", sources.join(" "));
            match is(&directives[at], "default-src") {
                true => directives.push(allowing(names[0])),
                false => {
                    let name = directives[at].split_ascii_whitespace().next().unwrap_or_default();
                    directives[at] = allowing(name);
                }
            }
        }
        directives.join(";")
    }
}

/// A page with the script at the end of its body.
fn with_script(page: &[u8], id: &str) -> Bytes {
    let script = format!("<script src=\"{SCRIPT_PATH}\" nonce=\"{NONCE}\" data-id=\"{id}\" defer></script>");
    let end = page.windows(7).rposition(|text| text.eq_ignore_ascii_case(b"</body>")).unwrap_or(page.len());
    [&page[..end], script.as_bytes(), &page[end..]].concat().into()
}

/// What a browser listens to: a first event with the id of what there is, and one for each edit.
pub(super) fn events(process: &str) -> ResponseBody {
    let watch = Watch { process: process.to_owned(), seen: None };
    let events = stream::unfold(watch, async |mut watch| {
        let event = watch.next().await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(event))), watch))
    });
    ResponseBody::stream(StreamBody::new(events))
}

struct Watch {
    process: String,
    seen: Option<FolderState>,
}

impl Watch {
    async fn next(&mut self) -> String {
        let Some(before) = &self.seen else {
            let now = FolderState::now();
            let hello = format!("retry: 300\nevent: hello\ndata: {}\n\n", id(&self.process, &now));
            self.seen = Some(now);
            return hello;
        };
        for _ in 0..QUIET_LOOKS {
            sleep(EVERY).await;
            if FolderState::now() == *before {
                continue;
            }
            sleep(SETTLED).await;
            let now = FolderState::now();
            let changes = now.changes_since(before);
            let of = |wanted| changes.iter().filter(move |(change, _)| *change == wanted).map(|(_, name)| *name);
            let data = json!({
                "id": id(&self.process, &now),
                "page": of(Change::Page).next().is_some(),
                "styles": of(Change::Style).collect::<Vec<_>>(),
                "images": of(Change::Image).collect::<Vec<_>>(),
            });
            self.seen = Some(now);
            return format!("event: change\ndata: {data}\n\n");
        }
        ":\n\n".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn document(fields: &[(&'static str, &str)]) -> (Option<Document>, HeaderMap) {
        let mut request = Request::get("/").header("host", "localhost:3000");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).expect("a request").into_parts().0;
        (Document::of(&mut parts, "7".into()), parts.headers)
    }

    const DOCUMENT: (&str, &str) = ("sec-fetch-dest", "document");

    #[test]
    fn only_a_page_in_a_tab_has_the_script() {
        for (fields, expected) in [
            (&[DOCUMENT][..], true),
            (&[("sec-fetch-dest", "empty")], false),
            (&[("sec-fetch-dest", "iframe")], false),
            (&[DOCUMENT, ("range", "bytes=0-1")], false),
            (&[], false),
        ] {
            assert_eq!(document(fields).0.is_some(), expected, "{fields:?}");
        }
        let page = document(&[DOCUMENT]).0.expect("a page");
        for (content_type, more, has_script) in [
            ("text/html; charset=utf-8", "x-a", true),
            ("Text/HTML", "x-a", true),
            ("text/html", "content-encoding", false),
            ("text/html", "content-disposition", false),
            ("text/plain", "x-a", false),
            ("image/svg+xml", "x-a", false),
        ] {
            let answer = Response::builder().header("content-type", content_type).header(more, "br");
            let answer = answer.header("etag", "W/\"1\"").header("content-length", "7");
            let answer = page.with_script(answer.body(Bytes::from("<p></p>")).expect("an answer"));
            assert_eq!(answer.body().len() > 7, has_script, "{content_type}");
            assert_eq!(answer.headers()["etag"] == "W/\"1-dev-7\"", has_script);
            assert_eq!(answer.headers().contains_key("content-length"), !has_script);
        }
    }

    #[test]
    fn the_script_stands_at_the_end_of_the_body() {
        let with_script = |page: &str| String::from_utf8(with_script(page.as_bytes(), "7").to_vec()).expect("text");
        let script = with_script("");
        assert!(script.starts_with("<script src=\"/_dev/reload.js\""));
        assert_eq!(with_script("<BODY>a</body>b</BODY></html>"), format!("<BODY>a</body>b{script}</BODY></html>"));
        assert_eq!(with_script("<p>a"), format!("<p>a{script}"));
    }

    #[test]
    fn a_page_without_the_script_is_never_taken_for_one_with_it() {
        for (held, asked) in [
            ("\"1\"", None),
            ("\"1-dev-7\"", Some("\"1\"")),
            ("\"1-dev-6\"", None),
            ("W/\"1-dev-7\", \"2\" , \"3-dev-7\"", Some("W/\"1\", \"3\"")),
            ("*", None),
            ("nonsense", None),
        ] {
            let date = "Wed, 01 Jan 2025 00:00:00 GMT";
            let (page, headers) = document(&[DOCUMENT, ("if-none-match", held), ("if-modified-since", date)]);
            assert_eq!(headers.get("if-none-match").map(|value| value.to_str().unwrap()), asked, "{held}");
            assert!(!headers.contains_key("if-modified-since"));
            let kept = Response::builder().status(304).header("etag", "\"1\"").body(Bytes::new()).unwrap();
            let kept = page.expect("a page").with_script(kept);
            assert_eq!((kept.headers()["etag"].to_str().unwrap(), kept.body().len()), ("\"1-dev-7\"", 0));
        }
        let (_, headers) = document(&[("if-none-match", "\"1-dev-7\"")]);
        assert_eq!(headers["if-none-match"], "\"1-dev-7\"", "what is no page in a tab is asked for as it is");
    }

    #[test]
    fn a_policy_allows_the_script_and_nothing_else_of_the_site() {
        let page = document(&[DOCUMENT]).0.expect("a page");
        let (script, events) = ("http://localhost:3000/_dev/reload.js", "http://localhost:3000/_dev/events");
        for (policy, expected) in [
            ("default-src 'self'; img-src 'self' data:", "default-src 'self'; img-src 'self' data:".to_owned()),
            ("img-src 'self'", "img-src 'self'".to_owned()),
            (
                "default-src 'none'; script-src 'sha256-x'",
                format!("default-src 'none'; script-src 'sha256-x' {script}; connect-src {events}"),
            ),
            ("default-src 'none'", format!("default-src 'none'; script-src-elem {script}; connect-src {events}")),
            ("Script-Src 'strict-dynamic' 'self'", " Script-Src 'strict-dynamic' 'self' 'nonce-dev-reload'".to_owned()),
            ("script-src 'none',script-src 'self'", format!(" script-src {script},script-src 'self'")),
        ] {
            assert_eq!(page.allowed_by_all(policy), expected, "{policy}");
        }
    }

    impl Document {
        fn allowed_by_all(&self, policy: &str) -> String {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(policy).expect("a policy"));
            self.allow_script(&mut headers, &header::CONTENT_SECURITY_POLICY);
            headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned()
        }
    }
}
