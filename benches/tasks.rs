//! What background tasks cost: a post against the bare SDK, a record in the worker, a message in the local queue.
//!
//! `cargo bench --bench tasks --features tasking` times them in turns in one run. Posts go to a stub of SQS on the loopback
//! interface that answers at once, and count the CPU time of the posting thread: that hardly depends on the stub.
//!
//! `benches/tasks_compare.py` compares packed batches with boto3's, against an emulator of SQS.
#![allow(clippy::print_stdout)] // A bench is there to print.

use std::{
    collections::HashMap,
    process::Command,
    time::{Duration, Instant},
};

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use axum::{Router, body::Bytes, http::HeaderMap};
use chalice_http_toolkit::{
    BoxError, TaskContext, TaskingController,
    tasking::{BatchOrder, LocalQueue, RawTask},
};
use serde_json::{Value, json};

const BODY: &str = r#"{"user":"4c9f2e0a-7a53-4a7e-9a53-1d2f5f1b7c11","address":"ada@example.com","locale":"en","text":"Welcome to the shop. Your account is ready; the first order comes with free shipping."}"#;
const GROUPS: usize = 50;

fn main() {
    if let Ok(url) = std::env::var("BENCH_QUEUE_URL") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(packed(&url));
    }
    // The SDK reads them from the environment, which must be there before the first thread is.
    let Ok(port) = std::env::var("BENCH_PORT") else { return rerun() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    serve(port.parse().expect("a port"));
    runtime.block_on(async {
        worker().await;
        local_queue().await;
        posts().await;
    });
}

/// For each line of input, which is a number, posts so many messages in packed batches and says how long that took.
async fn packed(url: &str) {
    let tasks = controller(url);
    for line in std::io::stdin().lines() {
        let count: usize = line.expect("a line").parse().expect("a number");
        let (begun, own) = (Instant::now(), cpu());
        let posts = (0..count).map(|n| tasks.post_raw(BODY, [("locale", "en")]).with_group(format!("g{}", n % GROUPS)));
        let results = tasks.post_batch(posts).with_order(BatchOrder::Packed).await;
        assert!(results.iter().all(Result::is_ok));
        println!("{} {}", begun.elapsed().as_secs_f64(), (cpu() - own).as_secs_f64());
    }
}

fn rerun() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port().to_string();
    drop(listener);
    let this = std::env::current_exe().expect("the path of this bench");
    let status = Command::new(this)
        .env("AWS_ENDPOINT_URL_SQS", format!("http://127.0.0.1:{port}"))
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("BENCH_PORT", port)
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// SQS, as far as posts need it, on a thread of its own.
fn serve(port: u16) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, Router::new().fallback(answer)).await.expect("it serves");
        });
    });
}

async fn answer(headers: HeaderMap, body: Bytes) -> String {
    let sent = |id: &Value| json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "d", "SequenceNumber": "1" });
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if !target.ends_with("SendMessageBatch") {
        return sent(&Value::Null).to_string();
    }
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let entries = request["Entries"].as_array().cloned().unwrap_or_default();
    json!({ "Successful": entries.iter().map(|entry| sent(&entry["Id"])).collect::<Vec<_>>(), "Failed": [] })
        .to_string()
}

/// The CPU time of this thread.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn controller(name: &str) -> TaskingController {
    TaskingController::new(name).expect("a FIFO name")
}

async fn worker() {
    let tasks = controller("t.fifo").on_raw(async |_: TaskContext, task: RawTask| {
        std::hint::black_box(task);
        Ok::<(), BoxError>(())
    });
    let records: Vec<Value> = (0..10)
        .map(|n| {
            json!({
                "messageId": format!("id-{n}"), "receiptHandle": "receipt", "body": BODY, "messageAttributes": {},
                "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1790000000000", "SequenceNumber": "1",
                    "MessageGroupId": format!("g{n}"), "MessageDeduplicationId": format!("d{n}") },
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:t.fifo", "awsRegion": "eu-west-1",
            })
        })
        .collect();
    let event = json!({ "Records": records }).to_string();
    let turn = async || {
        let begun = cpu();
        for _ in 0..500 {
            let answer = tasks.handle_event(&event, Some(Duration::from_secs(60))).await.expect("an answer");
            assert_eq!(answer.failed().count(), 0);
        }
        (cpu() - begun).as_secs_f64() / 5000.0
    };
    let mut times = Vec::new();
    for _ in 0..15 {
        times.push(turn().await);
    }
    println!("worker, 10 records in 10 groups: {:.1} µs a record", median(times) * 1e6);
}

