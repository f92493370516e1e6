//! Inline scripts and styles of templates, for a Content-Security-Policy: the hashes of those whose text is known, and what
//! such a policy will block. It reads HTML as far as it takes to find them (the HTML standard, §13.2.5: tags, attributes,
//! comments, raw text), and knows no syntax of templates.

use std::mem::take;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::inline::Inline;

/// A part of a template's output.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece<'s> {
    /// Text as it is, and the line that it starts in.
    Text(&'s str, usize),
    /// Whatever rendering makes of it: a value, another template, one of two branches.
    Unknown,
}

/// The inline scripts and styles of one template.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct InlineParts {
    pub(crate) inline: Inline,
    /// What a policy without `'unsafe-inline'` blocks, with its line.
    pub(crate) blocked: Vec<(usize, String)>,
}

pub(crate) fn find(streams: Vec<Vec<Piece<'_>>>) -> InlineParts {
    let mut found = InlineParts::default();
    for pieces in streams {
        let mut scanner = Scanner { found: take(&mut found), ..Scanner::default() };
        for piece in pieces {
            scanner.piece(piece);
        }
        scanner.end();
        found = scanner.found;
    }
    found
}

#[derive(Default)]
struct Scanner {
    state: State,
    line: usize,
    tag: Tag,
    /// The text of an element that holds no markup, or of what may turn out to be a comment.
    text: String,
    /// Whether something unknown stands in that text.
    is_unknown: bool,
    found: InlineParts,
}

#[derive(Default)]
struct Tag {
    name: String,
    closes: bool,
    line: usize,
    attributes: Vec<(String, String)>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Markup,
    /// After `<`.
    Open,
    Name,
    BeforeAttribute,
    Attribute,
    BeforeValue,
    Value(Option<char>),
    Comment,
    /// `<!doctype>` and what is no markup at all.
    Declaration,
    /// Inside of an element that holds no markup.
    Text,
}

/// Elements whose text is no markup.
const HOLD_TEXT: [&str; 8] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];

