//! What a task is made of arrives as it was posted, or is refused when it is posted: numbers, texts, maps, depth.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    convert::Infallible,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use chalice_http_toolkit::{
    App, Error, ErrorKind, Task, TaskContext, TaskingController,
    tasking::{Attribute, Dedup, LocalQueue, RawTask},
};
use http::Response;
use lambda_http::Request;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tower::service_fn;

use crate::tasks::{event, record};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
struct Of<T> {
    content: T,
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Task for Of<T> {
    const NAME: &'static str = "of";
}

fn local() -> (LocalQueue, TaskingController) {
    let queue = LocalQueue::new("t.fifo");
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    (queue, tasks)
}

/// What a worker gets of tasks that are posted.
async fn received<T>(posted: impl IntoIterator<Item = T>) -> Vec<T>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    let (queue, tasks) = local();
    let (seen, dead) = (Arc::new(Mutex::new(Vec::new())), queue.clone());
    let noted = seen.clone();
    let tasks = tasks.on(move |_: TaskContext, task: Of<T>| {
        noted.lock().expect("no panic").push(task.content);
        async { Ok::<(), Infallible>(()) }
    });
    let posts: Vec<_> = posted.into_iter().map(|content| tasks.post(&Of { content })).collect();
    for result in tasks.post_batch(posts).await {
        result.expect("posted");
    }
    tasks.work_off().await.expect("a local queue");
    assert!(queue.is_empty() && dead.dead_letters().is_empty());
    seen.lock().expect("no panic").clone()
}

/// Why a task is not posted.
async fn refusal<T: Serialize + DeserializeOwned + Send + 'static>(content: T) -> String {
    let (queue, tasks) = local();
    let error = tasks.post(&Of { content }).await.expect_err("it can't be read back");
    assert_eq!(error.kind(), ErrorKind::Task, "{error:?}");
    assert!(queue.is_empty());
    format!("{error:?}")
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    price: f64,
    discount: Option<f32>,
    parts: Vec<Order>,
}

