//! Forms: the two encodings as senders write them, limits, and what is none; through every front door, as text and in base64.

use chalice_http_toolkit::{App, BoxError, Error, ErrorKind, Form, FormLimits, Front};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;
use tower::service_fn;

use crate::support::{Log, ask};

const FRONTS: [Front; 4] = [Front::Rest, Front::Http, Front::Url, Front::Alb];

fn read(content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Result<Form, Error> {
    read_within(FormLimits::new(), content_type, body)
}

fn read_within(limits: FormLimits, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Result<Form, Error> {
    let mut request = Request::post("/");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let body = http_body_util::Full::<bytes::Bytes>::from(body.into());
    limits.read(request.body(body).expect("a request")).now_or_never().expect("the body is there")
}

/// The fields of a form in one line each.
fn lines(form: &Form) -> Vec<String> {
    let line = |field: &chalice_http_toolkit::FormField| match (field.text(), field.file()) {
        (Some(text), None) => format!("{}={text}", field.name()),
        (None, Some(file)) => {
            let content = String::from_utf8_lossy(file.bytes());
            format!("{}@{}[{}]{content}", field.name(), file.file_name(), file.content_type().unwrap_or("-"))
        }
        other => panic!("a field is a text or a file: {other:?}"),
    };
    form.fields().map(line).collect()
}

/// A multipart body of parts as they are, with the boundary `b`.
fn parts(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect::<String>() + "--b--\r\n"
}

const MULTIPART: &str = "multipart/form-data; boundary=b";
const URLENCODED: &str = "application/x-www-form-urlencoded";

#[test]
fn urlencoded_forms_are_read_as_browsers_send_them() {
    for (body, expected) in [
        ("", &[][..]),
        ("a=1", &["a=1"]),
        ("a=1&b=2&a=3", &["a=1", "b=2", "a=3"]),
        ("a", &["a="]),
        ("a=&=b&=", &["a=", "=b", "="]),
        ("&&a=1&", &["a=1"]),
        ("a=b=c", &["a=b=c"]),
        ("n=N%C3%BAria+%26+Co%2B", &["n=Núria & Co+"]),
        ("a=%ff", &["a=\u{fffd}"]),
        ("a=%zz%2", &["a=%zz%2"]),
        ("a=x%0D%0Ay", &["a=x\r\ny"]),
        ("%C3%BC=1", &["ü=1"]),
    ] {
        assert_eq!(lines(&read(Some(URLENCODED), body).expect("a form")), expected, "{body}");
    }
}

#[test]
fn multipart_forms_are_read_as_senders_write_them() {
    let disposition = |rest: &str| format!("Content-Disposition: form-data; {rest}");
    for (part, expected) in [
        (disposition("name=\"a\"\r\n\r\n1"), &["a=1"][..]),
        (disposition("name=a\r\n\r\n1"), &["a=1"]),
        (disposition("NAME = \"a\"\r\n\r\n1"), &["a=1"]),
        ("content-disposition:FORM-DATA;name=a\r\n\r\n1".to_owned(), &["a=1"]),
        (disposition("name=\"a\"\r\n\r\n"), &["a="]),
        (disposition("name=\"\"\r\n\r\n1"), &["=1"]),
        (disposition("name=\"a b;c\"\r\n\r\n1"), &["a b;c=1"]),
        (disposition("name=\"ü\"\r\n\r\nä\n\r\nö"), &["ü=ä\n\r\nö"]),
        (disposition("name=\"a%22b%0D%0A\"\r\n\r\n1"), &["a\"b%0D%0A=1"]),
        (disposition("name=\"a\\\"b\"\r\n\r\n1"), &["a\"b=1"]),
        (disposition("name=\"a\"\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n1"), &["a=1"]),
        (disposition("name=\"a\"\r\nX-Unknown: y\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ=="), &["a=MQ=="]),
        // Files.
        (
            disposition("name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nhi"),
            &["f@x.txt[text/plain]hi"],
        ),
        (disposition("filename=\"x.txt\"; name=\"f\"\r\n\r\nhi"), &["f@x.txt[-]hi"]),
        (disposition("filename=\"; name=g\"; name=\"f\"\r\n\r\nhi"), &["f@; name=g[-]hi"]),
        (disposition("name=\"f\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n"), &[]),
        (disposition("name=\"f\"; filename=\"\"\r\n\r\nhi"), &["f@[-]hi"]),
        (disposition("name=\"f\"; filename=\"empty\"\r\n\r\n"), &["f@empty[-]"]),
        (disposition("name=\"f\"; filename=\"Grüße 日本.png\"\r\n\r\n."), &["f@Grüße 日本.png[-]."]),
        (disposition("name=\"f\"; filename=\"a;b=\"\r\n\r\n."), &["f@a;b=[-]."]),
        (disposition("name=\"f\"; filename=\"a\\\"b.txt\"\r\n\r\n."), &["f@a\"b.txt[-]."]),
        (disposition("name=\"f\"; filename=\"C:\\dir\\\"\r\n\r\n."), &["f@C:\\dir\\[-]."]),
        (disposition("filename=\"C:\\dir\\\"; name=\"f\"\r\n\r\n."), &["f@C:\\dir\\[-]."]),
        (disposition("name=\"f\"; filename=\"../../etc/passwd\"\r\n\r\n."), &["f@../../etc/passwd[-]."]),
        (disposition("name=\"f\"; filename*=UTF-8''caf%C3%A9.txt\r\n\r\n."), &["f@café.txt[-]."]),
        (disposition("name=\"f\"; filename=\"a\"; filename*=UTF-8''b\r\n\r\n."), &["f@a[-]."]),
        // What only looks like the boundary.
        (disposition("name=\"a\"\r\n\r\nx--b\r\n-b--\r\n--\r\n"), &["a=x--b\r\n-b--\r\n--\r\n"]),
    ] {
        let form = read(Some(MULTIPART), parts(&[&part])).unwrap_or_else(|error| panic!("{part}: {error:?}"));
        assert_eq!(lines(&form), expected, "{part}");
    }
    let whole =
        parts(&["Content-Disposition: form-data; name=a\r\n\r\n1", "Content-Disposition: form-data; name=a\r\n\r\n2"]);
    for (body, why) in [
        (whole.clone(), "two fields of one name"),
        (format!("A preamble.\r\n{whole}An epilogue.\r\n"), "RFC 2046 §5.1.1"),
        (whole.replace("--b\r\n", "--b \t\r\n"), "transport padding"),
        (whole.trim_end().to_owned(), "no line break at the end"),
    ] {
        assert_eq!(lines(&read(Some(MULTIPART), body).expect(why)), ["a=1", "a=2"], "{why}");
    }
    assert_eq!(lines(&read(Some(MULTIPART), "--b--\r\n").expect("an empty form")), [""; 0]);
}

#[test]
fn boundaries_are_read_as_senders_write_them() {
    let longest = "x".repeat(70);
    for (content_type, boundary) in [
        ("multipart/form-data; boundary=b", "b"),
        ("Multipart/Form-Data; BOUNDARY=b", "b"),
        ("multipart/form-data;boundary=\"b\"", "b"),
        ("multipart/form-data; charset=utf-8; boundary=b", "b"),
        ("multipart/form-data; boundary=b; charset=utf-8", "b"),
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
        (
            "multipart/form-data; boundary=---------------------------9051914041544843365972754266",
            "---------------------------9051914041544843365972754266",
        ),
        ("multipart/form-data; boundary=----=_Part_0_1.2", "----=_Part_0_1.2"),
        ("multipart/form-data; boundary=\"a'()+_,-./:=? b\"", "a'()+_,-./:=? b"),
        (&format!("multipart/form-data; boundary={longest}"), &longest),
    ] {
        let body = parts(&["Content-Disposition: form-data; name=a\r\n\r\n1"]).replace("--b", &format!("--{boundary}"));
        let form = read(Some(content_type), body).unwrap_or_else(|error| panic!("{content_type}: {error:?}"));
        assert_eq!(lines(&form), ["a=1"], "{content_type}");
    }
}

#[test]
fn what_is_no_form_is_refused_with_the_right_status() {
    let part = |part: &str| parts(&[part]);
    for (content_type, body, kind) in [
        (None, "a=1".to_owned(), ErrorKind::FormType),
        (Some(""), "a=1".to_owned(), ErrorKind::FormType),
        (Some("text/plain"), "a=1".to_owned(), ErrorKind::FormType),
        (Some("application/json"), "{}".to_owned(), ErrorKind::FormType),
        (
            Some("multipart/mixed; boundary=b"),
            part("Content-Disposition: form-data; name=a\r\n\r\n1"),
            ErrorKind::FormType,
        ),
        (Some("multipart/form-data"), part(""), ErrorKind::Form),
        (Some("multipart/form-data; boundary="), part(""), ErrorKind::Form),
        (Some("multipart/form-data; boundary=\"\""), part(""), ErrorKind::Form),
        (Some(&format!("multipart/form-data; boundary={}", "x".repeat(71))), part(""), ErrorKind::Form),
        (Some(MULTIPART), String::new(), ErrorKind::Form),
        (Some(MULTIPART), "a=1".to_owned(), ErrorKind::Form),
        (Some(MULTIPART), "--b".to_owned(), ErrorKind::Form),
        (Some(MULTIPART), "--b\r\n".to_owned(), ErrorKind::Form),
        (
            Some(MULTIPART),
            "--c\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--c--".to_owned(),
            ErrorKind::Form,
        ),
        (Some(MULTIPART), "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1".to_owned(), ErrorKind::Form),
        (Some(MULTIPART), "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b".to_owned(), ErrorKind::Form),
        (Some(MULTIPART), "--b\nContent-Disposition: form-data; name=a\n\n1\n--b--".to_owned(), ErrorKind::Form),
        (Some(MULTIPART), part("Content-Disposition: form-data; name=a"), ErrorKind::Form),
        (Some(MULTIPART), part("\r\n1"), ErrorKind::Form),
        (Some(MULTIPART), part("Content-Type: text/plain\r\n\r\n1"), ErrorKind::Form),
        (Some(MULTIPART), part("Content-Disposition: attachment; name=a\r\n\r\n1"), ErrorKind::Form),
        (Some(MULTIPART), part("Content-Disposition: form-data\r\n\r\n1"), ErrorKind::Form),
        (Some(MULTIPART), part("Content-Disposition: form-data; filename=x\r\n\r\n1"), ErrorKind::Form),
        (Some(MULTIPART), part("no colon\r\n\r\n1"), ErrorKind::Form),
        (Some(MULTIPART), part(&format!("{}\r\n\r\n1", "A: b\r\n".repeat(40))), ErrorKind::Form),
    ] {
        let error = read(content_type, body.clone()).expect_err(&format!("{content_type:?} {body}"));
        assert_eq!(error.kind(), kind, "{content_type:?} {body}: {error:?}");
    }
    for (kind, status) in [(ErrorKind::Form, 400), (ErrorKind::FormTooLarge, 413), (ErrorKind::FormType, 415)] {
        let (content_type, body) = match kind {
            ErrorKind::Form => (MULTIPART, String::new()),
            ErrorKind::FormTooLarge => (URLENCODED, "a&".repeat(1_001)),
            _ => ("text/html", String::new()),
        };
        assert_eq!(read(Some(content_type), body).expect_err("no form").status(), status);
    }
}

#[test]
fn limits_hold_for_each_encoding_to_the_last_byte() {
    let field = |name: &str, text: &str| format!("Content-Disposition: form-data; name={name}\r\n\r\n{text}");
    let file = |text: &str| format!("Content-Disposition: form-data; name=f; filename=f\r\n\r\n{text}");
    let many = |part: &str, number: usize| parts(&vec![part; number]);
    let long = |less: usize| "x".repeat(8 * 1024 - less);
    let limits = FormLimits::new();
    for (content_type, fits, exceeds, limits) in [
        (URLENCODED, "a=1&b=2".to_owned(), "a=1&b=2&c".to_owned(), limits.with_fields(2)),
        (URLENCODED, "a=1234".to_owned(), "a=12345".to_owned(), limits.with_field_size(4)),
        (URLENCODED, "a=1234".to_owned(), "a=12345".to_owned(), limits.with_total_size(6)),
        (URLENCODED, "abcd=12345".to_owned(), "abcde=1".to_owned(), limits.with_header_size(4)),
        (URLENCODED, "%61bcd".to_owned(), "%61bcde".to_owned(), limits.with_header_size(4)),
        (URLENCODED, "x".repeat(8 * 1024), "x".repeat(8 * 1024 + 1), limits),
        (URLENCODED, "a&".repeat(1_000), "a&".repeat(1_001), limits),
        (URLENCODED, format!("a={}", "x".repeat(512 * 1024)), format!("a={}", "x".repeat(512 * 1024 + 1)), limits),
        (MULTIPART, many(&field("a", ""), 2), many(&field("a", ""), 3), limits.with_fields(2).with_files(0)),
        (MULTIPART, many(&file(""), 2), many(&file(""), 3), limits.with_files(2).with_fields(0)),
        (MULTIPART, many(&file(""), 100), many(&file(""), 101), limits),
        (
            MULTIPART,
            parts(&[&field("a", "1234"), &file("12345")]),
            parts(&[&field("a", "12345")]),
            limits.with_field_size(4),
        ),
        (MULTIPART, parts(&[&field("a", "12345"), &file("1234")]), parts(&[&file("12345")]), limits.with_file_size(4)),
        (MULTIPART, many(&file(""), 1), many(&file("1"), 1), limits.with_total_size(many(&file(""), 1).len())),
        // The lines of a part's header, each with its line break.
        (MULTIPART, parts(&[&field("a", "12345")]), parts(&[&field("ab", "1")]), limits.with_header_size(40)),
        (MULTIPART, parts(&[&field(&long(39), "")]), parts(&[&field(&long(38), "")]), limits),
        (
            MULTIPART,
            parts(&[&format!("A: b\r\n{}", field(&long(45), ""))]),
            parts(&[&format!("A: b\r\n{}", field(&long(44), ""))]),
            limits,
        ),
    ] {
        read_within(limits, Some(content_type), fits).unwrap_or_else(|error| panic!("{limits:?}: {error:?}"));
        let error = read_within(limits, Some(content_type), exceeds).expect_err(&format!("{limits:?}"));
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::FormTooLarge, StatusCode::PAYLOAD_TOO_LARGE),
            "{limits:?}"
        );
    }
}

