//! For which hosts the local server answers. It knows no socket.
//!
//! SECURITY: a page of another site can make a name of its own lead to this machine (DNS rebinding), and would then read
//! what the server answers as if it were its own. What development shows is shown only to whoever asked by a name that
//! cannot be another site's.

use std::net::IpAddr;

use http::{HeaderValue, Method, Response, StatusCode, Version, header, request, uri::Authority};

use super::{plain_text::plain_text, uri::authority};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::ows,
    response_body::ResponseBody,
    stage::{address_in, is_loopback},
};

/// The hosts that `ALLOWED_HOSTS` names.
#[derive(Debug, Default)]
pub(super) struct Hosts(Vec<Host>);

#[derive(Debug, PartialEq)]
enum Host {
    Any,
    Address(IpAddr),
    Name(String),
    /// The domain and all below it.
    Domain(String),
    /// All below the domain.
    Below(String),
}

impl Hosts {
    /// Reads the setting: names and addresses, separated by commas.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what would never fit a host.
    pub(super) fn parse(setting: &str) -> Result<Self> {
        let hosts = setting.split(',').map(ows::trim).filter(|host| !host.is_empty());
        hosts.map(Host::parse).collect::<Result<_>>().map(Self)
    }

    /// The host on which the server listens is served too.
    pub(super) fn with(mut self, own: &str) -> Self {
        self.0.extend(Host::parse(own));
        self
    }

    /// What development answers to a request for a host that may be another site's.
    pub(super) fn refusal(&self, host: Option<&Authority>, asked_at: IpAddr) -> Option<Response<ResponseBody>> {
        let host = host.map(Authority::host).filter(|host| !self.serve(host, asked_at))?;
        tracing::warn!(host, "a request for another host was refused; ALLOWED_HOSTS names those that are served");
        let hint = format!(
            "This server is in development and does not serve the host {host}.\nIf it is yours, start the server with \
             ALLOWED_HOSTS={host}\n"
        );
        Some(plain_text(StatusCode::FORBIDDEN, hint))
    }

    /// Whether a host is served: loopback names, the address at which the connection came in, and those that are allowed.
    fn serve(&self, host: &str, asked_at: IpAddr) -> bool {
        let (name, address) = (normal(host), address_in(host));
        is_loopback(host) || address == Some(asked_at) || self.0.iter().any(|allowed| allowed.is(&name, address))
    }
}

impl Host {
    fn parse(host: &str) -> Result<Self> {
        if host == "*" {
            return Ok(Self::Any);
        }
        if let Some(address) = address_in(host) {
            return Ok(Self::Address(address));
        }
        let is_name = |name: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
        };
        match (host.strip_prefix("*."), host.strip_prefix('.')) {
            (Some(domain), _) if is_name(domain) => Ok(Self::Below(normal(domain))),
            (_, Some(domain)) if is_name(domain) => Ok(Self::Domain(normal(domain))),
            _ if is_name(host) => Ok(Self::Name(normal(host))),
            _ => {
                let message = format!(
                    "ALLOWED_HOSTS has `{host}`, which is no host: write `shop.test`, `.shop.test` with all names below it, \
                     `*.shop.test` for these alone, an address, or `*` for all; without scheme and port, and separated by commas"
                );
                Err(Error::new(ErrorKind::Configuration, message))
            }
        }
    }

    fn is(&self, name: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::Any => true,
            Self::Address(allowed) => address == Some(*allowed),
            Self::Name(allowed) => name == allowed,
            Self::Domain(domain) => name == domain || is_below(name, domain),
            Self::Below(domain) => is_below(name, domain),
        }
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
}

/// A name in small letters, without the dot that an absolute one ends with.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The host that a request is for; `None` where a request of HTTP/1.0 names none. A target in absolute form counts more
/// than the field (RFC 9112 §3.2.2), which it replaces.
///
/// # Errors
///
/// Why the request is a bad one (RFC 9112 §3.2).
pub(super) fn requested_host(request: &mut request::Parts) -> std::result::Result<Option<Authority>, &'static str> {
    // The form `host:port` is CONNECT's, which asks a proxy for a tunnel (RFC 9112 §3.2.3).
    if request.method == Method::CONNECT || (request.uri.scheme().is_none() && request.uri.authority().is_some()) {
        return Err("The request is one for a proxy.");
    }
    let mut lines = request.headers.get_all(header::HOST).iter();
    let (first, another) = (lines.next(), lines.next());
    if another.is_some() {
        return Err("The request has more than one Host field.");
    }
    // HTTP/2 has it in `:authority` (RFC 9113 §8.3.1).
    let is_named = first.is_some() || (request.version >= Version::HTTP_2 && request.uri.authority().is_some());
    if !is_named && request.version >= Version::HTTP_11 {
        return Err("The request has no Host field.");
    }
    let field = first.map(|line| line.to_str().ok().and_then(authority).ok_or("The Host field can't be read."));
    let field = field.transpose()?;
    let Some(target) = request.uri.authority().cloned() else { return Ok(field) };
    let value = HeaderValue::from_str(target.as_str()).map_err(|_| "The host of the URL can't be read.")?;
    request.headers.insert(header::HOST, value);
    Ok(Some(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_another_sites_are_not_served() {
        let asked_at = "192.168.1.5".parse().expect("an address");
        let hosts = Hosts::parse("shop.test, .Dev.Test ,10.0.0.7,[fe80::7],*.My.test").expect("hosts").with("0.0.0.0");
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "shop.localhost",
            "127.0.0.1",
            "127.8.9.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "192.168.1.5",
            "0.0.0.0",
            "shop.test",
            "Shop.Test.",
            "dev.test",
            "a.b.dev.test",
            "a.my.test",
            "A.B.my.test.",
            "10.0.0.7",
            "[fe80::7]",
        ] {
            assert!(hosts.serve(host, asked_at), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
            "localhost..",
            ".localhost",
            "192.168.1.6",
            "[::2]",
            "www.shop.test",
            "shop.test.evil.example",
            "evildev.test",
            ".dev.test",
            "my.test",
            ".my.test",
            "evilmy.test",
            "127.1",
            "2130706433",
            "0x7f.1",
            "",
            ".",
        ] {
            assert!(!hosts.serve(host, asked_at), "{host}");
        }
        assert!(!Hosts::default().serve("shop.test", asked_at));
        assert!(Hosts::parse("*").expect("all").serve("evil.example", asked_at));
        assert!(Hosts::parse("").expect("none").0.is_empty());
    }

    #[test]
    fn what_would_never_fit_is_no_setting() {
        for odd in [
            "http://shop.test",
            "shop.test:3000",
            "*.",
            "a.*.test",
            "*shop.test",
            "**.test",
            "shop.test/",
            "a b",
            "..test",
            ".",
            "bücher.test",
        ] {
            let error = Hosts::parse(odd).expect_err(odd);
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(".shop.test"), "{error}");
        }
    }
}
