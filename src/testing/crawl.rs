//! Every link of a site followed, as a visitor could. It knows HTML as far as a page names other pages and files in it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use http::{Method, StatusCode, header};
use url::Url;

use super::{TestAnswer, TestSite};

/// A link of a site's own that leads to an error.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, response::Html, routing::get};
/// use chalice_http_toolkit::testing::TestSite;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let router: Router = Router::new().route("/", get(async || Html("<a href='/misspelt'>Shop</a>")));
/// let broken = TestSite::new(router).crawl("/").await;
/// assert_eq!((broken[0].page(), broken[0].target(), broken[0].status().as_u16()), ("/", "/misspelt", 404));
/// assert_eq!(broken[0].to_string(), "/ names /misspelt: 404 Not Found");
/// # });
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLink {
    page: String,
    target: String,
    status: StatusCode,
}

impl BrokenLink {
    /// The first page that names the target, as a path with its query.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// What is asked for, as a path with its query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The status of the answer: 400 or above.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for BrokenLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} names {}: {}", self.page, self.target, self.status)
    }
}

/// A request that a page lets its visitor make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    target: String,
    how: How,
}

/// How a browser follows a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Visited,
    /// A form that changes something. It is not sent; its URL is asked for by GET, and has to exist.
    Posted,
}

/// More pages than this are no site of a test: a calendar links to next month for ever.
const MOST: usize = 10_000;

impl TestSite {
    /// Follows every link of the site's own from this page on, and lists those that lead to an error: an answer of 400 or above.
    ///
    /// It follows `href`, `src`, `srcset`, `poster` and `data` of HTML elements, `action` of forms, and redirects. A page that
    /// many others name is asked for once, and the first page that names it is listed. A form that is sent by POST is not sent:
    /// its URL is asked for by GET, and 405 is no error there. Links to other origins, and those with another scheme, such as
    /// `mailto:`, are left alone. At most 10,000 URLs are asked for.
    ///
    /// It has no cookies: what only a signed-in visitor sees is not followed. Links that scripts or style sheets make are not seen.
    ///
    /// # Panics
    ///
    /// For a target that is no path.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, response::Html, routing::{get, post}};
    /// use chalice_http_toolkit::testing::TestSite;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let router: Router = Router::new()
    ///     .route("/", get(async || Html("<a href=about>About</a><form method=post action=/send></form>")))
    ///     .route("/about", get(async || Html("<a href='/#top'>Home</a><a href='https://example.com/'>Elsewhere</a>")))
    ///     .route("/send", post(async || "sent"));
    /// assert_eq!(TestSite::new(router).crawl("/").await, []);
    /// # });
    /// # }
    /// ```
    pub async fn crawl(&self, start: &str) -> Vec<BrokenLink> {
        let (mut seen, mut broken) = (BTreeMap::new(), Vec::new());
        let first = Link { target: start.to_owned(), how: How::Visited };
        let mut next = VecDeque::from([first.clone()]);
        seen.insert(first, start.to_owned());
        while let Some(link) = next.pop_front() {
            let answer = self.request(Method::GET, &link.target).header("accept", ACCEPT).send().await;
            let (status, is_form) = (answer.status(), link.how == How::Posted);
            if status.as_u16() >= 400 && !(is_form && status == StatusCode::METHOD_NOT_ALLOWED) {
                broken.push(BrokenLink { page: seen[&link].clone(), target: link.target.clone(), status });
            }
            for further in links(&answer, &link.target) {
                if seen.len() < MOST && !seen.contains_key(&further) {
                    seen.insert(further.clone(), link.target.clone());
                    next.push_back(further);
                }
            }
        }
        broken
    }
}

/// As browsers send it for a page.
const ACCEPT: &str = "text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8";

/// What an answer leads to, on the same origin.
fn links(answer: &TestAnswer, target: &str) -> Vec<Link> {
    let Some(page) = origin().and_then(|origin| origin.join(target).ok()) else { return Vec::new() };
    let mut links = Vec::new();
    if answer.status().is_redirection() {
        links.extend(link(&page, answer.header(header::LOCATION.as_str()), How::Visited));
    }
    if answer.header(header::CONTENT_TYPE.as_str()).starts_with("text/html") {
        links.extend(of_html(answer.bytes(), page));
    }
    links
}

/// Stands for the site's own origin: links within a site need none.
fn origin() -> Option<Url> {
    Url::parse("http://site.invalid/").ok()
}