impl Scanner {
    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(text, line) => {
                self.line = line;
                for character in text.chars() {
                    self.state = self.next(character);
                    self.line += usize::from(character == '\n');
                }
            }
            Piece::Unknown => self.is_unknown = true,
        }
    }

    fn next(&mut self, c: char) -> State {
        match self.state {
            State::Markup if c == '<' => State::Open,
            State::Markup => State::Markup,
            State::Open => self.open(c),
            State::Name | State::BeforeAttribute | State::Attribute | State::BeforeValue => self.in_tag(c),
            State::Value(quote) => self.in_value(quote, c),
            State::Comment => {
                self.text.push(c);
                if self.text.ends_with("-->") { State::Markup } else { State::Comment }
            }
            State::Declaration => {
                self.text.push(c);
                match c {
                    '>' => State::Markup,
                    _ if self.text == "--" => State::Comment,
                    _ => State::Declaration,
                }
            }
            State::Text => self.in_text(c),
        }
    }

    fn open(&mut self, c: char) -> State {
        match c {
            '/' if !self.tag.closes => {
                self.tag.closes = true;
                State::Open
            }
            c if c.is_ascii_alphabetic() => {
                let closes = take(&mut self.tag).closes;
                self.tag = Tag { name: c.to_ascii_lowercase().into(), closes, line: self.line, attributes: Vec::new() };
                State::Name
            }
            '!' | '?' => {
                self.tag.closes = false;
                self.text.clear();
                State::Declaration
            }
            '<' => State::Open,
            _ => {
                self.tag.closes = false;
                State::Markup
            }
        }
    }

    fn in_tag(&mut self, c: char) -> State {
        match (self.state, c) {
            (_, '>') => self.tag_ends(),
            (State::BeforeValue, '"' | '\'') => State::Value(Some(c)),
            (State::BeforeValue, c) if c.is_ascii_whitespace() => State::BeforeValue,
            (State::BeforeValue, c) => self.in_value(None, c),
            (State::Attribute, '=') => State::BeforeValue,
            // `name = value`: what follows the blanks decides, and an equals sign can start no name here.
            (State::BeforeAttribute, '=') if !self.tag.attributes.is_empty() => State::BeforeValue,
            (_, c) if c.is_ascii_whitespace() || c == '/' => State::BeforeAttribute,
            (State::Name, c) => {
                self.tag.name.push(c.to_ascii_lowercase());
                State::Name
            }
            (State::Attribute, c) => {
                if let Some((name, _)) = self.tag.attributes.last_mut() {
                    name.push(c.to_ascii_lowercase());
                }
                State::Attribute
            }
            (_, c) => {
                self.tag.attributes.push((c.to_ascii_lowercase().into(), String::new()));
                State::Attribute
            }
        }
    }

    fn in_value(&mut self, quote: Option<char>, c: char) -> State {
        match quote {
            Some(quote) if c == quote => return State::BeforeAttribute,
            None if c == '>' => return self.tag_ends(),
            None if c.is_ascii_whitespace() => return State::BeforeAttribute,
            _ => {}
        }
        if let Some((_, value)) = self.tag.attributes.last_mut() {
            value.push(c);
        }
        State::Value(quote)
    }

    fn tag_ends(&mut self) -> State {
        if take(&mut self.tag.closes) {
            return State::Markup;
        }
        for (name, value) in &self.tag.attributes {
            let is_script = value.trim_start_matches(|c| c <= ' ').to_ascii_lowercase().starts_with("javascript:");
            let blocked = match name.as_str() {
                "style" => "a `style` attribute: give the element a class".to_owned(),
                name if name.len() > 2 && name.starts_with("on") => {
                    format!("the event handler `{name}`: add it in a script, with addEventListener")
                }
                name if is_script => format!("a script in `{name}`"),
                _ => continue,
            };
            self.found.blocked.push((self.tag.line, format!("a strict Content-Security-Policy blocks {blocked}")));
        }
        if !HOLD_TEXT.contains(&self.tag.name.as_str()) {
            return State::Markup;
        }
        self.text.clear();
        self.is_unknown = false;
        State::Text
    }

    fn in_text(&mut self, c: char) -> State {
        if matches!(c, '>' | '/') || c.is_ascii_whitespace() {
            let end = format!("</{}", self.tag.name);
            let at = self.text.len().checked_sub(end.len()).filter(|at| self.text.is_char_boundary(*at));
            if let Some(at) = at.filter(|at| self.text[*at..].eq_ignore_ascii_case(&end)) {
                self.text.truncate(at);
                self.text_ends();
                self.tag = Tag { closes: true, ..Tag::default() };
                return if c == '>' { self.tag_ends() } else { State::BeforeAttribute };
            }
        }
        self.text.push(c);
        State::Text
    }

    fn text_ends(&mut self) {
        let text = take(&mut self.text).replace("\r\n", "\n").replace('\r', "\n");
        let attribute =
            |name: &str| self.tag.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value);
        let is_script = self.tag.name == "script";
        let counts = match is_script {
            true => attribute("src").is_none() && attribute("type").is_none_or(|kind| is_executed(kind)),
            false => self.tag.name == "style",
        };
        // What hides a script within a script (§13.2.5.21) ends elsewhere in a browser.
        let is_odd = is_script && text.contains("<!--");
        if !counts || (text.is_empty() && !self.is_unknown) {
            return;
        }
        if self.is_unknown || is_odd {
            let what = if is_odd { "has a comment of HTML in it" } else { "is not the same for every page" };
            let place = if is_script {
                "a script in a static file, and what changes in `data-` attributes"
            } else {
                "a static file"
            };
            let problem = format!(
                "a strict Content-Security-Policy blocks this inline {}, which {what}: put it into {place}",
                self.tag.name
            );
            self.found.blocked.push((self.tag.line, problem));
            return;
        }
        let source = format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        let inline = &mut self.found.inline;
        if is_script { &mut inline.scripts } else { &mut inline.styles }.insert(source);
    }

    /// A template that ends inside of an element: what completes it is not known.
    fn end(&mut self) {
        if self.state == State::Text {
            self.is_unknown = true;
            self.text_ends();
        }
    }
}

