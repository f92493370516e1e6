//! The five front doors as a site names them, and their limits. What else they do stands in [`door`](super::door).

use std::{fmt, str::FromStr};

use crate::{
    body::LARGEST,
    error::{Error, ErrorKind},
};

/// The front door through which a request comes: it decides the form of events and replies, and the limits.
///
/// What a door does to a request and to an answer, the local server and `TestSite` do too:
///
/// | | REST API | HTTP API | function URL | ALB | plain HTTP |
/// |---|---|---|---|---|---|
/// | path | as sent; several slashes at its start become one | decoded, and cut at an encoded `?` | as sent | as sent | as sent |
/// | named stage | not in the path | in the path; it is taken off | there is none | there is none | there is none |
/// | query | decoded; `;` separates too, and a bare `\|`, `{` or `}` is a 400 | as sent | as sent | as sent | as sent |
/// | fields of a request that do not arrive | Connection, Content-Length, Content-MD5, Expect, Max-Forwards, Proxy-Authenticate, Server, TE, Trailer, Transfer-Encoding, Upgrade, WWW-Authenticate | | | | Connection, Expect, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade |
/// | method | that of `X-HTTP-Method-Override`, if there is one | | | | |
/// | a body without Content-Type | gets `application/json` | | | | |
/// | fields of an answer that are renamed to `x-amzn-remapped-…` | Connection, Content-Length, Date, Server, WWW-Authenticate | | WWW-Authenticate | | |
/// | fields of an answer that are dropped | Transfer-Encoding | | | | Transfer-Encoding |
///
/// A REST API sends a Content-Length of its own. Without `WWW-Authenticate` no browser asks for a password: Basic
/// authentication works behind an HTTP API or an ALB only. The log says so once for each field (`a field of the answer does not
/// reach the client`). What function URLs do to it AWS does not document; it was seen at deployed ones.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::Front;
///
/// assert_eq!("alb".parse::<Front>()?, Front::Alb);
/// assert!(Front::Alb.reply_limit() < Front::Http.reply_limit());
/// assert_eq!((Front::Http.event_limit(), Front::Alb.body_limit()), (6 << 20, 1 << 20));
/// assert_eq!((Front::Http.header_limit(), Front::Alb.header_limit()), (10_240, 32_768));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Front {
    /// An API Gateway REST API (payload format 1.0). Its `binaryMediaTypes` must be `*/*`.
    Rest,
    /// An API Gateway HTTP API (payload format 2.0).
    Http,
    /// A Lambda function URL.
    Url,
    /// An Application Load Balancer.
    Alb,
    /// HTTP itself, in a container, on a VM or in a Web Function of Lambda: [`App::run`](crate::App::run) listens.
    Plain,
}

impl Front {
    /// The most bytes that the JSON of a reply may have: 6 MiB at Lambda, 1,000,000 at an ALB. Plain HTTP has no JSON: the body
    /// may have 64 MiB, as it is made in memory.
    ///
    /// [Lambda](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) says 6 MB and
    /// [the ALB](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html) 1 MB; the
    /// smaller reading of each is meant. Base64 counts: at Lambda about 4.7 million bytes of an image fit.
    pub fn reply_limit(self) -> usize {
        self.door().reply_limit
    }

    /// The most bytes that the JSON of an event may have: 6 MiB, with a body in base64. Plain HTTP has no events.
    pub fn event_limit(self) -> usize {
        LARGEST
    }

    /// The most bytes that the body of a request may have: 1 MiB at an ALB, and 6 MiB over plain HTTP unless the server is given
    /// another limit; elsewhere only the whole event is limited.
    pub fn body_limit(self) -> usize {
        self.door().request_body_limit
    }

    /// The most bytes that names and values of a reply's header fields may have in sum: 10,240 at API Gateway, 32,768 at
    /// an ALB and over plain HTTP; at a function URL only the whole reply is limited.
    pub fn header_limit(self) -> usize {
        self.door().reply_header_limit
    }
}

/// Each door by the name that a setting has for it, and in words.
const NAMES: [(Front, &str, &str); 5] = [
    (Front::Http, "http", "an HTTP API"),
    (Front::Rest, "rest", "a REST API"),
    (Front::Url, "url", "a function URL"),
    (Front::Alb, "alb", "an ALB"),
    (Front::Plain, "plain", "plain HTTP"),
];

impl fmt::Display for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name, words) = NAMES.iter().find(|(front, ..)| front == self).unwrap_or(&NAMES[0]);
        write!(f, "{words} (FRONT={name})")
    }
}

impl FromStr for Front {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = NAMES.iter().find(|(_, known, _)| *known == name);
        found.map(|(front, ..)| *front).ok_or_else(|| {
            let names = NAMES.map(|(_, name, _)| name).join(", ");
            Error::new(ErrorKind::Configuration, format!("`{name}` is no front door: it is one of {names}"))
        })
    }
}
