//! The rules of cache tags: A11 to A13. Code and distribution name the same field, no visitor sees it, and the worker may purge.

use super::{
    edge::{Behaviour, Distribution, distributions},
    model::{Function, Template},
    problem::Problem,
    queues::workers,
    rights::may,
    yaml::Node,
};

/// A11. CloudFront reads cache tags in the field that CacheTagConfig names. Without it the field is ignored, and no purge by tag
/// drops anything.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-by-tags.html>
pub(super) fn field(template: &Template) -> Vec<Problem> {
    let code = &template.code;
    let mut found = Vec::new();
    for distribution in dynamic(template) {
        match (header_name(&distribution), code.tag_fields.first()) {
            (None, Some((place, field))) => {
                let field = field.as_deref().unwrap_or("the same name");
                let message = format!(
                    "the code sends cache tags ({place}), and this distribution ignores them: add CacheTagConfig with HeaderName: \
                     {field}"
                );
                found.push((distribution.config.line, message));
            }
            (Some(name), None) if code.is_there => {
                let message = "this distribution reads cache tags, and the code sends none: say CloudFront::with_cache_tags with \
                               this name";
                found.push((name.line, message.to_owned()));
            }
            (Some(name), Some((place, Some(sent)))) => {
                let is_it = |read: &str| code.tag_fields.iter().any(|(_, sent)| is_same(sent.as_deref(), read));
                if let Some(read) = template.value(name).filter(|read| !is_it(read)) {
                    let message = format!(
                        "this distribution reads cache tags in {read}, and the code sends them in {sent} ({place}): give both the \
                         same name"
                    );
                    found.push((name.line, message));
                }
            }
            _ => {}
        }
    }
    found
}

/// A name that the code does not write as a literal may be any name. Names of header fields are compared without case.
fn is_same(sent: Option<&str>, read: &str) -> bool {
    sent.is_none_or(|sent| sent.eq_ignore_ascii_case(read))
}

/// A12. CloudFront passes the field on to visitors, who then see what a page is made from.
pub(super) fn visitors(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for distribution in dynamic(template) {
        let Some(name) = header_name(&distribution).and_then(|name| template.value(name)) else { continue };
        for behaviour in distribution.dynamic() {
            if let Some(line) = shows(template, &behaviour, name) {
                let message = format!(
                    "{} passes {name} on, and visitors see what a page is made from: give it a response headers policy whose \
                     RemoveHeadersConfig has {name}",
                    behaviour.name()
                );
                found.push((line, message));
            }
        }
    }
    found
}

/// The line by which a behaviour lets a field through, if it does. A policy that is elsewhere may well remove it.
fn shows(template: &Template, behaviour: &Behaviour<'_>, name: &str) -> Option<usize> {
    let Some(policy) = behaviour.node.get("ResponseHeadersPolicyId") else { return Some(behaviour.node.line) };
    let keeps = |case: &&&Node| match template.referred(case) {
        Some(policy) => {
            let removed = policy.property("ResponseHeadersPolicyConfig.RemoveHeadersConfig.Items");
            let removed = removed.map_or_else(Vec::new, Node::items);
            let mut removed = removed.iter().filter_map(|item| item.get("Header")?.text());
            !removed.any(|removed| removed.eq_ignore_ascii_case(name))
        }
        // AWS's own policies remove nothing.
        None => case.text().is_some(),
    };
    let line = policy.cases().iter().find(keeps).map(|case| case.line);
    line.or_else(|| policy.may_be_missing().then_some(policy.line))
}

/// A13. The worker purges, for which it needs a right and the distribution's id.
pub(super) fn worker(template: &Template) -> Vec<Problem> {
    let mut found = circles(template);
    if !template.code.purges {
        return found;
    }
    let workers = workers(template);
    for distribution in dynamic(template) {
        // One of several workers does it.
        let is_allowed = workers.iter().any(|worker| may(template, *worker, PURGE, distribution.resource));
        for worker in workers.iter().filter(|_| !is_allowed) {
            let message = format!(
                "the worker can't purge, and old pages stay: allow it {PURGE} on arn:${{AWS::Partition}}:cloudfront::\
                 ${{AWS::AccountId}}:distribution/${{{}}}",
                distribution.resource.name
            );
            found.push((worker.role(template).unwrap_or(worker.resource).line(), message));
        }
    }
    let has_id = template.code.names_distribution || workers.iter().any(|worker| worker.variable(ID).is_some());
    for worker in workers.iter().filter(|_| !has_id) {
        let message = format!("the worker does not know what to purge: set {ID} to the distribution's id");
        found.push((worker.resource.line(), message));
    }
    found
}

/// The site's function can't have the id: the distribution needs the API, and the API the function.
fn circles(template: &Template) -> Vec<Problem> {
    let functions = template.functions().into_iter().filter(Function::answers_requests);
    let variables = functions.flat_map(|function| function.variables());
    let refers = |value: &Node| template.referred(value).is_some_and(|on| on.is("AWS::CloudFront::Distribution"));
    let circles = variables.filter(|(_, value)| refers(value));
    let message = "CloudFormation refuses this circle, as the distribution needs the API, and the API this function: give the id \
                   to a worker that is a function of its own";
    circles.map(|(_, value)| (value.line, message.to_owned())).collect()
}

const PURGE: &str = "cloudfront:CreateInvalidation";
const ID: &str = "DISTRIBUTION_ID";

/// The distributions in front of functions.
fn dynamic(template: &Template) -> Vec<Distribution<'_>> {
    let all = distributions(template).into_iter();
    all.filter(|distribution| distribution.functions().next().is_some()).collect()
}

fn header_name<'a>(distribution: &Distribution<'a>) -> Option<&'a Node> {
    distribution.config.at("CacheTagConfig.HeaderName")
}

#[cfg(test)]
mod tests {
    use crate::{
        code::Code,
        template::{
            check,
            tests::{EDGE, code, code_of, template},
        },
    };

    /// The name of the field may be a parameter or behind a constant, and its case is nobody's matter.
    #[test]
    fn tags_that_may_be_right_are_not_found() {
        let edge = template(EDGE);
        for source in [
            edge.replace("HeaderName: cache-tag", "HeaderName: Cache-Tag"),
            edge.replace("HeaderName: cache-tag", "HeaderName: !ImportValue field"),
            edge.replace("- Header: cache-tag", "- Header: CACHE-TAG"),
            edge.replace("!Ref TagPolicy", "!ImportValue policy"),
            edge.replace("distribution/${Distribution}", "distribution/*"),
            edge.replace("Action: cloudfront:CreateInvalidation", "Action: ['cloudfront:Create*']"),
        ] {
            assert_eq!(check(&source, code(EDGE)), []);
        }
        let named = "Purge::new(tasks).with_distribution(ID); CloudFront::new().with_cache_tags(FIELD)";
        let source = edge.replace("          DISTRIBUTION_ID: !Ref Distribution\n", "");
        assert_eq!(check(&source, code_of(named)), []);
        assert_eq!(check(&edge, Code::default()), [], "nothing is known of the code");
    }

    #[test]
    fn both_names_of_the_field_are_said_with_their_places() {
        let found = check(&template(EDGE), code_of("\nCloudFront::new().with_cache_tags(\"x-cache-tag\")"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].message.contains("in cache-tag, and the code sends them in x-cache-tag (src/main.rs:2)"),
            "{found:?}"
        );
    }
}
