//! The rule of schedules: F59. What the code posts again and again, the template fires, and nothing else. And the other direction:
//! the schedules of a program, written into its template.

use chalice_http_toolkit::tasking::Schedule;
use serde::Deserialize;

use super::{
    model::{Function, Template},
    problem::Problem,
    queues::{queues_of, workers},
    rights::may,
    yaml::{self, Node},
};
use crate::code::Code;

/// A schedule as the program prints it.
#[derive(Debug, Deserialize)]
pub(crate) struct Printed {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) time_zone: String,
}

impl Printed {
    fn schedule(&self) -> Schedule {
        Schedule::from(&*self.expression).with_time_zone(&self.time_zone).with_name(&self.name)
    }
}

/// A schedule of the template that fires one of the code.
struct Fired<'a> {
    line: usize,
    /// As far as it is known.
    schedule: Option<Schedule>,
    function: Option<Function<'a>>,
}

const MARK: &str = "\"chalice-http-toolkit\":\"schedule\"";
const WRITE: &str = "write the schedules of the code into this file by `chalice-http-toolkit schedules`";
const SEND: &str = "sqs:SendMessage";

/// F59.
pub(super) fn schedules(template: &Template) -> Vec<Problem> {
    let mut found = rules(template);
    let fired = fired(template);
    for event in &fired {
        found.extend(rights(template, event));
    }
    let Some(function) = default_function(template).filter(|_| template.code.is_there) else { return found };
    let mut left: Vec<&Fired<'_>> = fired.iter().collect();
    for (place, schedule) in &template.code.schedules {
        let Some(schedule) = schedule else { continue };
        let same = |fired: &&Fired<'_>| fired.schedule.as_ref().is_none_or(|fired| told(fired) == told(schedule));
        match left.iter().position(same) {
            Some(at) => drop(left.remove(at)),
            None => {
                let message = format!(
                    "the code posts a task by {} ({place}), and nothing here fires it: {WRITE}",
                    told(schedule)
                );
                found.push((function.resource.line(), message));
            }
        }
    }
    // Those that are behind a name may be any.
    let unknown = template.code.schedules.iter().filter(|(_, schedule)| schedule.is_none()).count();
    for fired in left.into_iter().skip(unknown) {
        let schedule = fired.schedule.as_ref().map(told).unwrap_or_default();
        let message =
            format!("this fires {schedule}, which the code does not have by App::every, and its event fails: {WRITE}");
        found.push((fired.line, message));
    }
    found
}

fn told(schedule: &Schedule) -> String {
    format!("{} in {}", schedule.expression(), schedule.time_zone())
}

/// The events of SAM and the resources of CloudFormation that say a schedule's time.
fn fired(template: &Template) -> Vec<Fired<'_>> {
    let mut fired = Vec::new();
    for function in template.functions() {
        for event in function.events("ScheduleV2").filter(|event| is_ours(event.at("Properties.Input"))) {
            let Some(properties) = event.get("Properties") else { continue };
            fired.push(Fired { line: event.line, schedule: schedule(template, properties), function: Some(function) });
        }
    }
    for resource in template.all("AWS::Scheduler::Schedule") {
        let Some(properties) = resource.node.get("Properties").filter(|node| is_ours(node.at("Target.Input"))) else {
            continue;
        };
        let target = properties.at("Target.Arn").and_then(|arn| template.referred(arn));
        let mut functions = template.functions().into_iter();
        let function = functions.find(|function| target.is_some_and(|target| target.name == function.resource.name));
        fired.push(Fired { line: resource.line(), schedule: schedule(template, properties), function });
    }
    fired
}

fn is_ours(input: Option<&Node>) -> bool {
    let text = input.and_then(|input| input.text().or_else(|| input.get("Fn::Sub")?.text()));
    text.is_some_and(|text| text.split_ascii_whitespace().collect::<String>().contains(MARK))
}

fn schedule(template: &Template, properties: &Node) -> Option<Schedule> {
    let expression = template.value(properties.get("ScheduleExpression")?)?;
    let zone = properties.get("ScheduleExpressionTimezone").map_or(Some("UTC"), |zone| template.value(zone))?;
    Some(Schedule::from(expression).with_time_zone(zone))
}

