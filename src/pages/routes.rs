//! `url_for()`: the URL of a route of the site by its name, and what of its calls is wrong before a page is rendered. It knows no
//! syntax.

use std::collections::BTreeSet;

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Value, ValueKind},
};

use crate::route::Route;

/// The function that gives the URL of a route in templates. Pages that name it depend on the routes.
pub(crate) const URL_FOR: &str = "url_for";

/// What a site does that calls it and has named no routes.
pub(super) const MISSING: &str = "there is no function `url_for`, as the site has no routes: name them by \
    ContentManager::with_routes. `static('a.css')` is the URL of a static file, and `url('/about')` that of a path";

/// A call of it in a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouteCall {
    pub(crate) line: usize,
    pub(crate) route: String,
    /// The names of the values that are given, if they are known.
    pub(crate) given: Option<Vec<String>>,
}

/// The URL of a route within the site.
pub(super) fn url_for(routes: &[Route], name: &str, values: &Kwargs) -> Result<String, Error> {
    let failed = |problem: String| Error::new(ErrorKind::InvalidOperation, format!("url_for(): {problem}"));
    let route = named(routes, name).map_err(failed)?;
    let mut texts = Vec::new();
    for key in values.args() {
        if let Some(problem) = no_value(&route, key) {
            return Err(failed(problem));
        }
        let value: Value = values.get(key)?;
        match value.kind() {
            // What is not there has no part in the query.
            ValueKind::Undefined | ValueKind::None => {}
            ValueKind::String | ValueKind::Number | ValueKind::Bool => texts.push((key.to_owned(), value.to_string())),
            kind => return Err(failed(format!("`{key}` is a {kind}, and a URL has texts and numbers"))),
        }
    }
    if let Some(missing) = route.missing(|name| texts.iter().any(|(given, _)| given == name)) {
        return Err(failed(missing));
    }
    route.filled(texts).map_err(failed)
}

/// What is wrong with a call, if anything is.
pub(super) fn problem(routes: &[Route], call: &RouteCall) -> Option<String> {
    match (named(routes, &call.route), &call.given) {
        (Err(problem), _) => Some(problem),
        (Ok(route), Some(given)) => {
            let no_value = given.iter().find_map(|key| no_value(&route, key));
            no_value.or_else(|| route.missing(|name| given.iter().any(|given| given == name)))
        }
        (Ok(_), None) => None,
    }
}

fn named(routes: &[Route], name: &str) -> Result<Route, String> {
    routes.iter().find(|route| route.name() == name).copied().ok_or_else(|| {
        let known: Vec<_> = routes.iter().map(|route| format!("`{}`", route.name())).collect();
        let known = known.join(", ");
        match name {
            "static" => format!("a static file is no route: write `static('a.css')`. The routes are {known}"),
            name => format!("there is no route `{name}`: there are {known}"),
        }
    })
}

/// Why a key is no value of the URL: Flask gives names that begin with `_` a meaning of their own, and in the query they would
/// be wrong without a word.
fn no_value(route: &Route, key: &str) -> Option<String> {
    let is_parameter = route.missing(|name| name != key).is_some();
    if is_parameter || !key.starts_with('_') {
        return None;
    }
    let instead = match key {
        "_external" | "_scheme" => "`absolute_url(url_for(…))` is the whole address",
        "_anchor" => "write the fragment after the URL, as in `{{ url_for(…) }}#top`",
        "_method" => "a route has one path for all methods",
        _ => "give a parameter of the query another name, or write it after the URL",
    };
    Some(format!("`{key}` begins with `_`, so it is no value of the URL: {instead}"))
}

/// All routes in one text, for the tag of a page that mentions these names; `None` if it shows none.
pub(super) fn description(routes: &[Route], names: &BTreeSet<String>) -> Option<String> {
    let are_shown = !routes.is_empty() && names.contains(URL_FOR);
    are_shown.then(|| routes.iter().map(|route| format!("{}\n{}\n", route.name(), route.path())).collect())
}
