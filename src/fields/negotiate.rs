//! Negotiation: the weights of a field (RFC 9110 §12.4.2), the choice by Accept-Encoding (§12.5.3), and whether a client wants
//! problem details rather than a page. It chooses among codings; it does not encode.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::ows;

/// A content coding that a file may lie beside in, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    pub(crate) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// The coding's name in Content-Encoding.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What a file in this coding has behind its name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// The coding to send: the available one with the highest weight, the better compressed on a tie, and none (identity)
/// where the client takes no other. An absent field means identity, as only that is safe with old clients; where even
/// identity is refused, it is sent all the same rather than a 406 (§12.5.3 leaves that to us).
pub(crate) fn coding(headers: &HeaderMap, available: &[Coding]) -> Option<Coding> {
    let wanted = weights(headers, &header::ACCEPT_ENCODING);
    let weight = |name: &str| {
        let alias = format!("x-{name}"); // §8.4.1.3: x-gzip is gzip
        let exact = wanted.iter().find(|(coding, _)| *coding == name || *coding == alias);
        exact.or_else(|| wanted.iter().find(|(coding, _)| coding == "*")).map(|(_, weight)| *weight)
    };
    let identity = weight("identity");
    let mut best = None;
    for coding in available {
        let weight = weight(coding.name()).unwrap_or(0);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((*coding, weight));
        }
    }
    // Identity without a weight of its own is acceptable, but never preferred to a coding that was asked for by name.
    best.filter(|(_, weight)| identity.is_none_or(|identity| *weight >= identity)).map(|(coding, _)| coding)
}

/// Whether a client names JSON in Accept, and does not want HTML as much (RFC 9110 §12.5.1): no browser does. `*/*` stands for
/// neither.
pub(crate) fn prefers_problem(headers: &HeaderMap) -> bool {
    // Each request comes this way, and hardly any goes on.
    let is_json = |word: &[u8]| word[0] | 0x20 == b'j' && word.eq_ignore_ascii_case(b"json");
    let is_named = |line: &HeaderValue| line.as_bytes().windows(4).any(is_json);
    if !headers.get_all(header::ACCEPT).iter().any(is_named) {
        return false;
    }
    let wanted = weights(headers, &header::ACCEPT);
    let weight = |is_meant: fn(&str) -> bool| {
        let meant = wanted.iter().filter(|(range, _)| is_meant(range));
        meant.map(|(_, weight)| *weight).max().unwrap_or(0)
    };
    let json = weight(|range| range == "application/json" || range.ends_with("+json"));
    json > weight(|range| ["text/html", "application/xhtml+xml", "text/*"].contains(&range))
}

/// The elements of all lines of a field such as Accept (RFC 9110 §12.4.2): names in lower case, weights in thousandths.
pub(crate) fn weights(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, u16)> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(weighted).collect()
}

/// One element; `None` where it can't be read.
fn weighted(element: &str) -> Option<(String, u16)> {
    let mut parts = element.split(';').map(ows::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let mut weight = 1000;
    for parameter in parts {
        let (key, value) = parameter.split_once('=')?;
        if ows::trim(key).eq_ignore_ascii_case("q") {
            weight = thousandths(ows::trim(value))?;
        }
    }
    Some((name, weight))
}

/// A qvalue (§12.4.2): 0 to 1 with at most three decimals, as thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_json_and_not_html_wants_problem_details() {
        for (lines, expected) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], false),
            (&["application/json"], true),
            (&["APPLICATION/JSON ; q=0.1"], true),
            (&["application/json;q=0"], false),
            (&["application/json, text/plain, */*"], true),
            (&["application/problem+json"], true),
            (&["application/vnd.api+json, */*"], true),
            (&["text/html, application/json"], false),
            (&["application/json", "text/html"], false),
            (&["application/json, text/html;q=0"], true),
            (&["application/json, text/html;q=0.9"], true),
            (&["application/json;q=0.9, text/html"], false),
            (&["application/json;q=0.9, text/*"], false),
            (&["application/x-ndjson"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT, HeaderValue::from_static(line));
            }
            assert_eq!(prefers_problem(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn accept_encoding_is_read_as_rfc_9110_12_5_3_says() {
        let (both, gzip) = (&Coding::ALL[..], &[Coding::Gzip][..]);
        for (lines, available, expected) in [
            (&[][..], both, None),
            (&[""][..], both, None),
            (&["gzip, deflate, br"], both, Some("br")),
            (&["gzip", "br"], both, Some("br")),
            (&["GZIP"], both, Some("gzip")),
            (&["x-gzip"], both, Some("gzip")),
            (&["br"], gzip, None),
            (&["*"], gzip, Some("gzip")),
            (&["*;q=0"], both, None),
            (&["br;q=0, *"], both, Some("gzip")),
            (&["br;q=0, gzip;q=0.0"], both, None),
            (&["br;q=0.5, gzip;q=0.8"], both, Some("gzip")),
            (&["gzip;q=0.5, identity"], both, None),
            (&["gzip, identity;q=0.5"], both, Some("gzip")),
            (&["identity;q=0"], both, None),
            (&["br ; q=1.000"], both, Some("br")),
            (&["br;q=1.5, gzip"], both, Some("gzip")),
            (&["br;q=0.1234, gzip"], both, Some("gzip")),
            (&["br;q, gzip"], both, Some("gzip")),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(coding(&headers, available).map(Coding::name), expected, "{lines:?}");
        }
    }
}
