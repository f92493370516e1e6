//! Where a site is mounted: which part of an event's path is the prefix of a stage or a base path, and which the site's
//! routes see. A path stays as its event has it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::door::{Door, PathForm, StagePlace};
use crate::{
    error::{Error, ErrorKind, Result},
    script_root::ScriptRoot,
};

/// What the place of a site is derived from, as its event says it.
#[derive(Debug)]
pub(crate) struct EventPath<'a> {
    pub(crate) door: &'static Door,
    /// The event's path.
    pub(crate) path: Cow<'a, str>,
    /// `requestContext.path`: at a REST API the path with the stage before it.
    pub(crate) context_path: Option<Cow<'a, str>>,
    pub(crate) stage: Option<Cow<'a, str>>,
    pub(crate) domain: Option<Cow<'a, str>>,
}

/// What a site says of its place itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mount {
    /// The prefix that the site's routes lack and visitors' URLs have: an API mapping of a custom domain, a path rule of an
    /// ALB. Paths of events have it or not.
    base_path: ScriptRoot,
    /// The prefix that visitors' URLs carry, where it is not the one that events show.
    public_root: Option<ScriptRoot>,
    /// What is no prefix, for the site not to start.
    mistake: Option<Error>,
}

impl Mount {
    pub(crate) fn with_base_path(mut self, prefix: &str) -> Self {
        self.base_path = self.read("base path", prefix);
        self
    }

    pub(crate) fn with_public_root(mut self, prefix: &str) -> Self {
        self.public_root = Some(self.read("public root", prefix));
        self
    }

    fn read(&mut self, what: &str, prefix: &str) -> ScriptRoot {
        ScriptRoot::parse(prefix).unwrap_or_else(|why| {
            // What stands before an `@` may be a password.
            let shown = prefix.rsplit('@').next().unwrap_or_default();
            let message = format!("the {what} {shown:?} is no path such as `/shop`: {why}");
            self.mistake = Some(Error::new(ErrorKind::Configuration, message));
            ScriptRoot::default()
        })
    }

    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the site has named a prefix that is none.
    pub(crate) fn checked(&self) -> Result<()> {
        self.mistake.clone().map_or(Ok(()), Err)
    }

    /// The prefix for links and the path for routes.
    pub(crate) fn split<'a>(&self, place: &'a EventPath<'_>) -> (ScriptRoot, &'a str) {
        let (stage_root, path) = match place.door.stage {
            StagePlace::Apart => (root_of_context(place), &*place.path),
            StagePlace::InPath | StagePlace::InPathOfOwnDomain => root_in_path(place),
            StagePlace::Nowhere => ("", &*place.path),
        };
        let path = self.without_base(path, place.door.path).unwrap_or(path);
        let is_mapping = place.door.stage == StagePlace::Apart && !place.is_on_own_domain();
        let root = self.root(stage_root, is_mapping);
        (root, if path.is_empty() { "/" } else { path })
    }

    /// The prefix for links where nothing is known of a request's path.
    pub(crate) fn root_of_unknown_place(&self) -> ScriptRoot {
        self.root("", false)
    }

    /// Links carry the base path whether the event's path did or not: the payload 2.0 of an HTTP API lacks the API mapping that
    /// its visitors see. What a REST API has before its path on a custom domain is the mapping already.
    fn root(&self, stage_root: &str, is_mapping: bool) -> ScriptRoot {
        let base = self.base_path.as_str();
        let derived = || match is_mapping && stage_root.ends_with(base) {
            true => ScriptRoot::new(stage_root),
            false => ScriptRoot::new(&format!("{stage_root}{base}")),
        };
        self.public_root.clone().unwrap_or_else(derived)
    }

    /// What follows the base path, in whole segments: `/api` is no prefix of `/apifoo`. Whoever encodes more of a path than
    /// another asks for the same (RFC 3986 §6.2.2.2).
    fn without_base<'a>(&self, path: &'a str, form: PathForm) -> Option<&'a str> {
        let base = self.base_path.as_str();
        let end = path.match_indices('/').nth(base.matches('/').count()).map_or(path.len(), |(at, _)| at);
        let is_same = |(sent, own): (&str, &str)| match form {
            PathForm::Decoded => sent.bytes().eq(percent_decode_str(own)),
            PathForm::AsSent | PathForm::OneLeadingSlash => percent_decode_str(sent).eq(percent_decode_str(own)),
        };
        let (head, rest) = path.split_at(end);
        let has_all = head.matches('/').count() == base.matches('/').count();
        (has_all && head.split('/').zip(base.split('/')).all(is_same)).then_some(rest)
    }
}

impl EventPath<'_> {
    /// Whether it is known that the request came by the domain that API Gateway gives an API.
    fn is_on_own_domain(&self) -> bool {
        self.domain.as_deref().is_some_and(|domain| domain.contains(".execute-api."))
    }
}

