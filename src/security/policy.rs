//! A Content-Security-Policy (CSP Level 3): its directives, and the hashes of a page's inline scripts among them. It knows no
//! other field.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderValue;

use crate::{
    error::{Error, ErrorKind, Result},
    fields::ows,
    inline::Inline,
};

/// The directives by name.
#[derive(Clone, Debug)]
pub(super) struct Policy(BTreeMap<String, String>);

impl Default for Policy {
    fn default() -> Self {
        let directives = [
            ("default-src", "'self'"),
            ("base-uri", "'self'"),
            ("form-action", "'self'"),
            ("frame-ancestors", "'none'"),
            ("img-src", "'self' data:"),
            ("object-src", "'none'"),
        ];
        Self(directives.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// A longer one leaves no room for the other fields: API Gateway takes 10,240 bytes of them all.
const LONGEST: usize = 6 * 1024;

impl Policy {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        let is_value =
            value.bytes().all(|byte| (byte == b' ' || byte.is_ascii_graphic()) && byte != b';' && byte != b',');
        if !is_name || !is_value {
            let message =
                format!("`{name} {value}` is no directive of a Content-Security-Policy: a name and its sources");
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        if let Some(word) = value.split(' ').find(|word| is_unquoted(word)) {
            let message = format!("`{word}` in `{name}` would be the name of a host: it is written `'{word}'`");
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        self.0.insert(name.to_ascii_lowercase(), ows::trim(value).to_owned());
        Ok(())
    }

    /// The field for a page that has this inline.
    pub(super) fn value(&self, inline: Option<&Inline>) -> HeaderValue {
        let mut directives = self.0.clone();
        if let Some(inline) = inline {
            for (name, of_elements, sources) in
                [("script-src", "script-src-elem", &inline.scripts), ("style-src", "style-src-elem", &inline.styles)]
            {
                // A browser looks there first, if it is there.
                let name = if self.0.contains_key(of_elements) { of_elements } else { name };
                self.allow(&mut directives, name, sources);
            }
            if inline.style_attributes && !self.is_unsafe("style-src") {
                directives.entry("style-src-attr".into()).or_insert_with(|| "'unsafe-inline'".into());
            }
        }
        let text = written(&directives);
        if text.len() > LONGEST {
            tracing::error!(
                size = text.len(),
                limit = LONGEST,
                "the Content-Security-Policy of a page is too long: its inline scripts and styles are blocked; put them into \
                 static files"
            );
            return field(&written(&self.0));
        }
        field(&text)
    }

    fn allow(&self, directives: &mut BTreeMap<String, String>, name: &str, sources: &BTreeSet<String>) {
        if sources.is_empty() || self.is_unsafe(name) {
            return;
        }
        let mut value = self.sources(name).unwrap_or_default().to_owned();
        if value.eq_ignore_ascii_case("'none'") {
            value.clear();
        }
        for source in sources {
            value.push_str(if value.is_empty() { "" } else { " " });
            value.push_str(source);
        }
        directives.insert(name.to_owned(), value);
    }

    /// Whether everything inline runs already, as with a `default-src` or no directive at all: a hash would only forbid
    /// the rest.
    fn is_unsafe(&self, name: &str) -> bool {
        self.sources(name).is_none_or(|sources| sources.to_ascii_lowercase().contains("'unsafe-inline'"))
    }

    fn sources(&self, name: &str) -> Option<&str> {
        self.0.get(name).or_else(|| self.0.get("default-src")).map(String::as_str)
    }
}

/// Whether a source is a keyword, a nonce or a hash without its quotation marks (CSP Level 3 §2.3.1). Browsers take it for a
/// host of that name, which no page comes from.
fn is_unquoted(source: &str) -> bool {
    let keywords = ["none", "self", "unsafe-inline", "unsafe-eval", "unsafe-hashes", "strict-dynamic", "report-sample"];
    let starts = ["nonce-", "sha256-", "sha384-", "sha512-", "wasm-unsafe-eval"];
    let source = source.to_ascii_lowercase();
    keywords.contains(&source.as_str()) || starts.iter().any(|start| source.starts_with(start))
}

fn written(directives: &BTreeMap<String, String>) -> String {
    // What everything else falls back to goes first, for whoever reads it.
    let (first, rest): (Vec<_>, Vec<_>) = directives.iter().partition(|(name, _)| *name == "default-src");
    let directives = first.into_iter().chain(rest).map(|(name, value)| match value.as_str() {
        "" => name.clone(),
        value => format!("{name} {value}"),
    });
    directives.collect::<Vec<_>>().join("; ")
}

fn field(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("directives are printable ASCII: they are checked when they are set")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(directives: &[(&str, &str)], scripts: &[&str], style_attributes: bool) -> String {
        let mut policy = Policy(BTreeMap::new());
        directives.iter().for_each(|(name, value)| policy.set(name, value).unwrap());
        let scripts = scripts.iter().map(|source| (*source).to_owned()).collect();
        let inline = Inline { scripts, style_attributes, ..Inline::default() };
        policy.value(Some(&inline)).to_str().unwrap().to_owned()
    }

    #[test]
    fn hashes_go_where_a_browser_looks_for_them() {
        let own = ("default-src", "'self'");
        for (directives, scripts, attributes, expected) in [
            (&[own][..], &[][..], false, "default-src 'self'"),
            (&[own], &["'h'"], false, "default-src 'self'; script-src 'self' 'h'"),
            (
                &[own, ("Script-Src", "https://x")],
                &["'h'", "'i'"],
                false,
                "default-src 'self'; script-src https://x 'h' 'i'",
            ),
            (&[("script-src", "'none'")], &["'h'"], false, "script-src 'h'"),
            (
                &[("script-src", "'none'"), ("script-src-elem", "https://x")],
                &["'h'"],
                false,
                "script-src 'none'; script-src-elem https://x 'h'",
            ),
            (&[("script-src", "'unsafe-inline'")], &["'h'"], false, "script-src 'unsafe-inline'"),
            (&[("img-src", "*")], &["'h'"], true, "img-src *"),
            (&[own], &[], true, "default-src 'self'; style-src-attr 'unsafe-inline'"),
            (&[own, ("style-src-attr", "'none'")], &[], true, "default-src 'self'; style-src-attr 'none'"),
            (&[("upgrade-insecure-requests", "")], &[], false, "upgrade-insecure-requests"),
        ] {
            assert_eq!(policy(directives, scripts, attributes), expected, "{directives:?}");
        }
    }

    #[test]
    fn a_policy_that_is_too_long_allows_nothing_inline() {
        let many: Vec<String> = (0..200).map(|n| format!("'sha256-{n:044}'")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(policy(&[("default-src", "'self'")], &many, false), "default-src 'self'");
        assert!(policy(&[("default-src", "'self'")], &many[..90], false).len() > 90 * 54);
    }
}