/// One part, or many small ones, that say very much of themselves: neither time nor memory for it.
#[test]
fn what_a_field_says_of_itself_is_limited() {
    let size = 6_000_000;
    let of = |header: String| parts(&[&format!("{header}\r\n\r\n1")]);
    let disposition = |rest: String| of(format!("Content-Disposition: form-data; {rest}"));
    for (what, content_type, body) in [
        ("a field's name", MULTIPART, disposition(format!("name=\"{}\"", "x".repeat(size)))),
        ("a file's name", MULTIPART, disposition(format!("name=a; filename=\"{}\"", "x".repeat(size)))),
        ("an extended name", MULTIPART, disposition(format!("name=a; filename*=UTF-8''{}", "%41".repeat(size / 3)))),
        ("parameters", MULTIPART, disposition(format!("name=a{}", "; x=y".repeat(size / 5)))),
        ("parameters without a value", MULTIPART, disposition(format!("name=a{}", ";x".repeat(size / 2)))),
        ("quotation marks", MULTIPART, disposition(format!("name=\"{}\"", "\\\"".repeat(size / 2)))),
        ("names of parameters", MULTIPART, disposition("name".repeat(size / 4))),
        (
            "a type",
            MULTIPART,
            of(format!("Content-Disposition: form-data; name=a\r\nContent-Type: {}", "x".repeat(size))),
        ),
        ("another line", MULTIPART, of(format!("X: {}\r\nContent-Disposition: form-data; name=a", "x".repeat(size)))),
        ("many lines", MULTIPART, of(format!("{}Content-Disposition: form-data; name=a", "X: y\r\n".repeat(size / 6)))),
        ("no end of a line", MULTIPART, format!("--b\r\n{}", "x".repeat(size))),
        ("a urlencoded name", URLENCODED, format!("{}=1", "x".repeat(size))),
        ("an encoded name", URLENCODED, format!("{}=1", "%41".repeat(size / 3))),
        ("many names", URLENCODED, "a&".repeat(size / 2)),
    ] {
        let begun = std::time::Instant::now();
        let error = read(Some(content_type), body).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::FormTooLarge, "{what}: {error:?}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{what}: {:?}", begun.elapsed());
    }
    let header = format!("Content-Disposition: form-data; name=a{}\r\n\r\n", "; x=y".repeat(1_600));
    let many = parts(&vec![header.as_str(); 700]);
    let begun = std::time::Instant::now();
    assert_eq!(read(Some(MULTIPART), many).expect("within all limits").fields().count(), 700);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// What looks like the start of a boundary, again and again: a body is passed over once.
