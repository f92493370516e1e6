//! The command `tasks`: what it prints of a queue, and what it does to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::TcpListener,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{cli::command, support::read_request};

#[derive(Clone, Debug)]
struct Message {
    id: String,
    group: String,
    deduplication: String,
    body: String,
    attributes: BTreeMap<String, String>,
    receives: u32,
    is_hidden: bool,
}

/// Two FIFO queues by SQS's rules, as far as the command can see them: a group gives nothing while one of its messages is hidden.
#[derive(Clone, Debug, Default)]
struct World {
    queues: BTreeMap<String, Vec<Message>>,
    most_receives: u32,
    /// Whether what is received can be received again at once, as in a queue so large that the time runs out.
    hides_nothing: bool,
    /// The message that it does not delete.
    keeps: Option<String>,
}

type Shared = Arc<Mutex<World>>;

const HOURS_AGO: Duration = Duration::from_secs(3 * 3600 + 60);

fn milliseconds(ago: Duration) -> String {
    (SystemTime::now() - ago).duration_since(UNIX_EPOCH).expect("after 1970").as_millis().to_string()
}

fn message(id: &str, group: &str, name: &str, more: &[(&str, &str)]) -> Message {
    let own = [("chalice-task", name)].into_iter().chain(more.iter().copied());
    Message {
        id: id.to_owned(),
        group: group.to_owned(),
        deduplication: format!("own-{id}"),
        body: format!("{{\"secret\":\"{id}\"}}"),
        attributes: own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        receives: 0,
        is_hidden: false,
    }
}

/// A dead letter as the worker writes it.
fn letter(id: &str, group: &str, name: &str) -> Message {
    let (first, last) = (milliseconds(HOURS_AGO * 2), milliseconds(HOURS_AGO));
    let history = [
        ("chalice-key", "order-7"),
        ("chalice-dead-reason", "smtp refused\u{1b}[31m: no such host"),
        ("chalice-dead-attempts", "5"),
        ("chalice-dead-first", &first),
        ("chalice-dead-last", &last),
    ];
    Message { deduplication: format!("dlq-was-{id}:own-{id}"), ..message(id, group, name, &history) }
}

impl World {
    fn answer(&mut self, target: &str, asked: &Value) -> Value {
        let name = asked["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default().to_owned();
        match target {
            "GetQueueUrl" => {
                json!({ "QueueUrl": format!("http://sqs/1/{}", asked["QueueName"].as_str().expect("a name")) })
            }
            "GetQueueAttributes" => self.attributes(&name),
            "ReceiveMessage" => self.receive(&name),
            "PurgeQueue" => {
                self.queues.insert(name, Vec::new());
                json!({})
            }
            "SendMessage" => self.send(&name, asked),
            _ => {
                let entries = asked["Entries"].as_array().expect("a batch");
                let receipts: BTreeSet<&str> =
                    entries.iter().map(|entry| entry["ReceiptHandle"].as_str().expect("a receipt")).collect();
                let queue = self.queues.entry(name).or_default();
                let keeps = self.keeps.as_deref();
                let mut failed = Vec::new();
                match target {
                    "DeleteMessageBatch" => {
                        queue.retain(|message| !receipts.contains(&*message.id) || keeps == Some(message.id.as_str()));
                        let kept = entries.iter().filter(|entry| entry["ReceiptHandle"].as_str() == keeps);
                        failed = kept
                            .map(|entry| json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }))
                            .collect();
                    }
                    "ChangeMessageVisibilityBatch" => {
                        let is_it = |message: &&mut Message| receipts.contains(&*message.id);
                        queue.iter_mut().filter(is_it).for_each(|message| message.is_hidden = false);
                    }
                    other => panic!("{other} is not expected"),
                }
                json!({ "Successful": [], "Failed": failed })
            }
        }
    }

    fn attributes(&self, name: &str) -> Value {
        let queue = self.queues.get(name).map(Vec::as_slice).unwrap_or_default();
        let hidden = queue.iter().filter(|message| message.is_hidden).count();
        let mut attributes = json!({
            "QueueArn": format!("arn:aws:sqs:eu-west-1:1:{name}"),
            "ApproximateNumberOfMessages": (queue.len() - hidden).to_string(),
            "ApproximateNumberOfMessagesNotVisible": hidden.to_string(),
            "ApproximateNumberOfMessagesDelayed": "0",
        });
        if name == "mail.fifo" {
            let dead = "arn:aws:sqs:eu-west-1:1:dead.fifo";
            let policy = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": self.most_receives });
            attributes["RedrivePolicy"] = policy.to_string().into();
        }
        json!({ "Attributes": attributes })
    }

    fn receive(&mut self, name: &str) -> Value {
        let queue = self.queues.entry(name.to_owned()).or_default();
        let blocked: BTreeSet<String> =
            queue.iter().filter(|message| message.is_hidden).map(|message| message.group.clone()).collect();
        let hides = !self.hides_nothing;
        let is_free = |message: &&mut Message| !message.is_hidden && !blocked.contains(&message.group);
        let given = queue.iter_mut().filter(is_free).take(10).map(|message| {
            (message.is_hidden, message.receives) = (hides, message.receives + 1);
            let attribute = |(name, value): (&String, &String)| {
                (name.clone(), json!({ "DataType": "String", "StringValue": value }))
            };
            json!({
                "MessageId": message.id,
                "ReceiptHandle": message.id,
                "Body": message.body,
                "Attributes": {
                    "MessageGroupId": message.group,
                    "MessageDeduplicationId": message.deduplication,
                    "ApproximateReceiveCount": message.receives.to_string(),
                    "SentTimestamp": milliseconds(HOURS_AGO),
                },
                "MessageAttributes": message.attributes.iter().map(attribute).collect::<Value>(),
            })
        });
        json!({ "Messages": given.collect::<Vec<_>>() })
    }

    fn send(&mut self, name: &str, asked: &Value) -> Value {
        let text = |name: &str| asked[name].as_str().expect("text").to_owned();
        let attributes = asked["MessageAttributes"].as_object().expect("attributes");
        let queue = self.queues.entry(name.to_owned()).or_default();
        queue.push(Message {
            id: format!("new-{}", queue.len()),
            group: text("MessageGroupId"),
            deduplication: text("MessageDeduplicationId"),
            body: text("MessageBody"),
            attributes: attributes
                .iter()
                .map(|(name, value)| (name.clone(), value["StringValue"].as_str().expect("text").to_owned()))
                .collect(),
            receives: 0,
            is_hidden: false,
        });
        json!({ "MessageId": "new" })
    }
}

