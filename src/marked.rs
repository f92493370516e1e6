//! What is said of a representation beside its fields: whom it is for, what it stands for, and who has computed its tag. It does
//! not know what follows from that.

use crate::{fields::entity_tag::EntityTag, representation::Representation};

impl Representation {
    /// Says that it is made for one visitor, by whatever the site knows them: a session, a certificate, an address. It is
    /// sent with `Vary: cookie`, and no shared cache keeps it, whatever its Cache-Control says: a policy that would let one
    /// becomes `private, no-cache`, and any policy `private, no-store` where it sets a cookie. Fields for caches of a CDN alone
    /// (`CDN-Cache-Control`, `Surrogate-Control` and their like, RFC 9213) go. That holds for a 304 too, and in an
    /// [`App`](crate::App) for what layers outside of the `CloudFront` layer say. Default: not;
    /// what reads a cookie from `CookieJar` (feature `cookies`) is so by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CacheControl, CloudFront, Representation};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let account = Representation::new("text/plain", "your orders").with_cache_control(CacheControl::immutable());
    /// let response = CloudFront::new().respond(&http::Request::new(()), account.with_personal()).await?;
    /// assert_eq!(response.headers()["cache-control"], "private, no-cache");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_personal(mut self) -> Self {
        self.marks.personal = true;
        self
    }

    /// Says that its body is a plain sentence of this crate's, for a site's error page to take the place of.
    #[cfg_attr(not(feature = "images"), allow(dead_code, reason = "only the parameters of images are refused so"))]
    pub(crate) fn with_refusal(mut self) -> Self {
        self.marks.refusal = true;
        self
    }

    /// Gives it a tag that this crate has computed, of what a GET sends.
    pub(crate) fn with_computed_tag(self, tag: EntityTag) -> Self {
        let mut tagged = self.with_entity_tag(tag);
        tagged.marks.computed_tag = true;
        tagged
    }

    /// Says that it is sent in place of a thing that is not there. What is set from here on was meant for the thing.
    pub(crate) fn standing_in(mut self) -> Self {
        self.marks.stands_in = true;
        self
    }

    /// Says that a better one is to come, or not.
    #[cfg_attr(
        not(feature = "images"),
        allow(dead_code, reason = "only images have forms that differ with the time there is")
    )]
    pub(crate) fn with_provisional(mut self, provisional: bool) -> Self {
        self.marks.provisional = provisional;
        self
    }
}
