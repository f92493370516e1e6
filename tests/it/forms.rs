//! Forms: the two encodings as senders write them, limits, and what is none; through every front door, as text and in base64.

use chalice_http_toolkit::{App, BoxError, ContentManager, Embedded, Error, ErrorKind, Form, FormLimits};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;
use tower::service_fn;

use crate::support::{FRONTS, Log, ask};

/// On a busy machine a linear reader of these bodies takes seconds; a quadratic one would take hours on any.
const FOREVER: std::time::Duration = std::time::Duration::from_secs(60);

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
        (disposition("name*=utf-8''pr%C3%A9nom; filename*=utf-8''caf%C3%A9\r\n\r\n."), &["prénom@café[-]."]),
        (disposition("name=_charset_\r\n\r\nUTF-8"), &["_charset_=UTF-8"]),
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
fn a_request_that_has_its_form_in_the_query_is_told_so() {
    for (method, expected) in [("GET", true), ("HEAD", true), ("POST", false), ("PUT", false)] {
        let request = http::Request::builder().method(method).uri("/search?q=bowl").body(String::new());
        let read = Form::read(request.expect("a request")).now_or_never().expect("nothing to wait for");
        let error = read.expect_err("no form");
        assert_eq!(error.kind(), ErrorKind::FormType, "{method}");
        assert_eq!(error.to_string().contains("Form::of_query"), expected, "{method}: {error}");
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
        assert!(begun.elapsed() < FOREVER, "{what}: {:?}", begun.elapsed());
    }
    let header = format!("Content-Disposition: form-data; name=a{}\r\n\r\n", "; x=y".repeat(1_600));
    let many = parts(&vec![header.as_str(); 700]);
    let begun = std::time::Instant::now();
    assert_eq!(read(Some(MULTIPART), many).expect("within all limits").fields().count(), 700);
    assert!(begun.elapsed() < FOREVER, "{:?}", begun.elapsed());
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
            assert!(begun.elapsed() < FOREVER, "{filling:?}: {:?}", begun.elapsed());
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
        (&[("number", "3")], Err("`name`: it is missing")),
        (&[("name", "a"), ("number", "300")], Err("`number`: a whole number from 0 to 255 is expected")),
        (&[("name", "a"), ("number", "")], Err("`number`: a whole number from 0 to 255 is expected")),
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

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Size {
    Small,
    VeryLarge,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
struct Postcode(String);

impl TryFrom<String> for Postcode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_one = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_one { Ok(Self(text)) } else { Err(format!("{text} has not five digits")) }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
struct Number(u16);

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Everything {
    byte: u8,
    small: i8,
    large: u64,
    huge: i128,
    price: f32,
    sure: bool,
    letter: char,
    size: Option<Size>,
    sizes: Vec<Size>,
    numbers: Vec<u8>,
    pair: (u8, u8),
    single: [u8; 1],
    number: Option<Number>,
    nonzero: Option<std::num::NonZeroU8>,
    address: Option<std::net::IpAddr>,
    postcode: Option<Postcode>,
    text: Option<String>,
    several: Option<Vec<String>>,
    map: Option<std::collections::BTreeMap<String, String>>,
    #[serde(alias = "qty")]
    quantity: Option<u8>,
    #[serde(flatten)]
    flat: Flat,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Flat {
    city: Option<String>,
}

fn of_query(query: &str) -> Form {
    Form::of_query(&format!("/?{query}").parse().expect("a URL")).expect("within the limits")
}

#[test]
fn a_value_becomes_what_the_type_says() {
    let everything = Everything::default;
    for (query, expected) in [
        ("", everything()),
        ("byte=255&small=-128", Everything { byte: 255, small: -128, ..everything() }),
        ("large=18446744073709551615", Everything { large: u64::MAX, ..everything() }),
        ("huge=-170141183460469231731687303715884105728", Everything { huge: i128::MIN, ..everything() }),
        ("price=1.5e2&letter=%C3%BC", Everything { price: 150.0, letter: '\u{fc}', ..everything() }),
        ("sure=on", Everything { sure: true, ..everything() }),
        ("sure=true", Everything { sure: true, ..everything() }),
        ("sure=false", everything()),
        ("size=very-large", Everything { size: Some(Size::VeryLarge), ..everything() }),
        ("sizes=small&sizes=very-large", Everything { sizes: vec![Size::Small, Size::VeryLarge], ..everything() }),
        ("numbers=1&x=y&numbers=2", Everything { numbers: vec![1, 2], ..everything() }),
        ("numbers=7", Everything { numbers: vec![7], ..everything() }),
        ("pair=1&pair=2", Everything { pair: (1, 2), ..everything() }),
        ("number=3", Everything { number: Some(Number(3)), ..everything() }),
        ("number=&size=&nonzero=&text=&address=&postcode=", everything()),
        (
            "text=a&postcode=12345",
            Everything { text: Some("a".into()), postcode: Some(Postcode("12345".into())), ..everything() },
        ),
        ("several=a&several=", Everything { several: Some(vec!["a".into(), String::new()]), ..everything() }),
        ("qty=2", Everything { quantity: Some(2), ..everything() }),
        ("city=Vic", Everything { flat: Flat { city: Some("Vic".into()) }, ..everything() }),
    ] {
        assert_eq!(of_query(query).deserialize::<Everything>().expect(query), expected, "{query}");
    }
    let form = of_query("b=1&a=2&b=3");
    let map: std::collections::BTreeMap<String, Vec<u8>> = form.deserialize().expect("a map");
    assert_eq!(map, [("a".to_owned(), vec![2]), ("b".to_owned(), vec![1, 3])].into());
    let pairs: Vec<(String, u8)> = form.deserialize().expect("pairs");
    assert_eq!(pairs, [("b".to_owned(), 1), ("a".to_owned(), 2), ("b".to_owned(), 3)]);
    assert_eq!(
        of_query("1=a").deserialize::<std::collections::BTreeMap<u8, char>>().expect("a map"),
        [(1, 'a')].into()
    );
}

/// What is wrong, where; and never what the visitor wrote, which is `secret` in each of them.
#[test]
fn an_error_of_a_form_names_the_field_and_what_is_expected() {
    for (query, field, problem) in [
        ("byte=secret", "byte", "a whole number from 0 to 255 is expected"),
        ("byte=256", "byte", "a whole number from 0 to 255 is expected"),
        ("byte=-1", "byte", "a whole number from 0 to 255 is expected"),
        ("byte=1.0", "byte", "a whole number from 0 to 255 is expected"),
        ("byte=", "byte", "a whole number from 0 to 255 is expected"),
        ("small=secret", "small", "a whole number from -128 to 127 is expected"),
        ("large=secret", "large", "a whole number from 0 to 18446744073709551615 is expected"),
        ("price=secret", "price", "a number is expected"),
        ("price=NaN", "price", "a number is expected"),
        ("price=1e99", "price", "a number is expected"),
        ("sure=secret", "sure", "`true`, `on` or `false` is expected"),
        ("sure=", "sure", "`true`, `on` or `false` is expected"),
        ("letter=secret", "letter", "a character is expected"),
        ("size=secret", "size", "one of `small`, `very-large` is expected"),
        ("sizes=small&sizes=secret", "sizes", "one of `small`, `very-large` is expected"),
        ("numbers=1&numbers=secret", "numbers", "a whole number from 0 to 255 is expected"),
        ("byte=1&byte=2", "byte", "one value is expected, and several came"),
        ("text=secret&text=secret", "text", "one value is expected, and several came"),
        ("pair=1", "pair", "2 values are expected"),
        ("pair=1&pair=2&pair=3", "pair", "2 values are expected"),
        ("number=secret", "number", "a whole number from 0 to 65535 is expected"),
        ("nonzero=0", "nonzero", "a nonzero u8 is expected"),
        ("map=secret", "map", "a map is expected"),
        ("single=1&single=2", "single", "one value is expected"),
        ("quantity=1&qty=2", "quantity", "it came more than once"),
    ] {
        let error = of_query(query).deserialize::<Everything>().expect_err(query);
        assert_eq!((error.kind(), error.field()), (ErrorKind::Form, Some((field, problem))), "{query}");
        assert_eq!(error.to_string(), format!("a form is not what was expected: the field `{field}`: {problem}"));
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

/// serde reads such fields ahead, and forgets their names. The text that is refused tells which it was.
#[test]
fn an_error_in_what_is_read_ahead_names_the_field_that_has_the_text() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is only read")]
    struct Outer {
        name: String,
        #[serde(flatten)]
        inner: Inner,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is only read")]
    struct Inner {
        size: Size,
        #[serde(default)]
        count: u8,
    }
    #[derive(Debug, Deserialize)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    #[allow(dead_code, reason = "it is only read")]
    enum Tagged {
        Parcel { size: Size },
    }
    let of_outer = |query: &str| of_query(query).deserialize::<Outer>().expect_err(query);
    let of_tagged = |query: &str| of_query(query).deserialize::<Tagged>().expect_err(query);
    let sizes = "one of `small`, `very-large` is expected";
    for (error, expected) in [
        (of_outer("name=a&size=secret"), Some(("size", sizes))),
        (of_outer("name=a&size=small&count=secret"), Some(("count", "u8 is expected"))),
        (of_outer("name=a"), Some(("size", "it is missing"))),
        (of_outer("name=secret&size=secret"), None),
        (of_tagged("kind=parcel&size=secret"), Some(("size", sizes))),
        (of_tagged("kind=secret&size=small"), Some(("kind", "`parcel`"))),
    ] {
        let field = error.field();
        assert_eq!(field.map(|(name, _)| name), expected.map(|(name, _)| name), "{error:?}");
        assert!(expected.is_none_or(|(_, problem)| field.is_some_and(|(_, said)| said.contains(problem))), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

/// A type of the site's own may repeat the value in what it says: that is for the visitor, and for no log.
#[test]
fn what_a_type_says_of_a_value_is_not_in_the_log() {
    for (query, field, problem) in
        [("postcode=secret", "postcode", "secret has not five digits"), ("address=secret", "address", "IP address")]
    {
        let error = of_query(query).deserialize::<Everything>().expect_err(query);
        let (name, said) = error.field().expect("a field");
        assert!(name == field && said.contains(problem), "{error:?} {said}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        _a: Option<String>,
    }
    let name = "x%0A%1b[31m".to_owned() + &"y".repeat(500);
    let error = of_query(&format!("{name}=secret")).deserialize::<Strict>().expect_err("an unknown field");
    assert_eq!(error.field().map(|(_, problem)| problem), Some("no field of that name is expected"));
    let text = error.to_string();
    assert!(text.len() < 200 && !text.contains(['\n', '\u{1b}']) && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_page_and_the_log_name_the_field_that_is_wrong() {
    let handler = || {
        service_fn(async |request: lambda_http::Request| {
            let everything: Everything = Form::read(request).await?.deserialize()?;
            Ok::<_, BoxError>(Response::new(format!("{everything:?}")))
        })
    };
    const TEMPLATES: Embedded = Embedded::new(&[("400.html", b"<p>Sorry. {{ detail }}")]);
    let styled = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("embedded");
    for app in [App::new(handler()), App::new(handler()).with_error_pages(&styled)] {
        for (body, shown) in [
            ("byte=%3Csecret%3E", "byte: a whole number from 0 to 255 is expected"),
            ("postcode=%3Csecret%3E", "postcode: &lt;secret&gt; has not five digits"),
        ] {
            let log = Log::start();
            let answer = ask(&app, "POST", "/").header("content-type", URLENCODED).text(body).send().await;
            assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (400, "no-store"));
            assert!(answer.text().contains(shown), "{answer:?}");
            let field = shown.split(':').next().expect("a name");
            assert_eq!(log.lines(&["INFO", "a request was refused", &format!("the field `{field}`")]).len(), 1);
            assert_eq!(log.lines(&["secret"]), [""; 0]);
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
    // RFC 9110 §12.5.3: the field is for this reason alone.
    let app = echo();
    for (coding, status, accepted) in [("gzip", 415, "identity"), ("Identity", 200, "")] {
        let asking = ask(&app, "POST", "/form").header("content-type", URLENCODED).header("content-encoding", coding);
        let answer = asking.text("a=1").send().await;
        assert_eq!((answer.status.as_u16(), answer.header("accept-encoding")), (status, accepted), "{coding}");
    }
    let other = ask(&echo(), "POST", "/form").header("content-type", "text/plain").text("a=1").send().await;
    assert_eq!((other.status.as_u16(), other.header("accept-encoding")), (415, ""));
    assert_eq!(log.lines(&["INFO", "a request was refused", "/form"]).len(), 5);
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
