//! The paths of a site by name: one owner for the router and for the links. It knows no router and no template.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, ErrorKind, Result};

/// A path of the site with a name, as axum's routers write it: `/posts/{slug}`, `/files/{*path}`.
///
/// Make one constant for each route. The router uses its [`path`](Self::path), handlers use [`url`](Self::url), and templates use
/// `url_for('post', slug=post.slug)`, after [`with_routes`](crate::ContentManager::with_routes).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn site() -> Result<(), chalice_http_toolkit::Error> {
/// use axum::{Router, extract::{Path, State}, routing::get};
/// use chalice_http_toolkit::{Answer, ContentManager, Embedded, Route};
/// use serde_json::json;
///
/// const POST: Route = Route::new("post", "/posts/{slug}");
/// const SEARCH: Route = Route::new("search", "/search");
///
/// async fn post(State(content): State<ContentManager>, Path(slug): Path<String>) -> Answer {
///     Ok(content.render_template("post.html", json!({ "slug": slug }))?)
/// }
///
/// const TEMPLATES: Embedded =
///     Embedded::new(&[("post.html", b"<a href=\"{{ url_for('post', slug=slug) }}\">{{ slug }}</a>")]);
/// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?.with_routes([POST, SEARCH])?;
/// assert!(content.check().is_empty()); // each url_for names a route, and has what that needs
/// let router: Router = Router::new().route(POST.path(), get(post)).with_state(content.clone());
/// // After a form:
/// let answer = content.see_other(&POST.url([("slug", "clay & glaze")])?);
/// # Ok(())
/// # }
/// # #[cfg(feature = "axum")]
/// # site().unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    name: &'static str,
    path: &'static str,
}

/// A part of a path.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(String),
    /// One segment, or, with a star, the rest of the path.
    Parameter {
        name: &'a str,
        is_rest: bool,
    },
}

impl Route {
    /// A route with this name and path. `{name}` is a parameter, `{*name}` is the rest of the path, and `{{` and `}}` are braces.
    pub const fn new(name: &'static str, path: &'static str) -> Self {
        Self { name, path }
    }

    /// The name.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::Route;
    ///
    /// const POST: Route = Route::new("post", "/posts/{slug}");
    /// assert_eq!((POST.name(), POST.path()), ("post", "/posts/{slug}"));
    /// ```
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The path with its parameters, for the router.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The path with these values, for [`redirect`](crate::ContentManager::redirect) and
    /// [`see_other`](crate::ContentManager::see_other), which add the mount prefix. Each value is percent-encoded. A value that is
    /// no parameter of the path goes into the query.
    ///
    /// Front doors decode a path before the router sees it. So a value with a slash arrives as several segments. Use a parameter
    /// with a star for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if a value is missing. [`ErrorKind::Redirect`] if a value is empty, `.` or `..`, because
    /// browsers remove such segments from a path, and if the path would begin with two slashes, which lead to another site.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::Route;
    ///
    /// const POST: Route = Route::new("post", "/posts/{slug}");
    /// assert_eq!(POST.url([("slug", "50 %/é")])?, "/posts/50%20%25%2F%C3%A9");
    /// assert_eq!(POST.url([("slug", "clay"), ("page", "2")])?, "/posts/clay?page=2");
    /// assert_eq!(POST.url([("page", "2")]).unwrap_err().to_string(), "the route `post` needs `slug`");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn url<'a, V: AsRef<str>>(&self, values: impl IntoIterator<Item = (&'a str, V)>) -> Result<String> {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.as_ref().to_owned()));
        let values: Vec<_> = values.collect();
        if let Some(missing) = self.missing(|name| values.iter().any(|(given, _)| given == name)) {
            return Err(Error::new(ErrorKind::Configuration, missing));
        }
        self.filled(values).map_err(|problem| Error::new(ErrorKind::Redirect, problem))
    }

    /// The first parameter that is not given, in a sentence.
    pub(crate) fn missing(&self, is_given: impl Fn(&str) -> bool) -> Option<String> {
        let pieces = pieces(self.path).unwrap_or_default();
        let parameters = pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter { name, .. } => Some(*name),
            Piece::Text(_) => None,
        });
        let missing: Vec<_> = parameters.filter(|name| !is_given(name)).map(|name| format!("`{name}`")).collect();
        (!missing.is_empty()).then(|| format!("the route `{}` needs {}", self.name, missing.join(" and ")))
    }

    /// The path with these values, by their names.
    pub(crate) fn filled(&self, mut values: Vec<(String, String)>) -> Result<String, String> {
        let mut url = String::new();
        for piece in pieces(self.path)? {
            let (name, is_rest) = match piece {
                Piece::Text(text) => {
                    url += &text;
                    continue;
                }
                Piece::Parameter { name, is_rest } => (name, is_rest),
            };
            let at = values.iter().position(|(given, _)| given == name);
            let at = at.ok_or_else(|| format!("the route `{}` needs `{name}`", self.name))?;
            let (_, value) = values.remove(at);
            // SECURITY: browsers take these out of a path, also where they are percent-encoded (URL Standard, §4.1).
            let is_taken_out = |segment: &str| matches!(segment, "." | "..");
            if value.is_empty() || is_taken_out(&value) || (is_rest && value.split('/').any(is_taken_out)) {
                return Err(format!("the route `{}` can't have `{value}` as its `{name}`", self.name));
            }
            url.extend(utf8_percent_encode(&value, if is_rest { NOT_IN_REST } else { NOT_IN_SEGMENT }));
        }
        // SECURITY: behind two slashes a browser reads the name of another site (RFC 3986 §4.2).
        if url.starts_with("//") {
            return Err(format!("the route `{}` can't be `{url}`, which leads to another site", self.name));
        }
        for (at, (name, value)) in values.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.extend(utf8_percent_encode(name, NOT_IN_SEGMENT));
            url.push('=');
            url.extend(utf8_percent_encode(value, NOT_IN_SEGMENT));
        }
        Ok(url)
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = match pieces(self.path) {
            _ if !self.path.starts_with('/') => "it does not begin with a slash",
            _ if self.path.starts_with("//") => "it begins with two slashes, which lead to another site",
            _ if self.path.contains(['?', '#']) => "a query or a fragment is no part of a path",
            Ok(_) => return None,
            Err(problem) => problem,
        };
        Some(format!("the path `{}` of the route `{}` is none: {problem}", self.path, self.name))
    }
}

