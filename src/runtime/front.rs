//! The four front doors and their limits. Facts only: how their events are read stands in `event`, how their replies are
//! written in `reply`.

use std::str::FromStr;

use crate::{
    body::LARGEST,
    error::{Error, ErrorKind},
};

/// The front door through which a request comes: it decides the form of events and replies, and the limits.
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
}

impl Front {
    /// The most bytes that the JSON of a reply may have: 6 MiB at Lambda, 1,000,000 at an ALB.
    ///
    /// [Lambda](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) says 6 MB and
    /// [the ALB](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html) 1 MB; the
    /// smaller reading of each is meant. Base64 counts: at Lambda about 4.7 million bytes of an image fit.
    pub fn reply_limit(self) -> usize {
        match self {
            Self::Alb => 1_000_000,
            Self::Rest | Self::Http | Self::Url => LARGEST,
        }
    }

    /// The most bytes that the JSON of an event may have: 6 MiB, with a body in base64.
    pub fn event_limit(self) -> usize {
        LARGEST
    }

    /// The most bytes that the body of a request may have: 1 MiB at an ALB; elsewhere only the whole event is limited.
    pub fn body_limit(self) -> usize {
        match self {
            Self::Alb => 1024 * 1024,
            Self::Rest | Self::Http | Self::Url => LARGEST,
        }
    }

    /// The most bytes that names and values of a reply's header fields may have in sum: 10,240 at API Gateway, 32,768 at
    /// an ALB; at a function URL only the whole reply is limited.
    pub fn header_limit(self) -> usize {
        match self {
            Self::Rest | Self::Http => 10_240,
            Self::Alb => 32_768,
            Self::Url => self.reply_limit(),
        }
    }
}

impl FromStr for Front {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "rest" => Ok(Self::Rest),
            "http" => Ok(Self::Http),
            "url" => Ok(Self::Url),
            "alb" => Ok(Self::Alb),
            other => {
                let message = format!("`{other}` is no front door: it is one of http, rest, url, alb");
                Err(Error::new(ErrorKind::Configuration, message))
            }
        }
    }
}
