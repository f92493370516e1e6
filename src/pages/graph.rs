//! Which template names which templates, static files and globals, for somebody who looks at a page. It knows no tag.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::{
    closure::Site,
    explain::Explanation,
    reads::flow::Flow,
    reference::Reference,
    syntax::{self, Mentions},
};

/// What a page was made from.
#[derive(Clone)]
#[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "only the local server reads it"))]
pub(crate) struct PageNote {
    pub(crate) template: String,
    /// What its tag covers.
    pub(crate) covered: Explanation,
    /// Which template names what.
    pub(crate) graph: Arc<dyn Fn() -> Graph + Send + Sync>,
}

/// The templates of a page, the page's own first.
#[derive(Debug, Default, PartialEq)]
#[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "only the local server reads it"))]
pub(crate) struct Graph(pub(crate) Vec<Node>);

/// A template, with what it names.
#[derive(Debug, Default, PartialEq)]
#[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "only the local server reads it"))]
pub(crate) struct Node {
    pub(crate) template: String,
    /// Those that it extends, includes or imports; a name that is computed ends with `*`.
    pub(crate) templates: BTreeSet<String>,
    pub(crate) files: BTreeSet<String>,
    pub(crate) globals: BTreeSet<String>,
}

/// A page has seldom more, and a picture of more shows nothing.
const MOST: usize = 60;

impl Graph {
    pub(crate) fn of(site: Site<'_>, page: &str) -> Self {
        let (mut nodes, mut waiting) = (Vec::<Node>::new(), vec![page.to_owned()]);
        while let Some(name) = waiting.pop() {
            if nodes.len() == MOST || nodes.iter().any(|node| node.template == name) {
                continue;
            }
            let node = mentions(site, &name).map(|mentions| node(site, &name, &mentions)).unwrap_or_default();
            waiting.extend(node.templates.iter().rev().filter(|name| !name.ends_with('*')).cloned());
            nodes.push(Node { template: name, ..node });
        }
        Self(nodes)
    }
}

/// What a template mentions; `None` where there is none, or it doesn't compile.
fn mentions(site: Site<'_>, name: &str) -> Option<Mentions> {
    let (environment, replaced) = (site.templates.environment(), site.templates.replaced());
    let source = site.templates.source(name)?;
    syntax::mentions(name, source.as_ref(), environment.syntax().clone(), replaced, &mut Flow::default()).ok()
}

fn node(site: Site<'_>, name: &str, mentions: &Mentions) -> Node {
    let text = |reference: &Reference| match reference {
        Reference::Name { name, .. } => name.clone(),
        Reference::StartsWith(prefix) => format!("{prefix}*"),
    };
    let globals = site.templates.environment().globals().map(|(name, _)| name);
    let globals = globals.filter(|name| mentions.names.contains(*name) && !OF_THE_ENGINE.contains(name));
    Node {
        template: name.to_owned(),
        templates: mentions.templates.iter().map(text).collect(),
        files: mentions.files.iter().map(text).collect(),
        globals: globals.map(str::to_owned).collect(),
    }
}

impl fmt::Debug for PageNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageNote").field("template", &self.template).finish_non_exhaustive()
    }
}

/// Functions that every engine has, and those of this crate: what they give is shown by other nodes.
const OF_THE_ENGINE: [&str; 11] = [
    "range",
    "dict",
    "namespace",
    "debug",
    "static",
    "url",
    "absolute_url",
    "picture",
    "srcset",
    "image_url",
    "placeholder",
];
