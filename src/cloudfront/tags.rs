//! Writes cache tags into the field that the site chose. It does not know how tags are computed.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::CloudFront;
use crate::{
    error::{Error, ErrorKind, Result},
    fields::cache_tags::{self, CacheTags},
    representation::Selected,
};

impl CloudFront {
    /// Sends cache tags in this field, so that CloudFront can drop copies by what they are made from: the HeaderName of the
    /// distribution's CacheTagConfig. Its name ends in `cache-tag`. Each answer to GET and HEAD that a shared cache may store has
    ///
    /// - one tag for what it is made from besides data, its closure: of a page the templates, the static files that they name,
    ///   globals, settings and the build; of a static file its bytes; of all else the site's code (`closure:code`);
    /// - those of its data, by [`Representation::with_data_tags`](crate::Representation::with_data_tags), and what the field has
    ///   already where a handler has set it itself.
    ///
    /// That is 200, 206, 304, redirects, 404 and 410; other answers, those that are private or of one visitor, and those with
    /// `no-store` have none, also where a layer outside says so. [`CacheControl::until_purged`](crate::CacheControl::until_purged)
    /// is the policy for pages that are purged. A response headers policy of the distribution has to remove the field, or
    /// visitors see it. Default: no tags.
    ///
    /// # Errors
    ///
    /// Every answer is an [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) error where this can't be such a field.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, Representation};
    /// use http::Request;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let cloudfront = CloudFront::new().with_cache_tags("cache-tag");
    /// let prices = || Representation::new("application/json", "{}").with_data_tags(["prices"]);
    /// let response = cloudfront.respond(&Request::new(()), prices()).await?;
    /// assert_eq!(response.headers()["cache-tag"], "closure:code,prices");
    /// let personal = cloudfront.respond(&Request::new(()), prices().with_personal()).await?;
    /// assert!(!personal.headers().contains_key("cache-tag"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_cache_tags(mut self, field: &str) -> Self {
        self.tag_field = Some(cache_tags::field(field).ok_or_else(|| no_field(field)));
        self
    }

    /// The field and the tags of an answer to this method, if it may have any. Its entity-tag covers them.
    pub(super) fn tagging(&self, method: &Method, selected: &mut Selected) -> Result<Option<(HeaderName, CacheTags)>> {
        let field = match &self.tag_field {
            Some(field) if is_read(method) => field.clone()?,
            _ => return Ok(None),
        };
        let tags = std::mem::take(&mut selected.tags);
        if let Some(digest) = tags.digest() {
            let (tag, as_good) = (&mut selected.validators.entity_tag, &mut selected.as_good);
            tag.iter_mut().chain(as_good).for_each(|tag| *tag = tag.with_suffix(digest));
        }
        Ok(Some((field, tags)))
    }
}

/// Puts the tags on an answer, or none where it may have none.
pub(super) fn put(tags: CacheTags, field: &HeaderName, status: StatusCode, headers: &mut HeaderMap) -> Result<()> {
    tags.put(field, status, headers).map_err(|data| too_many(&data))
}

fn no_field(name: &str) -> Error {
    let message = format!(
        "`{}` can't be the field of cache tags: its name ends in `cache-tag`, such as `cache-tag` or \
         `x-amz-meta-cache-tag`, and is the HeaderName of the distribution's CacheTagConfig",
        name.escape_debug()
    );
    Error::new(ErrorKind::Configuration, message)
}

fn too_many(data: &BTreeSet<String>) -> Error {
    let names: Vec<String> = data.iter().map(|tag| format!("`{tag}`")).collect();
    let message = format!(
        "an answer has {} tags of its data, and CloudFront keeps {} beside the one of what it is made from: {}; give it one \
         tag for all of a kind",
        data.len(),
        cache_tags::MOST - 1,
        names.join(", ")
    );
    Error::new(ErrorKind::CacheTags, message)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
