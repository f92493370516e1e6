//! Several requests at once in one process, as Managed Instances of Lambda send them: nothing of one reaches another.

use std::{
    collections::HashMap,
    env,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderName, StatusCode},
    routing::{get, post},
};
use chalice_http_toolkit::{
    App, BoxError, CloudFront, Representation,
    cookies::{CookieJar, Cookies, SetCookie},
    tasking::{LocalQueue, TaskingController},
};
use lambda_http::{Request, RequestExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::{
        Mutex as AsyncMutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::{sleep, timeout},
};
use tower::{Layer, service_fn};

const ROLE: &str = "AT_ONCE_ROLE";
const LOOPS: usize = 64;

/// A site that says whose everything is. What it is asked by `c` stands in each answer, cookie, message, task and error.
fn site() -> App {
    let ran = Arc::new(Mutex::new(Vec::<String>::new()));
    let (noted, now, most) = (ran.clone(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks =
        TaskingController::new("once.fifo").expect("a FIFO queue").with_local_queue(&LocalQueue::new("once.fifo"));
    let tasks = tasks.on_raw(move |_, task| {
        noted.lock().expect("no panic").push(task.into_body());
        async { Ok::<(), BoxError>(()) }
    });
    let service = service_fn(move |request: Request| {
        let (tasks, ran, now, most) = (tasks.clone(), ran.clone(), now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let answer = answer(&request, &tasks, &ran, &most).await;
            now.fetch_sub(1, Ordering::SeqCst);
            answer.map(|text| {
                let mut response = Response::from(Representation::new("text/plain", text));
                let trace = request.headers().get("x-amzn-trace-id").cloned();
                trace.map(|trace| response.headers_mut().insert("x-seen-trace", trace));
                response
            })
        }
    });
    let cookies = Cookies::new([7; 32]).expect("a secret").with_secure(true);
    App::new(CloudFront::new().layer(cookies.layer(service))).with_development(true)
}

type Response = http::Response<String>;

async fn answer(
    request: &Request,
    tasks: &TaskingController,
    ran: &Mutex<Vec<String>>,
    most: &AtomicUsize,
) -> Result<String, BoxError> {
    let jar = CookieJar::of(request)?;
    let query = request.query_string_parameters();
    let canary = query.first("c").unwrap_or_default().to_owned();
    let pause = || sleep(Duration::from_millis(canary.bytes().map(u64::from).sum::<u64>() % 4));
    pause().await;
    match request.uri().path() {
        "/page" => {
            jar.set(SetCookie::new("user", &canary))?;
            jar.flash("info", &canary)?;
            tasks.post_raw(canary.as_str(), [("of", canary.as_str())]).on_success()?;
            pause().await;
            Ok(format!("{canary} {:?}", jar.get("user")))
        }
        "/seen" => {
            pause().await;
            let flashes: Vec<_> = jar.take_flashes().iter().map(|flash| flash.text().to_owned()).collect();
            Ok(format!("{:?} {flashes:?}", jar.get("user")))
        }
        "/fail" => {
            jar.set(SetCookie::new("user", &canary))?;
            tasks.post_raw(format!("failed {canary}"), [("of", canary.as_str())]).on_success()?;
            pause().await;
            Err(format!("failed for {canary}").into())
        }
        "/panic" => panic!("panicked for {canary}"),
        _ => {
            tasks.work_off().await?;
            Ok(json!({ "ran": *ran.lock().expect("no panic"), "most": most.load(Ordering::SeqCst) }).to_string())
        }
    }
}

/// The function, as its process runs it.
fn serve(role: &str) {
    let mut builder = if role == "one thread" { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false).init();
    std::panic::set_hook(Box::new(|_| {}));
    builder.enable_all().build().expect("a runtime").block_on(site().run()).expect("it serves");
}

/// What waits for a loop of the function: the event, its id and its trace.
type Waiting = (String, String, String);

/// A stand-in for Lambda's Runtime API.
#[derive(Clone)]
struct Api {
    events: UnboundedSender<Waiting>,
    waiting: Arc<AsyncMutex<UnboundedReceiver<Waiting>>>,
    replies: Arc<Mutex<HashMap<String, oneshot::Sender<Bytes>>>>,
}

impl Api {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (events, waiting) = unbounded_channel();
        let api = Self { events, waiting: Arc::new(AsyncMutex::new(waiting)), replies: Arc::default() };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(reply))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(reply))
            .with_state(api.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (api, address)
    }

    /// The reply to a request of this visitor.
    async fn ask(&self, path: &str, canary: &str, cookie: &str, request: usize) -> Value {
        let id = format!("{canary}{request}");
        let event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": format!("c={canary}"), "cookies": [cookie],
            "headers": { "host": "x.lambda-url.eu-west-1.on.aws", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
            "requestContext": {
                "domainName": "x.lambda-url.eu-west-1.on.aws", "requestId": id,
                "http": { "method": "GET", "path": path },
            },
        });
        let (sender, receiver) = oneshot::channel();
        self.replies.lock().expect("no panic").insert(id.clone(), sender);
        self.events.send((event.to_string(), id, format!("Root=1-{canary}"))).expect("it runs");
        let reply = timeout(Duration::from_secs(60), receiver).await.expect("in time").expect("a reply");
        serde_json::from_slice(&reply).expect("JSON")
    }
}

