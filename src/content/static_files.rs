//! Finds the static file for a name or URL. It does not read files.

use std::sync::Arc;

use http::{HeaderValue, Uri, header};

use super::ContentManager;
use crate::{
    fields::cache_tags::ClosureTag,
    files::{
        assets,
        path::{AssetPath, Refusal, WELL_KNOWN},
    },
    representation::Representation,
};

impl ContentManager {
    /// The static file of this name (`css/site.css`), or the [`not_found`](Self::not_found) page, which takes no policy or
    /// other field that is set for the file.
    ///
    /// Content-Type by the extension, by content where that says nothing, with `nosniff`. A strong ETag from the
    /// content; byte ranges; GET and HEAD only. A name with the current fingerprint is `public, max-age=31536000,
    /// immutable`, one with an outdated fingerprint `no-cache`, a plain one has the default policy.
    ///
    /// Where `css/site.css.br` or `.gz` lie beside the file, a client that accepts that coding gets it, with its own ETag
    /// and `Vary: accept-encoding`. One that does not decompress to exactly the file, as after an edit, is not sent: the log
    /// says so once, and [`check`](Self::check) finds it.
    ///
    /// What is hidden (a segment of its name starts with a dot) is not found, but for `.well-known/` at the root of the
    /// static files (RFC 8615). At the level `debug` the log says why nothing was found.
    pub fn static_file(&self, name: &str) -> Representation {
        self.static_at(name, AssetPath::from_name(name), None)
    }

    /// The static file that a request's URL means: one that starts with the static prefix, or with `/.well-known/`, whose
    /// place no site can choose (RFC 8615); else the [`not_found`](Self::not_found) page.
    ///
    /// The path is decoded exactly once, segment by segment. What has `..`, a hidden file, a backslash, a NUL or an
    /// encoded slash in it is not found.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// const FILES: Embedded = Embedded::new(&[("a b.txt", b"hello")]);
    /// let content = ContentManager::new(Embedded::new(&[]), FILES)?;
    /// let file = content.static_file_at(&"/static/a%20b.txt".parse().unwrap());
    /// let same = content.static_file("a b.txt");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    ///
    /// `static/.well-known/security.txt` needs a route, and no handler of its own:
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, extract::State, http::Uri, routing::get};
    /// use chalice_http_toolkit::{ContentManager, Representation};
    ///
    /// async fn file(State(content): State<ContentManager>, uri: Uri) -> Representation {
    ///     content.static_file_at(&uri)
    /// }
    /// let router: Router<ContentManager> =
    ///     Router::new().route("/static/{*path}", get(file)).route("/.well-known/{*path}", get(file));
    /// # }
    /// ```
    pub fn static_file_at(&self, uri: &Uri) -> Representation {
        let below = |prefix: &str| uri.path().strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        let is_well_known = |path: &&str| path.strip_prefix(WELL_KNOWN).is_some_and(|rest| rest.starts_with('/'));
        let path = below(&self.setup.settings.static_prefix).or_else(|| below("").filter(is_well_known));
        let path = path.ok_or("it is not below the prefix of static files").and_then(AssetPath::from_url);
        self.static_at(uri.path(), path, uri.query())
    }

    fn static_at(&self, asked: &str, path: Result<AssetPath, Refusal>, query: Option<&str>) -> Representation {
        let path = match path {
            Ok(path) => path,
            Err(why) => {
                tracing::debug!(asked, why, "no static file is meant");
                return self.not_found().standing_in();
            }
        };
        let snapshot = self.snapshot();
        let assets = snapshot.assets.clone();
        let images = &self.setup.settings.images;
        let negotiates = images.negotiates(&assets, &path, query);
        let answer = images.represent(&assets, &path, query).or_else(|| {
            let found = assets.find(&path)?;
            assets::represent(assets, found)
        });
        let answer = match answer {
            Some(answer) => answer.with_closure(ClosureTag::Lazy(Arc::new(move || snapshot.cache_tag_of_file(&path)))),
            None => {
                tracing::debug!(asked, file = path.as_str(), "there is no such static file");
                self.not_found().standing_in()
            }
        };
        if negotiates {
            // Also where there is no such image now: the same URL may have one later (RFC 9110 §12.5.5).
            return answer.with_added_header(header::VARY, HeaderValue::from_static("accept"));
        }
        answer
    }
}
