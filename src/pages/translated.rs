//! The functions of templates that translate: `_`, `gettext`, `ngettext`, `pgettext`, `language` and `languages`. It
//! does not choose the language.

use std::{cell::RefCell, collections::BTreeSet, fmt::Write, sync::Arc};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, HtmlEscape, State,
    value::{Kwargs, Value},
};

use crate::{
    fields::digest::PartDigest,
    translations::{Catalogue, Catalogues},
};

/// The functions: pages that name one depend on the language, and on its catalogue.
pub(crate) const FUNCTIONS: [&str; 5] = ["_", "gettext", "ngettext", "pgettext", "language"];

/// The function that lists the languages of the site.
pub(crate) const LANGUAGES: &str = "languages";

thread_local! {
    /// NOTE: the engine's functions see no more than the arguments they are called with, and macros see not even the page's
    /// arguments. A render is synchronous and stays on its thread, so the catalogue waits here for it.
    static CATALOGUE: RefCell<Option<Arc<Catalogue>>> = const { RefCell::new(None) };
}

/// While it lives, this thread translates into a language.
pub(super) struct Translating(Option<Arc<Catalogue>>);

impl Translating {
    pub(super) fn into(catalogue: Option<Arc<Catalogue>>) -> Self {
        Self(CATALOGUE.replace(catalogue))
    }
}

impl Drop for Translating {
    fn drop(&mut self) {
        CATALOGUE.set(self.0.take());
    }
}

/// Where the site has translations, and no functions of these names of its own otherwise.
pub(super) fn add_functions(environment: &mut Environment<'static>, catalogues: Option<&Arc<Catalogues>>) {
    let Some(catalogues) = catalogues else { return };
    for name in ["_", "gettext"] {
        environment.add_function(name, |state: &State<'_, '_>, message: Value, values: Kwargs| {
            translated(state, None, &message, &values)
        });
    }
    environment.add_function("pgettext", |state: &State<'_, '_>, context: &str, message: Value, values: Kwargs| {
        translated(state, Some(context), &message, &values)
    });
    environment.add_function(
        "ngettext",
        |state: &State<'_, '_>, one: Value, many: Value, number: Value, values: Kwargs| {
            counted(state, [&one, &many], &number, &values)
        },
    );
    let default = catalogues.default().language().to_owned();
    environment.add_function("language", move || {
        CATALOGUE.with_borrow(|now| now.as_ref().map_or_else(|| default.clone(), |now| now.language().to_owned()))
    });
    let all: Vec<String> = catalogues.names().map(str::to_owned).collect();
    environment.add_function(LANGUAGES, move || all.clone());
}

fn translated(state: &State<'_, '_>, context: Option<&str>, message: &Value, values: &Kwargs) -> Result<Value, Error> {
    let id = text(message)?;
    let found = CATALOGUE.with_borrow(|now| Some(now.as_ref()?.text(context, id)?.to_owned()));
    filled(state, found.as_deref().unwrap_or(id), message.is_safe(), None, values)
}

fn counted(state: &State<'_, '_>, [one, many]: [&Value; 2], number: &Value, values: &Kwargs) -> Result<Value, Error> {
    let n = i64::try_from(number.clone()).map(i64::unsigned_abs).or_else(|_| u64::try_from(number.clone()));
    let n = n.map_err(|_| failed(format!("the number of things is a whole number, and not `{number}`")))?;
    let found = CATALOGUE.with_borrow(|now| Some(now.as_ref()?.plural(None, text(one).ok()?, n)?.to_owned()));
    let id = text(if n == 1 { one } else { many })?;
    let is_safe = one.is_safe() && many.is_safe();
    filled(state, found.as_deref().unwrap_or(id), is_safe, Some(number), values)
}

fn text(message: &Value) -> Result<&str, Error> {
    message.as_str().ok_or_else(|| failed(format!("a message is a text, and not `{message}`")))
}

fn failed(problem: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("translation: {problem}"))
}

/// A message with its values in place of `%(name)s`. `%%` is a percent sign.
///
/// SECURITY: the whole is escaped like any text, unless the template marks the message as safe. Then the values are escaped alone.
fn filled(
    state: &State<'_, '_>,
    message: &str,
    is_safe: bool,
    number: Option<&Value>,
    values: &Kwargs,
) -> Result<Value, Error> {
    let escapes = is_safe && matches!(state.auto_escape(), AutoEscape::Html);
    let (mut whole, mut rest) = (String::with_capacity(message.len()), message);
    while let Some(at) = rest.find('%') {
        whole.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            whole.push('%');
            rest = after;
            continue;
        }
        let Some((name, after)) = placeholder(rest) else {
            whole.push('%');
            continue;
        };
        let value = match number.filter(|_| name == "num" && !values.has("num")) {
            Some(number) => number.clone(),
            None if values.has(name) => values.get(name)?,
            None => return Err(failed(format!("`{message}` needs the value `{name}`: add `{name}=...` to the call"))),
        };
        let shown = value.to_string();
        match escapes && !value.is_safe() {
            true => _ = write!(whole, "{}", HtmlEscape(&shown)),
            false => whole.push_str(&shown),
        }
        rest = after;
    }
    whole.push_str(rest);
    // What a message does not show is no mistake: a translation may leave a value out.
    values.args().for_each(|name| _ = values.get::<Value>(name));
    Ok(if is_safe { Value::from_safe_string(whole) } else { Value::from(whole) })
}

/// The name in `(name)s` or `(name)d`, and what stands behind.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('(')?.split_once(')')?;
    Some((name, after.strip_prefix(['s', 'd'])?))
}

/// The language of a page that has these names in its templates and shows translations, and all translations into it.
pub(super) fn language(
    catalogue: Option<&Catalogue>,
    names: &BTreeSet<String>,
) -> Option<[(String, Option<PartDigest>); 2]> {
    let catalogue = catalogue.filter(|_| FUNCTIONS.iter().any(|name| names.contains(*name)))?;
    let language = catalogue.language();
    let translations = (format!("the translations into {language}"), Some(catalogue.digest()));
    Some([("the language".to_owned(), Some(PartDigest::of(language))), translations])
}

/// The languages that such a page lists.
pub(super) fn languages(catalogues: Option<&Catalogues>, names: &BTreeSet<String>) -> Option<String> {
    let catalogues = catalogues.filter(|_| names.contains(LANGUAGES))?;
    Some(catalogues.names().collect::<Vec<_>>().join("\n"))
}