/// A rule says no time in the place of a placeholder.
fn rules(template: &Template) -> Vec<Problem> {
    let message = "a rule of EventBridge does not say for which time it fires this: use ScheduleV2, which is a schedule of \
                   EventBridge Scheduler";
    let of_sam = template.functions().into_iter().flat_map(|function| function.events("Schedule").collect::<Vec<_>>());
    let of_sam = of_sam.filter(|event| is_ours(event.at("Properties.Input"))).map(|event| event.line);
    let plain = template.all("AWS::Events::Rule").filter(|rule| {
        let targets = rule.property("Targets").map_or_else(Vec::new, Node::items);
        targets.iter().any(|target| is_ours(target.get("Input")))
    });
    of_sam.chain(plain.map(|rule| rule.line())).map(|line| (line, message.to_owned())).collect()
}

/// The function posts what its schedules say.
fn rights(template: &Template, fired: &Fired<'_>) -> Option<Problem> {
    let function = fired.function?;
    let queue = queues_of(template, function).into_iter().find(|queue| !may(template, function, SEND, *queue))?;
    let message = format!("this function posts the tasks of its schedules: allow it {SEND} on {}", queue.name);
    Some((function.role(template).unwrap_or(function.resource).line(), message))
}

/// The function that fires schedules unless another one is named: the only worker, or the only function.
fn default_function(template: &Template) -> Option<Function<'_>> {
    let (workers, all) = (workers(template), template.functions());
    workers.first().or_else(|| all.first().filter(|_| all.len() == 1)).copied()
}

const BEGIN: &str = "# Written by `chalice-http-toolkit schedules`, from the schedules of the code.";
const END: &str = "# The end of what `chalice-http-toolkit schedules` writes.";

/// A template with these schedules, as events of a function, in place of those that were written before.
pub(crate) fn written(source: &str, schedules: &[Printed], function: Option<&str>) -> Result<String, String> {
    let end = if source.contains("\r\n") { "\r\n" } else { "\n" };
    let lines = without_block(&source.lines().collect::<Vec<_>>())?;
    let bare = lines.join(end) + end;
    if schedules.is_empty() {
        return Ok(bare);
    }
    let root = yaml::parse(&bare).map_err(|error| format!("line {}: {}", error.line, error.message))?;
    let template = Template::new(root, Code::default());
    let named = |name: &str| template.functions().into_iter().find(|known| known.resource.name == name);
    let function = match function {
        Some(name) => named(name).ok_or_else(|| format!("this template has no function {name} of a Rust program"))?,
        None => default_function(&template)
            .ok_or("this template has several functions, and none takes a queue: say which by --function")?,
    };
    if !function.resource.is("AWS::Serverless::Function") {
        return Err(format!("{} is no AWS::Serverless::Function, and has no Events", function.resource.name));
    }
    let events = function.resource.property("Events");
    let taken: Vec<&str> = events.map_or(&[][..], Node::entries).iter().map(|(name, _)| &**name).collect();
    let above = events.or(function.resource.node.get("Properties")).ok_or("the function has no Properties")?.line;
    let indent = indent_below(&lines, above)?;
    let (head, indent) = match events {
        Some(_) => (None, indent),
        None => (Some(format!("{indent}Events:")), format!("{indent}  ")),
    };
    let block = block(schedules, &indent, &taken);
    let (before, after) = lines.split_at(above);
    let all = before
        .iter()
        .copied()
        .chain(head.as_deref())
        .chain(block.iter().map(String::as_str))
        .chain(after.iter().copied());
    Ok(all.collect::<Vec<_>>().join(end) + end)
}

/// The lines without those that were written before, and without an `Events:` that had nothing else.
fn without_block<'a>(lines: &[&'a str]) -> Result<Vec<&'a str>, String> {
    let find = |mark: &str| lines.iter().position(|line| line.trim() == mark);
    let (begin, end) = match (find(BEGIN), find(END)) {
        (None, None) => return Ok(lines.to_vec()),
        (Some(begin), Some(end)) if begin < end => (begin, end),
        _ => {
            return Err(format!("one of the lines `{BEGIN}` and `{END}` is missing: remove the other and all between"));
        }
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let next = lines.get(end + 1..).unwrap_or_default().iter().find(|line| !line.trim().is_empty());
    let is_alone = next.is_none_or(|next| indent(next) < indent(lines[begin]));
    let events = begin.checked_sub(1).filter(|at| is_alone && lines[*at].trim() == "Events:");
    let (before, after) = (&lines[..events.unwrap_or(begin)], &lines[end + 1..]);
    Ok([before, after].concat())
}

