//! The contract between content and caching: a [`Representation`] knows its validators and headers now and can make its
//! body later. It does not know where content comes from, nor whether the body will be needed.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    body::LARGEST,
    error::Result,
    fields::{
        cache_tags::CacheTags,
        entity_tag::EntityTag,
        owners::{self, OF_REPRESENTATION, Owner},
    },
    hidden::Fields,
    inline::Inline,
    streamed::Streamed,
};

/// What a site sends for a request (RFC 9110 §3.2): status, headers and validators now, the body only if it is needed.
///
/// A [`ContentManager`](crate::ContentManager) makes them; [`CloudFront`](crate::CloudFront) turns them into responses.
/// An axum handler returns one as it is; elsewhere `http::Response::from(representation)` does the same. Both need the
/// `CloudFront` layer around the service, or call [`CloudFront::respond`](crate::CloudFront::respond) themselves. Layers inside
/// of that see the status and the fields that were given to it, and may change them; the body comes later.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{CloudFront, EntityTag, Representation};
/// use http::{HeaderValue, header};
/// use std::time::{Duration, UNIX_EPOCH};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let report = Representation::lazy("text/csv", async { Ok("a,b\n".into()) })
///     .with_entity_tag(EntityTag::strong("rev-7"))
///     .with_last_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)) // a column of the database
///     .with_header(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"))
///     .with_added_header(header::LINK, HeaderValue::from_static("</reports>; rel=collection"));
/// let request = http::Request::get("/report.csv").header("if-none-match", "\"rev-7\"").body(())?;
/// let response = CloudFront::new().respond(&request, report).await?;
/// assert_eq!(response.status(), 304); // and the body was never made
/// assert_eq!(response.headers()["last-modified"], "Tue, 14 Nov 2023 22:13:20 GMT");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "a representation is sent by returning it, or by CloudFront::respond"]
pub struct Representation {
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    /// Lines besides those that the choice by the request brings.
    added: HeaderMap,
    validators: Validators,
    as_good: Vec<EntityTag>,
    methods: Vec<Method>,
    ranges: Option<bool>,
    pub(crate) marks: Marks,
    inline: Option<Arc<Inline>>,
    pub(crate) tags: CacheTags,
    body: Body,
    type_of: Option<TypeOf>,
    select: Option<Select>,
}

/// What is said of a representation beside its fields.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) personal: bool,
    pub(crate) refusal: bool,
    /// This crate has computed the tag: it is one of what a GET sends, with status 200 alone.
    pub(crate) computed_tag: bool,
    /// It is sent in place of a thing that is not there, and has nothing of what was set for the thing.
    pub(crate) stands_in: bool,
    /// A better one is to come: no cache keeps it for longer than an hour.
    pub(crate) provisional: bool,
}

/// What identifies the state of a representation (RFC 9110 §8.8).
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{EntityTag, Validators};
///
/// let validators = Validators { entity_tag: Some(EntityTag::strong("v1")), last_modified: None };
/// assert_ne!(validators, Validators::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validators {
    /// The entity-tag, where there is one.
    pub entity_tag: Option<EntityTag>,
    /// When the content last changed, where that is known from a stamp that can be trusted (never a file's time).
    pub last_modified: Option<SystemTime>,
}

/// What of the request still shapes a representation: the prefix under which the site is mounted, which its links
/// carry, and the path and the header fields that negotiation reads.
pub(crate) struct Selection<'a> {
    pub(crate) script_root: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// Tells a media type from the bytes, for a body that isn't there yet.
type TypeOf = fn(&[u8]) -> &'static str;
type Select = Box<dyn FnOnce(&Selection<'_>) -> Result<Representation> + Send>;
type BodyFuture = Pin<Box<dyn Future<Output = Result<MadeBody>> + Send>>;

/// Bytes that are there, or the work that makes them: a future does nothing before it is awaited, nor a stream before it is opened.
pub(crate) enum Body {
    Bytes(Bytes),
    Lazy(BodyFuture),
    Streamed(Streamed),
}

/// What the work for a body ended in.
pub(crate) enum MadeBody {
    /// The body that the headers and validators promise.
    Promised(Bytes),
    /// Another one, for these fields in place of the promised ones. It is sent whole, without the promised validators:
    /// they stand for other bytes. Where it is made from more than was known, the cache tag says so.
    Instead { body: Bytes, headers: HeaderMap, closure: Option<Arc<str>>, provisional: bool },
}

/// A representation as [`CloudFront`](crate::CloudFront) decides on it: chosen for one request, all of it known but the
/// body.
pub(crate) struct Selected {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) validators: Validators,
    /// Tags of other forms of the content that are as good: whoever has one of them may go on using it. They never change what
    /// is sent.
    pub(crate) as_good: Vec<EntityTag>,
    pub(crate) methods: Vec<Method>,
    pub(crate) ranges: bool,
    pub(crate) marks: Marks,
    pub(crate) inline: Option<Arc<Inline>>,
    pub(crate) tags: CacheTags,
    pub(crate) body: Body,
    pub(crate) type_of: Option<TypeOf>,
}

