//! A web origin: scheme, host and port, as browsers write them into `Origin` (URL Standard, "origin" and "host serializer";
//! RFC 6454 §6.2). It knows no request.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// One origin of the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebOrigin {
    scheme: &'static str,
    host: String,
    /// Without the scheme's own.
    port: Option<u16>,
}

impl WebOrigin {
    /// Reads an origin. Capitals and the scheme's own port are put as browsers put them; what no browser ever sends is an
    /// error that says why.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("it has no scheme, such as `https://`")?;
        let known = ["https", "http"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme));
        let scheme = known.ok_or("its scheme is neither `https` nor `http`")?;
        if rest.contains('@') {
            return Err("it has a user");
        }
        if rest.contains(['/', '\\', '?', '#']) {
            return Err("it ends with its host and port: not even a slash stands behind them");
        }
        let (host, port) = with_port(rest)?;
        let own = if scheme == "https" { 443 } else { 80 };
        Ok(Self { scheme, host: serialized(host)?, port: port.filter(|port| *port != own) })
    }

    /// Whether a Host field names this origin's host and port. It has no scheme, which is taken to be this one's.
    pub(crate) fn is_host(&self, field: &str) -> bool {
        Self::parse(&format!("{}://{field}", self.scheme)).is_ok_and(|asked| asked == *self)
    }
}

/// As a browser sends it.
impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A host, and the port behind it. The colons of an IPv6 address stand in brackets.
fn with_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[after_address..].find(':') else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(after_address + colon);
    let digits = port[1..].bytes().all(|byte| byte.is_ascii_digit());
    let port = port[1..].parse().ok().filter(|port| digits && *port > 0);
    port.map(|port| (host, Some(port))).ok_or("its port is no number from 1 to 65535")
}

/// A host in the form that browsers give it.
fn serialized(host: &str) -> Result<String, &'static str> {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse().map(bracketed).map_err(|_| "its host is no IPv6 address");
    }
    if host.contains('*') {
        return Err("an origin is one host, and a wildcard would match none: name each host by itself");
    }
    if !host.is_ascii() {
        return Err("browsers write a host in ASCII: take the form that starts with `xn--` (punycode)");
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err("its host has a character that no host has");
    }
    // RFC 1035 §2.3.4.
    if host.len() > 253 || host.split('.').any(|label| !(1..=63).contains(&label.len())) {
        return Err("its host has a part without letters, or is too long");
    }
    let host = host.to_ascii_lowercase();
    // URL Standard, "ends in a number": browsers read such a host as an IPv4 address, and write that.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_number = is_hex || last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("browsers take its host for an IPv4 address, and would write it with four numbers");
    }
    Ok(host)
}

/// As the URL Standard has it: the longest run of zeros left out, and no part in the form of an IPv4 address.
fn bracketed(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("[::ffff:{high:x}:{low:x}]"),
        _ => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (origin, expected) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTPS://Shop.Example:443", "https://shop.example"),
            ("https://shop.example:0443", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
            ("http://my_host:8080", "http://my_host:8080"),
            ("https://shop.0xg", "https://shop.0xg"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
            ("http://[2001:DB8:0:0:1:0:0:1]", "http://[2001:db8::1:0:0:1]"),
            ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
        ] {
            assert_eq!(WebOrigin::parse(origin).map(|origin| origin.to_string()).as_deref(), Ok(expected), "{origin}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for (origin, why) in [
            ("https://*.shop.example", "wildcard"),
            ("https://*", "wildcard"),
            ("https://shop.*", "wildcard"),
            ("https://shop*.example", "wildcard"),
            ("*", "no scheme"),
            ("null", "no scheme"),
            ("", "no scheme"),
            ("shop.example", "no scheme"),
            ("//shop.example", "no scheme"),
            ("ftp://shop.example", "neither"),
            ("app://localhost", "neither"),
            ("://shop.example", "neither"),
            (" https://shop.example", "neither"),
            ("https://user@shop.example", "user"),
            ("https://user:password@shop.example", "user"),
            ("https://shop.example/", "slash"),
            ("https://shop.example/path", "slash"),
            ("https://shop.example?q", "slash"),
            ("https://shop.example#f", "slash"),
            ("https:///shop.example", "slash"),
            ("https://shop.example:", "port"),
            ("https://shop.example:0", "port"),
            ("https://shop.example:+1", "port"),
            ("https://shop.example:65536", "port"),
            ("https://shop.example:443:1", "port"),
            ("https://shop.example:https", "port"),
            ("https://münchen.example", "xn--"),
            ("https://shop.example\u{2003}", "xn--"),
            ("https://shop.example ", "character"),
            ("https://shop example", "character"),
            ("https://shop.example, https://blog.example", "slash"),
            ("https://shop%2eexample", "character"),
            ("https://", "without letters"),
            ("https://:443", "without letters"),
            ("https://.shop.example", "without letters"),
            ("https://shop..example", "without letters"),
            ("https://shop.example.", "without letters"),
            ("https://127.1", "IPv4"),
            ("https://0x7f000001", "IPv4"),
            ("https://shop.0x", "IPv4"),
            ("https://shop.09", "IPv4"),
            ("https://2130706433", "IPv4"),
            ("https://010.0.0.1", "IPv4"),
            ("https://[fe80::1%eth0]", "IPv6"),
            ("https://[::1", "port"),
            ("https://::1", "port"),
        ] {
            let error = WebOrigin::parse(origin).expect_err(origin);
            assert!(error.contains(why), "{origin}: {error}");
        }
        assert!(WebOrigin::parse(&format!("https://{}.example", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_host_field_may_name_the_schemes_own_port() {
        let https = WebOrigin::parse("https://shop.example").unwrap();
        let http = WebOrigin::parse("http://localhost:3000").unwrap();
        for (origin, field, expected) in [
            (&https, "shop.example", true),
            (&https, "Shop.Example", true),
            (&https, "shop.example:443", true),
            (&https, "shop.example:80", false),
            (&https, "shop.example.evil.example", false),
            (&https, "", false),
            (&http, "localhost:3000", true),
            (&http, "localhost", false),
        ] {
            assert_eq!(origin.is_host(field), expected, "{origin} {field}");
        }
    }
}
