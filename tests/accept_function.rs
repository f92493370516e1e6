//! The CloudFront Function for images under a real JavaScript engine: for 10,000 Accept fields the site sends the same
//! variant through it as without it, and it never tells more than four kinds of clients apart.
//!
//! `tests/run` runs it. It needs `node`, 18 or later.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use chalice_http_toolkit::{CloudFront, ContentManager, Images};
use http::{HeaderValue, Request, header};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

const CASES: usize = 10_000;

/// Runs the function on each event of its input, where it finds what CloudFront gives it and nothing of Node's.
const RUNNER: &str = r"
const { createContext, Script } = require('node:vm');
const { code, events } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
new Script(code + '\nfunction run(text) { return JSON.stringify(handler(JSON.parse(text))); }').runInContext(context);
console.log(JSON.stringify(events.map(event => JSON.parse(context.run(JSON.stringify(event))))));
";

/// The lines of an Accept field, as browsers send it and as nobody should.
fn fields() -> impl Strategy<Value = Vec<String>> {
    let range = prop_oneof![
        8 => "image/(avif|webp|jpeg|png|\\*)|\\*/\\*",
        1 => "IMAGE/(AVIF|WebP|Jpeg)|image/(apng|svg\\+xml|avif-sequence|)|text/html|\\*|[ -~]{0,8}",
        1 => "__proto__|constructor|toString|hasOwnProperty|length|0",
    ];
    let parameter = prop_oneof![
        6 => "; ?q=(0|1|0\\.[0-9]{1,3})",
        2 => "[;\t ]{0,2}[Qq][ \t]?=[ \t]?(0\\.?|1\\.?0{0,4}|\\.5|0\\.1234|2|-0|00|1e0|0x1|NaN|Infinity|1 0|)",
        1 => ";(level=1|q|=|q=1;|q==1|a=b;q=0\\.3|q=0\\.3;a=b|q=0\\.9;q=0\\.1|[ -~]{0,6})",
        6 => "",
    ];
    let element = (range, parameter, "[ \t]{0,2}")
        .prop_map(|(range, parameter, blank)| format!("{blank}{range}{parameter}{blank}"));
    let line = prop_oneof![
        12 => vec(element, 0..7).prop_map(|elements| elements.join(",")),
        1 => "[ -~\t]{0,60}",
        1 => "image/avif,[é€\u{85}\u{a0}]{1,2}",
        1 => Just(format!("{}image/webp", ",".repeat(5000))),
    ];
    vec(line, 0..4)
}

/// What CloudFront hands to a function: one line as `value`, several as `multiValue` too, with one of them as `value`.
fn event(lines: &[String]) -> Value {
    let values: Vec<Value> = lines.iter().map(|line| json!({ "value": line })).collect();
    let mut headers = json!({ "host": { "value": "shop.example" } });
    match lines {
        [] => {}
        [line] => headers["accept"] = json!({ "value": line }),
        [first, ..] => headers["accept"] = json!({ "value": first, "multiValue": values }),
    }
    let request =
        json!({ "method": "GET", "uri": "/static/logo.png", "querystring": {}, "headers": headers, "cookies": {} });
    json!({ "version": "1.0", "context": { "eventType": "viewer-request" }, "viewer": {}, "request": request })
}

fn through_the_function(events: &[Value]) -> Vec<Value> {
    let node = Command::new("node").args(["-e", RUNNER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut node = node.expect("node is installed: tests/run does that");
    let input = json!({ "code": Images::cloudfront_function(), "events": events }).to_string();
    let mut stdin = node.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = node.wait_with_output().expect("node ends");
    writer.join().expect("no panic").expect("node reads it all");
    assert!(output.status.success(), "node failed");
    serde_json::from_slice(&output.stdout).expect("a list")
}

/// The site's own answer: the tag of the variant that it would send, which names the class. Nothing is converted.
struct Site(ContentManager);

impl Site {
    fn new() -> Self {
        let content = ContentManager::new("templates", "static").expect("both folders are there");
        Self(content.with_images(Images::new()))
    }

    async fn tag(&self, lines: &[String]) -> String {
        let mut request =
            Request::get("/static/img/gallery/mug.jpg").header(header::IF_NONE_MATCH, "*").body(()).expect("a request");
        for line in lines {
            request.headers_mut().append(header::ACCEPT, HeaderValue::from_bytes(line.as_bytes()).expect("a field"));
        }
        let image = self.0.static_file_at(request.uri());
        let response = CloudFront::new().respond(&request, image).await.expect("a decision");
        assert_eq!(response.status(), 304);
        response.headers()[header::ETAG].to_str().expect("a tag").to_owned()
    }
}

#[tokio::test]
async fn an_image_is_the_same_through_the_function() {
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Vec<String>> =
        (0..CASES).map(|_| fields().new_tree(&mut runner).expect("a case").current()).collect();
    let events: Vec<Value> = cases.iter().map(|lines| event(lines)).collect();
    let requests = through_the_function(&events);
    assert_eq!(requests.len(), CASES);

    let site = Site::new();
    let mut classes: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for ((lines, event), request) in cases.iter().zip(&events).zip(&requests) {
        let reduced = request["headers"]["accept"]["value"].as_str().expect("a value").to_owned();
        let tag = site.tag(lines).await;
        assert_eq!(site.tag(std::slice::from_ref(&reduced)).await, tag, "{lines:?} became {reduced}");
        let (known, count) = classes.entry(reduced.clone()).or_insert((tag.clone(), 0));
        assert_eq!(*known, tag, "{reduced} is one class");
        *count += 1;

        let mut otherwise = event["request"].clone();
        otherwise["headers"]["accept"] = json!({ "value": reduced });
        assert_eq!(*request, otherwise, "nothing else is changed");
    }
    let tags: BTreeSet<&String> = classes.values().map(|(tag, _)| tag).collect();
    assert_eq!((classes.len(), tags.len()), (4, 4), "{classes:?}");
    assert!(classes.values().all(|(_, count)| *count > CASES / 100), "each class was met: {classes:?}");
    println!("{CASES} Accept fields: {classes:?}");
}
