//! What a function may do, as far as the template says it. What it leaves open is taken for allowed: no finding is better than
//! a wrong one.

use super::{
    model::{Function, Resource, Template},
    yaml::Node,
};

/// The names of AWS's managed policies for Lambda functions begin so. These policies allow none of the actions that are checked
/// here.
const OF_LAMBDA: &str = "AWSLambda";

/// Whether a function may do something, such as `sqs:SendMessage`, with a resource.
pub(super) fn may(template: &Template, function: Function<'_>, action: &str, with: Resource<'_>) -> bool {
    let allows = |statement: &Node| allows(template, statement, action, with);
    match (function.property("Role"), function.role(template)) {
        (None, _) => function.property("Policies").is_some_and(|policies| {
            policies.items().into_iter().any(|policy| match policy.text() {
                Some(managed) => !managed.contains(OF_LAMBDA),
                None => {
                    statements(policy).any(allows)
                        || (action == "sqs:SendMessage" && sends_by_sam(template, policy, with))
                }
            })
        }),
        // It is not of this template.
        (Some(_), None) => true,
        (Some(_), Some(role)) => role_may(template, role, action, with),
    }
}

/// The same for a role of the template.
pub(super) fn role_may(template: &Template, role: Resource<'_>, action: &str, with: Resource<'_>) -> bool {
    let allows = |statement: &Node| allows(template, statement, action, with);
    let managed = role.property("ManagedPolicyArns").map(Node::items).unwrap_or_default();
    let inline = role.property("Policies").map(Node::items).unwrap_or_default();
    let attached = ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"].into_iter().flat_map(|kind| template.all(kind));
    let mut attached = attached.filter_map(|policy| {
        let roles = policy.property("Roles")?.items();
        let is_its = roles.iter().any(|of| template.referred(of).is_some_and(|of| of.name == role.name));
        is_its.then(|| policy.node.get("Properties"))?
    });
    managed.iter().any(|arn| !arn.text().is_some_and(|arn| arn.contains(OF_LAMBDA)))
        || inline.into_iter().flat_map(statements).any(allows)
        || attached.any(|policy| statements(policy).any(allows))
}

fn statements(policy: &Node) -> impl Iterator<Item = &Node> {
    let document = policy.get("PolicyDocument").unwrap_or(policy);
    document.get("Statement").map(Node::items).unwrap_or_default().into_iter()
}

/// Whether a pattern of IAM has this action: `*` is any text, and `?` one character.
fn matches(pattern: &str, action: &str) -> bool {
    match (pattern.chars().next(), action.chars().next()) {
        (None, None) => true,
        (Some('*'), None) => matches(&pattern[1..], action),
        (Some('*'), Some(first)) => matches(&pattern[1..], action) || matches(pattern, &action[first.len_utf8()..]),
        (Some(said), Some(is)) if said == '?' || said == is => {
            matches(&pattern[said.len_utf8()..], &action[is.len_utf8()..])
        }
        _ => false,
    }
}

fn allows(template: &Template, statement: &Node, action: &str, with: Resource<'_>) -> bool {
    let is_allowed = statement.get("Effect").and_then(Node::text) == Some("Allow");
    let is_action = |said: &str| matches(&said.to_ascii_lowercase(), &action.to_ascii_lowercase());
    let is_meant = statement.get("Action").is_some_and(|actions| actions.texts().any(is_action));
    // An ARN that is put together may be any.
    let is_it = |on: &&Node| template.referred(on).is_none_or(|on| on.name == with.name);
    is_allowed && is_meant && statement.get("Resource").is_some_and(|resources| resources.items().iter().any(is_it))
}

/// SAM's own policy for it.
fn sends_by_sam(template: &Template, policy: &Node, queue: Resource<'_>) -> bool {
    let name = policy.at("SQSSendMessagePolicy.QueueName");
    name.is_some_and(|name| template.referred(name).is_none_or(|of| of.name == queue.name))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_of_iam_means_what_it_means_at_aws() {
        for (pattern, is_meant) in [
            ("cloudfront:createinvalidation", true),
            ("*", true),
            ("cloudfront:*", true),
            ("cloudfront:*invalidation", true),
            ("cloudfront:create?nvalidation", true),
            ("c*:*ation*", true),
            ("cloudfront:create", false),
            ("cloudfront:createinvalidation?", false),
            ("sqs:*", false),
            ("", false),
        ] {
            assert_eq!(matches(pattern, "cloudfront:createinvalidation"), is_meant, "{pattern}");
        }
    }
}
