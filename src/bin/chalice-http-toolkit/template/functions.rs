//! The rules of functions and what calls them: E45, E47, E48, E51, E52.

use super::{
    edge::same,
    model::{Function, Resource, Template},
    problem::Problem,
    yaml::Node,
};

/// The most that all variables of a function may take, in bytes.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const VARIABLES: usize = 4096;

/// E45. Without a way to build it, SAM uploads the sources of a Rust program.
pub(super) fn build(template: &Template) -> Vec<Problem> {
    let sam = template.functions().into_iter().filter(|function| function.resource.is("AWS::Serverless::Function"));
    let from_sources = sam.filter(|function| {
        let code = function.property("CodeUri").and_then(Node::text);
        // `cargo lambda build` leaves what it has built there.
        let is_built =
            |code: &str| code.starts_with("s3://") || code.ends_with(".zip") || code.contains("target/lambda/");
        code.is_some_and(|code| !is_built(code))
    });
    let unbuilt = from_sources.filter(|function| function.resource.node.at("Metadata.BuildMethod").is_none());
    let message = "sam build does not know how to build this: add Metadata with BuildMethod: rust-cargolambda, which ships the \
                   program alone; templates and static files go into it by embed!";
    unbuilt.map(|function| (function.resource.line(), message.to_owned())).collect()
}

/// E47. What a Rust program runs on.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html>
pub(super) fn runtime(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for function in template.functions() {
        let line = function.resource.line();
        let said = |name: &str| function.property(name).map_or((line, None), |node| (node.line, node.text()));
        let mut say = |line: usize, message: &str| found.push((line, message.to_owned()));
        match said("Runtime") {
            (_, Some("provided.al2023")) => {}
            (line, _) => say(line, "this runtime is out of support: set Runtime to provided.al2023"),
        }
        match said("Handler") {
            (_, Some("bootstrap")) => {}
            (line, _) => say(line, "the program of a Rust function is called bootstrap: set Handler to that"),
        }
        if function.property("Architectures").is_none() {
            say(
                line,
                "without Architectures this runs on x86_64, which costs more: set it to [arm64], or to [x86_64] on purpose",
            );
        }
    }
    found
}

/// E48. A Rust function starts in some 20 ms; to keep it warm is for those who have measured.
pub(super) fn keep_warm(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    let rules = template.all("AWS::Events::Rule").chain(template.all("AWS::Scheduler::Schedule"));
    for rule in rules.filter(keeps_warm) {
        let condition = rule.node.get("Condition").and_then(Node::text);
        let is_left_out = condition.is_some_and(|condition| template.holds(condition) == Some(false));
        if !is_left_out && rule.property("State").and_then(Node::text) != Some("DISABLED") {
            found.push((rule.line(), WARM.to_owned()));
        }
    }
    for function in template.functions() {
        for event in function.events("Schedule").chain(function.events("ScheduleV2")) {
            let is_off = event.at("Properties.Enabled").is_some_and(|enabled| template.value(enabled) == Some("false"));
            if !is_off && event.at("Properties.Input").and_then(Node::text).is_some_and(is_ping) {
                found.push((event.line, WARM.to_owned()));
            }
        }
    }
    found
}

const WARM: &str = "this keeps a function warm that starts in 20 ms, and only one of its instances: make it depend on a \
                    condition that is false by default";

fn keeps_warm(rule: &Resource<'_>) -> bool {
    targets(rule).into_iter().any(|target| target.get("Input").and_then(Node::text).is_some_and(is_ping))
}

fn is_ping(input: &str) -> bool {
    input.contains("keep-warm") || input.contains("warmer")
}

fn targets<'a>(rule: &Resource<'a>) -> Vec<&'a Node> {
    rule.property("Targets").or(rule.property("Target")).map_or_else(Vec::new, Node::items)
}

/// E51. A permission is for a function or for one alias of it, and the rule has to call that very one.
pub(super) fn alias(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    let permissions: Vec<Resource<'_>> = template.all("AWS::Lambda::Permission").collect();
    for rule in template.all("AWS::Events::Rule") {
        let functions = targets(&rule).into_iter().filter_map(|target| target.get("Arn"));
        for arn in functions.filter(|arn| is_function(template, arn)) {
            let permits = |permission: &Resource<'_>| {
                permission.property("Principal").and_then(Node::text) == Some("events.amazonaws.com")
                    && permission.property("FunctionName").is_some_and(|name| same(name, arn))
            };
            if !permissions.iter().any(permits) {
                let message = "this rule may not call its function: add an AWS::Lambda::Permission for events.amazonaws.com that \
                               names the same function, or the same alias of it";
                found.push((arn.line, message.to_owned()));
            }
        }
    }
    for function in template.functions() {
        let provisioned = function.resource.property("ProvisionedConcurrencyConfig");
        if let Some(provisioned) = provisioned.filter(|_| function.property("AutoPublishAlias").is_none()) {
            let message = "provisioned concurrency is for an alias and never for $LATEST: add AutoPublishAlias";
            found.push((provisioned.line, message.to_owned()));
        }
    }
    found
}

fn is_function(template: &Template, arn: &Node) -> bool {
    let Some(name) = super::model::reference(arn) else { return false };
    let types = ["AWS::Serverless::Function", "AWS::Lambda::Function", "AWS::Lambda::Alias"];
    let resource = template.resource(name.strip_suffix(".Alias").unwrap_or(&name));
    resource.is_some_and(|resource| types.iter().any(|of_type| resource.is(of_type)))
}

/// E52. A function's variables have a limit, which a long list or a key soon passes.
pub(super) fn variables(template: &Template) -> Vec<Problem> {
    let size = |function: &Function<'_>| -> usize {
        let pairs = function.variables().into_iter();
        pairs.map(|(name, value)| name.len() + template.value(value).map_or(0, str::len)).sum()
    };
    let functions = template.functions().into_iter().map(|function| (function.resource.line(), size(&function)));
    let large = functions.filter(|(_, size)| *size > VARIABLES);
    let message = |size| {
        format!(
            "these variables take {size} bytes, and Lambda takes {VARIABLES}: put what is long into Secrets Manager or S3"
        )
    };
    large.map(|(line, size)| (line, message(size))).collect()
}
