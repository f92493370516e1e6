//! The rules of a CloudFormation or SAM template: what deploys without a complaint and then is refused, kept too long or
//! never kept. They go by what resources are and by what refers to what, never by their names.
//!
//! 1. [`yaml`]: a text becomes values with their lines
//! 2. [`model`], [`edge`] and [`rights`]: resources, functions, behaviours, what a role may do
//! 3. [`problem`]: what a rule finds
//! 4. [`cache`], [`origin`], [`tags`], [`functions`], [`streaming`], [`queues`], [`schedules`] and [`delays`]: the rules

mod cache;
mod delays;
mod edge;
mod functions;
mod model;
mod origin;
mod problem;
mod queues;
mod rights;
pub(crate) mod schedules;
mod streaming;
mod tags;
mod yaml;

use self::{model::Template, problem::Problem};
use crate::code::Code;

/// Something that would go wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// From 1.
    pub(crate) line: usize,
    /// Which rule found it; `yaml` for a text that is none.
    pub(crate) rule: &'static str,
    pub(crate) message: String,
}

type Rule = fn(&Template) -> Vec<Problem>;

/// All rules. Their names are fixed: people write them down.
const RULES: [(&str, Rule); 28] = [
    ("A1", cache::cookies),
    ("A2", cache::host),
    ("A3", cache::everything),
    ("A4", cache::least_time),
    ("A5", cache::no_time),
    ("A6", cache::accept),
    ("A7", cache::plan),
    ("A8", cache::errors),
    ("A9", origin::timeouts),
    ("A10", origin::secret),
    ("A11", tags::field),
    ("A12", tags::visitors),
    ("A13", tags::worker),
    ("C28", origin::stage),
    ("C32", origin::public_origin),
    ("D40", origin::binary),
    ("D43", origin::head),
    ("E45", functions::build),
    ("E47", functions::runtime),
    ("E48", functions::keep_warm),
    ("E49", origin::function_url),
    ("E50", origin::guard),
    ("E51", functions::alias),
    ("E52", functions::variables),
    ("E53", streaming::streaming),
    ("F58", queues::queues),
    ("F59", schedules::schedules),
    ("F60", delays::delays),
];

/// Finds the errors of a template, sorted by line, where the site has this code.
pub(crate) fn check(source: &str, code: Code) -> Vec<Finding> {
    let template = match yaml::parse(source) {
        Ok(root) => Template::new(root, code),
        Err(error) => return vec![Finding { line: error.line, rule: "yaml", message: error.message }],
    };
    let found = RULES.iter().flat_map(|(rule, problems)| {
        problems(&template).into_iter().map(|(line, message)| Finding { line, rule, message })
    });
    let mut found: Vec<Finding> = found.collect();
    found.sort();
    // Behaviours may share a policy, and functions their settings.
    found.dedup();
    found
}

#[cfg(test)]
mod fragments;
#[cfg(test)]
mod tests;
