//! The address that visitors have, for the URLs that must be absolute. It is told, and never taken from a request.
//!
//! SECURITY: behind CloudFront the Host field names the API, and without it whoever sends a request writes the field. A page
//! whose links are made from it, once kept by a cache, leads everybody to a stranger's host.

use super::ContentManager;
use crate::{
    error::{Error, ErrorKind, Result},
    fields::web_origin::WebOrigin,
};

impl ContentManager {
    /// The origin at which visitors reach the site, `https://www.shop.example`, for URLs that must be absolute: in feeds,
    /// sitemaps, `og:image`, canonical links and mails. Templates make them by `absolute_url('/path')`; it takes what `url()` and
    /// `static()` give too, and carries the prefix under which the site is mounted once. The tag of a page that uses it
    /// covers the origin. [`redirect`](Self::redirect) takes absolute URLs of it. Default: none, and `absolute_url` is an error
    /// that says so.
    ///
    /// A request cannot say it: behind CloudFront its Host is the API's, and anybody may send another.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what is no origin, with the reason: a scheme (`https` or `http`), a host, perhaps a
    /// port, and nothing behind them.
    ///
    /// # Examples
    ///
    /// A sitemap, and a page with a picture for those who link to it:
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded};
    /// use http_body_util::BodyExt;
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[
    ///     ("sitemap.xml", b"<urlset><url><loc>{{ absolute_url('/bowls?page=1') }}</loc></url></urlset>"),
    ///     ("page.html", b"<meta property=og:image content=\"{{ absolute_url(static('bowl.jpg')) }}\">"),
    /// ]);
    /// const FILES: Embedded = Embedded::new(&[("bowl.jpg", b"\xff\xd8\xff")]);
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(TEMPLATES, FILES)?.with_public_origin("https://www.shop.example")?;
    /// assert_eq!(content.public_origin(), Some("https://www.shop.example"));
    /// for (name, expected) in [
    ///     ("sitemap.xml", "<loc>https://www.shop.example/bowls?page=1</loc>"),
    ///     ("page.html", "\"https://www.shop.example/static/bowl."),
    /// ] {
    ///     let request = http::Request::get("/").header("host", "evil.example").body(()).unwrap();
    ///     let response = CloudFront::new().respond(&request, content.render_template(name, ())?).await?;
    ///     let bytes = response.into_body().collect().await.unwrap().to_bytes();
    ///     assert!(String::from_utf8_lossy(&bytes).contains(expected));
    /// }
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_public_origin(self, origin: &str) -> Result<Self> {
        let parsed = WebOrigin::parse(origin).map_err(|why| {
            // What stands before an `@` may be a password.
            let shown = origin.rsplit('@').next().unwrap_or_default();
            let message = format!("the public origin `{shown}` is none, such as `https://www.shop.example`: {why}");
            Error::new(ErrorKind::Configuration, message)
        })?;
        Ok(self.with_settings(|settings| settings.public_origin = Some(parsed.to_string())))
    }

    /// The [public origin](Self::with_public_origin), for absolute URLs that no template makes.
    pub fn public_origin(&self) -> Option<&str> {
        self.setup.settings.public_origin.as_deref()
    }
}
