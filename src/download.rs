//! A response that browsers save as a file, under a name of the site's choice (RFC 6266).

use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::representation::Representation;

impl Representation {
    /// Sends it as a download: browsers save it under this name and do not show it (`Content-Disposition: attachment`).
    ///
    /// The name may be any text. If it is not ASCII, it is sent twice: unchanged in `filename*` (RFC 8187), and for old clients in
    /// `filename`, with `_` in place of each character that is not ASCII. Slashes, backslashes and control characters become `_`
    /// in both, because a name is not a path (RFC 6266 §4.3). Characters that show nothing, or that turn the direction of the
    /// text, are left out, because they can hide the real ending of a name. If the name is empty, the browser makes one from the URL.
    /// The page in place of a missing thing is no download (see [`with_status`](Self::with_status)).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    /// let invoice = content.asset(&b"%PDF-1.7"[..]).with_download("Rechnung März.pdf");
    /// let response = http::Response::<http_body_util::Full<bytes::Bytes>>::from(invoice);
    /// assert_eq!(
    ///     response.headers()["content-disposition"],
    ///     "attachment; filename=\"Rechnung M_rz.pdf\"; filename*=UTF-8''Rechnung%20M%C3%A4rz.pdf"
    /// );
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_download(self, file_name: &str) -> Self {
        let field = HeaderValue::from_str(&disposition(file_name));
        // What it is made of may stand in a field.
        field.into_iter().fold(self, |file, field| file.with_header(header::CONTENT_DISPOSITION, field))
    }
}

fn disposition(name: &str) -> String {
    let is_unseen = |c: char| c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c);
    let shown = name.chars().filter(|c| !is_invisible(*c));
    let name: String = shown.map(|c| if matches!(c, '/' | '\\') || is_unseen(c) { '_' } else { c }).collect();
    // Some clients read a percent sign as the start of an encoded byte (RFC 6266, appendix D).
    let is_plain = |c: char| c.is_ascii() && !matches!(c, '"' | '%');
    match name.as_str() {
        "" => "attachment".to_owned(),
        name if name.chars().all(is_plain) => format!("attachment; filename=\"{name}\""),
        name => {
            let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
            format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, NOT_IN_VALUE))
        }
    }
}

/// Characters that show nothing, or turn the direction of what follows, so that `gpj.exe` reads as `exe.jpg`. No file name has
/// them, neither of a file that is sent nor of one that came.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// What is no `attr-char` (RFC 8187 §3.2.1).
#[rustfmt::skip]
const NOT_IN_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!').remove(b'#').remove(b'$').remove(b'&').remove(b'+').remove(b'-').remove(b'.').remove(b'^').remove(b'_')
    .remove(b'`').remove(b'|').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_field_that_names_one_file() {
        for (name, expected) in [
            ("", "attachment"),
            ("a b;c.pdf", "attachment; filename=\"a b;c.pdf\""),
            ("../../etc/passwd", "attachment; filename=\".._.._etc_passwd\""),
            ("a\r\nSet-Cookie: x", "attachment; filename=\"a__Set-Cookie: x\""),
            ("a\"b\\c", "attachment; filename=\"a_b_c\"; filename*=UTF-8''a%22b_c"),
            ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
            ("€'*", "attachment; filename=\"_'*\"; filename*=UTF-8''%E2%82%AC%27%2A"),
            ("\u{85}\u{0}", "attachment; filename=\"__\""),
            ("a\u{202e}gpj.exe\u{200b}", "attachment; filename=\"agpj.exe\""),
        ] {
            assert_eq!(disposition(name), expected, "{name:?}");
            assert!(HeaderValue::from_str(&disposition(name)).is_ok(), "{name:?}");
        }
    }
}