#[test]
fn a_body_is_read_in_linear_time() {
    let boundary = "b".repeat(70);
    let content_type = format!("multipart/form-data; boundary={boundary}");
    for filling in ["\r", "\r\n", "\r\n--", &format!("\r\n--{}", &boundary[1..]), &format!("\r\n--{boundary}x"), "--b"]
    {
        let content = filling.repeat(5_000_000 / filling.len());
        for body in [
            format!("--{boundary}\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n{content}"),
            content.clone(),
            format!("--{boundary}{}", " \t".repeat(2_000_000)),
        ] {
            let begun = std::time::Instant::now();
            let error = read(Some(&content_type), body).expect_err("it is cut off");
            assert_eq!(error.kind(), ErrorKind::Form, "{filling:?}");
            assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{filling:?}: {:?}", begun.elapsed());
        }
    }
    // A boundary of the sender's choice that stands in a content by chance ends no part.
    let chance = parts(&["Content-Disposition: form-data; name=a\r\n\r\n1\r\n--bb\r\n--b x\r\n2"]);
    assert_eq!(lines(&read(Some(MULTIPART), chance).expect("a form")), ["a=1\r\n--bb\r\n--b x\r\n2"]);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Order {
    name: String,
    number: u8,
    #[serde(default)]
    extras: Vec<String>,
    gift: Option<String>,
    weight: Option<f32>,
}

#[test]
fn both_encodings_give_the_same_type() {
    let order = |name: &str, extras: &[&str], weight| Order {
        name: name.into(),
        number: 3,
        extras: extras.iter().map(|extra| (*extra).to_owned()).collect(),
        gift: None,
        weight,
    };
    for (fields, expected) in [
        (&[("name", "N & M"), ("number", "3")][..], Ok(order("N & M", &[], None))),
        (&[("extras", "a"), ("name", "ü"), ("extras", "b="), ("number", "3")], Ok(order("ü", &["a", "b="], None))),
        (&[("name", ""), ("number", "3"), ("weight", "")], Ok(order("", &[], None))),
        (&[("name", "a"), ("number", "3"), ("weight", "1.5"), ("unknown", "x")], Ok(order("a", &[], Some(1.5)))),
        (&[("number", "3")], Err("name")),
        (&[("name", "a"), ("number", "300")], Err("too large")),
        (&[("name", "a"), ("number", "")], Err("empty")),
    ] {
        let urlencoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let multipart: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}"))
            .collect();
        let multipart = parts(&multipart.iter().map(String::as_str).collect::<Vec<_>>());
        for (content_type, body) in [(URLENCODED, urlencoded), (MULTIPART, multipart)] {
            let found: Result<Order, _> = read(Some(content_type), body).expect("a form").deserialize();
            match &expected {
                Ok(expected) => assert_eq!(&found.expect("an order"), expected, "{content_type}"),
                Err(word) => {
                    let error = found.expect_err("no order");
                    assert_eq!(error.kind(), ErrorKind::Form);
                    assert!(format!("{error:?}").contains(word), "{error:?} does not say {word}");
                }
            }
        }
    }
}

