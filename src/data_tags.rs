//! Cache tags that a site gives a representation for the data that it shows. It does not send them.

use crate::{
    fields::cache_tags::{ClosureTag, valid},
    representation::Representation,
};

impl Representation {
    /// Names the data that it shows, `post:7` or `posts`, so that a change of that data can drop its copies at the edge: with
    /// [`CloudFront::with_cache_tags`](crate::CloudFront::with_cache_tags) they are sent in the field of cache tags. They add to
    /// those that it has. Without that setting they do nothing.
    ///
    /// A tag is 1 to 64 visible ASCII characters without a comma, and capitals count as small letters. Any other text is
    /// replaced by a digest of it, here and where it is purged. An answer takes 49 of them, beside the tag of what it is made from.
    ///
    /// They are in the ETag too, as a dot and 16 digits behind its text: whoever has the answer with other tags gets it once more,
    /// with these. A handler that compares `If-Match` with a version of its own takes that into account, or names no data.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CacheTags`](crate::ErrorKind::CacheTags), with the names of all tags, when an answer with more of them is sent
    /// that shared caches may keep. A tag for the whole list (`posts`) is the way out.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CacheControl, CloudFront, ContentManager, Embedded};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(Embedded::new(&[("post.html", b"<h1>{{ title }}</h1>")]), Embedded::new(&[]))?;
    /// let page = content.render_template("post.html", minijinja::context! { title => "Hello" })?;
    /// let page = page.with_data_tags(["post:7", "posts"]).with_cache_control(CacheControl::until_purged());
    /// let response = CloudFront::new().with_cache_tags("cache-tag").respond(&http::Request::new(()), page).await?;
    /// let tags: Vec<&str> = response.headers()["cache-tag"].to_str().unwrap().split(',').collect();
    /// assert!(tags[0].starts_with("closure:")); // of the template, the files that it names, the build
    /// assert_eq!(tags[1..], ["post:7", "posts"]);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_data_tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.data.extend(tags.into_iter().map(|tag| valid(tag.as_ref())));
        self
    }

    /// Says by which tag copies are found again when what it is made from has changed.
    pub(crate) fn with_closure(mut self, tag: ClosureTag) -> Self {
        self.tags.closure = Some(tag);
        self
    }
}
