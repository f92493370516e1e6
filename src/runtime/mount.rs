//! Where a site is mounted: which part of an event's path is the prefix of a stage or a base path, and which the site's
//! routes see. It works on paths as text and decodes nothing.

use crate::ScriptRoot;

use super::front::Front;

/// What the place of a site is derived from, as its event says it.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) front: Front,
    /// The event's path.
    pub(crate) path: &'a str,
    /// `requestContext.path`: at a REST API the path with the stage before it.
    pub(crate) context_path: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
    pub(crate) domain: Option<&'a str>,
}

/// What a site says of its place itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mount {
    /// The prefix that events' paths carry: an API mapping of a custom domain, a path rule of an ALB.
    pub(crate) base_path: ScriptRoot,
    /// The prefix that visitors' URLs carry, where it is not the one that events show.
    pub(crate) public_root: Option<ScriptRoot>,
}

impl Mount {
    /// The prefix for links and the path for routes.
    pub(crate) fn split<'a>(&self, place: &Place<'a>) -> (ScriptRoot, &'a str) {
        let (stage_root, path) = match place.front {
            Front::Rest => (rest_root(place), place.path),
            Front::Http => http_root(place),
            Front::Url | Front::Alb => ("", place.path),
        };
        let (base, path) = match without_prefix(path, self.base_path.as_str()) {
            Some(rest) => (self.base_path.as_str(), rest),
            None => ("", path),
        };
        let root = self.public_root.clone().unwrap_or_else(|| ScriptRoot::new(&format!("{stage_root}{base}")));
        (root, if path.is_empty() { "/" } else { path })
    }
}

/// A REST API keeps the stage out of `path`; what `requestContext.path` has more is the prefix.
fn rest_root<'a>(place: &Place<'a>) -> &'a str {
    let Some(whole) = place.context_path else { return "" };
    whole.strip_suffix(place.path).or_else(|| (place.path == "/").then_some(whole)).unwrap_or("").trim_end_matches('/')
}

/// An HTTP API leaves a named stage in the path on its own domain; on a custom domain no visitor sees it.
fn http_root<'a>(place: &Place<'a>) -> (&'a str, &'a str) {
    let own_domain = place.domain.is_some_and(|domain| domain.contains(".execute-api."));
    let Some(stage) = place.stage.filter(|stage| *stage != "$default" && own_domain) else { return ("", place.path) };
    match place.path.strip_prefix('/').and_then(|path| path.strip_prefix(stage)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => place.path.split_at(stage.len() + 1),
        _ => ("", place.path),
    }
}

/// Takes whole segments off: `/api` is no prefix of `/apifoo`.
fn without_prefix<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_mounting_a_site() {
        use Front::{Alb, Http, Rest, Url};
        let gateway = Some("abc.execute-api.eu-central-1.amazonaws.com");
        let custom = Some("shop.example.com");
        #[rustfmt::skip]
        let table = [
            // front, path, context path, stage, domain, base path -> root, path
            (Rest, "/hello", Some("/prod/hello"), "prod", gateway, "", "/prod", "/hello"),
            (Rest, "/", Some("/prod/"), "prod", gateway, "", "/prod", "/"),
            (Rest, "/", Some("/prod"), "prod", gateway, "", "/prod", "/"),
            (Rest, "/prod/x", Some("/prod/prod/x"), "prod", gateway, "", "/prod", "/prod/x"),
            (Rest, "/hello", Some("/hello"), "prod", custom, "", "", "/hello"),
            (Rest, "/shop/hello", Some("/shop/hello"), "prod", custom, "/shop", "/shop", "/hello"),
            (Rest, "/hello", None, "prod", gateway, "", "", "/hello"),
            (Http, "/hello", None, "$default", gateway, "", "", "/hello"),
            (Http, "/prod/hello", None, "prod", gateway, "", "/prod", "/hello"),
            (Http, "/prod", None, "prod", gateway, "", "/prod", "/"),
            (Http, "/prod/", None, "prod", gateway, "", "/prod", "/"),
            (Http, "/prod/prod", None, "prod", gateway, "", "/prod", "/prod"),
            (Http, "/production", None, "prod", gateway, "", "", "/production"),
            (Http, "/hello", None, "prod", custom, "", "", "/hello"),
            (Http, "/shop/hello", None, "prod", custom, "shop", "/shop", "/hello"),
            (Http, "/shopping", None, "prod", custom, "shop", "", "/shopping"),
            (Url, "/prod/hello", None, "$default", None, "", "", "/prod/hello"),
            (Alb, "/shop", None, "", None, "/shop/", "/shop", "/"),
        ];
        for (front, path, context_path, stage, domain, base, root, rest) in table {
            let place = Place { front, path, context_path, stage: Some(stage), domain };
            let mount = Mount { base_path: ScriptRoot::new(base), public_root: None };
            assert_eq!(mount.split(&place), (ScriptRoot::new(root), rest), "{place:?} {base}");
        }
    }

    #[test]
    fn a_public_root_replaces_what_the_event_shows() {
        let mount = Mount { public_root: Some(ScriptRoot::default()), ..Mount::default() };
        let place = Place { front: Front::Rest, path: "/a", context_path: Some("/prod/a"), stage: None, domain: None };
        assert_eq!(mount.split(&place), (ScriptRoot::default(), "/a"));
    }
}