async fn local_queue() {
    let (mut posted, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let queue = LocalQueue::new("t.fifo");
        let tasks = controller("t.fifo").with_local_queue(&queue);
        let tasks = tasks.on_raw(async |_: TaskContext, _: RawTask| Ok::<(), BoxError>(()));
        let begun = Instant::now();
        let posts = (0..20_000).map(|n| tasks.post_raw(BODY, [("n", n as i64)]).with_group(format!("g{}", n % GROUPS)));
        let results = tasks.post_batch(posts).with_order(BatchOrder::Packed).await;
        posted.push(results.iter().flatten().count() as f64 / begun.elapsed().as_secs_f64());
        tasks.work_off().await.expect("a local queue");
        assert!(queue.is_empty());
        whole.push(20_000.0 / begun.elapsed().as_secs_f64());
    }
    println!(
        "local queue: {:.0} posts a second; posted, received as events, worked and deleted: {:.0} a second",
        median(posted),
        median(whole)
    );
}

async fn posts() {
    let tasks = controller("https://sqs.eu-west-1.amazonaws.com/1/t.fifo");
    let https = aws_smithy_http_client::Builder::new().tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
        aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
    ));
    let configuration = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(https.build_https());
    let bare = aws_sdk_sqs::Client::new(&configuration.load().await);
    let url = "https://sqs.eu-west-1.amazonaws.com/1/t.fifo";
    let attribute =
        || MessageAttributeValue::builder().data_type("String").string_value("en").build().expect("complete");
    let id = || uuid::Uuid::now_v7().to_string();
    let (mut single, mut packed, mut batch_times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..21 {
        let begun = cpu();
        for n in 0..100 {
            let send =
                bare.send_message().queue_url(url).message_body(BODY).message_group_id(format!("g{}", n % GROUPS));
            let send = send.message_attributes("locale", attribute()).message_deduplication_id(id());
            send.send().await.expect("sent");
        }
        let of_bare = cpu() - begun;
        let begun = cpu();
        for n in 0..100 {
            tasks.post_raw(BODY, [("locale", "en")]).with_group(format!("g{}", n % GROUPS)).await.expect("posted");
        }
        single.push((cpu() - begun).as_secs_f64() / of_bare.as_secs_f64());

        let begun = cpu();
        for _ in 0..50 {
            let entry = |n: usize| {
                let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(BODY);
                let entry = entry.message_group_id(format!("g{n}")).message_deduplication_id(id());
                entry.set_message_attributes(Some(HashMap::from([("locale".to_owned(), attribute())]))).build()
            };
            let entries = (0..10).map(entry).collect::<Result<_, _>>().expect("complete");
            bare.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await.expect("sent");
        }
        let of_bare = cpu() - begun;
        let (begun, wall) = (cpu(), Instant::now());
        let posts = (0..500).map(|n| tasks.post_raw(BODY, [("locale", "en")]).with_group(format!("g{}", n % 10)));
        let results = tasks.post_batch(posts).with_order(BatchOrder::Packed).await;
        packed.push((cpu() - begun).as_secs_f64() / of_bare.as_secs_f64());
        assert!(results.iter().all(Result::is_ok));
        batch_times.push(500.0 / wall.elapsed().as_secs_f64());
    }
    println!("post: {:.2} × the bare SDK's CPU time", median(single));
    println!(
        "post_batch, packed: {:.2} × the bare SDK's CPU time; {:.0} a second",
        median(packed),
        median(batch_times)
    );
}