/// Everything but the unreserved characters (RFC 3986 §2.3) is encoded.
const NOT_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const NOT_IN_REST: &AsciiSet = &NOT_IN_SEGMENT.remove(b'/');

fn pieces(path: &str) -> Result<Vec<Piece<'_>>, &'static str> {
    let (mut pieces, mut text, mut left) = (Vec::new(), String::new(), path);
    while let Some(at) = left.find(['{', '}']) {
        let (before, rest) = left.split_at(at);
        text += before;
        if let Some(after) = rest.strip_prefix("{{").or(rest.strip_prefix("}}")) {
            text += &format!("%{:X}", rest.as_bytes()[0]);
            left = after;
            continue;
        }
        let inside = rest.strip_prefix('{').ok_or("a brace is closed that was not opened")?;
        let (name, after) = inside.split_once('}').ok_or("a brace is not closed")?;
        let (name, is_rest) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
        if name.is_empty() || name.contains(['{', '/', '*']) {
            return Err("a parameter has no name");
        }
        pieces.extend((!text.is_empty()).then(|| Piece::Text(std::mem::take(&mut text))));
        pieces.push(Piece::Parameter { name, is_rest });
        left = after;
    }
    text += left;
    pieces.extend((!text.is_empty()).then_some(Piece::Text(text)));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_for_their_place() {
        for (path, values, expected) in [
            ("/", &[][..], Some("/")),
            ("/p/{a}", &[("a", "x")], Some("/p/x")),
            ("/p/{a}", &[("a", "a/b")], Some("/p/a%2Fb")),
            ("/p/{a}", &[("a", "é ?#%&'\"<>\\+")], Some("/p/%C3%A9%20%3F%23%25%26%27%22%3C%3E%5C%2B")),
            ("/p/{a}", &[("a", "..")], None),
            ("/p/{a}", &[("a", ".")], None),
            ("/p/{a}", &[("a", "...")], Some("/p/...")),
            ("/p/{a}", &[("a", "")], None),
            ("/p/{a}", &[], None),
            ("/p/{*a}", &[("a", "x/y z")], Some("/p/x/y%20z")),
            ("/p/{*a}", &[("a", "x/../y")], None),
            ("/{*a}", &[("a", "x//y")], Some("/x//y")),
            ("/{*a}", &[("a", "/evil.example")], None),
            ("/{*a}", &[("a", "\\evil.example")], Some("/%5Cevil.example")),
            ("/p/{a}/q/{b}.html", &[("b", "2"), ("a", "1")], Some("/p/1/q/2.html")),
            ("/p/{{x}}", &[("q", "a&b"), ("r", "")], Some("/p/%7Bx%7D?q=a%26b&r=")),
        ] {
            let url = Route::new("r", path).url(values.iter().copied());
            assert_eq!(url.ok().as_deref(), expected, "{path} {values:?}");
        }
    }

    #[test]
    fn paths_that_no_router_takes_are_refused() {
        for path in ["", "p", "//p", "/{", "/}", "/{}", "/{*}", "/{a/b}", "/a?b", "/a#b"] {
            assert!(Route::new("r", path).problem().is_some(), "{path}");
        }
        assert_eq!(Route::new("r", "/{a}/{*b}").problem(), None);
    }
}
