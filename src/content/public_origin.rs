//! The address that visitors have, for the URLs that must be absolute. It is told, and never taken from a request.
//!
//! SECURITY: behind CloudFront the Host field names the API, and without it whoever sends a request writes the field. A page
//! whose links are made from it, once kept by a cache, leads everybody to a stranger's host.

use super::ContentManager;
use crate::{
    error::{Error, ErrorKind, Result},
    fields::web_origin::WebOrigin,
    stage::Stage,
    variables,
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

    /// Takes the [public origin](Self::with_public_origin) from the environment variable `PUBLIC_ORIGIN`. In development
    /// ([`Stage`]) it is the local server's where the variable is not set or empty: `http://127.0.0.1:3000`, with the port of
    /// `PORT`. In production the site does not start without it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the variable is missing in production, or is not an origin.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?.with_public_origin_from_env()?;
    /// assert!(content.public_origin().is_some());
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_public_origin_from_env(self) -> Result<Self> {
        self.with_public_origin(&from_variables(Stage::current(), variables::PROCESS)?)
    }

    /// The [public origin](Self::with_public_origin), for absolute URLs that no template makes.
    pub fn public_origin(&self) -> Option<&str> {
        self.setup.settings.public_origin.as_deref()
    }
}

fn from_variables(stage: Stage, read: variables::Read<'_>) -> Result<String> {
    match variables::text(VARIABLE, read)? {
        Some(origin) => Ok(origin),
        None if stage.is_development() => {
            let port = variables::text("PORT", read)?;
            Ok(format!("http://127.0.0.1:{}", port.as_deref().unwrap_or("3000")))
        }
        None => {
            let message = format!(
                "{VARIABLE} is not set: set it to the address that visitors have, such as `https://www.shop.example`; only with \
                 STAGE=dev it may be left out"
            );
            Err(Error::new(ErrorKind::Configuration, message))
        }
    }
}

const VARIABLE: &str = "PUBLIC_ORIGIN";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_origin_may_be_left_out_in_development_alone() {
        let (dev, prod) = (Stage::of(Some("dev"), true), Stage::of(Some("prod"), true));
        let shop = Some("https://shop.example");
        for (stage, origin, port, expected) in [
            (dev, None, None, Some("http://127.0.0.1:3000")),
            (dev, Some(""), Some("8080"), Some("http://127.0.0.1:8080")),
            (dev, shop, Some("8080"), shop),
            (prod, shop, None, shop),
            (prod, None, None, None),
            (prod, Some(""), Some("8080"), None),
        ] {
            let read = |name: &str| if name == VARIABLE { origin } else { port }.map(Into::into);
            assert_eq!(from_variables(stage, &read).ok().as_deref(), expected, "{stage:?} {origin:?} {port:?}");
        }
    }
}
