//! EventBridge Scheduler through its SDK, the one file that knows its types: a task waits there as a schedule that comes once.
//!
//! The schedule calls `SendMessage` itself (a universal target), as the target for queues alone takes no deduplication id and no
//! attributes. <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html>

use std::{
    env,
    error::Error as StdError,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_scheduler::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::{ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, Target},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::{
    aws,
    controller::TaskingController,
    delayed::task_of,
    long_delays::LongDelays,
    message::{Attribute, Message},
    post::digest,
    queue::{Failed, Sent},
};
use crate::{
    error::{Error, ErrorKind, Result},
    schedule::rfc_3339,
};

const ROLE: &str = "SCHEDULER_ROLE_ARN";
const MINUTE: u64 = 60;
/// The last second that has a year of four digits: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;
/// The most bytes of a target's input.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html>
const LARGEST_INPUT: usize = 256 * 1024;
/// A schedule that has come is deleted a little later, and until then its name is taken.
const NAMES: usize = 2;

impl TaskingController {
    /// Lets tasks wait for more than 15 minutes at EventBridge Scheduler, and for any time: a task that is posted with
    /// [`after`](crate::tasking::Post::after) or [`at`](crate::tasking::Post::at) becomes a schedule that comes once, and Scheduler
    /// sends it to the queue. In the local queue it waits in memory. Default: a task waits in its queue, for 11 hours at most.
    ///
    /// - The task comes in the minute after its time, and not earlier. It goes to the end of its group then.
    /// - Two tasks with the same name, group and key are one schedule, until it has come.
    /// - [`Posted::message_id`](crate::tasking::Posted::message_id) is the name of the schedule.
    /// - [`cancel`](Self::cancel) deletes the schedule, for which it needs no store.
    /// - A task with its attributes takes up to 256 KiB as JSON.
    /// - If Scheduler can't send it, it tries for 24 hours.
    ///
    /// The variable `SCHEDULER_ROLE_ARN` has the role by which Scheduler sends: it trusts `scheduler.amazonaws.com`, and may do
    /// `sqs:SendMessage` on the queue. A function that posts needs `scheduler:CreateSchedule` and `scheduler:GetSchedule`, one that
    /// cancels `scheduler:DeleteSchedule`, and both `iam:PassRole` for that role. `setup -e schedules` writes all of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{LocalQueue, TaskingController};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # runtime.block_on(async {
    /// let queue = LocalQueue::new("mail.fifo");
    /// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue).with_scheduler();
    /// let tasks = tasks.on_raw(async |_context, _task| Ok::<(), std::io::Error>(()));
    /// let week = Duration::from_secs(7 * 24 * 60 * 60);
    /// tasks.post_raw("remember the milk", [("locale", "en")]).after(week).await?;
    /// let worker = tasks.spawn_worker()?;
    /// tokio::time::sleep(week - Duration::from_secs(60)).await; // in a test, without waiting: tokio's clock is paused
    /// assert_eq!(queue.len(), 1);
    /// tokio::time::sleep(Duration::from_secs(120)).await;
    /// assert!(queue.is_empty());
    /// worker.stop().await;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_scheduler(self) -> Self {
        self.change_settings(|settings| settings.long_delays = Some(Arc::new(Scheduler::default())))
    }
}

/// EventBridge Scheduler, or whatever `AWS_ENDPOINT_URL_SCHEDULER` names.
#[derive(Debug, Default)]
struct Scheduler {
    client: OnceCell<Client>,
    role: OnceCell<String>,
}

