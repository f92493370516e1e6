//! A catalogue of translations from the text of a `.po` file (the manual of gettext, "The Format of PO Files"). It renders nothing.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::plural::Plural;
use crate::fields::{
    digest::{PartDigest, update_framed},
    ows,
};

/// The translations into one language.
#[derive(Debug)]
pub(crate) struct Catalogue {
    language: String,
    /// By context and message.
    messages: BTreeMap<(Option<String>, String), Translation>,
}

/// A translation in all plural forms that it has, and the rule of the file that it stands in.
#[derive(Debug)]
struct Translation {
    forms: Vec<String>,
    rule: (String, Plural),
}

/// An entry of the file while it is read.
#[derive(Default)]
struct Entry {
    line: usize,
    is_fuzzy: bool,
    context: Option<String>,
    message: Option<String>,
    plural: Option<String>,
    forms: BTreeMap<usize, String>,
    last: Last,
}

/// The text that a further line belongs to.
#[derive(Clone, Copy, Default)]
enum Last {
    #[default]
    Nothing,
    Context,
    Message,
    Plural,
    Form(usize),
}

type Problems = Vec<(Option<usize>, String)>;

impl Catalogue {
    pub(super) fn new(language: &str) -> Self {
        Self { language: language.to_owned(), messages: BTreeMap::new() }
    }

    pub(crate) fn language(&self) -> &str {
        &self.language
    }

    pub(crate) fn has(&self, context: Option<&str>, message: &str) -> bool {
        self.translation(context, message).is_some()
    }

    /// The translation of a message.
    pub(crate) fn text(&self, context: Option<&str>, message: &str) -> Option<&str> {
        self.translation(context, message)?.forms.first().map(String::as_str)
    }

    /// The translation of a message for a number of things.
    pub(crate) fn plural(&self, context: Option<&str>, message: &str, number: u64) -> Option<&str> {
        let translation = self.translation(context, message)?;
        translation.forms.get(translation.rule.1.form(number)).map(String::as_str)
    }

    fn translation(&self, context: Option<&str>, message: &str) -> Option<&Translation> {
        self.messages.get(&(context.map(str::to_owned), message.to_owned()))
    }

    /// What tells its translations from others. Comments and dates in the file are no part of it.
    pub(crate) fn digest(&self) -> PartDigest {
        let mut hash = Sha256::new();
        for ((context, message), translation) in &self.messages {
            update_framed(&mut hash, &[u8::from(context.is_some())]);
            update_framed(&mut hash, context.as_deref().unwrap_or_default().as_bytes());
            update_framed(&mut hash, message.as_bytes());
            update_framed(&mut hash, translation.rule.0.as_bytes());
            update_framed(&mut hash, &translation.forms.len().to_le_bytes());
            translation.forms.iter().for_each(|form| update_framed(&mut hash, form.as_bytes()));
        }
        PartDigest::finish(hash)
    }

    /// Adds the entries of a file, and says what of it can't be read, by line.
    pub(super) fn read(&mut self, text: &str) -> Problems {
        let (mut problems, mut entry) = (Problems::new(), Entry::default());
        let mut rule = (String::new(), Plural::of_english());
        let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        for (at, line) in lines {
            let (number, line) = (at + 1, ows::trim(line));
            if entry.begins_another(line) {
                self.add(std::mem::take(&mut entry), &mut rule, &mut problems);
            }
            if let Err(problem) = entry.line(number, line) {
                problems.push((Some(number), problem));
            }
        }
        self.add(entry, &mut rule, &mut problems);
        problems
    }

    fn add(&mut self, entry: Entry, rule: &mut (String, Plural), problems: &mut Problems) {
        let Entry { line, is_fuzzy, context, message: Some(message), plural, forms, .. } = entry else { return };
        if message.is_empty() && context.is_none() {
            let header = forms.get(&0).map(String::as_str).unwrap_or_default();
            problems.extend(self.header(header, rule).into_iter().map(|problem| (Some(line), problem)));
            return;
        }
        let forms: Vec<String> = forms.into_values().collect();
        if is_fuzzy || forms.iter().any(String::is_empty) || forms.is_empty() {
            return;
        }
        if plural.is_some() && forms.len() != rule.1.forms() {
            let problem =
                format!("`{message}` has {} plural forms, and the language has {}", forms.len(), rule.1.forms());
            problems.push((Some(line), problem));
            return;
        }
        for form in &forms {
            let known = [Some(&message), plural.as_ref()].into_iter().flatten();
            let unknown =
                placeholders(form).find(|name| !known.clone().any(|text| placeholders(text).any(|it| it == *name)));
            let unknown =
                unknown.map(|name| format!("the translation of `{message}` names `{name}`, which the message has not"));
            problems.extend(unknown.map(|problem| (Some(line), problem)));
        }
        self.messages.insert((context, message), Translation { forms, rule: rule.clone() });
    }

