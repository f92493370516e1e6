//! The filters, tests and functions that a site's templates can use, and which of them somebody may have meant who wrote another
//! name.

use std::collections::BTreeSet;

use minijinja::{Environment, State, tests};

use super::{
    routes::{self, URL_FOR},
    syntax::{Applied, AppliedKind, KNOWN_FILTERS, KNOWN_TESTS},
    translated,
};
use crate::images;

pub(crate) struct KnownNames<'a> {
    state: State<'a, 'a>,
    /// Functions of the engine, and what templates define.
    functions: BTreeSet<String>,
}

/// Further filters and tests that an engine may have. Those that it has are suggested.
#[rustfmt::skip]
const FILTERS: [&str; 24] = [
    "abs", "capitalize", "chain", "e", "escape", "float", "format", "indent", "int", "lines", "lower", "pprint", "replace",
    "round", "safe", "split", "string", "sum", "title", "tojson", "trim", "upper", "urlencode", "zip",
];
#[rustfmt::skip]
const TESTS: [&str; 14] = [
    "endingwith", "startingwith", "eq", "equalto", "escaped", "filter", "ge", "gt", "in", "le", "lt", "ne", "safe", "sameas",
];

/// What the engine gives a meaning to where it stands. Functions of this crate are there where a setting says so.
const OF_THE_LANGUAGE: [&str; 4] = ["super", "caller", "loop", "self"];

impl<'a> KnownNames<'a> {
    pub(crate) fn of<'n>(environment: &'a Environment<'a>, defined: impl Iterator<Item = &'n str>) -> Self {
        let functions = environment.globals().map(|(name, _)| name.to_owned());
        let translate = translated::FUNCTIONS.iter().chain([&translated::LANGUAGES]);
        let of_crate = OF_THE_LANGUAGE.iter().chain(&images::FUNCTIONS).chain(translate).map(|name| (*name).to_owned());
        let functions = functions.chain(defined.map(str::to_owned)).chain(of_crate).collect();
        Self { state: environment.empty_state(), functions }
    }

    pub(crate) fn has(&self, applied: &Applied) -> bool {
        match applied.kind {
            AppliedKind::Filter => tests::is_filter(&self.state, &applied.name),
            AppliedKind::Test => tests::is_test(&self.state, &applied.name),
            AppliedKind::Function => self.functions.contains(&applied.name),
        }
    }

    /// What is wrong with a name, and what to do.
    pub(crate) fn problem(&self, applied: &Applied) -> String {
        let name = &applied.name;
        if name == URL_FOR && applied.kind == AppliedKind::Function {
            return routes::MISSING.to_owned();
        }
        let (kind, add, known): (_, _, Vec<&str>) = match applied.kind {
            AppliedKind::Filter => {
                ("filter", "add_filter", there(&[&KNOWN_FILTERS, &FILTERS], |name| tests::is_filter(&self.state, name)))
            }
            AppliedKind::Test => {
                ("test", "add_test", there(&[&KNOWN_TESTS, &TESTS], |name| tests::is_test(&self.state, name)))
            }
            AppliedKind::Function => ("function", "add_function", self.functions.iter().map(String::as_str).collect()),
        };
        let nearest = nearest(name, &known);
        let meant = nearest.map(|other| format!("did you mean `{other}`? Otherwise ")).unwrap_or_default();
        format!("there is no {kind} `{name}`: {meant}add it by `{add}` in ContentManager::with_environment")
    }
}

/// The names of some lists that the engine has.
fn there(lists: &[&[&'static str]], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    lists.iter().flat_map(|list| list.iter()).copied().filter(|name| is_there(name)).collect()
}

/// The name that differs least, if it does by little.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let most = (name.chars().count() / 3).max(1);
    let by_distance = known.iter().map(|other| (distance(name, other), *other));
    by_distance.filter(|(distance, _)| *distance <= most).min().map(|(_, other)| other)
}

/// How many letters have to be added, left out or changed to make one word of the other (Levenshtein). Two that are exchanged
/// count as two.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = at;
        row[0] = at + 1;
        for (column, wanted) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *wanted);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests_of_names {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        for (name, expected) in [
            ("uper", Some("upper")),
            ("lenght", Some("length")),
            ("lengt", Some("length")),
            ("markdown", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, &["length", "lower", "upper"]), expected, "{name}");
        }
        assert_eq!((distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")), (3, 0, 3));
    }
}