/// The white space before what stands below a line, counted from 1.
fn indent_below(lines: &[&str], above: usize) -> Result<String, String> {
    let is_content = |line: &&&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let below = lines.get(above..).unwrap_or_default().iter().find(is_content);
    let key = lines.get(above.saturating_sub(1)).copied().unwrap_or_default();
    let indent = |line: &str| line[..line.len() - line.trim_start().len()].to_owned();
    match below.map(|line| indent(line)) {
        Some(below) if key.trim_end().ends_with(':') && below.len() > indent(key).len() => Ok(below),
        _ => Err(format!("line {above}: write this with an entry on each line, so that others can stand below it")),
    }
}

fn block(schedules: &[Printed], indent: &str, taken: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = taken.iter().map(|name| (*name).to_owned()).collect();
    let mut lines = vec![format!("{indent}{BEGIN}")];
    for printed in schedules {
        let logical = logical_name(&printed.name, &names);
        let (name, schedule) = (&printed.name, printed.schedule());
        lines.extend([
            format!("{indent}{logical}:"),
            format!("{indent}  Type: ScheduleV2"),
            format!("{indent}  Properties:"),
            format!("{indent}    ScheduleExpression: {}", schedule.expression()),
            format!("{indent}    ScheduleExpressionTimezone: {}", schedule.time_zone()),
            format!("{indent}    Input: '{{{MARK},\"name\":\"{name}\",\"time\":\"<aws.scheduler.scheduled-time>\"}}'"),
        ]);
        names.push(logical);
    }
    lines.push(format!("{indent}{END}"));
    lines
}

/// A name that CloudFormation takes, and that nothing else has: `nightly_report` is `NightlyReportSchedule`.
fn logical_name(name: &str, taken: &[String]) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    let words: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
    let first = format!("{words}Schedule");
    let others = (2..).map(|number| format!("{first}{number}"));
    std::iter::once(first.clone()).chain(others).find(|name| !taken.contains(name)).unwrap_or(first)
}

