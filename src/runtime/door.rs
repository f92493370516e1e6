//! What each front door does: to the path, the query and the fields of a request, to the fields of a reply, and how much it
//! takes. One table for each door. Events are read by it, replies are written by it, and the local server and tests play the
//! door by it.
//!
//! Sources: the guides of API Gateway (`http-api-develop-integrations-lambda`, `api-gateway-known-issues`), Lambda
//! (`urls-invocation`) and Elastic Load Balancing (`lambda-functions`), and what others recorded at AWS.

use super::front::Front;
use crate::{
    body::LARGEST,
    error::{Error, ErrorKind},
};

/// A front door with one of its payload formats.
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "dev-server", feature = "testing")),
    allow(dead_code, reason = "only who plays a door needs all that it does")
)]
pub(crate) struct Door {
    pub(crate) front: Front,
    pub(crate) payload: Payload,
    pub(crate) path: PathForm,
    pub(crate) stage: StagePlace,
    pub(crate) query: QueryForm,
    pub(crate) cookies: CookiePlace,
    /// Fields of a request that do not arrive, by their names in small letters.
    pub(crate) dropped_from_requests: &'static [&'static str],
    /// The field of a request that names another method than the one it was sent by.
    pub(crate) method_override: Option<&'static str>,
    /// The media type that is given to a body without one.
    pub(crate) untyped_body: Option<&'static str>,
    /// How the media types of bodies begin that arrive as text; all others arrive in base64.
    pub(crate) text_bodies: &'static [&'static str],
    /// Fields of a reply that do not reach the client as they are, by their names in small letters.
    pub(crate) reply_fields: &'static [(&'static str, Remapping)],
    /// The most bytes of names and values of a request's fields; beyond it the door answers by itself.
    pub(crate) request_header_limit: usize,
    pub(crate) request_body_limit: usize,
    pub(crate) reply_limit: usize,
    pub(crate) reply_header_limit: usize,
    pub(crate) streaming: Streaming,
}

/// Whether a door hands on the pieces of a reply as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streaming {
    Never,
    /// If it is set up so, which the site has to say. Then it takes no other replies.
    IfSet,
    Always,
}

/// How a reply goes to its door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Whole,
    Stream,
}

/// The form of events and replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Maps of lists in the event, and `multiValueHeaders` in the reply.
    V1,
    /// Joined lines in the event, cookies by themselves in both.
    V2,
    /// Maps of values or of lists, as the target group is set; the reply has the same.
    Alb,
    /// None: a request and an answer of HTTP as they are.
    Plain,
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathForm {
    AsSent,
    /// As it was sent, but several slashes at its start become one.
    OneLeadingSlash,
    /// Percent-decoded; and cut at a `?` that was encoded.
    Decoded,
}

/// Where a named stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StagePlace {
    /// In `requestContext.path`, and not in the path.
    Apart,
    /// At the start of the path, on the API's own domain and on a custom one alike.
    InPath,
    /// At the start of the path on the API's own domain; on a custom domain the API mapping stands there.
    InPathOfOwnDomain,
    /// There are no stages.
    Nowhere,
}

/// How a query is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryForm {
    /// As one text, as the client sent it.
    Raw,
    /// As names and values, as the client sent them.
    Pairs,
    /// As names and values, percent-decoded.
    DecodedPairs,
}

/// Where the cookies of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookiePlace {
    Fields,
    List,
    Both,
}

/// What becomes of a field of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remapping {
    /// The client gets it as `x-amzn-remapped-…`.
    Renamed,
    /// The same, and the door sends a field of its own in its place, which says as much.
    Replaced,
    Dropped,
}

/// What stands before the name of a field that was renamed.
pub(crate) const RENAMED: &str = "x-amzn-remapped-";

pub(crate) const REST: Door = Door {
    front: Front::Rest,
    payload: Payload::V1,
    path: PathForm::OneLeadingSlash,
    stage: StagePlace::Apart,
    query: QueryForm::DecodedPairs,
    cookies: CookiePlace::Fields,
    dropped_from_requests: &[
        "connection",
        "content-length",
        "content-md5",
        "expect",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    ],
    method_override: Some("x-http-method-override"),
    untyped_body: Some("application/json"),
    // With `*/*` among its binary types, it encodes everything.
    text_bodies: &[],
    reply_fields: &[
        ("connection", Remapping::Renamed),
        ("content-length", Remapping::Replaced),
        ("date", Remapping::Renamed),
        ("server", Remapping::Renamed),
        ("transfer-encoding", Remapping::Dropped),
        ("www-authenticate", Remapping::Renamed),
    ],
    request_header_limit: 10_240,
    request_body_limit: LARGEST,
    reply_limit: LARGEST,
    reply_header_limit: 10_240,
    streaming: Streaming::IfSet,
};