/// A stand-in for SQS with these messages in `mail.fifo` and its dead letters, `dead.fifo`.
fn sqs(tasks: Vec<Message>, dead: Vec<Message>, most_receives: u32) -> (Shared, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    let queues = BTreeMap::from([("mail.fifo".to_owned(), tasks), ("dead.fifo".to_owned(), dead)]);
    let world = Arc::new(Mutex::new(World { queues, most_receives, ..World::default() }));
    let answers = world.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (head, body) = read_request(&stream);
            let target = head.split("AmazonSQS.").nth(1).and_then(|rest| rest.split_whitespace().next());
            let asked = serde_json::from_slice(&body).expect("JSON");
            let answer = answers.lock().expect("no panic").answer(target.expect("a target"), &asked).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes())).expect("it is taken");
        }
    });
    (world, at)
}

fn tasks(at: &str, arguments: &[&str], typed: &str) -> (Option<i32>, String, String) {
    let mut command = command(&["tasks"]);
    command.args(arguments).args(["--queue", "mail.fifo", "--endpoint-url", at]);
    command.env("NO_PROXY", "*").env("AWS_REGION", "eu-west-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    // Who asks nothing may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(typed.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn queue(world: &Shared, name: &str) -> Vec<Message> {
    world.lock().expect("no panic").queues[name].clone()
}

fn letters() -> Vec<Message> {
    vec![
        letter("a1", "user-1", "send_welcome"),
        letter("b1", "user-2", "send_invoice"),
        letter("a2", "user-1", "send_welcome"),
        // One that the queue has moved itself.
        message("c1", "user-3", "send_invoice", &[]),
    ]
}

#[test]
fn dead_letters_are_listed_with_their_reasons_and_without_their_bodies() {
    let (world, at) = sqs(Vec::new(), letters(), 5);
    let (code, out, err) = tasks(&at, &["list", "--dead"], "");
    assert_eq!(code, Some(0), "{err}");
    #[rustfmt::skip]
    assert_eq!(sorted(&out), [
        "send_invoice  b1  group user-2  attempts 5  dead for 3 h  smtp refused\u{fffd}[31m: no such host",
        "send_invoice  c1  group user-3  posted 3 h ago  moved by the queue after its maxReceiveCount",
        "send_welcome  a1  group user-1  attempts 5  dead for 3 h  smtp refused\u{fffd}[31m: no such host",
        "send_welcome  a2  group user-1  attempts 5  dead for 3 h  smtp refused\u{fffd}[31m: no such host",
    ]);
    assert_eq!(err, "dead.fifo: 4 shown, 4 looked at, of about 4\n");
    assert!(queue(&world, "dead.fifo").iter().all(|letter| !letter.is_hidden), "all are given back");

    let (code, out, _) = tasks(&at, &["list", "--dead", "--name", "send_welcome", "--group", "user-1"], "");
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{out}");

    let (_, out, _) = tasks(&at, &["list", "--dead", "--id", "a1", "--json"], "");
    let mut line: Value = serde_json::from_str(&out).expect("one object");
    for time in ["sent_at", "first_received_at", "dead_since"] {
        assert!(line[time].take().as_u64().is_some_and(|time| time > 1_700_000_000_000), "{time} in {out}");
    }
    let wanted = json!({
        "message_id": "a1", "task": "send_welcome", "group": "user-1", "receives": 3, "sent_at": null, "bytes": 15,
        "attempts": 5, "first_received_at": null, "dead_since": null, "reason": "smtp refused\u{1b}[31m: no such host",
    });
    assert_eq!(line, wanted);

    let (code, out, _) = tasks(&at, &["show", "--dead", "a1", "--bodies"], "");
    assert_eq!(code, Some(0));
    assert!(out.ends_with("\n  key: order-7\n  {\"secret\":\"a1\"}\n"), "{out}");
    let (code, out, err) = tasks(&at, &["show", "--dead", "none"], "");
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("no message with the id none can be seen"), "{err}");
    assert!(queue(&world, "dead.fifo").iter().all(|letter| !letter.is_hidden));
}