impl Printed {
    /// # Errors
    ///
    /// The schedule is not valid. The text says why.
    pub(crate) fn checked(&self) -> Result<(), String> {
        let fault = self.schedule().next_after(std::time::UNIX_EPOCH).err();
        fault.map_or(Ok(()), |error| Err(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{
        Finding, check,
        tests::{code_of, template},
    };

    const CODE: &str = "\nApp::new(site)\n    .every(\"0 3 * * ? *\", Report)\n    .every(
        Schedule::cron(\"0/15 8-17 ? * MON-FRI *\").with_time_zone(\"Europe/Berlin\").with_name(\"a.b_c\"),
        Mail,
    )\n";

    /// The line of each, and what it says.
    type Findings<'a> = &'a [(&'a str, &'a str)];

    fn printed() -> Vec<Printed> {
        [("report", "cron(0  3 * * ?\n *)", "UTC"), ("a.b_c", "cron(0/15 8-17 ? * MON-FRI *)", "Europe/Berlin")]
            .map(|(name, expression, zone)| Printed {
                name: name.to_owned(),
                expression: expression.to_owned(),
                time_zone: zone.to_owned(),
            })
            .into()
    }

    fn found(source: &str, code: &str) -> Vec<(&'static str, String, String)> {
        let lines: Vec<&str> = source.lines().collect();
        let shown = |found: Finding| (found.rule, lines[found.line - 1].trim().to_owned(), found.message);
        check(source, code_of(code)).into_iter().map(shown).collect()
    }

    #[test]
    fn what_is_written_has_no_finding_and_comes_and_goes_without_a_trace() {
        let plain = template(&[]);
        let with = written(&plain, &printed(), None).unwrap();
        assert_eq!(found(&with, CODE), []);
        assert_eq!(written(&with, &printed(), None).as_ref(), Ok(&with));
        assert_eq!(written(&with, &[], None).as_ref(), Ok(&plain));
        let block = &with[with.find(BEGIN).unwrap()..with.find(END).unwrap()];
        let event = "        ABCSchedule:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: cron(0/15 8-17 ? * MON-FRI *)
            ScheduleExpressionTimezone: Europe/Berlin
            Input: '{\"chalice-http-toolkit\":\"schedule\",\"name\":\"a.b_c\",\"time\":\"<aws.scheduler.scheduled-time>\"}'
";
        assert!(block.contains(event), "{block}");
        // Another function, which has no events so far; and the line ends of Windows.
        let without =
            plain.replace("      Events:\n        Tasks:\n", "      Other:\n        Tasks:\n").replace('\n', "\r\n");
        let with = written(&without, &printed(), Some("WorkerFunction")).unwrap();
        assert!(with.contains("\r\n      Events:\r\n        # Written by"), "{with}");
        assert_eq!(written(&with, &[], None), Ok(without));
    }

    #[test]
    fn what_differs_from_the_code_is_found_with_its_line() {
        let plain = template(&[]);
        let with = written(&plain, &printed(), None).unwrap();
        let sends = "                  - sqs:SendMessage\n                Resource: !GetAtt TaskQueue.Arn";
        let queue = "                Resource: !GetAtt TaskQueue.Arn";
        #[rustfmt::skip]
        let table: &[(&str, &str, Findings<'_>)] = &[
            ("cron(0 3 * * ? *)", "cron(0 4 * * ? *)", &[("WorkerFunction:", "src/main.rs:3"), ("ReportSchedule:", "cron(0 4 * * ? *) in UTC")]),
            ("Timezone: Europe/Berlin", "Timezone: Europe/Paris", &[("WorkerFunction:", "in Europe/Berlin (src/main.rs:4)"), ("ABCSchedule:", "in Europe/Paris")]),
            ("Timezone: UTC", "Timezone: !ImportValue zone", &[]),
            ("cron(0 3 * * ? *)", "cron( 0  3 * * ?  *)", &[]),
            ("          Type: ScheduleV2\n", "          Type: Schedule\n", &[("WorkerFunction:", "src/main.rs:3"), ("ReportSchedule:", "use ScheduleV2")]),
            (sends, queue, &[("WorkerRole:", "sqs:SendMessage on TaskQueue")]),
        ];
        for (from, to, expected) in table {
            assert!(with.contains(from), "{from}");
            let found = found(&with.replacen(from, to, 1), CODE);
            let is_it = |((rule, line, message), (wanted, says)): (&(&str, String, String), &(&str, &str))| {
                *rule == "F59" && line == wanted && message.contains(says)
            };
            assert!(found.len() == expected.len() && found.iter().zip(*expected).all(is_it), "{to}: {found:?}");
        }
        assert_eq!(found(&plain, CODE).len(), 2, "none of them is there");
        assert_eq!(found(&with, "fn main() {}").len(), 2, "the code has none");
        assert_eq!(found(&with, ".every(A, Report).every(B, Mail)"), [], "they may be those");
        assert_eq!(check(&with, Code::default()), [], "nothing is known of the code");
    }

    #[test]
    fn what_can_t_be_written_says_why() {
        let plain = template(&[]);
        let half = written(&plain, &printed(), None).unwrap().replace(END, "# an end");
        let flow =
            "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: { Runtime: provided.al2023 }\n";
        let other = flow.replace("Serverless", "Lambda");
        for (source, function, says) in [
            (&*plain, Some("NoFunction"), "no function NoFunction"),
            (&half, None, "is missing"),
            (flow, None, "an entry on each line"),
            (&other, None, "no AWS::Serverless::Function"),
            ("Resources: {}", None, "say which by --function"),
            ("a: [", None, "no YAML"),
        ] {
            let error = written(source, &printed(), function).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn names_of_events_are_letters_and_digits_and_nobody_elses() {
        for (name, expected) in
            [("nightly_report", "NightlyReportSchedule"), ("a.b-c", "ABCSchedule"), ("-", "Schedule")]
        {
            assert_eq!(logical_name(name, &[]), expected);
        }
        assert_eq!(logical_name("a_b", &["ABSchedule".to_owned(), "ABSchedule2".to_owned()]), "ABSchedule3");
    }
}