fn order(price: f64) -> Order {
    Order { price, discount: None, parts: Vec::new() }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flattened<K: Ord> {
    #[serde(flatten, bound(deserialize = "K: Deserialize<'de>"))]
    rest: BTreeMap<K, u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Large { number: u128 },
    Small { number: i128 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Whole(u128),
    Broken(f64),
}

/// What another variant takes, if it comes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Shadowed {
    Narrow(u8),
    Wide(u16),
    Signed(i64),
    Single(f32),
    Double(f64),
    Metres(Metres),
    Feet(Feet),
    Mail { to: String },
    Sms { to: String, text: Option<String> },
    Pair(String, String),
    List(Vec<String>),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Metres {
    length: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Feet {
    length: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Plain {
    Unit,
    New(u8),
    Tuple(u8, char),
    Struct { a: Option<u8> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Inside {
    Unit,
    New(BTreeMap<String, u8>),
    Struct { a: f64, b: Vec<Inside> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of")]
enum Beside {
    Unit,
    New(i64),
    Tuple(u8, String),
    Struct { a: Box<Beside> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Bytes(#[serde(with = "bytes_as_bytes")] Vec<u8>);

mod bytes_as_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Vec::deserialize(deserializer)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Forgetful {
    #[serde(skip_deserializing)]
    number: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

fn nested(depth: usize) -> Nested {
    (1..depth).fold(Nested(Vec::new()), |inner, _| Nested(vec![inner]))
}

/// JSON has no form for these, and writes `null`.
#[tokio::test]
async fn a_number_that_json_has_no_form_for_is_refused_by_its_fields_name() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(refusal(order(odd)).await.contains("`content.price`"));
        assert!(
            refusal(Order { parts: vec![order(1.0), order(odd)], ..order(1.0) }).await.contains("content.parts.price")
        );
        assert!(refusal(Order { discount: Some(odd as f32), ..order(1.0) }).await.contains("`content.discount`"));
        assert!(refusal(Some(odd)).await.contains("`content`"));
        refusal(vec![Some(1.0), Some(odd)]).await;
        refusal(HashMap::from([("a", odd)].map(|(key, value)| (key.to_owned(), value)))).await;
        refusal((1, odd)).await;
    }
}

#[tokio::test]
async fn what_a_worker_could_not_read_is_refused() {
    refusal(Flattened { rest: BTreeMap::from([(7_u32, 1)]) }).await;
    refusal(Tagged::Large { number: u128::MAX }).await;
    refusal(Tagged::Small { number: i128::MIN }).await;
    assert!(refusal(nested(127)).await.contains("deeper"));
    // One that would end the process while it is written.
    assert!(refusal(nested(5000)).await.contains("deeper"));
}

#[tokio::test]
async fn what_a_worker_would_read_as_something_else_is_refused() {
    // As `Broken`, some digits short.
    refusal(Untagged::Whole(u128::MAX)).await;
    refusal(Some(None::<u8>)).await;
    refusal(Some(())).await;
    refusal(Some(Value::Null)).await;
    refusal(json!({ "$serde_json::private::RawValue": "1" })).await;
    assert!(refusal(Forgetful { number: 7 }).await.contains("`content`"));
}

/// Its JSON may be the same: the worker would run another variant all the same.
#[tokio::test]
async fn a_variant_that_is_read_back_as_another_is_refused() {
    for shadowed in [
        Shadowed::Wide(7),
        Shadowed::Signed(300),
        Shadowed::Double(0.5),
        Shadowed::Feet(Feet { length: 3.0 }),
        Shadowed::Sms { to: "ada".into(), text: None },
        Shadowed::Sms { to: "ada".into(), text: Some("hello".into()) },
        Shadowed::List(vec!["a".into(), "b".into()]),
    ] {
        refusal(shadowed.clone()).await;
        refusal(vec![Some((1, shadowed))]).await;
    }
    for first in [
        Shadowed::Narrow(7),
        Shadowed::Wide(300),
        Shadowed::Signed(-1),
        Shadowed::Single(0.5),
        Shadowed::Metres(Metres { length: 3.0 }),
        Shadowed::Mail { to: "ada".into() },
        Shadowed::Pair("a".into(), "b".into()),
        Shadowed::List(vec!["a".into()]),
        Shadowed::Nothing,
    ] {
        assert_eq!(received([first.clone()]).await, [first]);
    }
}

/// Also where JSON shows none of it.
#[tokio::test]
async fn what_lies_too_deep_for_a_stack_is_refused_before_it_is_written() {
    let chain = (0..3000).fold(Chain(None), |inner, _| Chain(Some(Box::new(inner))));
    assert!(refusal(chain).await.contains("deeper"));
    let json = |depth: usize| (1..depth).fold(json!([0.5]), |inner, _| json!([inner]));
    // One level more is the task's own, and JSON is read to the 127th.
    assert_eq!(received([json(126)]).await, [json(126)]);
    for depth in [127, 128, 300, 1000] {
        assert!(refusal(json(depth)).await.contains("deeper"), "{depth}");
    }
    let maps = |depth: usize| (1..depth).fold(json!({ "a": 1 }), |inner, _| json!({ "a": inner }));
    assert_eq!(received([maps(126)]).await, [maps(126)]);
    assert!(refusal(maps(127)).await.contains("deeper"));
}

#[tokio::test]
async fn what_is_read_back_as_it_was_is_taken() {
    async fn same<T>(content: T)
    where
        T: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static,
    {
        assert_eq!(received([content.clone()]).await, [content]);
    }
    let hundred = || 0..100_u32;
    same(hundred().map(|n| (n, n.to_string())).collect::<HashMap<_, _>>()).await;
    same(hundred().collect::<HashSet<_>>()).await;
    same(hundred().map(|n| (n.to_string(), hundred().collect())).collect::<HashMap<_, HashSet<_>>>()).await;
    same((u128::MAX, i128::MIN, u64::MAX, i64::MIN)).await;
    same(json!({ "b": [1, -1, 0.1, 1e300, null, true], "a": { "": "" } })).await;
    same(Order { discount: Some(0.1), parts: vec![order(-0.0), order(5e-324)], price: f64::MAX }).await;
    // One level more is the task's own.
    same(nested(126)).await;
    same((Some(1), None::<u8>, Some(vec![None, Some('\u{0}')]), ())).await;
    same(Ok::<u8, String>(1)).await;
    same(std::time::Duration::from_nanos(1)).await;
    same(vec![Plain::Unit, Plain::New(1), Plain::Tuple(2, '\u{10ffff}'), Plain::Struct { a: None }]).await;
    same(BTreeMap::from([(Plain::Unit, 1)])).await;
    let map = || BTreeMap::from([("kind of".to_owned(), 1), (String::new(), 2)]);
    let inside = vec![Inside::Unit, Inside::New(map()), Inside::Struct { a: -0.0, b: Vec::new() }];
    same(Inside::Struct { a: f64::MIN_POSITIVE, b: inside }).await;
    let beside = Beside::Struct { a: Box::new(Beside::Tuple(1, "\u{ffff}".into())) };
    same(vec![Beside::Unit, Beside::New(i64::MIN), beside]).await;
    same(Bytes((0..=255).collect())).await;
    same((HashMap::from([(true, 1)]), HashMap::from([('\u{fffe}', 2)]), HashMap::from([(u128::MAX, 3)]))).await;
    same(HashMap::from([(i64::MIN, std::net::IpAddr::from([127, 0, 0, 1]))])).await;
    same(["", "\"\\\u{0}\u{7f}\u{2028}", "\u{fdd0}\u{1fffe}"].map(str::to_owned)).await;
    same((0.1_f32, f32::MIN_POSITIVE, f64::EPSILON, 1e23, 9_007_199_254_740_993_u64)).await;
    same((std::num::NonZeroU8::MIN, 1..2_u8, std::path::PathBuf::from("/a/b"), Box::<str>::from("x"))).await;
    same(json!({ "task": "of", "1": [1.0, 1, u64::MAX, i64::MIN, 1e-7] })).await;
}

#[tokio::test]
async fn a_float_arrives_with_all_its_bits() {
    let mut random = fastrand::Rng::with_seed(604);
    let floats: Vec<f64> = (0..20_000).map(|_| f64::from_bits(random.u64(..))).filter(|n| n.is_finite()).collect();
    let singles: Vec<f32> = (0..20_000).map(|_| f32::from_bits(random.u32(..))).filter(|n| n.is_finite()).collect();
    let arrived = received([floats.clone()]).await;
    assert!(arrived[0].iter().zip(&floats).all(|(a, b)| a.to_bits() == b.to_bits()));
    let arrived = received([singles.clone()]).await;
    assert!(arrived[0].iter().zip(&singles).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// SQS takes the characters of XML 1.0, which lacks some of Unicode's; a form's visitor can send them all.
#[tokio::test]
async fn every_character_of_a_text_arrives() {
    let text: String = (0..=0x1_0003).chain(0x10_fff0..=0x10_ffff).filter_map(char::from_u32).collect();
    assert_eq!(received([text.clone()]).await.first(), Some(&text));
    let keys = HashMap::from([(text, "\u{ffff}\\\u{fffe}\\u{fffe}\"".to_owned())]);
    assert_eq!(received([keys.clone()]).await, [keys]);
}

#[tokio::test]
async fn a_text_that_sqs_refuses_is_refused_before_it_is_sent() {
    let (queue, tasks) = local();
    for odd in ['\u{0}', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
        let text = format!("a{odd}b");
        let posts = [
            tasks.post_raw(&text, [("a", "b")]),
            tasks.post_raw("x", [("locale", text.as_str())]),
            tasks.post_raw("x", [(text.as_str(), "b")]),
            tasks.post_raw("x", [("a", "b")]).with_group(&text),
            tasks.post_raw("x", [("a", "b")]).with_key(&text),
            tasks.post_raw("x", [("a", "b")]).with_dedup(Dedup::Id(text.clone())),
        ];
        for (at, result) in tasks.post_batch(posts).await.into_iter().enumerate() {
            let error = result.expect_err("SQS would refuse it");
            assert_eq!((error.kind(), error.maybe_sent()), (ErrorKind::Task, false), "{at}");
            assert!(at != 1 || error.to_string().contains("`locale`"), "{error}");
        }
    }
    assert!(queue.is_empty());
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
#[tokio::test]
async fn a_number_keeps_the_rules_of_sqs() {
    let (nines, one, least) = ("9".repeat(38), format!("1{}", "0".repeat(126)), format!("0.{}1", "0".repeat(127)));
    let precise = format!("{}.{}", "1".repeat(19), "2".repeat(19));
    let padded = format!("000{nines}000.000");
    let taken = [
        "0", "-0", "+7", "7", "-7.50", ".5", "5.", "1e126", "-1E+126", "1e-128", "0e0", "0.1e127", "12.5e-3", &nines,
        &one, &least, &precise, &padded,
    ];
    let (long, spread, tiny) = ("9".repeat(39), format!("1{}1", "0".repeat(37)), format!("0.{}1", "0".repeat(128)));
    let refused = [
        "NaN",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "1e999",
        "1e127",
        "2e126",
        "1e-129",
        "",
        ".",
        "-",
        "e5",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "1,5",
        " 1",
        "1 ",
        "--1",
        "1e5.5",
        "1e99999999999",
        "seven",
        "٣",
        &long,
        &spread,
        &tiny,
        "1.1.1",
    ];
    let (queue, tasks) = local();
    for number in taken {
        let number = Attribute::Number(number.to_owned());
        tasks.post_raw("x", [("number", number.clone())]).await.unwrap_or_else(|error| panic!("{number:?}: {error}"));
    }
    assert_eq!(queue.len(), taken.len());
    for number in refused {
        let number = Attribute::Number(number.to_owned());
        let Err(error) = tasks.post_raw("x", [("number", number.clone())]).await else {
            panic!("{number:?} is posted")
        };
        assert_eq!(error.kind(), ErrorKind::Task);
        assert!(error.to_string().contains("`number`"), "{error}");
    }
    assert_eq!(queue.len(), taken.len());
}

/// Equal maps, each in an order of its own.
fn maps() -> impl Iterator<Item = HashMap<String, HashMap<u8, f64>>> {
    let inner = || (0..20).map(|n| (n, f64::from(n) / 3.0)).collect::<HashMap<_, _>>();
    (0..20).map(move |_| (0..20).map(|n| (format!("k{n}"), inner())).collect())
}

#[tokio::test]
async fn equal_content_is_one_message_whatever_the_order_of_a_map() {
    let (queue, tasks) = local();
    let post = async |task: &dyn Fn() -> chalice_http_toolkit::tasking::Post| {
        task().with_dedup(Dedup::Content).await.expect("posted");
    };
    for content in maps() {
        post(&|| tasks.post(&Of { content: content.clone() })).await;
    }
    assert_eq!(queue.len(), 1);
    // Other values, other keys, other lists, numbers that floats would round alike: messages of their own.
    let large = [u128::MAX, u128::MAX - 1];
    for content in large {
        post(&|| tasks.post(&Of { content })).await;
    }
    for content in [[1, 2], [2, 1]] {
        post(&|| tasks.post(&Of { content })).await;
    }
    for content in
        [json!({ "a": 1, "b": 2 }), json!({ "a": 2, "b": 1 }), json!({ "a": { "b": 1 } }), json!({ "a": "1" })]
    {
        post(&|| tasks.post(&Of { content: content.clone() })).await;
    }
    assert_eq!(queue.len(), 9);
    // A set has no order, wherever it is; what is around it may have.
    let set = || (0..50).map(|n| n.to_string()).collect::<HashSet<_>>();
    for _ in 0..10 {
        post(&|| tasks.post(&Of { content: set() })).await;
        post(&|| tasks.post(&Of { content: vec![Some((Box::new(set()), HashMap::from([(7, set())])))] })).await;
        post(&|| tasks.post(&Of { content: vec![set(), HashSet::new()] })).await;
        post(&|| tasks.post(&Of { content: vec![HashSet::new(), set()] })).await;
    }
    assert_eq!(queue.len(), 13);
    for content in [[["a", "b"], ["c", "d"]], [["c", "d"], ["a", "b"]], [["b", "a"], ["c", "d"]]] {
        post(&|| tasks.post(&Of { content: content.map(|pair| pair.map(str::to_owned).to_vec()).to_vec() })).await;
    }
    assert_eq!(queue.len(), 16);
    // Any text is what it is.
    post(&|| tasks.post_raw(r#"{"a":1,"b":2}"#, [("a", "b")])).await;
    post(&|| tasks.post_raw(r#"{"b":2,"a":1}"#, [("a", "b")])).await;
    assert_eq!(queue.len(), 18);
}

#[tokio::test]
async fn a_request_that_is_handled_four_times_posts_once_whatever_the_order_of_a_map() {
    let (queue, tasks) = local();
    let (posting, maps) = (tasks.clone(), Arc::new(Mutex::new(maps())));
    let site = service_fn(move |_: Request| {
        let content = maps.lock().expect("no panic").next().expect("one of twenty");
        let set: HashSet<u32> = (0..50).collect();
        let kept =
            posting.post(&Of { content }).on_success().and_then(|()| posting.post(&Of { content: set }).on_success());
        async { kept.map(|()| Response::new(String::new())) }
    });
    let app = App::new(site);
    for _ in 0..4 {
        let event = json!({ "rawPath": "/", "requestContext": { "http": { "method": "POST" }, "requestId": "r" } });
        assert_eq!(app.invoke(&event.to_string(), None).await.expect("a reply").status(), 200);
    }
    assert_eq!(queue.len(), 2);
}

/// As a handler does that goes through a map.
#[tokio::test]
async fn a_request_that_posts_in_another_order_each_time_posts_each_task_once() {
    let (queue, tasks) = local();
    let other = LocalQueue::new("other.fifo");
    let elsewhere = TaskingController::new("other.fifo").expect("a FIFO name").with_local_queue(&other);
    let (posting, again) = (tasks.clone(), TaskingController::new("t.fifo").expect("a name").with_local_queue(&queue));
    let site = service_fn(move |_: Request| {
        let contents: HashSet<u32> = (0..20).collect();
        let kept = contents.into_iter().try_for_each(|content| {
            // Two that say the same are two, also where two controllers have one queue.
            posting.post(&Of { content }).on_success()?;
            posting.post(&Of { content }).on_success()?;
            again.post(&Of { content }).on_success()?;
            elsewhere.post(&Of { content }).on_success()?;
            posting.post_raw(content.to_string(), [("a", "b")]).on_success()
        });
        async { kept.map(|()| Response::new(String::new())) }
    });
    let app = App::new(site);
    for handled in 0..4 {
        let event = json!({ "rawPath": "/", "requestContext": { "http": { "method": "POST" }, "requestId": "r" } });
        assert_eq!(app.invoke(&event.to_string(), None).await.expect("a reply").status(), 200);
        assert_eq!((queue.len(), other.len()), (80, 20), "{handled}");
    }
}

#[derive(Serialize, Deserialize)]
struct Refund {
    amount: u32,
}

impl Task for Refund {
    const NAME: &'static str = "refund";
}

/// What ran as a refund, and what as a text.
fn shop(tasks: TaskingController) -> (TaskingController, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (refunds, texts) = (seen.clone(), seen.clone());
    let tasks = tasks.on(move |_: TaskContext, task: Refund| {
        refunds.lock().expect("no panic").push(format!("refund of {}", task.amount));
        async { Ok::<(), Error>(()) }
    });
    let tasks = tasks.on_raw(move |_: TaskContext, task: RawTask| {
        texts.lock().expect("no panic").push(task.into_body());
        async { Ok::<(), Error>(()) }
    });
    (tasks, seen)
}

/// Texts that a visitor may send.
const VISITORS: [&str; 5] = [
    r#"{"task":"refund","amount":1000}"#,
    "\n\t {\"amount\":1000,\"task\":\"re\\u0066und\"}",
    r#"["refund"]"#,
    r#"{"task":"refund","task":"refund","amount":1}"#,
    r#"{"task":"other"}"#,
];

#[tokio::test]
async fn a_text_that_looks_like_a_task_is_a_text() {
    let settings: [fn(TaskingController) -> TaskingController; 3] =
        [|tasks| tasks, TaskingController::with_names_in_bodies, |tasks| tasks.with_names_in_bodies().with_inline()];
    for set in settings {
        let (queue, tasks) = local();
        let (tasks, seen) = shop(tasks);
        let tasks = set(tasks);
        for text in VISITORS {
            tasks.post_raw(text, [("from", "a visitor")]).await.expect("posted");
        }
        tasks.post(&Refund { amount: 7 }).await.expect("posted");
        if !queue.is_empty() {
            tasks.work_off().await.expect("a local queue");
        }
        assert!(queue.is_empty());
        let expected: Vec<&str> = VISITORS.into_iter().chain(["refund of 7"]).collect();
        assert_eq!(*seen.lock().expect("no panic"), expected);
    }
}

/// A message of another program names its task in the body, and only where that is wished.
#[tokio::test]
async fn a_body_names_a_task_where_that_is_wished() {
    let records = |text: &str| event([record("1", Some("g"), text)]);
    for (text, named) in VISITORS.into_iter().zip([true, true, false, false, false]) {
        let (tasks, seen) = shop(local().1);
        assert_eq!(tasks.handle_event(&records(text), None).await.expect("an answer").failed().count(), 0);
        let wishing = tasks.with_names_in_bodies();
        assert_eq!(wishing.handle_event(&records(text), None).await.expect("an answer").failed().count(), 0);
        let expected = [text, if named { "refund of 1000" } else { text }];
        assert_eq!(*seen.lock().expect("no panic"), expected);
    }
}

/// As the queue has no more than ten, a text that needs the mark has nine of its own.
#[tokio::test]
async fn only_a_text_that_needs_it_is_marked() {
    let (queue, tasks) = local();
    let ten = || (0..10).map(|n| (format!("a{n}"), n));
    tasks.post_raw("hello", ten()).await.expect("posted");
    let error = tasks.post_raw(VISITORS[0], ten()).await.expect_err("it would be an eleventh");
    assert!(error.to_string().contains("11 attributes"), "{error}");
    tasks.post_raw(VISITORS[0], ten().skip(1)).await.expect("posted");
    assert_eq!(queue.len(), 2);
}
