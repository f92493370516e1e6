//! The closure of a page: every template that can take part in it, found by following extends, include and import, and all
//! that they mention. It knows no tag.

use std::collections::BTreeSet;

use super::{
    explain::Parts,
    lookups,
    reads::{AnalysisOptions, Counts, Cut, Running, flow::Flow},
    reference::Reference,
    site_settings::SiteSettings,
    syntax::{self, Mentions},
    templates::Templates,
};
use crate::{
    fields::{digest::PartDigest, media_type},
    files::assets::Assets,
    translations::{Catalogue, Catalogues},
};

/// The sources of a site's pages at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) templates: &'a Templates,
    pub(crate) assets: &'a Assets,
    pub(crate) settings: &'a SiteSettings,
    pub(crate) catalogues: Option<&'a Catalogues>,
    /// Of the language that a page is in.
    pub(crate) catalogue: Option<&'a Catalogue>,
}

/// Every template that can take part in rendering `name`, and all that they mention.
pub(crate) fn collect(site: Site<'_>, name: &str) -> (Parts, Mentions, Flow) {
    let Site { templates, assets, settings, .. } = site;
    let (mut sources, mut flow) = (Parts::new(), Flow::default());
    let mut all = Mentions::default();
    let replaced = templates.replaced();
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        let part = format!("{TEMPLATE}{name}");
        if sources.contains_key(&part) {
            continue;
        }
        let source = templates.source(&name);
        let source = source.as_deref();
        // What counts of a source is known when all are there. Of a template that has none, its bytes count all the same.
        // One that the site added in code may have been compiled with another syntax than the one that is set now.
        all.added |= source.is_some_and(|source| !templates.is_of_file(&name, source));
        let of_file = templates.digest(&name).filter(|_| source.is_none());
        sources.insert(part, of_file.map(|digest| PartDigest::new(*digest.as_bytes())));
        let syntax = templates.environment().syntax().clone();
        let mentions = source.and_then(|source| syntax::mentions(&name, source, syntax, replaced, &mut flow).ok());
        let Some(mentions) = mentions else { continue };
        report_missing_files(&name, &mentions, assets, settings);
        for reference in &mentions.templates {
            match reference {
                Reference::Name { name, .. } => waiting.push(name.clone()),
                Reference::StartsWith(prefix) => {
                    let meant = templates.named_from(prefix);
                    match meant.len() <= MOST_MEANT {
                        true => waiting.extend(meant.into_iter().map(str::to_owned)),
                        false => all.too_many = Some((name.clone(), meant.len())),
                    }
                }
            }
        }
        all.names.extend(mentions.names);
        all.filters.extend(mentions.filters);
        all.applies_any |= mentions.applies_any;
        all.by_identity |= mentions.by_identity;
        all.unknown |= mentions.unknown;
        all.files.extend(mentions.files);
        if media_type::is_html_template(&name) {
            all.inline.inline.extend(mentions.inline.inline);
        }
    }
    (sources, all, flow)
}

/// Leaves out what can't run: other macros, replaced blocks, and the static files that they name. A function of the site's own
/// may call them by name all the same, unless it is declared what it looks up.
pub(crate) fn narrow(site: Site<'_>, sources: &mut Parts, mentions: &mut Mentions, running: Option<&Running>) {
    let Site { templates, settings, .. } = site;
    let functions = mentions.names.iter().chain(&mentions.filters).map(String::as_str);
    let running = running.filter(|_| !templates.has_own(functions.filter(|name| !lookups::are_known(settings, name))));
    if let Some(running) = running {
        mentions.files.clone_from(&running.files);
    }
    let syntax = templates.environment().syntax();
    for (part, digest) in sources {
        let Some(name) = part.strip_prefix(TEMPLATE) else { continue };
        if let Some(source) = templates.source(name) {
            *digest = Some(Running::digest(running, name, &source, &syntax::comments(&source, syntax)));
        }
    }
}

/// How the part of a template is called, before its name.
const TEMPLATE: &str = "template ";

/// The names of the static files that a reference can mean. One that is named and not there is among them.
pub(super) fn meant<'a>(assets: &'a Assets, reference: &'a Reference) -> Vec<&'a str> {
    match reference {
        Reference::Name { name, .. } => vec![assets.named(name).0],
        Reference::StartsWith(start) => assets.named_from(start).collect(),
    }
}

/// The static files that are mentioned, each by its content in all forms.
pub(super) fn files(assets: &Assets, mentions: &Mentions) -> Parts {
    // Its URL says what its content is, in all forms that it has.
    let digest = |name: &str| {
        let url = assets.fingerprinted(name);
        (format!("static file {name}"), url.map(PartDigest::of))
    };
    mentions.files.iter().flat_map(|reference| meant(assets, reference)).map(digest).collect()
}

/// Says once where the analysis of a page was cut.
pub(crate) fn report_cut(template: &str, cut: &Cut) {
    if let Some(problem) = cut.problem() {
        tracing::warn!(template, problem, "the tag of a page covers more than it shows");
    }
}

/// What functions and filters look up by name is read as if the templates did.
pub(crate) fn look_up(settings: &SiteSettings, mentions: &mut Mentions) -> BTreeSet<String> {
    let functions = mentions.names.iter().chain(&mentions.filters);
    let names: Vec<&str> = functions.flat_map(|function| lookups::of(settings, function)).collect();
    if names.iter().any(|name| syntax::names_files(name)) {
        // It may be called with any name.
        mentions.files.insert(Reference::StartsWith(String::new()));
    }
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    mentions.names.extend(names.iter().cloned());
    names
}

/// So many templates may be meant by one computed name for all of them to be in a tag.
const MOST_MEANT: usize = 256;

pub(crate) fn too_many(template: &str, number: usize) -> String {
    format!(
        "a computed name in `{template}` can mean any of {number} templates, and a tag covers at most {MOST_MEANT} so"
    )
}

/// Where the tag of a page covers more than it needs to, or the page is rendered to know it: for
/// [`ContentManager::check`](crate::ContentManager::check).
pub(crate) fn cut(site: Site<'_>, name: &str) -> Option<String> {
    let (_, mut mentions, flow) = collect(site, name);
    if let Some((template, number)) = &mentions.too_many {
        let reason = too_many(template, *number);
        return (template == name).then(|| format!("its page is rendered at each request: {reason}"));
    }
    let looked_up = look_up(site.settings, &mut mentions);
    let globals = site.templates.environment().globals().map(|(name, _)| name.to_owned()).collect();
    Counts::of(flow, name, &AnalysisOptions { globals, looked_up, is_watched: false }).1.problem()
}

fn report_missing_files(template: &str, mentions: &Mentions, assets: &Assets, settings: &SiteSettings) {
    for reference in &mentions.files {
        if let Reference::Name { name, line } = reference {
            let (name, _) = assets.named(name);
            if !assets.files().contains(name) {
                settings.report_missing(template, Some(*line), name);
            }
        }
    }
}
