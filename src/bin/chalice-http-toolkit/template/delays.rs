//! The rule of tasks that wait at EventBridge Scheduler: F60. Who posts may create schedules, and Scheduler may send to the queue.

use super::{
    model::{Function, Resource, Template},
    problem::Problem,
    queues::{queues_of, workers},
    rights::{may, role_may},
    yaml::Node,
};

const ROLE: &str = "SCHEDULER_ROLE_ARN";
const SERVICE: &str = "scheduler.amazonaws.com";
const PASS: &str = "iam:PassRole";
const SEND: &str = "sqs:SendMessage";
/// `scheduler:DeleteSchedule` is for code that cancels.
const RIGHTS: [&str; 2] = ["scheduler:CreateSchedule", "scheduler:GetSchedule"];

/// F60. <https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role>
pub(super) fn delays(template: &Template) -> Vec<Problem> {
    let Some(place) = &template.code.scheduler else { return Vec::new() };
    let workers = workers(template);
    let is_worker =
        |function: &Function<'_>| workers.iter().any(|worker| worker.resource.name == function.resource.name);
    let mut found = Vec::new();
    for function in
        template.functions().into_iter().filter(|function| function.answers_requests() || is_worker(function))
    {
        let Some(variable) = function.variable(ROLE) else {
            let message = format!(
                "tasks wait at EventBridge Scheduler ({place}), and this function does not know by which role it sends: set {ROLE}"
            );
            found.push((function.resource.line(), message));
            continue;
        };
        let Some(role) = template.referred(variable).filter(|role| role.is("AWS::IAM::Role")) else { continue };
        found.extend(rights(template, function, role));
    }
    let roles = template.all("AWS::IAM::Role").filter(|role| is_for_scheduler(template, *role));
    for role in roles {
        found.extend(execution_role(template, role, &workers));
    }
    found
}

/// Whether a function gives a role to Scheduler.
fn is_for_scheduler(template: &Template, role: Resource<'_>) -> bool {
    let variables = template.functions().into_iter().filter_map(|function| function.variable(ROLE));
    let mut roles = variables.filter_map(|variable| template.referred(variable));
    roles.any(|named| named.name == role.name)
}

fn rights(template: &Template, function: Function<'_>, role: Resource<'_>) -> Option<Problem> {
    let lacks = |right: &&str| !may(template, function, right, role);
    let missing: Vec<&str> = RIGHTS.iter().chain([&PASS]).filter(|right| lacks(right)).copied().collect();
    let line = function.role(template).unwrap_or(function.resource).line();
    let message = || {
        let rights = missing.join(" and ");
        format!(
            "this function can't let a task wait at EventBridge Scheduler: allow it {rights} ({PASS} on {} alone)",
            role.name
        )
    };
    (!missing.is_empty()).then(|| (line, message()))
}

/// By this role Scheduler sends to the queues.
fn execution_role(template: &Template, role: Resource<'_>, workers: &[Function<'_>]) -> Vec<Problem> {
    let mut found = Vec::new();
    let statements = role.property("AssumeRolePolicyDocument.Statement").map(Node::items).unwrap_or_default();
    let mut services =
        statements.iter().filter_map(|statement| statement.at("Principal.Service")).flat_map(Node::texts);
    if !services.any(|service| service == SERVICE) {
        let message =
            format!("EventBridge Scheduler may not take this role, and no task that waits comes: trust {SERVICE}");
        found.push((role.line(), message));
    }
    let queues = workers.iter().flat_map(|worker| queues_of(template, *worker));
    for queue in queues.filter(|queue| !role_may(template, role, SEND, *queue)) {
        let message = format!(
            "EventBridge Scheduler can't send a task that has waited: allow this role {SEND} on {}",
            queue.name
        );
        found.push((role.line(), message));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::{
        setup::project::Extra,
        template::{
            check,
            tests::{Edit, code, edited},
        },
    };

    const LATER: &[Extra] = &[Extra::Schedules];
    const BY_SCHEDULER: &str = "        - PolicyName: queue
          PolicyDocument:
            Version: \"2012-10-17\"
            Statement:
              - Effect: Allow
                Action: sqs:SendMessage
                Resource: !GetAtt TaskQueue.Arn
";
    const BY_SCHEDULER_ELSEWHERE: &str = "        - PolicyName: queue
          PolicyDocument:
            Version: \"2012-10-17\"
            Statement:
              - Effect: Allow
                Action: sqs:SendMessage
                Resource: !GetAtt DeadLetterQueue.Arn
";

    #[test]
    fn what_a_task_that_waits_lacks_is_found() {
        #[rustfmt::skip]
        let table: &[(&[Edit<'_>], &str)] = &[
            (&[("          SCHEDULER_ROLE_ARN: !GetAtt SchedulerRole.Arn\n", "")], "WebFunction:"),
            (&[("[scheduler:CreateSchedule, scheduler:GetSchedule, ", "[")], "WebRole:"),
            (&[("scheduler:GetSchedule, ", "")], "WebRole:"),
            (&[("                Resource: !GetAtt SchedulerRole.Arn\n", "                Resource: !GetAtt WorkerRole.Arn\n")], "WebRole:"),
            (&[("Principal: { Service: scheduler.amazonaws.com }", "Principal: { Service: events.amazonaws.com }")], "SchedulerRole:"),
            (&[(BY_SCHEDULER, BY_SCHEDULER_ELSEWHERE)], "SchedulerRole:"),
        ];
        for (edits, place) in table {
            let source = edited(LATER, edits);
            let found = check(&source, code(LATER));
            let lines: Vec<&str> = source.lines().collect();
            assert!(found.iter().any(|finding| lines[finding.line - 1].contains(place)), "{edits:?}: {found:?}");
            assert!(found.iter().all(|finding| finding.rule == "F60"), "{edits:?}: {found:?}");
            assert_eq!(check(&source, code(&[])), [], "the code lets no task wait");
        }
    }
}
