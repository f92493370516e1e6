//! The rule of task queues: F58. The queue, its dead letters and its event source fit together, or tasks get lost.

use super::{
    model::{Function, Resource, Template},
    problem::Problem,
    rights::may,
    yaml::Node,
};

/// What a FIFO queue hands over at once.
const LARGEST_BATCH: f64 = 10.0;
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
const TIMES_TIMEOUT: f64 = 6.0;
const LEAST_RECEIVES: f64 = 20.0;
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html>
const MOST_RECEIVES: f64 = 1000.0;
/// The `maxReceiveCount` that messages recommend.
const GOOD_RECEIVES: f64 = 100.0;

/// How the worker handles a task whose attempts are used up.
const SEND: &str = "sqs:SendMessage";

/// An event source: a queue, the function that it calls, and how.
struct Source<'a> {
    settings: &'a Node,
    queue: Option<Resource<'a>>,
    function: Function<'a>,
}

/// F58. <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
pub(super) fn queues(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for source in sources(template) {
        found.extend(event_source(template, source.settings));
        if let Some(queue) = source.queue {
            let batch_size = source.settings.get("BatchSize").and_then(|size| template.number(size));
            let batch_size = batch_size.unwrap_or(LARGEST_BATCH).min(LARGEST_BATCH);
            found.extend(task_queue(template, queue, source.function, batch_size));
        }
    }
    found
}

/// The functions that take tasks from queues.
pub(super) fn workers(template: &Template) -> Vec<Function<'_>> {
    sources(template).into_iter().map(|source| source.function).collect()
}

/// The queues that a function takes tasks from.
pub(super) fn queues_of<'a>(template: &'a Template, function: Function<'_>) -> Vec<Resource<'a>> {
    let its = sources(template).into_iter().filter(|source| source.function.resource.name == function.resource.name);
    its.filter_map(|source| source.queue).collect()
}

fn sources(template: &Template) -> Vec<Source<'_>> {
    let mut sources = Vec::new();
    for function in template.functions() {
        for settings in function.events("SQS").filter_map(|event| event.get("Properties")) {
            let queue = settings.get("Queue").and_then(|queue| template.referred(queue));
            sources.push(Source { settings, queue, function });
        }
    }
    for mapping in template.all("AWS::Lambda::EventSourceMapping") {
        let called = mapping.property("FunctionName").and_then(|name| template.referred(name));
        let function = called
            .and_then(|called| template.functions().into_iter().find(|function| function.resource.name == called.name));
        let queue = mapping.property("EventSourceArn").and_then(|arn| template.referred(arn));
        let queue = queue.filter(|queue| queue.is("AWS::SQS::Queue"));
        if let (Some(function), Some(_), Some(settings)) = (function, queue, mapping.node.get("Properties")) {
            sources.push(Source { settings, queue, function });
        }
    }
    sources
}

fn event_source(template: &Template, settings: &Node) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut say = |line, message: &str| found.push((line, message.to_owned()));
    let types = settings.get("FunctionResponseTypes");
    if !types.is_some_and(|types| types.texts().any(|name| name == "ReportBatchItemFailures")) {
        let message = "Lambda deletes a batch's tasks though one of them failed: add FunctionResponseTypes with \
                       ReportBatchItemFailures";
        say(types.unwrap_or(settings).line, message);
    }
    let number = |name: &str| settings.get(name).and_then(|node| Some((node.line, template.number(node)?)));
    if let Some((line, _)) = number("BatchSize").filter(|(_, size)| *size > LARGEST_BATCH) {
        say(line, "a FIFO queue hands over ten tasks at most: set BatchSize to 10 or less");
    }
    if let Some((line, _)) = number("MaximumBatchingWindowInSeconds").filter(|(_, window)| *window > 0.0) {
        say(line, "a FIFO queue has no batching window: leave out MaximumBatchingWindowInSeconds");
    }
    found
}

fn task_queue(template: &Template, queue: Resource<'_>, function: Function<'_>, batch_size: f64) -> Vec<Problem> {
    let mut found = fifo(template, queue, "tasks");
    let mut say = |line, message: String| found.push((line, message));
    let visibility = queue.property("VisibilityTimeout");
    let hidden = visibility.map_or(Some(30.0), |node| template.number(node));
    if let (Some(timeout), Some(hidden)) = (function.timeout(template), hidden)
        && hidden < timeout * TIMES_TIMEOUT
    {
        let wanted = timeout * TIMES_TIMEOUT;
        let line = visibility.map_or(queue.line(), |node| node.line);
        let message = format!(
            "tasks come again after {hidden} s while the function may take {timeout} s: set VisibilityTimeout to {wanted}, six \
             times its Timeout, or more"
        );
        say(line, message);
    }
    let Some(redrive) = queue.property("RedrivePolicy") else {
        let message =
            "a task that always fails blocks its group for days: add a RedrivePolicy with a FIFO dead-letter queue";
        say(queue.line(), message.to_owned());
        return found;
    };
    found.extend(dead_letters(template, redrive, function, batch_size));
    found
}

/// The worker sends a task to the dead letters after its last attempt. The queue does so for tasks whose worker crashes.
fn dead_letters(template: &Template, redrive: &Node, function: Function<'_>, batch_size: f64) -> Vec<Problem> {
    let mut found = Vec::new();
    let receives = redrive.get("maxReceiveCount");
    // Each task of a batch is received with every batch that the first of its group is in: for each that fails before it some
    // times, and once where the time was not enough. That is as many as the attempts of a task, for each of a batch.
    let least = (f64::from(template.code.attempts) * batch_size).clamp(LEAST_RECEIVES, MOST_RECEIVES);
    if receives.and_then(|node| template.number(node)).is_none_or(|count| count < least) {
        let (attempts, good) = (template.code.attempts, least.max(GOOD_RECEIVES));
        let message = format!(
            "the queue makes dead letters of tasks that never ran: what waits behind a failing or a slow one uses up receives, and \
             with {attempts} attempts and a BatchSize of {batch_size} that takes {least}. The worker counts attempts itself: set \
             maxReceiveCount to {good}"
        );
        found.push((receives.unwrap_or(redrive).line, message));
    }
    let Some(dead) = redrive.get("deadLetterTargetArn").and_then(|arn| template.referred(arn)) else { return found };
    if !may(template, function, SEND, dead) {
        let message = format!(
            "the worker can't send a task that has had its attempts to the dead letters, and its group waits: allow it \
             sqs:SendMessage on {}",
            dead.name
        );
        found.push((function.role(template).unwrap_or(function.resource).line(), message));
    }
    found.extend(fifo(template, dead, "dead letters"));
    found
}

fn fifo(template: &Template, queue: Resource<'_>, of: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    let is_fifo = queue.property("FifoQueue").and_then(|node| template.value(node)) == Some("true");
    if !is_fifo {
        let message = format!("the queue of {of} has to be FIFO, or tasks lose their order: set FifoQueue to true");
        found.push((queue.line(), message));
    }
    let name = queue.property("QueueName");
    let text = name.and_then(|name| template.value(name).or_else(|| name.get("Fn::Sub")?.text()));
    if let Some((name, _)) = name.zip(text).filter(|(_, text)| !text.ends_with(".fifo")) {
        found.push((
            name.line,
            "SQS refuses a FIFO queue whose name has another ending: end QueueName with .fifo".to_owned(),
        ));
    }
    found
}
