//! What would fail at run time, found beforehand: by reading all templates. Nothing is rendered.

use std::fmt;

use super::{
    assets::Assets,
    media_type,
    syntax::{self, Reference, Wanted},
    templates::{self, Templates},
};

/// Something in a template that would fail, or would not do what is meant: what
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
    template: String,
    line: Option<usize>,
    problem: String,
}

impl Finding {
    /// The name of the template.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The line in it, from 1, where it is known.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong, in a sentence.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.template, self.problem),
            None => write!(f, "{}: {}", self.template, self.problem),
        }
    }
}

pub(crate) fn check(templates: &Templates, assets: &Assets) -> Vec<Finding> {
    templates.names().iter().flat_map(|name| of_template(templates, assets, name)).collect()
}

/// What a strict Content-Security-Policy blocks; templates that don't compile are the other check's.
pub(crate) fn check_inline(templates: &Templates) -> Vec<Finding> {
    let environment = templates.environment();
    let names = templates.names().into_iter().filter(|name| media_type::is_html_template(name));
    let of = |name: String| {
        let template = environment.get_template(&name).ok();
        let mentions =
            template.and_then(|template| syntax::mentions(&name, template.source(), environment.syntax().clone()).ok());
        let blocked = mentions.map(|mentions| mentions.inline.blocked).unwrap_or_default();
        let finding = move |(line, problem)| Finding { template: name.clone(), line: Some(line), problem };
        blocked.into_iter().map(finding).collect::<Vec<_>>()
    };
    names.flat_map(of).collect()
}

fn of_template(templates: &Templates, assets: &Assets, name: &str) -> Vec<Finding> {
    let environment = templates.environment();
    let syntax = environment.syntax().clone();
    let mentions =
        environment.get_template(name).and_then(|template| syntax::mentions(name, template.source(), syntax));
    let mentions = match mentions {
        Ok(mentions) => mentions,
        Err(error) => {
            let problem = format!("it does not compile: {error}");
            let (template, line) = templates::innermost(name, &error);
            return vec![Finding { template, line, problem }];
        }
    };
    let finding = |line, problem| Finding { template: name.to_owned(), line: Some(line), problem };
    let mut findings = Vec::new();
    for Wanted { names, line } in &mentions.wanted {
        if !names.iter().any(|name| templates.contains(name)) {
            findings.push(finding(*line, format!("there is no template `{}`", names.join("` or `"))));
        }
    }
    for reference in &mentions.files {
        if let Reference::Name { name, line } = reference {
            let (name, _) = assets.named(name);
            if !assets.files().contains(name) {
                findings.push(finding(*line, format!("there is no static file `{name}`")));
            }
        }
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}