impl LongDelays for Scheduler {
    fn keep<'a>(&'a self, url: &'a str, waiting: &'a Message) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(async move {
            let (due, task) = task_of(waiting).ok_or_else(|| refused("a waiting task has no time"))?;
            let expression = at(due)?;
            let input = input(url, &task)?;
            for nth in 0..NAMES {
                let name = name(url, &waiting.group, nth);
                if self.create(&name, &expression, &input).await? || self.is_to_come(&name).await? {
                    return Ok(Sent { message_id: name, sequence_number: String::new() });
                }
            }
            let busy = Failed::new(ErrorKind::Queue, "the schedules of this task have come, and are not deleted yet");
            Err(Failed { retry: true, ..busy })
        })
    }

    fn forget<'a>(&'a self, url: &'a str, waiting_id: &'a str) -> BoxFuture<'a, Result<bool, Failed>> {
        Box::pin(async move {
            let mut is_deleted = false;
            for nth in 0..NAMES {
                let request = self.client().await?.delete_schedule().name(name(url, waiting_id, nth));
                match request.send().await {
                    Ok(_) => is_deleted = true,
                    Err(error) if error.code() == Some("ResourceNotFoundException") => {}
                    Err(error) => return Err(failed(error, "scheduler:DeleteSchedule")),
                }
            }
            Ok(is_deleted)
        })
    }
}

impl Scheduler {
    async fn client(&self) -> Result<&Client, Failed> {
        let make = || async {
            let configuration = aws::configuration().await;
            match aws::fault(configuration, "AWS_ENDPOINT_URL_SCHEDULER").await {
                Some(fault) => Err(Failed::configuration(fault)),
                None => Ok(Client::new(configuration)),
            }
        };
        self.client.get_or_try_init(make).await
    }

    async fn role(&self) -> Result<&String, Failed> {
        let read = || async {
            let set = env::var(ROLE).ok().filter(|arn| !arn.is_empty());
            let missing =
                format!("set {ROLE} to the ARN of the role by which EventBridge Scheduler sends to the queue");
            set.ok_or_else(|| Failed::configuration(missing))
        };
        self.role.get_or_try_init(read).await
    }

    /// Creates a schedule; `false` where there is one of this name.
    async fn create(&self, name: &str, expression: &str, input: &str) -> Result<bool, Failed> {
        let role = self.role().await?;
        // The partition of the role is that of the queue: `aws`, `aws-cn`.
        let partition = role.split(':').nth(1).unwrap_or("aws");
        let target = Target::builder().arn(format!("arn:{partition}:scheduler:::aws-sdk:sqs:sendMessage"));
        let target = target.role_arn(role).input(input).build().map_err(refused)?;
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(refused)?;
        let request = self.client().await?.create_schedule().name(name).schedule_expression(expression);
        let request = request.schedule_expression_timezone("UTC").target(target).flexible_time_window(window);
        match request.action_after_completion(ActionAfterCompletion::Delete).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConflictException") => Ok(false),
            Err(error) => Err(failed(error, "scheduler:CreateSchedule, and iam:PassRole on SCHEDULER_ROLE_ARN")),
        }
    }

    /// Whether the time of the schedule that has this name is still to come. Then it is the same task.
    async fn is_to_come(&self, name: &str) -> Result<bool, Failed> {
        match self.client().await?.get_schedule().name(name).send().await {
            // Times of the same form and zone are in the order of their texts.
            Ok(found) => {
                Ok(found.schedule_expression().is_some_and(|time| time > &*at(SystemTime::now()).unwrap_or_default()))
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(failed(error, "scheduler:GetSchedule")),
        }
    }
}

/// A name that the same task has each time that it is posted: letters and digits, and less than 64 of them.
fn name(url: &str, waiting_id: &str, nth: usize) -> String {
    let queue = url.rsplit('/').next().unwrap_or_default();
    let digest = digest(&["schedule", queue, waiting_id]);
    format!("task-{}-{nth}", digest.get(..48).unwrap_or(&digest))
}

/// The next whole minute: a schedule comes at any second of its minute.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
fn at(time: SystemTime) -> Result<String, Failed> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let minutes = since.as_millis().div_ceil(1000 * u128::from(MINUTE));
    let seconds = u64::try_from(minutes).ok().and_then(|minutes| minutes.checked_mul(MINUTE));
    let Some(seconds) = seconds.filter(|seconds| *seconds <= LAST_SECOND) else {
        let error = Error::new(ErrorKind::Task, "a task can't wait for a time after the year 9999");
        return Err(Failed { told: Some(error.to_string()), ..Failed::new(ErrorKind::Task, error) });
    };
    let written = rfc_3339(UNIX_EPOCH + Duration::from_secs(seconds));
    Ok(format!("at({})", written.trim_end_matches('Z')))
}