async fn next(State(api): State<Api>) -> ([(HeaderName, String); 5], String) {
    let (event, id, trace) = api.waiting.lock().await.recv().await.expect("the test runs");
    let name = HeaderName::from_static;
    let headers = [
        (name("lambda-runtime-aws-request-id"), id),
        (name("lambda-runtime-deadline-ms"), "4000000000000".to_owned()),
        (name("lambda-runtime-invoked-function-arn"), "arn:aws:lambda:eu-west-1:1:function:f".to_owned()),
        (name("lambda-runtime-trace-id"), trace),
        (name("content-type"), "application/json".to_owned()),
    ];
    (headers, event)
}

async fn reply(State(api): State<Api>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let sender = api.replies.lock().expect("no panic").remove(&id).expect("one reply for each event");
    _ = sender.send(body);
    StatusCode::ACCEPTED
}

/// The function in a process of its own, as the environment is a process's: this test again, with a variable that says so.
fn function(role: &str, at_once: usize, address: &str) -> Child {
    Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "at_once::nothing_of_one_request_reaches_another", "--nocapture"])
        .env_clear()
        .envs([(ROLE, role), ("AWS_LAMBDA_RUNTIME_API", address), ("AWS_LAMBDA_FUNCTION_NAME", "f")])
        .envs([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")])
        .envs([("AWS_LAMBDA_MAX_CONCURRENCY", at_once.to_string().as_str()), ("NO_PROXY", "*")])
        .env("_X_AMZN_TRACE_ID", "Root=1-canary-99999999-")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// `AT_ONCE_VISITORS` makes it longer: each of them asks four times.
#[test]
fn nothing_of_one_request_reaches_another() {
    if let Ok(role) = env::var(ROLE) {
        return serve(&role);
    }
    let visitors: usize = env::var("AT_ONCE_VISITORS").ok().and_then(|count| count.parse().ok()).unwrap_or(640);
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (api, address) = Api::start().await;
        let mut function = function("site", LOOPS, &address);
        // Read for its pipe not to fill.
        let log = std::thread::spawn({
            let stdout = function.stdout.take().expect("a pipe");
            move || std::io::read_to_string(stdout).expect("text")
        });
        let mut lanes = Vec::new();
        for lane in 0..LOOPS {
            let api = api.clone();
            lanes.push(tokio::spawn(async move {
                for visitor in (lane..visitors).step_by(LOOPS) {
                    visit(&api, &format!("canary-{visitor:08}-")).await;
                }
            }));
        }
        for lane in lanes {
            lane.await.expect("no leak");
        }
        let end = api.ask("/ran", "", "", 0).await;
        let end: Value = serde_json::from_str(end["body"].as_str().expect("a body")).expect("JSON");
        let mut ran: Vec<&str> = end["ran"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        ran.sort_unstable();
        let expected: Vec<String> = (0..visitors).map(|visitor| format!("canary-{visitor:08}-")).collect();
        assert_eq!(ran, expected, "each request that succeeded has its task, and no other has one");
        assert!(end["most"].as_u64() > Some(4), "they were at once: {end}");
        function.kill().and_then(|()| function.wait()).expect("it ends");
        assert!(!log.join().expect("no panic").contains("one thread"));
    });
}

/// One visitor, and whose all is that comes back.
async fn visit(api: &Api, canary: &str) {
    let own = |reply: &Value, shown: usize| {
        let text = reply.to_string();
        let canaries = text.match_indices("canary-").map(|(at, _)| &text[at..at + canary.len()]);
        let canaries: Vec<&str> = canaries.collect();
        assert!(canaries.len() >= shown && canaries.iter().all(|other| *other == canary), "{canary} got {text}");
    };
    let page = api.ask("/page", canary, "", 1).await;
    assert_eq!(page["statusCode"], 200, "{page}");
    assert_eq!(page["headers"]["x-seen-trace"], format!("Root=1-{canary}"));
    own(&page, 3);
    let cookies = page["cookies"].as_array().expect("a list").iter().filter_map(Value::as_str);
    let cookies: Vec<&str> = cookies.filter_map(|line| line.split(';').next()).collect();
    let seen = api.ask("/seen", canary, &cookies.join("; "), 2).await;
    assert_eq!(seen["body"], format!("Some(\"{canary}\") [\"{canary}\"]"), "{seen}");
    own(&seen, 2);
    for (request, path) in [(3, "/fail"), (4, "/panic")] {
        let failed = api.ask(path, canary, &cookies.join("; "), request).await;
        assert_eq!(failed["statusCode"], 500, "{failed}");
        own(&failed, 1);
    }
}

#[test]
fn a_function_with_one_thread_for_several_requests_is_told_so_once() {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (at_once, expected) in [(8, 1), (1, 0)] {
            let (api, address) = Api::start().await;
            let mut function = function("one thread", at_once, &address);
            visit(&api, "canary-00000001-").await;
            function.kill().expect("it runs");
            let log = function.wait_with_output().expect("its output").stdout;
            let log = String::from_utf8_lossy(&log);
            assert_eq!(log.matches("several requests come at once").count(), expected, "{log}");
        }
    });
}