#[test]
fn what_comes_again_while_the_queue_is_gone_through_is_one_message() {
    let (world, at) = sqs(Vec::new(), letters(), 100);
    world.lock().expect("no panic").hides_nothing = true;
    let (code, out, err) = tasks(&at, &["list", "--dead"], "");
    assert_eq!((code, out.lines().count()), (Some(0), 4), "{err}");
    let (code, out, err) = tasks(&at, &["redrive", "--name", "send_welcome"], "");
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{err}");
    let (code, out, err) = tasks(&at, &["drop", "--dead", "--id", "b1", "--yes"], "");
    assert_eq!((code, out.lines().count()), (Some(0), 1), "{err}");
}

#[test]
fn of_a_group_the_first_ten_are_seen_and_that_is_told() {
    let letters = (0..12).map(|n| letter(&format!("a{n:02}"), "user-1", "send_welcome")).collect();
    let (_, at) = sqs(Vec::new(), letters, 100);
    let (_, out, err) = tasks(&at, &["list", "--dead"], "");
    assert_eq!(out.lines().count(), 10);
    assert!(
        err.starts_with("dead.fifo: 10 shown, 10 looked at, of about 12; SQS shows the first ten messages of a group"),
        "{err}"
    );
}

#[test]
fn a_look_at_the_task_queue_says_what_it_costs() {
    let waiting = vec![message("a1", "user-1", "send_welcome", &[])];
    let (world, at) = sqs(waiting.clone(), Vec::new(), 100);
    let (code, out, err) = tasks(&at, &["list"], "");
    assert_eq!((code, out.as_str()), (Some(0), "send_welcome  a1  group user-1  receives 1  posted 3 h ago\n"));
    assert!(err.starts_with("mail.fifo: this counts as one receive of each message"), "{err}");
    assert!(!queue(&world, "mail.fifo")[0].is_hidden);

    let (world, at) = sqs(waiting, Vec::new(), 5);
    let (code, out, err) = tasks(&at, &["list"], "");
    assert_eq!((code, out.as_str(), queue(&world, "mail.fifo")[0].receives), (Some(1), "", 0), "{err}");
    assert!(err.contains("makes dead letters after 5: set maxReceiveCount to 100"), "{err}");
    assert_eq!(tasks(&at, &["list", "--read-anyway"], "").0, Some(0));
    let (code, _, err) = tasks(&at, &["drop", "--id", "b1", "--yes"], "");
    assert!(
        code == Some(1) && err.contains("--read-anyway"),
        "whoever wants no question does not allow reading: {err}"
    );

    let (code, out, _) = tasks(&at, &["watch", "--times", "1"], "");
    assert_eq!(code, Some(0));
    assert_eq!(out, "mail.fifo  waiting 1  in flight 0  delayed 0  dead letters 0\n");
    assert_eq!(queue(&world, "mail.fifo")[0].receives, 1, "who counts receives nothing");
}