    fn header(&self, header: &str, rule: &mut (String, Plural)) -> Option<String> {
        let field =
            |name: &str| header.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(ows::trim);
        let charset = field("Content-Type").and_then(|value| Some(value.split_once("charset=")?.1));
        let is_other =
            |charset: &&str| !["utf-8", "utf8", "us-ascii", "ascii"].contains(&charset.to_ascii_lowercase().as_str());
        if let Some(charset) = charset.filter(is_other) {
            return Some(format!("the charset is `{charset}`: convert the file to UTF-8"));
        }
        if let Some(forms) = field("Plural-Forms").filter(|forms| !forms.is_empty()) {
            match Plural::parse(forms) {
                Ok(parsed) => *rule = (forms.to_owned(), parsed),
                Err(problem) => return Some(problem),
            }
        }
        let said = field("Language").filter(|said| !said.is_empty()).map(super::tag);
        let said = said.filter(|said| *said != self.language)?;
        Some(format!("`Language: {said}` differs from `{}`, which the name of the file says", self.language))
    }
}

impl Entry {
    /// Whether a line is the first one of another entry.
    fn begins_another(&self, line: &str) -> bool {
        let is_whole = !self.forms.is_empty() || (self.message.is_some() && line.is_empty());
        is_whole && !line.starts_with("msgstr") && !line.starts_with('"') && !line.starts_with("msgid_plural")
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if let Some(flags) = line.strip_prefix("#,") {
            self.is_fuzzy |= flags.split(',').any(|flag| ows::trim(flag) == "fuzzy");
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (keyword, text) = line.split_at(line.find('"').ok_or_else(|| unreadable(line))?);
        let text = unescaped(text)?;
        let last = match ows::trim(keyword) {
            "" => self.last,
            "msgctxt" => Last::Context,
            "msgid" => Last::Message,
            "msgid_plural" => Last::Plural,
            "msgstr" => Last::Form(0),
            keyword => {
                let form = keyword.strip_prefix("msgstr[").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
                Last::Form(form.ok_or_else(|| unreadable(line))?)
            }
        };
        let place = match last {
            Last::Nothing => return Err(unreadable(line)),
            Last::Context => self.context.get_or_insert_default(),
            Last::Message => {
                self.line = if self.message.is_none() { number } else { self.line };
                self.message.get_or_insert_default()
            }
            Last::Plural => self.plural.get_or_insert_default(),
            Last::Form(form) => self.forms.entry(form).or_default(),
        };
        place.push_str(&text);
        self.last = last;
        Ok(())
    }
}

fn unreadable(line: &str) -> String {
    format!("`{line}` is no line of a .po file: it has `msgid`, `msgstr` or `msgctxt` and a text in quotation marks")
}

/// A text in quotation marks, with the escapes of C.
fn unescaped(text: &str) -> Result<String, String> {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let (mut plain, mut letters) = (String::new(), quoted.ok_or_else(|| unreadable(text))?.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(match letters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some(letter @ ('"' | '\\')) => letter,
                other => return Err(format!("`\\{}` is no escape", other.map(String::from).unwrap_or_default())),
            }),
            '"' => return Err(format!("a quotation mark within {text} needs a backslash before it")),
            letter => plain.push(letter),
        }
    }
    Ok(plain)
}

