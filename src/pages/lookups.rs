//! What filters look up in the engine's state besides what they are handed: a table of those that `minijinja-contrib` has.
//! A site declares its own.

use super::site_settings::SiteSettings;

/// Filters with the names of the arguments or globals that change what they give.
const KNOWN: [(&str, &[&str]); 4] = [
    ("dateformat", &["DATE_FORMAT", "TIMEZONE"]),
    ("datetimeformat", &["DATETIME_FORMAT", "TIMEZONE"]),
    ("timeformat", &["TIMEZONE", "TIME_FORMAT"]),
    ("truncate", &["TRUNCATE_LEEWAY"]),
];

/// Names under which functions and filters that no tag can cover are usually added to the engine.
pub(crate) const VOLATILE: [&str; 5] = ["now", "random", "randrange", "lipsum", "csp_nonce"];

/// The names that a function, filter or test looks up.
pub(crate) fn of<'a>(settings: &'a SiteSettings, function: &str) -> impl Iterator<Item = &'a str> {
    let known = KNOWN.iter().find(|(name, _)| *name == function).map_or(&[][..], |(_, names)| names);
    let declared = settings.lookups.get(function).map_or(&[][..], Vec::as_slice);
    known.iter().copied().chain(declared.iter().map(String::as_str))
}

/// Whether it is known what a function, filter or test looks up.
pub(crate) fn are_known(settings: &SiteSettings, function: &str) -> bool {
    settings.lookups.contains_key(function) || KNOWN.iter().any(|(name, _)| *name == function)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Arc, Mutex},
    };

    use minijinja::{
        Environment,
        value::{Object, Value},
    };

    use super::*;

    /// Arguments that write down what is asked of them.
    #[derive(Debug, Default)]
    struct Recorder(Mutex<BTreeSet<String>>);

    impl Object for Recorder {
        fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
            self.0.lock().unwrap().insert(key.to_string());
            None
        }
    }

    /// The names of the filters and tests of an engine, which has no list of them but this.
    fn names(engine: &Environment<'_>) -> BTreeSet<String> {
        let text = format!("{engine:?}");
        let lists =
            ["tests: {", "filters: {", "filters: [", "tests: ["].iter().filter_map(|list| text.split(list).nth(1));
        let names = lists.flat_map(|list| list.split(['}', ']']).next().unwrap_or_default().split(", "));
        names.map(|name| name.trim_matches('"').to_owned()).collect()
    }

    #[test]
    fn the_table_has_what_the_installed_filters_look_up() {
        let (plain, mut engine) = (Environment::new(), Environment::new());
        minijinja_contrib::add_to_environment(&mut engine);
        let added: Vec<String> = names(&engine).difference(&names(&plain)).cloned().collect();
        for expected in ["datetimeformat", "pluralize", "truncate", "wordwrap", "striptags"] {
            assert!(added.iter().any(|name| name == expected), "{expected} is not in {added:?}");
        }
        for filter in added.iter().filter(|name| !VOLATILE.contains(&name.as_str())) {
            let asked = Arc::new(Recorder::default());
            for value in ["'2024-02-03T04:05:06'", "'2024-02-03T04:05:06+02:00'", "1700000000", "2", "'a b ' * 200"] {
                // Not each filter takes each value; what it asks for before it fails is in the table too.
                let template = format!("{{{{ ({value})|{filter} }}}}");
                let _ = engine.render_str(&template, Value::from_dyn_object(asked.clone()));
            }
            let known: BTreeSet<String> = of(&SiteSettings::default(), filter).map(str::to_owned).collect();
            assert_eq!(*asked.0.lock().unwrap(), known, "{filter}");
        }
    }
}
