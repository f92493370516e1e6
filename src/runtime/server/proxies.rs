//! Whose word counts on where a request comes from. It knows no connection.
//!
//! SECURITY: anybody can send `X-Forwarded-For`. What the site gets is one address and one scheme, of the last proxy that is
//! trusted; what a client says of itself never arrives.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    error::{Error, ErrorKind, Result},
    fields::{ows, quoted},
    stage::address_in,
};

/// The proxies that are trusted.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    nets: Vec<Net>,
    /// Every peer is a trusted proxy: only the proxy reaches this process.
    is_any_peer: bool,
    /// Whether HTTPS is assumed when a proxy sends no scheme.
    is_https: bool,
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Net {
    start: IpAddr,
    bits: u32,
}

impl Proxies {
    /// Reads the setting: addresses and networks (`10.0.0.0/8`), separated by commas; `*` is whoever connects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what is none.
    pub(super) fn parse(setting: &str) -> Result<Self> {
        let mut proxies = Self::default();
        for one in setting.split(',').map(ows::trim).filter(|one| !one.is_empty()) {
            match one {
                "*" => proxies.is_any_peer = true,
                _ => proxies.nets.push(Net::parse(one).ok_or_else(|| no_net(one))?),
            }
        }
        Ok(proxies)
    }

    /// Lambda's own proxy before a Web Function, which nobody else reaches, and which visitors reach by HTTPS alone.
    pub(super) fn with_lambda(self) -> Self {
        Self { is_any_peer: true, is_https: true, ..self }
    }

    /// The client's address; the fields then say it and the scheme, and nothing that nobody trusted said.
    pub(super) fn client(&self, headers: &mut HeaderMap, peer: IpAddr) -> IpAddr {
        let is_trusted = self.is_any_peer || self.trust(peer);
        let hops = if is_trusted { hops(headers) } else { Vec::new() };
        let mut client = Hop { address: Some(peer), proto: None };
        for hop in hops.into_iter().rev() {
            let Some(address) = hop.address else { break };
            client = hop;
            if !self.trust(address) {
                break;
            }
        }
        let said = if is_trusted { last_list_value(headers, &X_FORWARDED_PROTO) } else { None };
        let https = match said.as_deref().or(client.proto.as_deref()).map(str::to_ascii_lowercase).as_deref() {
            Some("https") => true,
            Some("http") => false,
            _ => is_trusted && self.is_https,
        };
        if !is_trusted {
            let forged: Vec<_> =
                headers.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).cloned().collect();
            forged.iter().for_each(|name| _ = headers.remove(name));
        }
        headers.remove(http::header::FORWARDED);
        let address = client.address.unwrap_or(peer);
        headers.remove(X_FORWARDED_FOR);
        // Digits, letters, dots and colons: a field can hold them.
        if let Ok(value) = HeaderValue::try_from(address.to_string()) {
            headers.insert(X_FORWARDED_FOR, value);
        }
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(if https { "https" } else { "http" }));
        address
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.nets.iter().any(|net| net.has(address))
    }
}

impl Net {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let start = address_in(address)?;
        let all = if start.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(all), |bits| bits.parse().ok())?;
        (bits <= all).then_some(Self { start, bits })
    }

    fn has(self, address: IpAddr) -> bool {
        match (self.start, address) {
            (IpAddr::V4(start), IpAddr::V4(address)) => {
                u32::from(start).checked_shr(32 - self.bits) == u32::from(address).checked_shr(32 - self.bits)
            }
            (IpAddr::V6(start), IpAddr::V6(address)) => {
                u128::from(start).checked_shr(128 - self.bits) == u128::from(address).checked_shr(128 - self.bits)
            }
            _ => false,
        }
    }
}

fn no_net(text: &str) -> Error {
    let message = format!(
        "the trusted proxies have `{text}`, which is none: write an address, a network such as `10.0.0.0/8`, or `*` for whoever \
         connects; separated by commas"
    );
    Error::new(ErrorKind::Configuration, message)
}

/// What one proxy says of whoever asked it.
struct Hop {
    address: Option<IpAddr>,
    proto: Option<String>,
}

/// From the client to the last proxy. `X-Forwarded-For`, which AWS's doors write, counts more than `Forwarded`, which they
/// pass on as a client sent it.
fn hops(headers: &HeaderMap) -> Vec<Hop> {
    let plain = elements(headers, &X_FORWARDED_FOR);
    if !plain.is_empty() {
        return plain.iter().map(|address| Hop { address: address_with_port(address), proto: None }).collect();
    }
    lines(headers, &http::header::FORWARDED).flat_map(|line| forwarded(&line)).collect()
}

/// The elements of a line of `Forwarded` (RFC 7239 §4). One that can't be read is a hop without an address.
///
/// SECURITY: a proxy writes what a client sent, such as its Host, into quoted strings, and adds its own element behind those of
/// the client. Neither must make two elements of one, or one of two.
fn forwarded(line: &str) -> Vec<Hop> {
    let elements = quoted::split(line, ',').unwrap_or_else(|| vec![line]);
    elements.into_iter().map(|element| hop(element).unwrap_or(Hop { address: None, proto: None })).collect()
}