impl Representation {
    /// A representation of bytes that are there. Status 200, no validator; ranges are not offered.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::with_body(content_type, Body::Bytes(body.into()))
    }

    /// A representation whose body is made only if the client needs it. Status 200, no validator: give it one with
    /// [`with_entity_tag`](Self::with_entity_tag), or the body is always made.
    pub fn lazy(content_type: &str, body: impl Future<Output = Result<Bytes>> + Send + 'static) -> Self {
        Self::with_body(content_type, Body::Lazy(Box::pin(async { body.await.map(MadeBody::Promised) })))
    }

    /// A representation whose body may turn out to be another than its headers promise.
    pub(crate) fn making(headers: HeaderMap, body: impl Future<Output = Result<MadeBody>> + Send + 'static) -> Self {
        Self { headers, ..Self::bare(Body::Lazy(Box::pin(body))) }
    }

    /// A representation with all of its headers given at once.
    pub(crate) fn with_headers(headers: HeaderMap, body: Bytes) -> Self {
        Self { headers, ..Self::bare(Body::Bytes(body)) }
    }

    /// A representation without a body, such as a redirect's.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status: Some(status), ..Self::bare(Body::Bytes(Bytes::new())) }
    }

    /// A representation that is chosen when the request is known: by the mount prefix or by negotiation.
    pub(crate) fn select(choose: impl FnOnce(&Selection<'_>) -> Result<Self> + Send + 'static) -> Self {
        Self { select: Some(Box::new(choose)), ..Self::bare(Body::Bytes(Bytes::new())) }
    }

    pub(crate) fn with_body(content_type: &str, body: Body) -> Self {
        let mut this = Self::bare(body);
        if let (false, Ok(value)) = (content_type.is_empty(), HeaderValue::from_str(content_type)) {
            this.headers.insert(header::CONTENT_TYPE, value);
        }
        this
    }

    fn bare(body: Body) -> Self {
        let (validators, as_good, methods) = (Validators::default(), Vec::new(), Vec::new());
        let (status, ranges, type_of, select) = (None, None, None, None);
        let (headers, added) = (HeaderMap::new(), HeaderMap::new());
        Self {
            status,
            headers,
            added,
            validators,
            as_good,
            methods,
            ranges,
            marks: Marks::default(),
            inline: None,
            tags: CacheTags::default(),
            body,
            type_of,
            select,
        }
    }

    /// Sends another status than 200. Only a 200 is answered with 304, 412, 206 or 416 (RFC 9110 §13.2.1).
    ///
    /// Like all setters that speak of the content, it changes nothing where the thing is missing and its maker gave the
    /// [`not_found`](crate::ContentManager::not_found) page in its place, or refused the parameters of an image.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        if !self.marks.stands_in {
            self.status = Some(status);
        }
        self
    }

    /// Sets a header field, in place of any of that name. Where the thing is missing (see [`with_status`](Self::with_status)),
    /// fields of the content, its validators and its caching are not set; cookies, links and fields of your own are.
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        if self.lacks(&name) { self } else { self.with_line(name, value) }
    }

    /// Adds a line to a header field: a second `Set-Cookie`, a further `Link`. Where the thing is missing, as
    /// [`with_header`](Self::with_header).
    pub fn with_added_header(self, name: HeaderName, value: HeaderValue) -> Self {
        if self.lacks(&name) { self } else { self.with_added_line(name, value) }
    }

    /// Whether a field is one of the thing that is missing.
    fn lacks(&self, name: &HeaderName) -> bool {
        self.marks.stands_in && OF_REPRESENTATION.contains(&Owner::of(name))
    }

    pub(crate) fn with_line(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn with_added_line(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let headers = if self.select.is_some() { &mut self.added } else { &mut self.headers };
        headers.append(name, value);
        self
    }

    /// Sets Cache-Control for this representation alone; the default is the one of [`CloudFront`](crate::CloudFront). A 404 in
    /// place of a missing thing (see [`with_status`](Self::with_status)) stays `no-cache`: it is no copy of the thing.
    pub fn with_cache_control(self, cache_control: crate::fields::cache_control::CacheControl) -> Self {
        self.with_header(header::CACHE_CONTROL, cache_control.into())
    }

    /// Gives it an entity-tag of your own, which is sent with every status: after a PUT or POST it is the new version's.
    /// Equal strong tags for one URL must mean equal bytes. It is not for the page in place of a missing thing.
    pub fn with_entity_tag(mut self, tag: EntityTag) -> Self {
        if !self.marks.stands_in {
            (self.validators.entity_tag, self.marks.computed_tag) = (Some(tag), false);
        }
        self
    }

    /// Says when the content last changed, from a stamp that can be trusted: a column of a database, a build's time. A
    /// file's time is none: in a Lambda package it is 1980 or 2049. It is sent as the tag is.
    pub fn with_last_modified(mut self, time: SystemTime) -> Self {
        if !self.marks.stands_in {
            self.validators.last_modified = Some(time);
        }
        self
    }

    /// Answers every method but these with 405 and `Allow` (RFC 9110 §15.5.6); `HEAD` goes with `GET`, and `OPTIONS`
    /// is always answered. Default: GET and HEAD for files and assets, any method for what a handler makes.
    pub fn with_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Offers byte ranges (RFC 9110 §14): single ones, several as `multipart/byteranges`, `If-Range`. Default: offered
    /// for files and assets, not for pages.
    pub fn with_ranges(mut self, ranges: bool) -> Self {
        self.ranges = Some(ranges);
        self
    }

    /// Also answers 304 to who has one of these tags.
    #[cfg_attr(
        not(feature = "images"),
        allow(dead_code, reason = "only images have forms that differ with the time there is")
    )]
    pub(crate) fn with_as_good(mut self, tags: Vec<EntityTag>) -> Self {
        self.as_good = tags;
        self
    }

    /// What its markup has inline.
    pub(crate) fn with_inline(mut self, inline: Arc<Inline>) -> Self {
        self.inline = Some(inline);
        self
    }

    pub(crate) fn with_type_of(mut self, type_of: TypeOf) -> Self {
        self.type_of = Some(type_of);
        self
    }

    pub(crate) fn selected(mut self, selection: &Selection<'_>) -> Result<Selected> {
        let Some(choose) = self.select.take() else {
            return Ok(self.into_selected());
        };
        let mut chosen = choose(selection)?.selected(selection)?;
        chosen.status = self.status.unwrap_or(chosen.status);
        for name in self.headers.keys() {
            chosen.headers.remove(name);
        }
        for (name, value) in self.headers.iter().chain(&self.added) {
            chosen.headers.append(name, value.clone());
        }
        if self.validators.entity_tag.is_some() {
            (chosen.validators.entity_tag, chosen.as_good) = (self.validators.entity_tag, self.as_good);
            chosen.marks.computed_tag = self.marks.computed_tag;
        }
        chosen.validators.last_modified = self.validators.last_modified.or(chosen.validators.last_modified);
        if !self.methods.is_empty() {
            chosen.methods = self.methods;
        }
        chosen.ranges = self.ranges.unwrap_or(chosen.ranges);
        chosen.marks.personal |= self.marks.personal;
        chosen.tags = self.tags.over(chosen.tags);
        Ok(chosen)
    }

    fn into_selected(self) -> Selected {
        let Self { status, headers, validators, as_good, methods, .. } = self;
        let Self { ranges, marks, inline, tags, body, type_of, .. } = self;
        let (status, ranges) = (status.unwrap_or(StatusCode::OK), ranges.unwrap_or(false));
        Selected { status, headers, validators, as_good, methods, ranges, marks, inline, tags, body, type_of }
    }
}