/// The parameters of `SendMessage`.
fn input(url: &str, task: &Message) -> Result<String, Failed> {
    let attributes: Map<String, Value> =
        task.attributes.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
    let mut input = json!({
        "QueueUrl": url,
        "MessageBody": task.body,
        "MessageGroupId": task.group,
        "MessageDeduplicationId": task.deduplication,
    });
    if !attributes.is_empty() {
        input["MessageAttributes"] = attributes.into();
    }
    // Scheduler replaces words such as `<aws.scheduler.execution-id>` in its input, also in a visitor's text.
    let input = input.to_string().replace('<', "\\u003c");
    if input.len() > LARGEST_INPUT {
        let message =
            format!("a task takes {} bytes as JSON; EventBridge Scheduler takes {LARGEST_INPUT}", input.len());
        return Err(Failed { told: Some(message.clone()), ..Failed::new(ErrorKind::Task, message) });
    }
    Ok(input)
}

fn wire(value: &Attribute) -> Value {
    match value {
        Attribute::Binary(bytes) => json!({ "DataType": "Binary", "BinaryValue": STANDARD.encode(bytes) }),
        text => json!({ "DataType": text.data_type(), "StringValue": text.as_str() }),
    }
}

fn refused(error: impl Into<crate::error::BoxError>) -> Failed {
    Failed::new(ErrorKind::Queue, error)
}

