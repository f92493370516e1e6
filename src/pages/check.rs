//! What would fail at run time, found beforehand: by reading all templates, and the static files that lie there compressed.
//! Nothing is rendered.

use std::fmt;

use super::{
    chain::Chain,
    closure,
    closure::Site,
    known_names::KnownNames,
    page_tag,
    reads::flow::Flow,
    reference::Reference,
    routes,
    syntax::{self, Applied, Mentions, MessageCall, Wanted},
    templates::{self, Templates},
};
use crate::{fields::media_type, files::assets::Assets, translations::Catalogues};

/// Something in a template or among the static files that would fail, or would not do what is meant: what
/// [`ContentManager::check`](crate::ContentManager::check) finds.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Embedded};
///
/// const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"{% extends 'base.html' %}")]);
/// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
/// let finding = &content.check()[0];
/// assert_eq!((finding.template(), finding.line()), ("a.html", Some(1)));
/// assert_eq!(finding.problem(), "there is no template `base.html`");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    file: String,
    is_static: bool,
    line: Option<usize>,
    problem: String,
    unknown_name: Option<String>,
}

impl Finding {
    /// The name of the template, or of the [static file](Self::is_static_file).
    pub fn template(&self) -> &str {
        &self.file
    }

    /// Whether it is a static file that something is wrong with, and no template.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// const FILES: Embedded = Embedded::new(&[("a.css", b"body {}"), ("a.css.gz", b"of last year")]);
    /// let content = ContentManager::new(Embedded::new(&[]), FILES)?;
    /// let finding = &content.check()[0];
    /// assert_eq!((finding.template(), finding.is_static_file()), ("a.css.gz", true));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn is_static_file(&self) -> bool {
        self.is_static
    }

    /// The line in it, from 1, where it is known.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The name of the filter, test or function that does not exist, if this is the problem. A program that does not know what a
    /// site adds to the engine can leave such findings out.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"\n{{ title|uper }}")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let finding = &content.check()[0];
    /// assert_eq!((finding.line(), finding.unknown_name()), (Some(2), Some("uper")));
    /// assert!(finding.problem().contains("did you mean `upper`?"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn unknown_name(&self) -> Option<&str> {
        self.unknown_name.as_deref()
    }

    /// What is wrong, in a sentence.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

pub(crate) fn check(site: Site<'_>) -> Vec<Finding> {
    let Site { templates, assets, settings, .. } = site;
    let in_templates = templates.names().into_iter().flat_map(|name| of_template(site, &name));
    let misnamed = settings.images.misnamed(assets).into_iter();
    let misnamed =
        misnamed.map(|(file, problem)| Finding { file, is_static: true, line: None, problem, unknown_name: None });
    let found = in_templates.chain(unknown(templates)).chain(cut(site)).chain(stale(assets)).chain(misnamed);
    found.chain(in_catalogues(site)).collect()
}

/// Filters, tests and functions that no page could be rendered with. A template that is included, or that extends another, may
/// call what the other one defines: so each name that any of them gives a value to is known.
pub(crate) fn unknown(templates: &Templates) -> Vec<Finding> {
    let environment = templates.environment();
    let read = |name: String| {
        let source = environment.get_template(&name).ok()?;
        Some((mentions(templates, &name, source.source()).ok()?, name))
    };
    let all: Vec<(Mentions, String)> = templates.names().into_iter().filter_map(read).collect();
    let defined = all.iter().flat_map(|(mentions, _)| &mentions.defined).map(String::as_str);
    let known = KnownNames::of(environment, defined);
    let of = |(mentions, name): &(Mentions, String)| {
        let unknown = mentions.applied.iter().filter(|applied| !known.has(applied));
        let finding = |applied: &Applied| Finding {
            file: name.clone(),
            is_static: false,
            line: Some(applied.line),
            problem: known.problem(applied),
            unknown_name: Some(applied.name.clone()),
        };
        unknown.map(finding).collect::<Vec<_>>()
    };
    all.iter().flat_map(of).collect()
}

/// Pages whose tags cost more or cover more than they need to, as their templates can't be followed.
fn cut(site: Site<'_>) -> impl Iterator<Item = Finding> {
    let problems = site.templates.names().into_iter().filter_map(move |file| Some((closure::cut(site, &file)?, file)));
    problems.map(|(problem, file)| Finding { file, is_static: false, line: None, problem, unknown_name: None })
}

/// What can't be read in the catalogues of translations.
fn in_catalogues(site: Site<'_>) -> impl Iterator<Item = Finding> {
    let problems = site.catalogues.into_iter().flat_map(|catalogues| catalogues.problems.clone());
    problems.map(|(file, line, problem)| Finding { file, is_static: false, line, problem, unknown_name: None })
}