impl Selected {
    /// Puts these fields in place of the promised ones, and takes the promised validators back.
    pub(crate) fn replace(&mut self, headers: HeaderMap) {
        self.validators = Validators::default();
        self.ranges = false;
        let policy = headers.contains_key(header::CACHE_CONTROL);
        let owners = [Owner::State, Owner::Cache, Owner::Cdn];
        owners::remove(&mut self.headers, if policy { &owners } else { &owners[..1] });
        for (name, value) in &headers {
            self.headers.insert(name, value.clone());
        }
    }

    /// The body, to be made; there is none left.
    pub(crate) fn take_body(&mut self) -> Body {
        std::mem::replace(&mut self.body, Body::Bytes(Bytes::new()))
    }
}

impl Body {
    pub(crate) async fn made(self) -> Result<MadeBody> {
        match self {
            Self::Bytes(bytes) => Ok(MadeBody::Promised(bytes)),
            Self::Lazy(make) => make.await,
            Self::Streamed(streamed) => streamed.opened(None).await?.collected(LARGEST).await.map(MadeBody::Promised),
        }
    }
}

impl fmt::Debug for Representation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Representation")
            .field("status", &self.status)
            .field("headers", &Fields(&self.headers))
            .field("validators", &self.validators)
            .field("chosen_by_request", &self.select.is_some())
            .finish_non_exhaustive()
    }
}
