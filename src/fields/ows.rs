//! Optional white space in protocol text: SP and HTAB, and nothing else (RFC 9110 §5.6.3, RFC 6265bis §5.6). It knows no field.

/// The characters of optional white space.
pub(crate) const OWS: [char; 2] = [' ', '\t'];

/// The text without the optional white space around it.
///
/// SECURITY: `str::trim` takes off all that Unicode calls white space: U+2000, U+00A0, VT and many more. A browser keeps
/// those, so that `U+2000 __Host-user` is a name that another host may set. Whoever trims it has the protected name.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(OWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_tabs_are_taken_off_and_nothing_else() {
        assert_eq!(trim(" \t a b\t "), "a b");
        for other in ["\u{b}", "\u{c}", "\r", "\n", "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{2028}", "\u{3000}"]
        {
            let text = format!("{other}a{other}");
            assert_eq!(trim(&format!(" {text}\t")), text);
        }
    }
}