/// The names in the placeholders of a message: `name` of `%(name)s`.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("%(").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Catalogue, Problems) {
        let mut catalogue = Catalogue::new("de");
        let problems = catalogue.read(text);
        (catalogue, problems)
    }

    #[test]
    fn a_po_file_is_read_as_gettext_reads_it() {
        let (catalogue, problems) = read(concat!(
            "\u{feff}# a comment\n",
            "msgid \"\"\n",
            "msgstr \"\"\n",
            "\"Language: de\\n\"\n",
            "\"Plural-Forms: nplurals=2; plural=(n != 1);\\n\"\r\n",
            "\n",
            "#: templates/index.html:3\n",
            "msgid \"Hello\"\n",
            "msgstr \"Hallo\"\n",
            "msgid \"no blank line before\"\n",
            "msgstr \"ohne \"\n",
            "\"Leerzeile\"\n",
            "\n",
            "msgctxt \"menu\"\n",
            "msgid \"Open\"\n",
            "msgstr \"Öffnen\\t\\\"x\\\"\\\\\"\n",
            "\n",
            "#, python-format\n",
            "msgid \"%(num)d cup\"\n",
            "msgid_plural \"%(num)d cups\"\n",
            "msgstr[0] \"%(num)d Tasse\"\n",
            "msgstr[1] \"%(num)d Tassen\"\n",
            "\n",
            "#, fuzzy\n",
            "msgid \"Bye\"\n",
            "msgstr \"Hallo\"\n",
            "\n",
            "msgid \"untranslated\"\n",
            "msgstr \"\"\n",
            "\n",
            "#~ msgid \"old\"\n",
            "#~ msgstr \"alt\"\n",
        ));
        assert_eq!(problems, []);
        assert_eq!(catalogue.text(None, "Hello"), Some("Hallo"));
        assert_eq!(catalogue.text(None, "no blank line before"), Some("ohne Leerzeile"));
        assert_eq!(catalogue.text(Some("menu"), "Open"), Some("Öffnen\t\"x\"\\"));
        assert_eq!(catalogue.text(None, "Open"), None);
        assert_eq!(catalogue.plural(None, "%(num)d cup", 1), Some("%(num)d Tasse"));
        assert_eq!(catalogue.plural(None, "%(num)d cup", 0), Some("%(num)d Tassen"));
        for left_out in ["Bye", "untranslated", "old", ""] {
            assert!(!catalogue.has(None, left_out), "{left_out}");
        }
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let header = "msgid \"\"\nmsgstr \"Plural-Forms: nplurals=2; plural=n != 1;\\n\"\n\n";
        for (text, line, expected) in [
            ("msgid Hello\n", 1, "is no line of a .po file"),
            ("msgid \"a\nmsgstr \"b\"", 1, "is no line of a .po file"),
            ("\"a\"\n", 1, "is no line of a .po file"),
            ("msgid \"", 1, "is no line of a .po file"),
            ("msgid \"a\\q\"", 1, "`\\q` is no escape"),
            ("msgid \"a\"b\"", 1, "needs a backslash"),
            ("msgid \"\"\nmsgstr \"Plural-Forms: nplurals=2; plural=m;\\n\"", 1, "`m` has no meaning"),
            ("msgid \"\"\nmsgstr \"Language: fr\\n\"", 1, "differs from `de`"),
            ("msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=ISO-8859-1\\n\"", 1, "convert the file to UTF-8"),
            ("msgid \"a %(x)s\"\nmsgstr \"b %(y)s\"", 1, "names `y`"),
        ] {
            let problems = read(text).1;
            assert_eq!(problems.first().map(|(line, _)| *line), Some(Some(line)), "{text}");
            assert!(problems[0].1.contains(expected), "{problems:?}");
        }
        let problems = read(&format!("{header}msgid \"a\"\nmsgid_plural \"b\"\nmsgstr[0] \"c\"\n")).1;
        assert!(
            problems[0].0 == Some(4) && problems[0].1.contains("1 plural forms, and the language has 2"),
            "{problems:?}"
        );
    }

    #[test]
    fn the_digest_is_of_the_translations_and_of_no_comment() {
        let digest = |text: &str| read(text).0.digest();
        let one = "msgid \"a\"\nmsgstr \"b\"\n";
        assert_eq!(digest(one), digest(&format!("# new\n{one}")));
        for other in
            ["msgid \"a\"\nmsgstr \"c\"\n", "msgid \"ab\"\nmsgstr \"\"\n", "msgctxt \"\"\nmsgid \"a\"\nmsgstr \"b\"\n"]
        {
            assert_ne!(digest(one), digest(other), "{other}");
        }
    }
}