/// A site that answers a form with what is in it, and what is none with its error.
fn echo() -> App {
    App::new(service_fn(async |request: lambda_http::Request| {
        let form = Form::read(request).await?;
        let file = form.file("file").map(|file| json!([file.file_name(), file.media_type(), file.bytes().to_vec()]));
        Ok::<_, BoxError>(Response::new(json!([form.text("text"), file]).to_string()))
    }))
}

#[tokio::test]
async fn forms_arrive_through_every_front_door_as_text_and_as_base64() {
    let png = b"\x89PNG\r\n\x1a\n\x00\xff";
    let text = "text=%C3%BC+%26";
    let ascii = parts(&["Content-Disposition: form-data; name=text\r\n\r\nü &"]);
    let mut binary =
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xc3\xbc.gif\"\r\n\r\n".to_vec();
    binary.extend_from_slice(png);
    binary.extend_from_slice(b"\r\n--b--\r\n");
    let (only_text, only_file) = (json!(["ü &", null]), json!([null, ["ü.gif", "image/png", png]]));
    for front in FRONTS {
        for (content_type, body, expected) in [
            (URLENCODED, text.as_bytes(), &only_text),
            (MULTIPART, ascii.as_bytes(), &only_text),
            (MULTIPART, &binary, &only_file),
        ] {
            let app = echo();
            let asking = || ask(&app, "POST", "/").header("content-type", content_type).through(front);
            let as_text = std::str::from_utf8(body).ok().map(|body| asking().text(body));
            for asking in [Some(asking().bytes(body)), as_text].into_iter().flatten() {
                let answer = asking.send().await;
                let found: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
                assert_eq!(&found, expected, "{front:?} {content_type}");
            }
        }
    }
}

