//! What a site's engine has in place of its own filters, tests and names of templates. It is found by setting up an engine
//! without them as the site does it: what is there then is the site's.

use std::sync::Arc;

use minijinja::{Environment, Value, tests, value::ValueKind};

use super::{
    site_settings::Configure,
    syntax::{Join, KNOWN_FILTERS, KNOWN_TESTS, Replaced},
};

pub(crate) fn of(configure: &[Configure]) -> Replaced {
    let mut engine = Environment::new();
    engine.set_path_join_callback(|_, _| AS_IT_STANDS.into());
    KNOWN_FILTERS.iter().for_each(|name| engine.remove_filter(name));
    KNOWN_TESTS.iter().for_each(|name| engine.remove_test(name));
    configure.iter().for_each(|configure| configure(&mut engine));
    let state = engine.empty_state();
    let filters = KNOWN_FILTERS.into_iter().filter(|name| tests::is_filter(&state, name)).collect();
    let tests = KNOWN_TESTS.into_iter().filter(|name| tests::is_test(&state, name)).collect();
    drop(state);
    Replaced { filters, tests, join: join_of(engine) }
}

/// Whether one of these is a function, filter or test of the site's own.
pub(crate) fn has_own<'a>(configure: &[Configure], names: impl Iterator<Item = &'a str>) -> bool {
    if configure.is_empty() {
        return false;
    }
    let (mut engine, names) = (Environment::new(), names.collect::<Vec<_>>());
    for name in &names {
        engine.remove_filter(name);
        engine.remove_test(name);
        engine.remove_global(name);
    }
    configure.iter().for_each(|configure| configure(&mut engine));
    let is_function = |(name, value): (&str, Value)| names.contains(&name) && value.kind() == ValueKind::Plain;
    let state = engine.empty_state();
    let is_own = |name: &&str| tests::is_filter(&state, name) || tests::is_test(&state, name);
    names.iter().any(is_own) || engine.globals().any(is_function)
}

/// How the site's engine joins names, if it does. The engine says so only of templates that it has got: this one has a
/// template of every name.
fn join_of(mut engine: Environment<'static>) -> Option<Join> {
    engine.clear_templates();
    engine.set_loader(|_| Ok(Some(String::new())));
    let joined = move |name: &str, parent: &str| {
        let parent = engine.template_from_named_str(parent, "").ok()?;
        let state = parent.new_state();
        state.get_template(name).ok().map(|template| template.name().to_owned())
    };
    (joined("name", "parent").as_deref() != Some(AS_IT_STANDS)).then(|| Arc::new(joined) as Join)
}

/// No template has this name.
const AS_IT_STANDS: &str = "\0";