/// A REST API keeps the stage out of `path`; what `requestContext.path` has more is the prefix.
fn root_of_context<'a>(place: &'a EventPath<'_>) -> &'a str {
    let Some(whole) = place.context_path.as_deref() else { return "" };
    let root = whole.strip_suffix(&*place.path).or_else(|| (place.path == "/").then_some(whole));
    // The two may be encoded otherwise.
    let stage = || stage_of(place, whole).filter(|_| place.is_on_own_domain());
    root.or_else(stage).unwrap_or("").trim_end_matches('/')
}

/// The stage at the start of a path, with its slash.
fn stage_of<'a>(place: &EventPath<'_>, path: &'a str) -> Option<&'a str> {
    let stage = place.stage.as_deref().filter(|stage| !stage.is_empty() && *stage != "$default")?;
    let rest = path.strip_prefix('/')?.strip_prefix(stage)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| &path[..path.len() - rest.len()])
}

/// An HTTP API leaves a named stage in the path. On its own domain visitors see it; on a custom domain they don't, and with
/// payload 1.0 it is not there at all.
fn root_in_path<'a>(place: &'a EventPath<'_>) -> (&'a str, &'a str) {
    let is_own_domain = place.domain.is_none() || place.is_on_own_domain();
    let has_stage = is_own_domain || place.door.stage == StagePlace::InPath;
    let stage = stage_of(place, &place.path).filter(|_| has_stage).unwrap_or("");
    (if is_own_domain { stage } else { "" }, &place.path[stage.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_mounting_a_site() {
        use crate::runtime::door::{ALB, HTTP, HTTP_V1, REST, URL};
        let gateway = Some("abc.execute-api.eu-central-1.amazonaws.com");
        let custom = Some("shop.example.com");
        #[rustfmt::skip]
        let table = [
            // door, path, context path, stage, domain, base path -> root, path
            (&REST, "/hello", Some("/prod/hello"), "prod", gateway, "", "/prod", "/hello"),
            (&REST, "/", Some("/prod/"), "prod", gateway, "", "/prod", "/"),
            (&REST, "/", Some("/prod"), "prod", gateway, "", "/prod", "/"),
            (&REST, "/prod/x", Some("/prod/prod/x"), "prod", gateway, "", "/prod", "/prod/x"),
            (&REST, "/hello", Some("/hello"), "prod", custom, "", "", "/hello"),
            (&REST, "/shop/hello", Some("/shop/hello"), "prod", custom, "/shop", "/shop", "/hello"),
            (&REST, "/hello", Some("/shop/hello"), "prod", custom, "/shop", "/shop", "/hello"),
            (&REST, "/hello", Some("/prod/hello"), "prod", gateway, "/shop", "/prod/shop", "/hello"),
            (&REST, "/hello", None, "prod", gateway, "", "", "/hello"),
            (&REST, "/hello", Some("/shop/hello"), "shop", gateway, "/shop", "/shop/shop", "/hello"),
            (&REST, "/shop/hello", Some("/shop/shop/hello"), "shop", gateway, "/shop", "/shop/shop", "/hello"),
            (&REST, "/a%20b", Some("/prod/a b"), "prod", gateway, "", "/prod", "/a%20b"),
            (&REST, "/hello", Some("/prod//hello"), "prod", gateway, "", "/prod", "/hello"),
            (&REST, "/shop/v1/a", Some("/shop/v1/a"), "prod", custom, "/shop/v1", "/shop/v1", "/a"),
            (&HTTP, "/hello", None, "$default", gateway, "", "", "/hello"),
            (&HTTP, "/$default/hello", None, "$default", gateway, "", "", "/$default/hello"),
            (&HTTP, "/hello", None, "", gateway, "", "", "/hello"),
            (&HTTP, "//hello", None, "", gateway, "", "", "//hello"),
            (&HTTP, "/prod/hello", None, "prod", gateway, "", "/prod", "/hello"),
            (&HTTP, "/prod", None, "prod", gateway, "", "/prod", "/"),
            (&HTTP, "/prod/", None, "prod", gateway, "", "/prod", "/"),
            (&HTTP, "/prod/prod", None, "prod", gateway, "", "/prod", "/prod"),
            (&HTTP, "/production", None, "prod", gateway, "", "", "/production"),
            (&HTTP, "/prod-2/hello", None, "prod", gateway, "", "", "/prod-2/hello"),
            (&HTTP, "/prod/shop/hello", None, "prod", gateway, "/shop", "/prod/shop", "/hello"),
            (&HTTP, "/prod/hello", None, "prod", gateway, "/shop", "/prod/shop", "/hello"),
            (&HTTP, "/hello", None, "prod", custom, "", "", "/hello"),
            (&HTTP, "/prod/hello", None, "prod", custom, "", "", "/hello"),
            (&HTTP, "/product", None, "prod", custom, "", "", "/product"),
            (&HTTP, "/shop/hello", None, "prod", custom, "shop", "/shop", "/hello"),
            (&HTTP, "/hello", None, "prod", custom, "shop", "/shop", "/hello"),
            (&HTTP, "/prod/hello", None, "prod", custom, "shop", "/shop", "/hello"),
            (&HTTP, "/", None, "prod", custom, "/shop/v1", "/shop/v1", "/"),
            (&HTTP, "/shop/v1/a", None, "prod", custom, "/shop/v1", "/shop/v1", "/a"),
            (&HTTP, "/café/a", None, "prod", custom, "/caf%C3%A9", "/caf%C3%A9", "/a"),
            (&URL, "/caf%C3%A9/a", None, "$default", None, "/caf%C3%A9", "/caf%C3%A9", "/a"),
            (&HTTP, "/shopping", None, "prod", custom, "shop", "/shop", "/shopping"),
            (&HTTP, "/shop", None, "shop", custom, "/shop", "/shop", "/"),
            (&HTTP, "/shop/a", None, "shop", custom, "/shop", "/shop", "/a"),
            (&HTTP, "/shop/a", None, "shop", gateway, "/shop", "/shop/shop", "/a"),
            (&HTTP, "/shop/shop/a", None, "shop", gateway, "/shop", "/shop/shop", "/a"),
            (&HTTP, "/caf\u{e9}/a%2F", None, "", custom, "/caf%C3%A9", "/caf%C3%A9", "/a%2F"),
            (&HTTP, "/caf%C3%A9/a", None, "", custom, "/caf%C3%A9", "/caf%C3%A9", "/caf%C3%A9/a"),
            (&HTTP, "/shop", None, "", custom, "/shop/v1", "/shop/v1", "/shop"),
            (&HTTP, "/shop/v1", None, "", custom, "/shop/v1", "/shop/v1", "/"),
            (&HTTP, "/shop/v10/a", None, "", custom, "/shop/v1", "/shop/v1", "/shop/v10/a"),
            (&HTTP, "/shop//v1", None, "", custom, "/shop/v1", "/shop/v1", "/shop//v1"),
            (&HTTP_V1, "/hello", Some("/hello"), "$default", gateway, "", "", "/hello"),
            (&HTTP_V1, "/prod/hello", Some("/prod/hello"), "prod", gateway, "", "/prod", "/hello"),
            (&HTTP_V1, "/prod", Some("/prod"), "prod", gateway, "", "/prod", "/"),
            (&HTTP_V1, "/prod/prod/x", Some("/prod/prod/x"), "prod", gateway, "", "/prod", "/prod/x"),
            (&HTTP_V1, "/product", Some("/product"), "prod", gateway, "", "", "/product"),
            (&HTTP_V1, "/shop/hello", Some("/shop/hello"), "prod", custom, "/shop", "/shop", "/hello"),
            (&HTTP_V1, "/hello", Some("/hello"), "prod", custom, "/shop", "/shop", "/hello"),
            (&HTTP_V1, "/prod/hello", Some("/prod/hello"), "prod", custom, "/prod", "/prod", "/hello"),
            (&HTTP_V1, "/prod/hello", Some("/prod/hello"), "prod", custom, "", "", "/prod/hello"),
            (&URL, "/prod/hello", None, "$default", None, "", "", "/prod/hello"),
            (&URL, "/hello", None, "$default", None, "/shop", "/shop", "/hello"),
            (&ALB, "/shop", None, "", None, "/shop/", "/shop", "/"),
            (&ALB, "/caf%c3%a9/a%20", None, "", None, "/caf%C3%A9", "/caf%C3%A9", "/a%20"),
            (&ALB, "/%73hop/a", None, "", None, "/shop", "/shop", "/a"),
            (&ALB, "/a%2Fb/c", None, "", None, "/a/b", "/a/b", "/a%2Fb/c"),
            (&ALB, "/a%2Fb", None, "", None, "/a/b", "/a/b", "/a%2Fb"),
        ];
        for (door, path, context_path, stage, domain, base, root, rest) in table {
            let (path, context_path) = (path.into(), context_path.map(Cow::Borrowed));
            let place =
                EventPath { door, path, context_path, stage: Some(stage.into()), domain: domain.map(Cow::Borrowed) };
            let mount = Mount::default().with_base_path(base);
            assert_eq!(mount.split(&place), (ScriptRoot::new(root), rest), "{place:?} {base}");
        }
    }

    #[test]
    fn a_public_root_replaces_what_the_event_shows() {
        let mount = Mount::default().with_base_path("/shop").with_public_root("");
        for path in ["/a", "/shop/a"] {
            let context_path = Some(format!("/prod{path}").into());
            let door = &crate::runtime::door::REST;
            let place = EventPath { door, path: path.into(), context_path, stage: None, domain: None };
            assert_eq!(mount.split(&place), (ScriptRoot::default(), "/a"));
        }
    }
}