/// The messages of a template that a language has no translation of.
fn untranslated(site: Site<'_>, mentions: &Mentions) -> Vec<(usize, String)> {
    let catalogues = site.catalogues.into_iter().flat_map(Catalogues::translated);
    let missing = catalogues.flat_map(|catalogue| {
        let is_missing = |call: &&MessageCall| !catalogue.has(call.context.as_deref(), &call.message);
        let problem = |call: &MessageCall| {
            let problem = format!("there is no translation of `{}` into `{}`", call.message, catalogue.language());
            (call.line, problem)
        };
        mentions.messages.iter().filter(is_missing).map(problem)
    });
    missing.collect()
}

/// Compressed files that are older than the plain ones beside them, as an edit leaves them.
fn stale(assets: &Assets) -> impl Iterator<Item = Finding> {
    assets.stale().into_iter().map(|(file, plain)| {
        let problem = format!(
            "it does not decompress to `{plain}`, which is sent uncompressed instead: compress that again, or remove this file"
        );
        Finding { file: file.to_owned(), is_static: true, line: None, problem, unknown_name: None }
    })
}

/// What a strict Content-Security-Policy blocks; templates that don't compile are the other check's.
pub(crate) fn check_inline(templates: &Templates) -> Vec<Finding> {
    let environment = templates.environment();
    let names = templates.names().into_iter().filter(|name| media_type::is_html_template(name));
    let of = |name: String| {
        let template = environment.get_template(&name).ok();
        let mentions = template.and_then(|template| mentions(templates, &name, template.source()).ok());
        let blocked = mentions.map(|mentions| mentions.inline.blocked).unwrap_or_default();
        let finding = move |(line, problem)| Finding {
            file: name.clone(),
            is_static: false,
            line: Some(line),
            problem,
            unknown_name: None,
        };
        blocked.into_iter().map(finding).collect::<Vec<_>>()
    };
    names.flat_map(of).collect()
}

fn mentions(templates: &Templates, name: &str, source: &str) -> Result<Mentions, minijinja::Error> {
    let syntax = templates.environment().syntax().clone();
    syntax::mentions(name, source, syntax, templates.replaced(), &mut Flow::default())
}

fn of_template(site: Site<'_>, name: &str) -> Vec<Finding> {
    let Site { templates, assets, .. } = site;
    let environment = templates.environment();
    let mentions = environment.get_template(name).and_then(|template| mentions(templates, name, template.source()));
    let mentions = match mentions {
        Ok(mentions) => mentions,
        Err(error) => {
            let problem = format!("it does not compile: {error}");
            let (file, line) = templates::innermost(name, &error);
            return vec![Finding { file, is_static: false, line, problem, unknown_name: None }];
        }
    };
    let finding = |line, problem| Finding {
        file: name.to_owned(),
        is_static: false,
        line: Some(line),
        problem,
        unknown_name: None,
    };
    let mut findings = Vec::new();
    for Wanted { names, line } in &mentions.wanted {
        if !names.iter().any(|name| templates.contains(name)) {
            findings.push(finding(*line, format!("there is no template `{}`", names.join("` or `"))));
        }
    }
    let chain = Chain::of(templates, name);
    for (block, line) in chain.iter().flat_map(|chain| chain.orphans(name)) {
        let problem = format!(
            "no template that this one extends has a block `{block}`, so that no page shows it: correct its name, or move it \
             into a template of its own"
        );
        findings.push(finding(line, problem));
    }
    for reference in &mentions.files {
        if let Reference::Name { name, line } = reference {
            let (name, _) = assets.named(name);
            if !assets.files().contains(name) {
                findings.push(finding(*line, format!("there is no static file `{name}`")));
            }
        }
    }
    if !site.settings.routes.is_empty() {
        let problem = |call| routes::problem(&site.settings.routes, call);
        let problems = mentions.routes.iter().filter_map(|call| Some((call.line, problem(call)?)));
        findings.extend(problems.map(|(line, problem)| finding(line, format!("url_for(): {problem}"))));
    }
    if let Some(reason) = page_tag::rendered_first(site, &mentions) {
        let problem = format!("its page is rendered at each request: {reason}");
        findings.push(Finding { file: name.to_owned(), is_static: false, line: None, problem, unknown_name: None });
    }
    findings.extend(untranslated(site, &mentions).into_iter().map(|(line, problem)| finding(line, problem)));
    for (line, url) in &mentions.unsized_images {
        findings.push(finding(*line, format!("the image at `{url}` needs size=(width, height)")));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}
