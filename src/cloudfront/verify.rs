//! Checks 304s: makes the body after all, and compares it with the one that was sent for the same tag. It does not know how
//! tags are computed.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;

use crate::fields::digest::ContentDigest;

/// Which 304s are checked: [`CloudFront::with_verify`](crate::CloudFront::with_verify).
///
/// A tag of your own that stays while the content changes, a filter that isn't pure, arguments behind a lock: a check
/// finds what the crate can't see. It costs the body that the 304 saves.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{CloudFront, EntityTag, ErrorKind, Representation, diagnostics::Verify};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let cloudfront = CloudFront::new().with_verify(Verify::Always);
/// let page = |text: &'static str| Representation::new("text/plain", text).with_entity_tag(EntityTag::strong("v1"));
/// cloudfront.respond(&http::Request::new(()), page("old")).await?;
///
/// let again = http::Request::get("/").header("if-none-match", "\"v1\"").body(()).unwrap();
/// let error = cloudfront.respond(&again, page("new")).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::FalseNotModified); // the tag should have changed
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// None.
    #[default]
    Never,
    /// Each one, for tests: a false one is an error of the kind
    /// [`FalseNotModified`](crate::ErrorKind::FalseNotModified).
    Always,
    /// One in so many, for production: a false one is logged as an error, and the client gets the page.
    OneIn(NonZeroU32),
}

/// What was sent, by URL and tag.
#[derive(Debug)]
pub(crate) struct Verifier {
    verify: Verify,
    asked: AtomicU32,
    sent: Mutex<HashMap<Key, ContentDigest>>,
}

type Key = (String, String);

/// The comparison of one body with the one that was sent for the same URL and tag.
#[derive(Clone, Debug)]
pub(crate) struct BodyCheck {
    verifier: Arc<Verifier>,
    key: Key,
}

/// More pages than this are not remembered at a time: a new one then starts afresh.
const REMEMBERED: usize = 1024;

impl Verifier {
    pub(crate) fn new(verify: Verify) -> Option<Arc<Self>> {
        let new = || Arc::new(Self { verify, asked: AtomicU32::new(0), sent: Mutex::default() });
        (verify != Verify::Never).then(new)
    }

    pub(crate) fn check(self: &Arc<Self>, url: &str, tag: &str) -> BodyCheck {
        BodyCheck { verifier: self.clone(), key: (url.to_owned(), tag.to_owned()) }
    }
}

impl BodyCheck {
    /// Whether this 304 is one of those that are checked.
    pub(crate) fn is_due(&self) -> bool {
        match self.verifier.verify {
            Verify::Never => false,
            Verify::Always => true,
            Verify::OneIn(every) => self.verifier.asked.fetch_add(1, Ordering::Relaxed) % every == 0,
        }
    }

    /// Whether a false 304 is an error rather than a line in the log.
    pub(crate) fn is_strict(&self) -> bool {
        self.verifier.verify == Verify::Always
    }

    /// Whether this body is the one that was sent for the tag; it is, if none is remembered.
    pub(crate) fn agrees(&self, body: &Bytes) -> bool {
        let digest = ContentDigest::of(body);
        let mut sent = self.verifier.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= REMEMBERED && !sent.contains_key(&self.key) {
            sent.clear();
        }
        *sent.entry(self.key.clone()).or_insert(digest) == digest
    }
}