#[test]
fn redriven_letters_are_the_tasks_that_they_were_in_their_order() {
    let (world, at) = sqs(Vec::new(), letters(), 100);
    let (code, out, err) = tasks(&at, &["redrive", "--name", "send_welcome"], "");
    assert_eq!((code, err.as_str()), (Some(0), "dead.fifo -> mail.fifo: 2 sent back\n"), "{out}");
    assert!(out.starts_with("redriven  send_welcome  a1  group user-1") && out.lines().count() == 2, "{out}");
    let sent = queue(&world, "mail.fifo");
    let ids: Vec<_> = sent.iter().map(|task| (&*task.body, &*task.group, &*task.deduplication)).collect();
    assert_eq!(
        ids,
        [
            ("{\"secret\":\"a1\"}", "user-1", "dlq-was-a1:own-a1"),
            ("{\"secret\":\"a2\"}", "user-1", "dlq-was-a2:own-a2")
        ]
    );
    let names: Vec<_> = sent[0].attributes.iter().map(|(name, value)| format!("{name} {value}")).collect();
    assert_eq!(names, ["chalice-key order-7", "chalice-task send_welcome"]);
    let left: Vec<_> = queue(&world, "dead.fifo").into_iter().map(|letter| (letter.id, letter.is_hidden)).collect();
    assert_eq!(left, [("b1".to_owned(), false), ("c1".to_owned(), false)]);

    let (code, _, err) = tasks(&at, &["redrive", "--all"], "");
    assert_eq!((code, err.as_str()), (Some(0), "dead.fifo -> mail.fifo: 2 sent back\n"));
    let moved = queue(&world, "mail.fifo").into_iter().find(|task| task.body.contains("c1")).expect("it is there");
    assert_eq!((&*moved.deduplication, &*moved.attributes["chalice-id"]), ("dlq-c1:own-c1", "own-c1"));
    for wrong in [&["redrive"][..], &["redrive", "--all", "--name", "x"], &["drop"]] {
        assert_eq!(tasks(&at, wrong, "").0, Some(2), "{wrong:?}");
    }
}

/// Another group's are not in its way, and of its own fewer than ten.
#[test]
fn a_filter_reaches_what_stands_behind_others_of_its_group() {
    let others = (0..9).map(|n| letter(&format!("x{n}"), "user-1", "send_invoice"));
    let wanted = (0..25).map(|n| letter(&format!("a{n:02}"), "user-1", "send_welcome"));
    let (world, at) = sqs(Vec::new(), others.chain(wanted).collect(), 100);
    let (code, _, err) = tasks(&at, &["redrive", "--name", "send_welcome"], "");
    assert_eq!((code, err.as_str()), (Some(0), "dead.fifo -> mail.fifo: 25 sent back\n"));
    let sent: Vec<_> = queue(&world, "mail.fifo").into_iter().map(|task| task.body).collect();
    assert!(sent.is_sorted() && queue(&world, "dead.fifo").len() == 9);
}

#[test]
fn nothing_is_deleted_before_somebody_says_yes() {
    let (world, at) = sqs(Vec::new(), letters(), 100);
    for answer in ["", "n\n", "no\n"] {
        for asked in [&["drop", "--dead", "--group", "user-1"][..], &["purge", "--dead"]] {
            let (code, out, err) = tasks(&at, asked, answer);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
            assert!(err.contains("[y/N]") && err.contains("nothing was deleted"), "{err}");
        }
    }
    assert!(queue(&world, "dead.fifo").iter().filter(|letter| !letter.is_hidden).count() == 4);
    let (code, out, err) = tasks(&at, &["drop", "--dead", "--group", "user-1"], "y\n");
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{err}");
    assert!(out.starts_with("deleted   send_welcome  a1  group user-1"), "{out}");
    assert!(err.contains("Delete 2 messages of dead.fifo? [y/N]") && err.ends_with("dead.fifo: 2 deleted\n"), "{err}");
    let (code, _, _) = tasks(&at, &["drop", "--dead", "--id", "b1", "--yes"], "");
    assert_eq!((code, queue(&world, "dead.fifo").len()), (Some(0), 1));
    let (code, _, _) = tasks(&at, &["purge", "--dead", "--yes"], "");
    assert_eq!((code, queue(&world, "dead.fifo").len()), (Some(0), 0));
}

#[test]
fn a_deletion_that_sqs_refuses_is_not_counted_as_one() {
    let (world, at) = sqs(Vec::new(), letters(), 100);
    world.lock().expect("no panic").keeps = Some("b1".to_owned());
    let (code, out, err) = tasks(&at, &["drop", "--dead", "--name", "send_invoice", "--yes"], "");
    assert_eq!((code, out.lines().count()), (Some(1), 1), "{out}{err}");
    assert!(out.contains("c1") && err.contains("b1 is still in dead.fifo: InternalError"), "{out}{err}");
    assert!(err.contains("dead.fifo: 1 deleted"), "{err}");
    let (code, out, err) = tasks(&at, &["redrive", "--name", "send_invoice"], "");
    assert_eq!((code, out.lines().count()), (Some(1), 1), "{out}{err}");
    assert!(err.contains("b1 was sent back and is still in dead.fifo: InternalError"), "{err}");
}
