//! Purges at a test edge, and a check that they dropped every changed page.

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, header};

use super::{TestEdge, copies::StoredResponse};
use crate::{
    fields::{cache_control::directive, edge_lifetime::is_kept_error},
    local_edge::LocalEdge,
    runtime::Front,
};

impl TestEdge {
    /// The field that it takes cache tags from: the HeaderName of the distribution's CacheTagConfig. Default: `cache-tag`.
    ///
    /// # Panics
    ///
    /// For a name that no field has.
    pub fn with_cache_tags(mut self, field: &str) -> Self {
        self.purging.field = HeaderName::try_from(field).unwrap_or_else(|error| panic!("`{field}`: {error}"));
        self
    }

    /// Whether a 304 renews the tags of a copy as it does its other fields. AWS does not say, so a site has to be right under
    /// both: a test runs with one and the other. Default: it does.
    pub fn with_tags_renewed_by_304(mut self, renewed: bool) -> Self {
        self.purging.renews_tags = renewed;
        self
    }

    /// Drops what is purged from this edge: where the site purges by itself. Default: an edge of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::testing::{CacheResult, LocalEdge, TestEdge};
    /// # async fn test(site: chalice_http_toolkit::testing::TestSite) {
    /// let local = LocalEdge::new();
    /// let edge = TestEdge::new(site).with_local_edge(&local);
    /// edge.get("/posts/7").send().await;
    /// local.purge(["post:7"]); // as a handler of the site does
    /// assert_eq!(edge.get("/posts/7").send().await.cache(), Some(CacheResult::Miss));
    /// # }
    /// ```
    pub fn with_local_edge(mut self, edge: &LocalEdge) -> Self {
        self.purging.edge = edge.clone();
        self
    }

    /// Asks the site on each hit too, and fails where the copy is not what the site has now: a tag of its data is missing, or a
    /// purge. An error is checked only if it has `s-maxage`, such as a 404 with
    /// [`until_purged`](crate::CacheControl::until_purged). In development ([`Stage`](crate::Stage)), as tests are, it says which argument has changed. Default: hits are
    /// handed out as they are.
    ///
    /// # Panics
    ///
    /// A request then panics where status, body, type or target of the copy differ from those that the site answers with.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// use chalice_http_toolkit::{CacheControl, CloudFront, ContentManager, Embedded};
    /// use chalice_http_toolkit::testing::{TestEdge, TestSite};
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// use tower::{Layer, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(Embedded::new(&[("p.html", b"{{ price }}")]), Embedded::new(&[])).unwrap();
    /// let price = Arc::new(AtomicU32::new(40));
    /// let now = price.clone();
    /// let site = CloudFront::new().with_cache_tags("cache-tag").layer(service_fn(move |_: lambda_http::Request| {
    ///     let page = content.render_template("p.html", minijinja::context! { price => now.load(Ordering::Relaxed) });
    ///     async { page.map(|page| http::Response::<String>::from(page.with_cache_control(CacheControl::until_purged()))) }
    /// }));
    /// let edge = TestEdge::new(TestSite::new(site)).with_verify();
    /// edge.get("/").send().await;
    /// price.store(42, Ordering::Relaxed); // and nothing is purged
    /// edge.get("/").send().await; // … is kept, and is another page now … changed: args.price
    /// # });
    /// ```
    pub fn with_verify(mut self) -> Self {
        self.purging.verifies = true;
        self
    }

    /// Drops all copies that have one of these tags. They are made valid as
    /// [`with_data_tags`](crate::Representation::with_data_tags) does it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use chalice_http_toolkit::testing::{CacheResult, TestEdge, TestSite};
    /// # async fn test(site: TestSite) {
    /// for renewed in [true, false] {
    ///     let edge = TestEdge::new(site.clone()).with_tags_renewed_by_304(renewed);
    ///     edge.get("/posts/7").send().await;
    ///     edge.purge(["post:7"]);
    ///     assert_eq!(edge.get("/posts/7").send().await.cache(), Some(CacheResult::Miss));
    /// }
    /// # }
    /// ```
    pub fn purge<T: AsRef<str>>(&self, tags: impl IntoIterator<Item = T>) {
        self.purging.edge.purge(tags);
    }

    /// How many of the GET and HEAD requests were answered without asking the site, from 0 to 1.
    ///
    /// # Examples
    ///
    /// ```
    /// # use chalice_http_toolkit::testing::TestEdge;
    /// # async fn test(edge: TestEdge) {
    /// for _ in 0..100 {
    ///     edge.get("/").send().await;
    /// }
    /// assert_eq!(edge.hit_ratio(), 0.99);
    /// # }
    /// ```
    pub fn hit_ratio(&self) -> f64 {
        self.copies().hit_ratio()
    }

    /// Compares a copy with what the site has now.
    pub(super) async fn check(&self, front: Option<Front>, mut to_site: Request<Bytes>, kept: &StoredResponse) {
        // What CloudFront keeps whatever it says is not what the site wanted kept.
        let is_wanted = || directive(kept.response.headers(), "s-maxage").is_some();
        if !self.purging.verifies || is_kept_error(kept.response.status()) && !is_wanted() {
            return;
        }
        let viewer = to_site.headers().clone();
        *to_site.method_mut() = Method::GET;
        [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::RANGE]
            .iter()
            .for_each(|name| _ = to_site.headers_mut().remove(name));
        let mut fresh = self.site.send(front, to_site.clone()).await;
        self.pass_on(&mut fresh, &viewer);
        if is_same(&fresh, &kept.response) {
            return;
        }
        let path = to_site.uri().path().to_owned();
        let tags = field_of(&kept.response, self.purging.field.as_str());
        if let Some(tag) = kept.response.headers().get(header::ETAG) {
            to_site.headers_mut().insert(header::IF_NONE_MATCH, tag.clone());
        }
        let explained = self.site.send(front, to_site).await;
        let reason = match field_of(&explained, "x-etag-reason") {
            reason if reason.is_empty() => "why is known of pages in development only".to_owned(),
            reason => reason,
        };
        panic!("{path} is kept, and is another page now: nothing has purged it by its tags `{tags}`; {reason}");
    }
}

fn is_same(one: &Response<Bytes>, other: &Response<Bytes>) -> bool {
    let fields = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::LOCATION];
    one.status() == other.status()
        && one.body() == other.body()
        && fields.iter().all(|name| one.headers().get(name) == other.headers().get(name))
}

fn field_of(response: &Response<Bytes>, name: &str) -> String {
    let value = response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_default()
}