fn of_html(html: &[u8], mut base: Url) -> Vec<Link> {
    let mut links = Vec::new();
    let mut emitter = DefaultEmitter::default();
    // What is within a script or a text area is text.
    emitter.naively_switch_states(true);
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        let Token::StartTag(tag) = token else { continue };
        let value = |name: &str| {
            tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(&value.value).into_owned())
        };
        if *tag.name == b"base" {
            // HTML §4.2.3: all links of the document are relative to it.
            base = value("href").and_then(|href| base.join(&href).ok()).unwrap_or(base);
            continue;
        }
        links.extend(named(&tag, value).into_iter().filter_map(|(target, how)| link(&base, &target, how)));
    }
    links
}

/// The URLs that an element names.
fn named(tag: &StartTag<()>, value: impl Fn(&str) -> Option<String>) -> Vec<(String, How)> {
    let get = |name: &str| value(name).map(|value| (value, How::Visited));
    let sets = || value("srcset").into_iter().flat_map(|set| candidates(&set));
    match &tag.name[..] {
        // What a `rel` such as `preconnect` names is an origin, and no resource.
        b"link" if value("rel").is_some_and(|rel| rel.contains("preconnect") || rel.contains("dns-prefetch")) => {
            Vec::new()
        }
        b"a" | b"area" | b"link" => get("href").into_iter().collect(),
        b"img" | b"source" | b"script" | b"iframe" | b"audio" | b"video" | b"track" | b"embed" | b"input" => {
            get("src").into_iter().chain(get("poster")).chain(sets()).collect()
        }
        b"object" => get("data").into_iter().collect(),
        b"form" => {
            let is_post = value("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
            let how = if is_post { How::Posted } else { How::Visited };
            value("action").map(|action| (action, how)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The URLs of a `srcset` (HTML §4.8.4.2.1): each ends at a blank or with a comma, and what describes it ends at one.
fn candidates(set: &str) -> Vec<(String, How)> {
    let mut urls = Vec::new();
    let mut rest = set;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        if url.is_empty() {
            return urls;
        }
        urls.push((url.trim_end_matches(',').to_owned(), How::Visited));
        rest = if url.ends_with(',') { after } else { after.split_once(',').map_or("", |(_, next)| next) };
    }
}

/// A link as a path with its query, if it stays on the site.
fn link(base: &Url, target: &str, how: How) -> Option<Link> {
    let url = base.join(target).ok()?;
    let is_own = url.origin() == base.origin();
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    is_own.then(|| Link { target: format!("{}{query}", url.path()), how })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_to_all_that_it_names_on_its_own_origin() {
        let base = origin().expect("a URL").join("/shop/list?page=1").expect("a path");
        for (html, expected) in [
            ("<a href=/a>", &["/a"][..]),
            ("<A HREF='b?x=1&amp;y=2#part'>", &["/shop/b?x=1&y=2"]),
            ("<a href='?page=2'>", &["/shop/list?page=2"]),
            ("<a href='#top'>", &["/shop/list?page=1"]),
            ("<a href=''>", &["/shop/list?page=1"]),
            ("<a name=x>", &[]),
            ("<area href=/a><link rel=stylesheet href=/s.css><script src=/s.js></script>", &["/a", "/s.css", "/s.js"]),
            ("<link rel=preconnect href=/>", &[]),
            ("<img src=/a.jpg srcset='/a.jpg?w=1 1x, /b,c.jpg?w=2 2x'>", &["/a.jpg", "/a.jpg?w=1", "/b,c.jpg?w=2"]),
            ("<img srcset='/a 1x,/b 2x'><img srcset='/c, /d'>", &["/a", "/b", "/c", "/d"]),
            ("<picture><source srcset='/a 320w,\n /b 640w'></picture>", &["/a", "/b"]),
            ("<video src=/v.mp4 poster=/p.jpg><track src=/t.vtt></video>", &["/v.mp4", "/p.jpg", "/t.vtt"]),
            (
                "<iframe src=/i></iframe><object data=/o></object><embed src=/e><input type=image src=/n>",
                &["/i", "/o", "/e", "/n"],
            ),
            ("<form action=/search></form><form method=POST action=/send></form>", &["/search", "POST /send"]),
            ("<form method=post></form>", &[]),
            ("<base href=/other/><a href=x>", &["/other/x"]),
            ("<a href=https://example.com/x><a href=//example.com/y><a href=mailto:a@b.c><a href=data:,x>", &[]),
            ("<a href=http://site.invalid/own>", &["/own"]),
            ("<!-- <a href=/comment> --><script>'<a href=/script>'</script><textarea><a href=/t></textarea>", &[]),
            ("<a href='/a b'><a href='/é'>", &["/a%20b", "/%C3%A9"]),
            ("<a href='/x", &[]),
        ] {
            let told = |link: Link| match link.how {
                How::Visited => link.target,
                How::Posted => format!("POST {}", link.target),
            };
            let links: Vec<String> = of_html(html.as_bytes(), base.clone()).into_iter().map(told).collect();
            assert_eq!(links, expected, "{html}");
        }
    }
}