/// What a failed request means for the next.
fn failed<E>(error: SdkError<E, HttpResponse>, rights: &str) -> Failed
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default();
    let is_throttled = ["Throttl", "TooManyRequests"].iter().any(|word| code.contains(word));
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let is_unsent = matches!(error, SdkError::ConstructionFailure(_));
    let retry = !is_unsent && (is_throttled || code.is_empty() || status >= 500);
    let told = (!retry).then(|| {
        let code = if code.is_empty() { "it could not be asked" } else { code };
        format!("EventBridge Scheduler refused a task that waits ({code}): the function needs {rights}")
    });
    Failed { retry, maybe_sent: retry && !is_throttled, told, ..Failed::new(ErrorKind::Queue, error) }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
        sync::Mutex,
    };

    use aws_sdk_scheduler::config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig};

    use super::*;
    use crate::tasking::{
        message::{Attributes, LATER},
        send::{self, BatchOrder, Budget},
    };

    const URL: &str = "http://127.0.0.1:9/000000000000/mail.fifo";
    const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/scheduler";

    /// A status, and a code or a body.
    type Answer<'a> = (u16, &'a str);
    type Asked = Arc<Mutex<Vec<(String, Value)>>>;

    /// Scheduler as a stand-in that gives these answers, a status and a code or a body, and what it was asked.
    fn answering(answers: &[Answer<'_>]) -> (Scheduler, Asked) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Asked::default();
        let remembers = asked.clone();
        let answers: Vec<(u16, String)> = answers.iter().map(|(status, said)| (*status, (*said).to_owned())).collect();
        std::thread::spawn(move || {
            for ((status, said), stream) in answers.into_iter().zip(listener.incoming().flatten()) {
                let mut reader = BufReader::new(&stream);
                let (mut head, mut length) = (String::new(), 0);
                while reader.read_line(&mut head).is_ok() && !head.ends_with("\r\n\r\n") {
                    let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
                    length = line.strip_prefix("content-length: ").and_then(|n| n.parse().ok()).unwrap_or(length);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
                remembers.lock().expect("no panic").push((line, serde_json::from_slice(&body).unwrap_or_default()));
                let (field, body) = if status < 300 {
                    ("x-a: b".to_owned(), said)
                } else {
                    (format!("x-amzn-errortype: {said}"), "{}".to_owned())
                };
                let answer = format!(
                    "HTTP/1.1 {status} x\r\n{field}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                (&stream).write_all(answer.as_bytes()).expect("it is taken");
            }
        });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("none", "none", None, None, "a test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(url);
        let client = OnceCell::new_with(Some(Client::from_conf(config.build())));
        (Scheduler { client, role: OnceCell::new_with(Some(ROLE_ARN.to_owned())) }, asked)
    }

    /// A task of a visitor's text that waits for a time far ahead.
    fn waiting(body: &str) -> Message {
        let mut attributes = Attributes::from([("a".to_owned(), "b".into()), ("n".to_owned(), 7.into())]);
        attributes.insert("c".to_owned(), Attribute::Binary(vec![1, 2].into()));
        // 2100-01-01T00:00:01Z
        attributes.insert(LATER.to_owned(), "4102444801000 own-id own-group".into());
        Message { body: body.to_owned(), attributes, group: "waits".into(), deduplication: "waits".into(), trace: None }
    }

    const CREATED: (u16, &str) =
        (200, r#"{"ScheduleArn":"arn:aws:scheduler:eu-west-1:000000000000:schedule/default/x"}"#);
    const CONFLICT: (u16, &str) = (409, "ConflictException");

    #[tokio::test]
    async fn a_schedule_sends_the_task_as_it_was_posted() {
        let (scheduler, asked) = answering(&[CREATED]);
        let body = "<aws.scheduler.execution-id> \"\u{e4}\"";
        let kept = scheduler.keep(URL, &waiting(body)).await.expect("it is kept");
        let asked = asked.lock().expect("no panic");
        let (line, request) = &asked[0];
        assert_eq!(*line, format!("POST /schedules/{}", kept.message_id));
        assert!(crate::schedule::is_name(&kept.message_id));
        assert_eq!(request["ScheduleExpression"], "at(2100-01-01T00:01:00)");
        assert_eq!(request["ScheduleExpressionTimezone"], "UTC");
        assert_eq!(request["ActionAfterCompletion"], "DELETE");
        assert_eq!(request["FlexibleTimeWindow"], json!({ "Mode": "OFF" }));
        assert_eq!(request["Target"]["Arn"], "arn:aws:scheduler:::aws-sdk:sqs:sendMessage");
        assert_eq!(request["Target"]["RoleArn"], ROLE_ARN);
        let input = request["Target"]["Input"].as_str().expect("a text");
        assert!(!input.contains("<aws."), "Scheduler would replace it");
        let attributes = json!({
            "a": { "DataType": "String", "StringValue": "b" },
            "c": { "DataType": "Binary", "BinaryValue": "AQI=" },
            "n": { "DataType": "Number", "StringValue": "7" },
        });
        let expected = json!({
            "QueueUrl": URL,
            "MessageBody": body,
            "MessageGroupId": "own-group",
            "MessageDeduplicationId": "own-id",
            "MessageAttributes": attributes,
        });
        assert_eq!(serde_json::from_str::<Value>(input).expect("JSON"), expected);
    }

    #[tokio::test]
    async fn a_task_that_waits_already_is_one_and_one_that_has_come_is_another() {
        let found = |time: &str| format!(r#"{{"ScheduleExpression":"at({time})"}}"#);
        let (ahead, past) = (found("2099-01-01T00:00:00"), found("2020-01-01T00:00:00"));
        #[rustfmt::skip]
        let table: [(&[Answer<'_>], &[&str], Option<bool>); 5] = [
            (&[CONFLICT, (200, &ahead)], &["POST 0", "GET 0"], None),
            (&[CONFLICT, (200, &past), CREATED], &["POST 0", "GET 0", "POST 1"], None),
            (&[CONFLICT, (404, "ResourceNotFoundException"), CREATED], &["POST 0", "GET 0", "POST 1"], None),
            (&[CONFLICT, (200, &past), CONFLICT, (200, &ahead)], &["POST 0", "GET 0", "POST 1", "GET 1"], None),
            // Nothing is said to be kept that is not.
            (&[CONFLICT, (200, &past), CONFLICT, (200, &past)], &["POST 0", "GET 0", "POST 1", "GET 1"], Some(true)),
        ];
        for (answers, expected, retry) in table {
            let (scheduler, asked) = answering(answers);
            let kept = scheduler.keep(URL, &waiting("x")).await;
            assert_eq!(kept.err().map(|failed| failed.retry), retry, "{answers:?}");
            let asked = asked.lock().expect("no panic");
            let lines = asked.iter().map(|(line, _)| {
                let (method, name) = line.split_once(' ').expect("two words");
                format!("{method} {}", name.rsplit('-').next().unwrap_or_default())
            });
            assert_eq!(lines.collect::<Vec<_>>(), expected, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_or_says_why() {
        #[rustfmt::skip]
        let table = [
            ((429, "ThrottlingException"), (true, false), ""),
            ((500, "InternalServerException"), (true, true), ""),
            ((502, ""), (true, true), ""),
            ((403, "AccessDeniedException"), (false, false), "scheduler:CreateSchedule, and iam:PassRole on SCHEDULER_ROLE_ARN"),
            ((402, "ServiceQuotaExceededException"), (false, false), "ServiceQuotaExceededException"),
            ((400, "ValidationException"), (false, false), "ValidationException"),
        ];
        for (answer, expected, says) in table {
            let (scheduler, _) = answering(&[answer]);
            let failed = scheduler.keep(URL, &waiting("x")).await.expect_err("it fails");
            assert_eq!((failed.retry, failed.maybe_sent), expected, "{answer:?}");
            assert!(failed.told.unwrap_or_default().contains(says), "{answer:?}");
        }
        let (scheduler, _) = answering(&[]);
        let large = scheduler.keep(URL, &waiting(&"x".repeat(LARGEST_INPUT))).await.expect_err("too large");
        assert_eq!((large.kind, large.retry), (ErrorKind::Task, false));
    }

    /// The attempts are those of any post, with pauses and an end.
    #[tokio::test]
    async fn throttling_is_waited_out() {
        let (scheduler, asked) = answering(&[(429, "ThrottlingException"), (429, "ThrottlingException"), CREATED]);
        let queue = Arc::new(super::super::sqs::Sqs::new(URL));
        let queue = super::super::long_delays::QueueWithDelays { queue, delays: Arc::new(scheduler) };
        let budget = Budget { time: Duration::from_secs(5), until: None };
        let posted = send::many(&queue, vec![Ok(waiting("x"))], BatchOrder::Strict, budget).await;
        assert_eq!(posted[0].as_ref().map(|posted| posted.attempts).map_err(Error::to_string), Ok(3));
        assert_eq!(asked.lock().expect("no panic").len(), 3);
    }

    #[tokio::test]
    async fn to_forget_a_task_deletes_its_schedules() {
        let gone = (404, "ResourceNotFoundException");
        for (answers, expected) in [([(200, "{}"), gone], true), ([gone, (200, "{}")], true), ([gone, gone], false)] {
            let (scheduler, asked) = answering(&answers);
            assert_eq!(scheduler.forget(URL, "waits").await.ok(), Some(expected));
            let asked = asked.lock().expect("no panic");
            assert!(asked[0].0.starts_with(&format!("DELETE /schedules/{}?", name(URL, "waits", 0))), "{asked:?}");
        }
        let (scheduler, _) = answering(&[(403, "AccessDeniedException")]);
        let failed = scheduler.forget(URL, "waits").await.expect_err("it fails");
        assert!(failed.told.unwrap_or_default().contains("scheduler:DeleteSchedule"));
    }

    #[test]
    fn a_time_is_that_of_the_next_minute() {
        let told = |milliseconds| at(UNIX_EPOCH + Duration::from_millis(milliseconds)).map_err(|failed| failed.kind);
        for (milliseconds, expected) in [
            (1_796_090_400_000, "at(2026-12-01T02:00:00)"),
            (1_796_090_400_001, "at(2026-12-01T02:01:00)"),
            (1_796_090_459_999, "at(2026-12-01T02:01:00)"),
        ] {
            assert_eq!(told(milliseconds).as_deref(), Ok(expected));
        }
        assert_eq!(told(u64::MAX / 2), Err(ErrorKind::Task));
    }
}