/// Whether a script of this type is run, and so needs a policy's leave (§4.12.1); anything else is a block of data.
fn is_executed(kind: &str) -> bool {
    let kind = kind.trim_matches(|c: char| c.is_ascii_whitespace()).to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_whitespace());
    essence.is_empty()
        || ["module", "importmap", "speculationrules"].contains(&essence)
        || essence.ends_with("javascript")
        || essence.ends_with("ecmascript")
        || ["text/jscript", "text/livescript"].contains(&essence)
        || essence.starts_with("text/javascript1.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(pieces: &[&str]) -> InlineParts {
        let pieces = pieces.iter().map(|piece| match *piece {
            "?" => Piece::Unknown,
            text => Piece::Text(text, 1),
        });
        find(vec![pieces.collect()])
    }

    fn hash(text: &str) -> String {
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
    }

    #[test]
    fn scripts_and_styles_are_found_as_a_browser_finds_them() {
        for (pieces, scripts, styles) in [
            (&["<script>a()</script>"][..], &["a()"][..], &[][..]),
            (&["<SCRIPT defer>a()</Script >b"], &["a()"], &[]),
            (&["<style media=print>b{}</style>"], &[], &["b{}"]),
            (&["<script>a</script><script>b</script>"], &["a", "b"], &[]),
            (&["<script>\r\na\rb\n</script>"], &["\na\nb\n"], &[]),
            (&["<script>a", "b</script>"], &["ab"], &[]),
            (&["?", "<script>a</script>", "?"], &["a"], &[]),
            (&["<script>if (a</b) '</scripts>'</script\t>"], &["if (a</b) '</scripts>'"], &[]),
            (&["<script src='a.js'>x</script>"], &[], &[]),
            (&["<script src=\"", "?", "\"></script>"], &[], &[]),
            (&["<script src = x></script>"], &[], &[]),
            (&["<script type=module>a</script>"], &["a"], &[]),
            (&["<script type='text/javascript; charset=utf-8'>a</script>"], &["a"], &[]),
            (&["<script type='application/ld+json'>", "?", "</script>"], &[], &[]),
            (&["<script type=importmap>{}</script>"], &["{}"], &[]),
            (&["<script></script><style></style>"], &[], &[]),
            (&["<!-- <script>a</script> --><script>b</script>"], &["b"], &[]),
            (&["<!doctype html><?x <p?><script>b</script>"], &["b"], &[]),
            (&["<title><script>a</script></title><script>b</script>"], &["b"], &[]),
            (&["<textarea>", "?", "<script>a</script></textarea><script>b</script>"], &["b"], &[]),
            (&["<p title='<script>a</script>'><script>b</script>"], &["b"], &[]),
            (&["<p title=<script>a</script>"], &[], &[]),
            (&["1 < 2 <script>b</script> </ script>"], &["b"], &[]),
            (&["<p ", "?", "><script>b</script>"], &["b"], &[]),
        ] {
            let found = of(pieces);
            let expected = |texts: &[&str]| texts.iter().map(|text| hash(text)).collect();
            assert_eq!(found.inline.scripts, expected(scripts), "{pieces:?}");
            assert_eq!(found.inline.styles, expected(styles), "{pieces:?}");
            assert_eq!(found.blocked, [], "{pieces:?}");
        }
    }

    #[test]
    fn what_a_policy_blocks_is_found_with_its_line() {
        for (pieces, line, words) in [
            (&["\n<script>a(", "?", ")</script>"][..], 2, "inline script, which is not the same"),
            (&["<style>", "?", "</style>"], 1, "inline style"),
            (&["<script>a"], 1, "inline script"),
            (&["<script><!-- <script>a</script>"], 1, "comment"),
            (&["<p>\n\n<a\nonclick='a()'>"], 3, "`onclick`"),
            (&["<p OnClick=", "?", ">"], 1, "`onclick`"),
            (&["<p style='a:b'>"], 1, "`style` attribute"),
            (&["<a href=' JavaScript:a()'>"], 1, "a script in `href`"),
        ] {
            let found = of(pieces);
            let [(found_line, problem)] = found.blocked.as_slice() else { panic!("{pieces:?}: {found:?}") };
            assert!(*found_line == line && problem.contains(words), "{pieces:?}: {found:?}");
            assert_eq!(found.inline, Inline::default(), "{pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn no_markup_makes_it_panic(text in "(<|>|/|!|-|=|'|\"| |script|style|a|ü){0,40}") {
            of(&[&text, "?", &text]);
        }
    }
}