fn hop(element: &str) -> Option<Hop> {
    let mut hop = Hop { address: None, proto: None };
    for pair in quoted::split(element, ';')? {
        let (name, Some(value)) = quoted::name_and_value(pair)? else { continue };
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "for" => hop.address = address_with_port(value),
            "proto" => hop.proto = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(hop)
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.
fn address_with_port(text: &str) -> Option<IpAddr> {
    let without_port = || match text.rsplit_once(':') {
        Some((address, _)) if address.ends_with(']') || !address.contains(':') => address_in(address),
        _ => None,
    };
    address_in(text).or_else(without_port)
}

fn last_list_value(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    elements(headers, name).pop()
}

/// The elements of a list in all lines of a field (RFC 9110 §5.6.1). None of them has a comma in quotes: addresses and schemes.
fn elements(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let elements = |line: String| line.split(',').map(|element| ows::trim(element).to_owned()).collect::<Vec<_>>();
    lines(headers, name).flat_map(elements).collect()
}

fn lines(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_say_where_a_request_comes_from() {
        #[rustfmt::skip]
        let table = [
            // trusted, peer, the fields -> client, scheme
            ("", "192.0.2.1", "", "192.0.2.1", "http"),
            ("", "192.0.2.1", "x-forwarded-for: 10.0.0.1|x-forwarded-proto: https|forwarded: for=10.0.0.1", "192.0.2.1", "http"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-for: 203.0.113.9|x-forwarded-proto: https", "203.0.113.9", "https"),
            ("10.0.0.0/8", "11.1.2.3", "x-forwarded-for: 203.0.113.9|x-forwarded-proto: https", "11.1.2.3", "http"),
            // What a client wrote itself stands before what the proxy adds.
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-for: 127.0.0.1, 203.0.113.9", "203.0.113.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-for: 127.0.0.1|x-forwarded-for: 203.0.113.9, 10.9.9.9", "203.0.113.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-for: unknown, 10.9.9.9", "10.9.9.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-proto: https, http", "10.1.2.3", "http"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-proto: HTTPS", "10.1.2.3", "https"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-proto: gopher", "10.1.2.3", "http"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-for: 203.0.113.9:4711", "203.0.113.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", "x-forwarded-for: [2001:db8::1]:80", "2001:db8::1", "http"),
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=\"[2001:db8::1]:80\";proto=https", "2001:db8::1", "https"),
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=198.51.100.1, For=203.0.113.9;Proto=https", "203.0.113.9", "https"),
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=1.1.1.1|x-forwarded-for: 203.0.113.9", "203.0.113.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=_hidden;proto=https", "10.1.2.3", "http"),
            // A comma or a semicolon within a quoted string separates nothing.
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=203.0.113.9;host=\"a,for=127.0.0.1\"", "203.0.113.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=203.0.113.9;host=\"a;for=127.0.0.1;b=\"", "203.0.113.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", r#"forwarded: for=203.0.113.9;host="a\",for=127.0.0.1;b=\"""#, "203.0.113.9", "http"),
            // A quoted string that a client begins takes no element of the proxy's apart.
            ("10.0.0.0/8", "10.1.2.3", "forwarded: a=\", for=203.0.113.9", "10.1.2.3", "http"),
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=127.0.0.1;a=\"|forwarded: for=203.0.113.9", "203.0.113.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", "forwarded: for=127.0.0.1;a=\"|forwarded: for=10.9.9.9", "10.9.9.9", "http"),
            ("10.0.0.0/8", "10.1.2.3", r#"forwarded: a=", for=203.0.113.9;host=",for=127.0.0.1;a=\"""#, "10.1.2.3", "http"),
            ("*", "192.0.2.1", "x-forwarded-for: 203.0.113.9", "203.0.113.9", "http"),
            ("fd00::/8, 192.0.2.1", "fd12::1", "x-forwarded-for: 203.0.113.9", "203.0.113.9", "http"),
            ("0.0.0.0/0", "8.8.8.8", "x-forwarded-for: 9.9.9.9", "9.9.9.9", "http"),
        ];
        for (trusted, peer, fields, client, scheme) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in fields.split('|').filter_map(|field| field.split_once(": ")) {
                headers.append(HeaderName::try_from(name).expect(name), HeaderValue::try_from(value).expect(value));
            }
            let proxies = Proxies::parse(trusted).expect(trusted);
            let found = proxies.client(&mut headers, peer.parse().expect(peer));
            assert_eq!(found.to_string(), client, "{trusted} {peer} {fields}");
            let lines =
                |name| headers.get_all(name).iter().map(|line| line.to_str().expect("text")).collect::<Vec<_>>();
            assert_eq!(
                (lines("x-forwarded-for"), lines("x-forwarded-proto")),
                (vec![client], vec![scheme]),
                "{fields}"
            );
            assert!(!headers.contains_key("forwarded"));
        }
        let mut forged =
            HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-host"), HeaderValue::from_static("evil"))]);
        Proxies::default().client(&mut forged, "192.0.2.1".parse().expect("an address"));
        assert!(!forged.contains_key("x-forwarded-host"));
    }

    #[test]
    fn what_is_no_proxy_is_an_error_that_says_what_is() {
        for odd in ["10.0.0.0/33", "10.0.0", "proxy.internal", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8"] {
            let error = Proxies::parse(odd).expect_err(odd);
            assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("10.0.0.0/8"), "{error}");
        }
    }
}