#[tokio::test]
async fn a_bad_form_gets_the_sites_error_page_and_is_no_error_of_the_site() {
    let log = Log::start();
    for (content_type, body, status) in
        [(MULTIPART, "", 400), (URLENCODED, "a&".repeat(1_001).as_str(), 413), ("text/plain", "a=1", 415)]
    {
        let answer = ask(&echo(), "POST", "/form").header("content-type", content_type).text(body).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (status, "no-store"));
    }
    assert_eq!(log.lines(&["INFO", "a request was refused", "/form"]).len(), 3);
    assert_eq!(log.lines(&["ERROR"]), [""; 0]);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn an_axum_handler_takes_a_form_within_limits_of_its_own() {
    use axum::{Extension, Router, routing::post};

    async fn hello(form: Form) -> String {
        form.text("name").unwrap_or_default().to_owned()
    }
    let limits = FormLimits::new().with_fields(2);
    let app = App::new(Router::new().route("/", post(hello)).layer(Extension(limits)));
    for (body, status, text) in [("name=a&b", 200, Some("a")), ("name=a&b&c", 413, None)] {
        let answer = ask(&app, "POST", "/").header("content-type", URLENCODED).text(body).send().await;
        assert_eq!(answer.status, status, "{body}");
        text.into_iter().for_each(|text| assert_eq!(answer.text(), text));
    }
}