pub(crate) const HTTP: Door = Door {
    front: Front::Http,
    payload: Payload::V2,
    path: PathForm::Decoded,
    stage: StagePlace::InPath,
    query: QueryForm::Raw,
    cookies: CookiePlace::List,
    dropped_from_requests: &[],
    method_override: None,
    untyped_body: None,
    text_bodies: TEXT,
    reply_fields: &[],
    request_header_limit: 10_240,
    request_body_limit: LARGEST,
    reply_limit: LARGEST,
    reply_header_limit: 10_240,
    streaming: Streaming::Never,
};

/// An HTTP API with payload format 1.0.
pub(crate) const HTTP_V1: Door = Door {
    payload: Payload::V1,
    stage: StagePlace::InPathOfOwnDomain,
    query: QueryForm::DecodedPairs,
    cookies: CookiePlace::Fields,
    ..HTTP
};

/// What `cargo lambda watch` and `sam local` make looks like an HTTP API's, and its path is not decoded.
pub(crate) const EMULATED_HTTP: Door = Door { path: PathForm::AsSent, ..HTTP };

pub(crate) const URL: Door = Door {
    front: Front::Url,
    path: PathForm::AsSent,
    stage: StagePlace::Nowhere,
    cookies: CookiePlace::Both,
    // No page of AWS says it; deployments that asked for a password or a token have found it so.
    reply_fields: &[("www-authenticate", Remapping::Renamed)],
    request_header_limit: LARGEST,
    reply_header_limit: LARGEST,
    streaming: Streaming::IfSet,
    ..HTTP
};

pub(crate) const ALB: Door = Door {
    front: Front::Alb,
    payload: Payload::Alb,
    query: QueryForm::Pairs,
    cookies: CookiePlace::Fields,
    reply_fields: &[],
    request_body_limit: 1024 * 1024,
    reply_limit: 1_000_000,
    reply_header_limit: 32_768,
    streaming: Streaming::Never,
    ..URL
};

/// HTTP itself, by the server of this crate. The request is whole before the site gets it, so that what is of its connection alone
/// (RFC 9110 §7.6.1) stays there.
pub(crate) const PLAIN: Door = Door {
    front: Front::Plain,
    payload: Payload::Plain,
    cookies: CookiePlace::Fields,
    dropped_from_requests: &[
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ],
    reply_fields: &[],
    request_header_limit: 32 * 1024,
    reply_limit: 64 * 1024 * 1024,
    reply_header_limit: 32 * 1024,
    streaming: Streaming::Always,
    ..URL
};

const TEXT: &[&str] = &["text/", "application/json", "application/javascript", "application/xml"];

impl Door {
    /// How its replies go. `is_set` says whether the site's doors are set up for streams.
    pub(crate) fn way(&self, is_set: bool) -> Way {
        match self.streaming {
            Streaming::Always => Way::Stream,
            Streaming::IfSet if is_set => Way::Stream,
            Streaming::IfSet | Streaming::Never => Way::Whole,
        }
    }

    /// The most bytes of a reply that is whole in memory.
    pub(crate) fn whole_limit(&self, way: Way) -> usize {
        if way == Way::Stream { PLAIN.reply_limit } else { self.reply_limit }
    }

    /// The most bytes of a reply that is a stream: 200 MB at AWS (`configuration-response-streaming`, `response-transfer-mode`).
    pub(crate) fn stream_limit(&self) -> Option<usize> {
        (self.streaming == Streaming::IfSet).then_some(200 * 1024 * 1024)
    }

    /// An error with what this door could do about it: a reply that is too large for it may be a stream.
    pub(crate) fn advised(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::ReplyTooLarge || self.payload == Payload::Plain {
            return error;
        }
        let advice = match self.streaming {
            Streaming::Never => "a function URL and a REST API can stream it, this front door can't",
            _ => "this front door can stream it (App::with_streaming)",
        };
        Error::new(ErrorKind::ReplyTooLarge, format!("{error}; {advice}"))
    }
}

impl Front {
    /// The table of this door, with the payload format that it has unless set otherwise.
    pub(crate) fn door(self) -> &'static Door {
        match self {
            Self::Rest => &REST,
            Self::Http => &HTTP,
            Self::Url => &URL,
            Self::Alb => &ALB,
            Self::Plain => &PLAIN,
        }
    }
}
