//! Cache tags: the names by which an invalidation finds copies at the edge again. They are made valid here, and written into
//! one field. It does not know which answers have them.
//!
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-tags.html>

use std::{collections::BTreeSet, fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::{
    cache_control::is_shared_cacheable,
    digest::{ClosureDigest, hex},
    owners::Owner,
    ows,
};

/// The tags of a representation.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheTags {
    /// That of what it is made from; without one it is made by the site's code.
    pub(crate) closure: Option<ClosureTag>,
    /// Those of the data that it shows, each made valid.
    pub(crate) data: BTreeSet<String>,
}

/// The tag of what a representation is made from. In the extensions of a response: of what it turned out to be made from.
#[derive(Clone)]
pub(crate) enum ClosureTag {
    Known(Arc<str>),
    /// Computed where an answer is to carry it: most sites have no cache tags.
    Lazy(Arc<dyn Fn() -> Option<Arc<str>> + Send + Sync>),
}

impl ClosureTag {
    fn tag(&self) -> Option<Arc<str>> {
        match self {
            Self::Known(tag) => Some(tag.clone()),
            Self::Lazy(tag) => tag(),
        }
    }
}

impl fmt::Debug for ClosureTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tag().fmt(f)
    }
}

impl CacheTags {
    /// With those of a representation that was chosen for the request.
    pub(crate) fn over(mut self, chosen: Self) -> Self {
        self.closure = self.closure.or(chosen.closure);
        self.data.extend(chosen.data);
        self
    }

    /// The 64 bits that stand for the tags of the data in an entity-tag; `None` where there are none.
    ///
    /// It is written nowhere whether a 304 renews the tags of a copy. So a copy with other tags is never called good.
    pub(crate) fn digest(&self) -> Option<[u8; 8]> {
        if self.data.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        for tag in &self.data {
            hash.update(tag);
            hash.update(","); // which is in none
        }
        hash.finalize().first_chunk().copied()
    }

    /// Puts the tags on an answer that a shared cache may store, beside those that the site has put into the field itself. Where
    /// they are more than an edge keeps, it is given those of the data.
    pub(crate) fn put(
        self,
        field: &HeaderName,
        status: StatusCode,
        headers: &mut HeaderMap,
    ) -> Result<(), BTreeSet<String>> {
        if !may_have_tags(status) || !is_shared_cacheable(headers) {
            headers.remove(field);
            return Ok(());
        }
        let closure = self.closure.and_then(|closure| closure.tag());
        let closure = closure.as_deref().unwrap_or(OF_CODE);
        let mut data = self.data;
        data.extend(of_headers(headers, field));
        data.remove(closure);
        if data.len() >= MOST {
            return Err(data);
        }
        let length = data.iter().map(|tag| tag.len() + 1).sum::<usize>() + closure.len();
        let mut value = String::with_capacity(length);
        value.push_str(closure);
        data.iter().for_each(|tag| value.extend([",", tag]));
        // Each tag is visible ASCII.
        if let Ok(mut value) = HeaderValue::try_from(value) {
            value.set_sensitive(true); // by which the guard knows it
            headers.insert(field, value);
        }
        Ok(())
    }
}

/// The field of this name, if it is one by which a CDN finds its copies again: then a private answer, an error page and
/// whatever else takes the place of an answer loses it, whoever has put it there.
pub(crate) fn field(name: &str) -> Option<HeaderName> {
    let field = HeaderName::try_from(name).ok().filter(|field| Owner::of(field) == Owner::Cdn)?;
    (!field.as_str().ends_with("control")).then_some(field)
}

/// The tags that a field has.
pub(crate) fn of_headers<'a>(headers: &'a HeaderMap, field: &HeaderName) -> impl Iterator<Item = String> + 'a {
    // A tag that is no ASCII is replaced by its digest, as anywhere else: the others of its line stay.
    let lines = headers.get_all(field).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    lines.flat_map(|line| line.split(',').map(ows::trim).filter(|tag| !tag.is_empty()).map(valid).collect::<Vec<_>>())
}

/// A text as a tag that CloudFront takes and that is short.
pub(crate) fn valid(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let is_valid =
        (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if is_valid { text } else { hex(&Sha256::digest(text)[..16]) }
}

/// The tag of what this digest stands for.
pub(crate) fn of_closure(digest: &ClosureDigest) -> Arc<str> {
    format!("closure:{}", hex(&digest.as_bytes()[..10])).into()
}

/// The tag of what the site's code makes: JSON, redirects, bytes.
pub(crate) const OF_CODE: &str = "closure:code";

/// Success, 304 and redirects, and what says that there is nothing, which caches keep too (RFC 9111 §4.2.2).
fn may_have_tags(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection() || [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&status)
}

/// CloudFront drops those beyond without a word.
pub(crate) const MOST: usize = 50;

/// CloudFront takes 256, but fifty such tags would not fit into a reply of an HTTP API.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tag_that_is_valid_stays_in_small_letters() {
        for (text, tag) in [("post:7", "post:7"), ("Post:7", "post:7"), ("a#b*~!\"", "a#b*~!\"")] {
            assert_eq!(valid(text), tag);
        }
        assert_eq!(valid(&"x".repeat(64)), "x".repeat(64));
        for text in ["", "a,b", "a b", "\u{fc}ber", "a\tb", "a\u{7f}", &"x".repeat(65)] {
            assert_eq!(valid(text).len(), 32, "{text}");
        }
        assert_eq!(valid(&"X".repeat(65)), valid(&"x".repeat(65)), "capitals count as small letters");
    }

    proptest! {
        #[test]
        fn any_text_makes_a_tag_that_stays_what_it_is(text in ".*") {
            let tag = valid(&text);
            prop_assert!((1..=64).contains(&tag.len()) && tag.bytes().all(|byte| (33..=126).contains(&byte) && byte != b','));
            prop_assert_eq!(valid(&tag), tag);
        }
    }
}
