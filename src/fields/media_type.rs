//! The media type of a file or of bytes, and which types are text. It does not know what is served.

use http::{HeaderMap, HeaderValue, header};

use super::ows;

/// Sets Content-Type (and Content-Encoding where the name implies one) for a file of this name and content.
///
/// The name's extension decides; the bytes only where it says nothing (RFC 9110 §8.3 leaves sniffing to the careless,
/// so every answer also gets `nosniff`).
pub(crate) fn describe(headers: &mut HeaderMap, name: &str, bytes: &[u8]) {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    if extension == "svgz" {
        // The file is a gzip of an SVG image: without this field no browser shows it.
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let by_content = || if is_well_known_json(name, bytes) { "application/json" } else { sniff(bytes) };
    let media_type = by_extension(&extension).map_or_else(|| by_content().to_owned(), with_charset);
    if let Ok(value) = HeaderValue::from_str(&media_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    disarm(headers);
}

/// Whether a name alone says the type of its file.
pub(crate) fn is_named(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    by_extension(&extension).is_some()
}

/// What clients look for under `.well-known/` has often no extension and is JSON, as the specifications of
/// `apple-app-site-association`, `openid-configuration` and others demand.
fn is_well_known_json(name: &str, bytes: &[u8]) -> bool {
    name.starts_with(".well-known/")
        && bytes.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// SECURITY: an SVG image that is opened by itself is a document, and may bring a script. In an `img` this changes nothing.
pub(crate) fn disarm(headers: &mut HeaderMap) {
    if headers.get(header::CONTENT_TYPE).is_some_and(|media_type| media_type == SVG) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NO_SCRIPT));
    }
}

pub(crate) const SVG: &str = "image/svg+xml";

const NO_SCRIPT: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox";

/// The kind of image that a file of this name is, as far as its name tells.
#[cfg_attr(not(feature = "images"), allow(dead_code, reason = "only those who convert images tell them from files"))]
pub(crate) fn of_image(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    by_extension(&extension).filter(|media_type| media_type.starts_with("image/"))
}

/// The media type of a template's output, by the template's extension; HTML where it has none that is known.
pub(crate) fn of_template(name: &str) -> String {
    let name = name.strip_suffix(".j2").or_else(|| name.strip_suffix(".jinja")).unwrap_or(name);
    let extension = name.rsplit_once('.').map_or("html", |(_, extension)| extension);
    with_charset(by_extension(&extension.to_ascii_lowercase()).unwrap_or("text/html"))
}

/// Whether a template's output is HTML.
pub(crate) fn is_html_template(name: &str) -> bool {
    is_html(&of_template(name))
}

/// A Content-Type without its parameters, in small letters (RFC 9110 §8.3.1).
pub(crate) fn essence(content_type: &str) -> String {
    ows::trim(content_type.split(';').next().unwrap_or_default()).to_ascii_lowercase()
}

/// Whether a media type in small letters is HTML.
pub(crate) fn is_html(media_type: &str) -> bool {
    media_type.starts_with("text/html") || media_type.starts_with("application/xhtml+xml")
}

/// Whether a browser may read this media type, in small letters, as markup: HTML or XML.
pub(crate) fn is_markup(media_type: &str) -> bool {
    media_type.starts_with("text/html") || media_type.contains("xml")
}

/// The media type that the first bytes tell, `text/plain` for other UTF-8 text, else `application/octet-stream`.
pub(crate) fn sniff(bytes: &[u8]) -> &'static str {
    match infer::get(bytes) {
        Some(kind) if is_text(kind.mime_type()) => "text/plain; charset=utf-8",
        Some(kind) => kind.mime_type(),
        None if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) => "text/plain; charset=utf-8",
        None => "application/octet-stream",
    }
}

/// The type of an extension: what the web's own registrations say where the table of `mime_guess` is older than they.
fn by_extension(extension: &str) -> Option<&'static str> {
    match extension {
        "mjs" => Some("text/javascript"), // RFC 9239 §6
        "xml" => Some("application/xml"), // RFC 7303 §9.1
        "ico" => Some("image/vnd.microsoft.icon"),
        "map" => Some("application/json"),          // source maps
        "md" => Some("text/markdown"),              // RFC 7763
        "yaml" | "yml" => Some("application/yaml"), // RFC 9512
        "toml" => Some("application/toml"),
        _ => mime_guess::from_ext(extension).first_raw(),
    }
}

/// Text goes out as UTF-8 and says so. JSON has no such parameter (RFC 8259 §11).
fn with_charset(media_type: &str) -> String {
    let xml = media_type == "application/xml" || (media_type.ends_with("+xml") && media_type != "image/svg+xml");
    if media_type.starts_with("text/") || xml { format!("{media_type}; charset=utf-8") } else { media_type.to_owned() }
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_and_bytes_only_where_names_say_nothing() {
        let png = b"\x89PNG\r\n\x1a\n0000";
        for (name, bytes, expected) in [
            ("site.css", &b""[..], "text/css; charset=utf-8"),
            ("app.js", b"", "text/javascript; charset=utf-8"),
            ("app.MJS", b"", "text/javascript; charset=utf-8"),
            ("a.html", b"", "text/html; charset=utf-8"),
            ("a.json", b"{}", "application/json"),
            ("a.xml", b"", "application/xml; charset=utf-8"),
            ("logo.svg", b"", "image/svg+xml"),
            ("logo.svgz", b"\x1f\x8b", "image/svg+xml"),
            ("a.avif", b"", "image/avif"),
            ("a.webp", b"", "image/webp"),
            ("a.woff2", b"", "font/woff2"),
            ("a.wasm", b"", "application/wasm"),
            ("site.webmanifest", b"", "application/manifest+json"),
            ("robots.txt", b"", "text/plain; charset=utf-8"),
            ("LICENSE", b"some text", "text/plain; charset=utf-8"),
            ("page", b"<!doctype html><script>", "text/plain; charset=utf-8"),
            ("picture", png, "image/png"),
            ("blob", b"\x00\x01\xff", "application/octet-stream"),
            (".well-known/openid-configuration", b" {\"issuer\": \"x\"}", "application/json"),
            (".well-known/token", b"{token", "text/plain; charset=utf-8"),
            ("data", b"{}", "text/plain; charset=utf-8"),
        ] {
            let mut headers = HeaderMap::new();
            describe(&mut headers, name, bytes);
            assert_eq!(headers[header::CONTENT_TYPE], expected, "{name}");
            assert_eq!(headers.get(header::CONTENT_ENCODING).is_some(), name.ends_with(".svgz"));
        }
    }

    #[test]
    fn a_template_is_what_its_extension_says() {
        assert_eq!(of_template("index.html"), "text/html; charset=utf-8");
        assert_eq!(of_template("feed.xml.j2"), "application/xml; charset=utf-8");
        assert_eq!(of_template("data.json"), "application/json");
        assert_eq!(of_template("page"), "text/html; charset=utf-8");
    }
}