/// A part of a multipart body: a name and a text, or a name, a file name and bytes.
#[derive(Clone, Debug)]
enum Part {
    Text(String, String),
    File(String, String, Vec<u8>),
}

/// Writes as browsers do (HTML, "multipart/form-data encoding algorithm").
fn written(fields: &[Part], boundary: &str) -> Vec<u8> {
    let name = |name: &str| name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22");
    let mut body = Vec::new();
    for part in fields {
        let (of, content) = match part {
            Part::Text(of, text) => (name(of), text.as_bytes()),
            Part::File(of, file, bytes) => (format!("{}\"; filename=\"{}", name(of), name(file)), bytes.as_slice()),
        };
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{of}\"\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

fn part() -> impl Strategy<Value = Part> {
    // A file without a name and content was not chosen; `%22` can't be told from a quotation mark.
    let name = "([^%\u{0}-\u{1f}\u{7f}]|\"){1,12}";
    let text = (name, "(?s).{0,40}").prop_map(|(name, text)| Part::Text(name, text));
    let file = (name, name, proptest::collection::vec(any::<u8>(), 0..60)).prop_map(|(a, b, c)| Part::File(a, b, c));
    prop_oneof![text, file]
}

proptest! {
    #[test]
    fn what_a_browser_writes_comes_back(
        fields in proptest::collection::vec(part(), 0..6),
        boundary in "[0-9A-Za-z'()+_,./:=?-]{9,70}",
    ) {
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let form = read(Some(&content_type), written(&fields, &boundary)).expect("a form");
        prop_assert_eq!(form.fields().count(), fields.len());
        for (field, part) in form.fields().zip(&fields) {
            match part {
                Part::Text(name, text) => prop_assert_eq!((field.name(), field.text()), (name.as_str(), Some(text.as_str()))),
                Part::File(name, file_name, bytes) => {
                    let file = field.file().expect("a file");
                    prop_assert_eq!((field.name(), file.file_name()), (name.as_str(), file_name.as_str()));
                    prop_assert_eq!(&file.bytes()[..], &bytes[..]);
                    let safe = file.safe_name().unwrap_or_default();
                    prop_assert!(!safe.contains(['/', '\\', '\0', '"']) && !safe.starts_with('.'));
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(content_type in "(?s).{0,60}", body in proptest::collection::vec(any::<u8>(), 0..300)) {
        if http::HeaderValue::from_str(&content_type).is_ok() {
            _ = read(Some(&content_type), body.clone());
        }
        _ = read(Some(MULTIPART), body.clone());
        _ = read(Some(URLENCODED), body);
    }

    #[test]
    fn no_damage_to_a_form_makes_it_panic(
        fields in proptest::collection::vec(part(), 0..4),
        changes in proptest::collection::vec((any::<u16>(), any::<u8>(), any::<bool>()), 0..6),
    ) {
        let mut body = written(&fields, "b");
        for (at, byte, removes) in changes {
            let at = usize::from(at) % body.len().max(1);
            match removes {
                true => _ = body.drain(at.min(body.len())..body.len().min(at + 3)),
                false => body.insert(at.min(body.len()), byte),
            }
        }
        if let Err(error) = read(Some(MULTIPART), body) {
            prop_assert_eq!(error.kind(), ErrorKind::Form);
        }
    }
}
