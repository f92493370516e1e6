//! Purges by a site: after the change, as one invalidation, and once more for pages that were on their way.

use std::{
    io::Write,
    net::TcpListener,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use chalice_http_toolkit::{
    App, CacheControl,
    CacheResult::{Hit, Miss},
    CloudFront, LocalEdge, Purge, Representation, TaskingController, TestEdge, TestSite,
    tasking::LocalQueue,
};
use http::{Method, Response};
use lambda_http::Request;
use tokio::sync::Notify;
use tower::{Layer, service_fn};

use crate::support::{Log, read_request};

const LATER: Duration = Duration::from_secs(11);

/// A page whose text anybody may write. Reading it takes as long as `gate` says.
#[derive(Clone)]
struct Shop {
    text: Arc<Mutex<String>>,
    gate: Option<Arc<Notify>>,
    purge: Purge,
    local: LocalEdge,
    queue: LocalQueue,
}

impl Shop {
    fn new() -> Self {
        let (local, queue) = (LocalEdge::new(), LocalQueue::new("shop.fifo"));
        let tasks = TaskingController::new("shop.fifo").expect("a FIFO queue").with_local_queue(&queue);
        // The second purge comes also where a task has one attempt.
        let purge = Purge::new(tasks.with_attempts(1)).with_local_edge(&local);
        Self { text: Arc::default(), gate: None, purge, local, queue }
    }

    async fn handle(self, request: Request) -> Result<Response<String>, chalice_http_toolkit::Error> {
        if request.method() == Method::POST {
            *self.text.lock().unwrap() = String::from_utf8_lossy(request.body()).into_owned();
            self.purge.tags(["Text"]).on_success()?;
            self.purge.tags(["all", "text"]).on_success()?;
            self.purge.paths(["feed.xml"]).on_success()?;
            let failed = request.uri().path() == "/fails";
            return if failed {
                Err(chalice_http_toolkit::Error::handler("no"))
            } else {
                Ok(Response::new(String::new()))
            };
        }
        let text = self.text.lock().unwrap().clone();
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let page = Representation::new("text/plain", text).with_data_tags(["text"]);
        Ok(page.with_cache_control(CacheControl::until_purged()).into())
    }

    fn edge(&self) -> TestEdge {
        let shop = self.clone();
        let service = service_fn(move |request: Request| shop.clone().handle(request));
        let app =
            App::new(CloudFront::new().with_cache_tags("cache-tag").layer(service)).with_tasks(self.purge.tasks());
        TestEdge::new(TestSite::of(app)).with_local_edge(&self.local)
    }

    async fn work_off(&self) {
        self.purge.tasks().work_off().await.expect("a local queue");
    }
}

const ALL: [&str; 3] = ["#all", "#text", "/feed.xml"];

#[tokio::test(start_paused = true)]
async fn a_change_purges_what_shows_it_as_one_invalidation_and_once_more_later() {
    let shop = Shop::new();
    let edge = shop.edge().with_verify();
    assert_eq!(edge.get("/").send().await.cache(), Some(Miss));
    assert_eq!(edge.get("/").send().await.cache(), Some(Hit));
    assert_eq!(edge.post("/").body("text/plain", "new").send().await.status(), 200);
    assert_eq!(shop.queue.len(), 1, "one task");
    assert_eq!(shop.local.purges(), [[""; 0]; 0], "and no purge before it runs");
    shop.work_off().await;
    assert_eq!(shop.local.purges(), [ALL]);
    let after = edge.get("/").send().await;
    assert_eq!((after.cache(), after.text()), (Some(Miss), "new"));
    tokio::time::sleep(Duration::from_secs(9)).await;
    shop.work_off().await;
    assert_eq!(shop.local.purges(), [ALL], "not yet");
    tokio::time::sleep(LATER).await;
    shop.work_off().await;
    assert_eq!(shop.local.purges(), [ALL, ALL]);
    assert!(shop.queue.is_empty() && shop.queue.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_second_purge_is_no_warning() {
    let log = Log::start();
    let shop = Shop::new();
    shop.purge.tags(["text"]).await.expect("posted");
    for _ in 0..2 {
        shop.work_off().await;
        tokio::time::sleep(LATER).await;
    }
    shop.work_off().await;
    assert_eq!(shop.local.purges().len(), 2);
    assert_eq!(log.lines(&["WARN"]), [""; 0]);
    let waits = log.lines(&["INFO", "a task waits as planned", "task.outcome=\"waiting\"", "again_ms=10000"]);
    assert_eq!(waits.len(), 1, "{:?}", log.lines(&["task."]));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_purges_nothing() {
    let shop = Shop::new();
    let edge = shop.edge();
    assert_eq!(edge.post("/fails").body("text/plain", "new").send().await.status(), 500);
    shop.work_off().await;
    assert!(shop.queue.is_empty() && shop.local.purges().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_change_of_the_same_data_is_purged() {
    let shop = Shop::new();
    let edge = shop.edge().with_verify();
    for text in ["one", "two", "three"] {
        edge.post("/").body("text/plain", text).send().await;
        shop.work_off().await;
        assert_eq!(edge.get("/").send().await.text(), text, "the second purge of another change holds up none");
    }
    tokio::time::sleep(LATER).await;
    shop.work_off().await;
    assert_eq!(shop.local.purges().len(), 6);
}

/// The page is made from the old data, and reaches the edge when the purge is over.
async fn raced(second: Duration) -> (String, String) {
    let mut shop = Shop::new();
    shop.purge = shop.purge.with_second_purge(second);
    let writer = shop.edge();
    let gate = Arc::new(Notify::new());
    shop.gate = Some(gate.clone());
    let edge = shop.edge();
    *shop.text.lock().unwrap() = "old".to_owned();
    let change = async {
        tokio::task::yield_now().await; // by now it has been read
        writer.post("/").body("text/plain", "new").send().await;
        shop.work_off().await;
        assert_eq!(shop.local.purges().len(), 1);
        gate.notify_one();
    };
    let (visitor, ()) = tokio::join!(edge.get("/").send(), change);
    assert_eq!(visitor.text(), "old");
    gate.notify_one();
    let meanwhile = edge.get("/").send().await.text().to_owned();
    tokio::time::sleep(LATER).await;
    shop.work_off().await;
    (meanwhile, edge.get("/").send().await.text().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_on_its_way_goes_with_the_second_purge() {
    let (meanwhile, settled) = raced(Duration::from_secs(10)).await;
    assert_eq!((meanwhile.as_str(), settled.as_str()), ("old", "new"));
    // The interleaving is one: without the second purge the old page stays.
    let (_, settled) = raced(Duration::ZERO).await;
    assert_eq!(settled, "old");
}

#[tokio::test(start_paused = true)]
async fn what_names_nothing_is_no_task_and_too_much_is_everything() {
    let shop = Shop::new();
    let none: [&str; 0] = [];
    assert!(shop.purge.tags(none).await.expect("nothing to do").is_none());
    assert!(shop.queue.is_empty());
    shop.purge.tags((0..3_001).map(|n| format!("product:{n}"))).await.expect("posted");
    shop.work_off().await;
    assert_eq!(shop.local.purges(), [["/*"]]);
    let error = shop.purge.tags(["a"]).on_success().expect_err("no handler runs");
    assert_eq!(error.kind(), chalice_http_toolkit::ErrorKind::Configuration);
}

/// What a stand-in for CloudFront answers, one request after another.
const BUSY: &str = "<ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Error><Type>Sender</Type>\
    <Code>TooManyInvalidationsInProgress</Code><Message>wait</Message></Error><RequestId>1</RequestId></ErrorResponse>";
const CREATED: &str = "<Invalidation xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Id>I1</Id>\
    <Status>InProgress</Status><CreateTime>2026-11-30T00:00:00Z</CreateTime><InvalidationBatch><Paths><Quantity>1</Quantity>\
    <Items><Path>/</Path></Items></Paths><CallerReference>r</CallerReference></InvalidationBatch></Invalidation>";

/// Serves two requests, and gives what they asked.
fn cloudfront(listener: &TcpListener) -> Vec<String> {
    let mut asked = Vec::new();
    for (status, answer) in [(400, BUSY), (201, CREATED)] {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (head, body) = read_request(&stream);
        let length = answer.len();
        let answer = format!("HTTP/1.1 {status} said\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
        stream.write_all(answer.as_bytes()).expect("it is taken");
        asked.push(format!("{head}{}", String::from_utf8(body).expect("UTF-8")));
    }
    asked
}

/// The environment is a process's, so the worker is one of its own: this test again, with a variable that says so.
#[tokio::test]
async fn a_worker_asks_cloudfront_and_waits_while_it_is_busy() {
    if std::env::var_os("PURGES_IN_A_PROCESS_OF_ITS_OWN").is_some() {
        let queue = LocalQueue::new("shop.fifo");
        let tasks = TaskingController::new("shop.fifo").expect("a FIFO queue").with_local_queue(&queue);
        let purge = Purge::new(tasks).with_distribution("E2QWRUHAPOMQZL").with_second_purge(Duration::ZERO);
        purge.tags(["Post:7", "a<b"]).await.expect("posted");
        purge.tasks().work_off().await.expect("a local queue");
        assert!(queue.is_empty() && queue.dead_letters().is_empty());
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    let mut worker = Command::new(std::env::current_exe().expect("this program"));
    worker.args(["--exact", "purges::a_worker_asks_cloudfront_and_waits_while_it_is_busy"]).env_clear();
    worker.env("PURGES_IN_A_PROCESS_OF_ITS_OWN", "1").env("AWS_ENDPOINT_URL_CLOUDFRONT", &at).env("NO_PROXY", "*");
    worker.env("AWS_REGION", "eu-west-1").env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let serving = std::thread::spawn(move || cloudfront(&listener));
    let ended = worker.output().expect("it runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    let asked = serving.join().expect("two requests");
    for request in &asked {
        assert!(request.starts_with("POST /2020-05-31/distribution/E2QWRUHAPOMQZL/invalidation "), "{request}");
        assert!(request.contains("<Quantity>2</Quantity>"), "{request}");
        assert!(request.contains("<Path>#a&lt;b</Path><Path>#post:7</Path>"), "{request}");
    }
    let reference = |request: &str| request.split("<CallerReference>").nth(1).expect("one")[..32].to_owned();
    assert_eq!(reference(&asked[0]), reference(&asked[1]), "the same purge is the same invalidation");
}
