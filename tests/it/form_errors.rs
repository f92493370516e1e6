//! What is wrong with a form, by field: all of it at once, with what the visitor wrote.

use std::num::NonZeroU8;

use chalice_http_toolkit::{
    Answer, CloudFront, Error, ErrorKind,
    forms::{Form, FormErrors, FormFile},
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{json, to_value};

use crate::support::folders;

fn query(text: &str) -> Form {
    Form::of_query(&format!("/?{text}").parse().expect("a URL")).expect("a form")
}

async fn multipart(parts: &[(&str, &str)]) -> Form {
    let part = |(what, text): &(&str, &str)| format!("--x\r\nContent-Disposition: form-data; {what}\r\n\r\n{text}\r\n");
    let body: String = parts.iter().map(part).collect::<String>() + "--x--";
    let request = http::Request::post("/").header("content-type", "multipart/form-data; boundary=x").body(body);
    Form::read(request.expect("a request")).await.expect("a form")
}

#[derive(Debug, Deserialize, PartialEq)]
enum Size {
    Small,
    Large,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Slug(String);

impl TryFrom<String> for Slug {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains(' ') { Err("no blanks") } else { Ok(Self(text)) }
    }
}

#[derive(Debug, Deserialize)]
struct Order {
    name: String,
    product: u32,
    amount: NonZeroU8,
    weight: f64,
    gift: bool,
    size: Size,
    slug: Slug,
    letter: char,
    pair: (u8, u8),
    note: Option<u8>,
    #[serde(default)]
    extras: Vec<i16>,
}

const RIGHT: &str = "name=Maya&product=7&amount=2&weight=0.5&gift=on&size=Small&slug=a-b&letter=x&pair=1&pair=2&note=&extras=1&extras=2";

#[test]
fn a_form_that_is_right_is_the_value() {
    let order: Order = query(RIGHT).check().expect("it is right");
    assert_eq!((order.name.as_str(), order.product, order.amount.get()), ("Maya", 7, 2));
    assert_eq!((order.weight, order.gift, order.size, order.slug.0.as_str()), (0.5, true, Size::Small, "a-b"));
    assert_eq!((order.letter, order.pair, order.note, order.extras), ('x', (1, 2), None, vec![1, 2]));
}

#[test]
fn all_fields_that_are_wrong_or_missing_are_reported_at_once() {
    let wrong =
        "product=vase&amount=0&weight=heavy&gift=maybe&size=Huge&slug=a+b&letter=xy&pair=1&note=n&extras=1&extras=b";
    let errors = query(wrong).check::<Order>().expect_err("it is wrong");
    let found: Vec<_> = errors.messages().collect();
    assert_eq!(
        found,
        [
            ("amount", "a nonzero u8 is expected"),
            ("extras", "a whole number from -32768 to 32767 is expected"),
            ("gift", "`true`, `on` or `false` is expected"),
            ("letter", "a character is expected"),
            ("name", "it is missing"),
            ("note", "a whole number from 0 to 255 is expected"),
            ("pair", "2 values are expected"),
            ("product", "a whole number from 0 to 4294967295 is expected"),
            ("size", "one of `Small`, `Large` is expected"),
            ("slug", "no blanks"),
            ("weight", "a number is expected"),
        ]
    );
    let everything = query("").check::<Order>().expect_err("nothing came");
    assert_eq!(everything.messages().count(), 9, "{everything:?}");
}

/// Each of them is wrong alone too: what one field says does not depend on the others.
#[test]
fn a_field_that_is_wrong_says_the_same_beside_others() {
    for wrong in ["product=vase", "amount=0", "size=Huge", "slug=a+b", "pair=1", "weight=nan"] {
        let name = wrong.split('=').next().expect("a name");
        let rest: Vec<_> = RIGHT.split('&').filter(|field| !field.starts_with(&format!("{name}="))).collect();
        let alone = query(&format!("{}&{wrong}", rest.join("&"))).check::<Order>().expect_err("it is wrong");
        let beside = query(wrong).check::<Order>().expect_err("it is wrong");
        assert_eq!(alone.field(name), beside.field(name), "{wrong}");
        assert_eq!(alone.messages().count(), 1, "{wrong}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Never;

impl TryFrom<String> for Never {
    type Error = &'static str;

    fn try_from(_: String) -> Result<Self, Self::Error> {
        Err("never right")
    }
}

#[test]
fn a_type_that_refuses_each_value_is_reported_once() {
    #[derive(Debug, Deserialize)]
    struct Form {
        #[expect(dead_code)]
        count: u8,
        #[expect(dead_code)]
        never: Never,
    }
    let errors = query("never=x&count=x").check::<Form>().expect_err("it is wrong");
    let found: Vec<_> = errors.messages().collect();
    // Nothing can be put in its place, which ends the search. It comes last then.
    assert_eq!(found, [("count", "a whole number from 0 to 255 is expected"), ("never", "never right")]);
}

#[test]
fn the_number_of_errors_that_are_looked_for_is_limited() {
    let many: Vec<_> = (0..500).map(|at| format!("f{at}=x")).collect();
    let errors = query(&many.join("&")).check::<std::collections::BTreeMap<String, u8>>().expect_err("it is wrong");
    assert_eq!(errors.messages().count(), 65);
}

#[test]
fn a_template_sees_values_and_messages_by_field() {
    let form = query("title=%3Cb%3E&tag=a&tag=b&product=x");
    #[derive(Debug, Deserialize)]
    struct Post {
        #[expect(dead_code)]
        product: u8,
    }
    let mut errors = form.check::<Post>().expect_err("it is wrong");
    errors.add("title", "it is taken");
    errors.add("title", "it is short");
    errors.add("", "try again");
    let expected = json!({
        "values": { "title": "<b>", "tag": ["a", "b"], "product": "x" },
        "errors": {
            "": "try again",
            "product": "a whole number from 0 to 255 is expected",
            "title": "it is taken; it is short",
        },
    });
    assert_eq!(to_value(&errors).expect("JSON"), expected);
    assert_eq!(to_value(FormErrors::default()).expect("JSON"), json!({ "values": {}, "errors": {} }));
    let shown = format!("{errors:?}");
    assert!(!shown.contains("<b>") && shown.contains("title"), "{shown}");
}

/// The template of the guide shows the form in each of the three ways.
#[test]
fn a_form_is_shown_empty_with_stored_values_and_with_errors() {
    let guide = include_str!("../../src/guide/forms_and_cookies.md");
    let template = guide.split("```").find(|code| code.starts_with("html\n") && code.contains("form.errors.title"));
    let template = template.and_then(|code| code.strip_prefix("html\n")).expect("it is in the guide");
    let folders = folders(&[("templates/new.html", template)]);
    let content = folders.content();
    let shown = |form: FormErrors| {
        let page = content.render_template("new.html", json!({ "form": form })).expect("a page");
        let answer = CloudFront::new().respond(&http::Request::new(()), page).now_or_never();
        let body = answer.expect("nothing to wait for").expect("it is rendered").into_body();
        let bytes = body.collect().now_or_never().expect("it is there").expect("a page").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    };
    let input = |value: &str| format!("<input name=\"title\" value=\"{value}\">");
    assert_eq!(shown(FormErrors::default()).trim(), input(""));
    let stored = FormErrors::of_values(&json!({ "title": "Clay", "stars": 5 })).expect("values");
    assert_eq!(shown(stored).trim(), input("Clay"));
    let mut wrong = query("title=Cl").errors();
    wrong.add("title", "it is short");
    assert_eq!(shown(wrong).trim(), input("Cl") + "\n<p class=\"error\">it is short</p>");
}

#[test]
fn stored_values_are_as_the_form_sends_them() {
    let stored = json!({
        "text": "<b>", "number": 1.5, "yes": true, "no": false, "none": null, "one": ["a"], "two": [1, "b"], "empty": [], "inner": {},
    });
    let form = FormErrors::of_values(&stored).expect("values");
    let values = json!({ "text": "<b>", "number": "1.5", "yes": "on", "one": "a", "two": ["1", "b"] });
    assert_eq!(to_value(&form).expect("JSON"), json!({ "values": values, "errors": {} }));
    for no_fields in [json!(null), json!("text"), json!([1])] {
        let error = FormErrors::of_values(&no_fields).expect_err("it has no fields");
        assert_eq!(error.kind(), ErrorKind::Serialization, "{no_fields}");
    }
}

#[tokio::test]
async fn files_are_fields_of_a_struct() {
    #[derive(Debug, Deserialize)]
    struct Entry {
        title: String,
        cover: FormFile,
        sketch: Option<FormFile>,
        #[serde(default)]
        photos: Vec<FormFile>,
    }
    let parts = [
        ("name=title", "Clay"),
        ("name=cover; filename=\"a.gif\"", "GIF89a.."),
        ("name=photos; filename=\"1.png\"", "one"),
        ("name=photos; filename=\"2.png\"", "two"),
        ("name=sketch; filename=\"\"", ""),
        ("name=other; filename=\"x\"", "not asked for"),
    ];
    let form = multipart(&parts).await;
    let entry: Entry = form.check().expect("it is right");
    assert_eq!((entry.title.as_str(), entry.sketch, entry.photos.len()), ("Clay", None, 2));
    assert_eq!(Some(&entry.cover), form.file("cover"));
    assert_eq!(entry.photos[1].bytes(), "two");
    assert_eq!(form.deserialize::<Entry>().expect("it is right").photos, entry.photos);
    // What is no struct has no file, as before.
    let texts: std::collections::BTreeMap<String, String> = form.deserialize().expect("a map");
    assert_eq!(texts.into_keys().collect::<Vec<_>>(), ["title"]);

    let none = multipart(&[("name=cover", "a text"), ("name=title; filename=t", "a file")]).await;
    let errors = none.check::<Entry>().expect_err("it is wrong");
    let found: Vec<_> = errors.messages().collect();
    let of_title =
        "a text is expected, and a file came: the type of a field for files is `FormFile`, or `Option` or `Vec` of it";
    assert_eq!(found, [("cover", "a file is expected"), ("title", of_title)]);
    let two = multipart(&[parts[0], parts[1], parts[1]]).await;
    let errors = two.check::<Entry>().expect_err("it is wrong");
    assert_eq!(errors.field("cover").as_deref(), Some("one file is expected, and several came"));
    let missing = multipart(&[]).await.check::<Entry>().expect_err("it is wrong");
    assert_eq!(missing.messages().count(), 2);
}

#[test]
fn a_form_that_can_have_no_file_says_what_it_needs() {
    #[derive(Debug, Deserialize)]
    struct Entry {
        #[expect(dead_code)]
        cover: Option<FormFile>,
        #[serde(default)]
        #[expect(dead_code)]
        photos: Vec<FormFile>,
    }
    let errors = query("cover=a.png&photos=1.png&photos=2.png").check::<Entry>().expect_err("texts came");
    let problem = "a file is expected: the form needs `enctype=\"multipart/form-data\"`";
    assert_eq!(errors.messages().collect::<Vec<_>>(), [("cover", problem), ("photos", problem)]);
    let error = query("cover=a.png").deserialize::<Entry>().expect_err("a text came");
    assert_eq!(error.field(), Some(("cover", problem)));
    // No file was chosen.
    assert!(query("cover=").check::<Entry>().is_ok());
}

#[test]
fn a_checkbox_that_is_not_ticked_is_the_default() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        #[serde(default)]
        sizes: Vec<String>,
        #[serde(default)]
        gift: bool,
    }
    assert_eq!(query("").check(), Ok(Order { sizes: Vec::new(), gift: false }));
    assert_eq!(query("sizes=s&gift=on").check(), Ok(Order { sizes: vec!["s".into()], gift: true }));
}

#[test]
fn what_is_not_handled_is_a_400_with_the_field() {
    fn handler(form: &Form) -> Answer<Order> {
        Ok(form.check()?)
    }
    let failure = handler(&query("product=secret-text")).expect_err("it is wrong");
    assert_eq!((failure.error().kind(), failure.error().status().as_u16()), (ErrorKind::Form, 400));
    assert!(!failure.to_string().contains("secret-text"), "{failure}");
    let error: Error = query("").check::<Order>().expect_err("it is wrong").into();
    assert_eq!(error.field(), Some(("amount", "it is missing")));
}

#[cfg(feature = "garde")]
#[test]
fn rules_that_a_type_declares_are_messages_of_their_fields() {
    use garde::Validate;

    #[derive(Debug, Deserialize, Validate)]
    struct SignUp {
        #[garde(length(chars, min = 2))]
        name: String,
        #[garde(range(min = 18), custom(is_even))]
        age: u8,
        #[garde(skip)]
        #[expect(dead_code)]
        note: Option<String>,
    }
    fn is_even(age: &u8, (): &()) -> garde::Result {
        if age.is_multiple_of(2) { Ok(()) } else { Err(garde::Error::new("it is odd")) }
    }
    let errors = query("name=M&age=7").check_valid::<SignUp>().expect_err("it is wrong");
    assert_eq!(errors.field("name").as_deref(), Some("length is lower than 2"));
    assert_eq!(errors.field("age").as_deref(), Some("it is odd; lower than 18"));
    // Types come first.
    let errors = query("name=M&age=x").check_valid::<SignUp>().expect_err("it is wrong");
    assert_eq!(errors.messages().count(), 1);
    assert!(query("name=Maya&age=18").check_valid::<SignUp>().is_ok());
}

#[cfg(feature = "garde")]
#[test]
fn a_rule_of_an_inner_value_is_a_message_of_the_field_that_has_it() {
    use garde::Validate;

    #[derive(Debug, Deserialize, Validate)]
    struct Address {
        #[garde(length(chars, min = 2))]
        street: String,
    }
    #[derive(Debug, Deserialize, Validate)]
    struct SignUp {
        #[serde(default)]
        #[garde(length(min = 1), inner(length(chars, min = 2)))]
        tags: Vec<String>,
        #[garde(length(chars, min = 2))]
        r#type: String,
        #[serde(rename = "user-name")]
        #[garde(length(chars, min = 2))]
        user_name: String,
    }
    #[derive(Debug, Deserialize, Validate)]
    struct Delivery {
        #[serde(flatten)]
        #[garde(dive)]
        address: Address,
    }
    /// A text with rules for its parts.
    #[derive(Debug, Deserialize, Validate)]
    #[serde(from = "String")]
    struct Price {
        #[garde(ascii)]
        currency: String,
    }
    impl From<String> for Price {
        fn from(currency: String) -> Self {
            Self { currency }
        }
    }
    #[derive(Debug, Deserialize, Validate)]
    struct Offer {
        #[garde(dive)]
        price: Price,
    }
    let errors = query("price=%E2%82%AC").check_valid::<Offer>().expect_err("it is wrong");
    assert_eq!(errors.messages().map(|(field, _)| field).collect::<Vec<_>>(), ["price"]);
    let errors = query("tags=ab&tags=c&type=x&user-name=M").check_valid::<SignUp>().expect_err("it is wrong");
    let found: Vec<_> = errors.messages().collect();
    let short = "length is lower than 2";
    assert_eq!(found, [("", "user_name: length is lower than 2"), ("tags", short), ("type", short)]);
    // No box is ticked: the form has no such field, and its type has.
    let errors = query("type=xy&user-name=Maya").check_valid::<SignUp>().expect_err("it is wrong");
    assert_eq!(errors.messages().collect::<Vec<_>>(), [("tags", "length is lower than 1")]);
    let errors = query("street=x").check_valid::<Delivery>().expect_err("it is wrong");
    assert_eq!(errors.messages().collect::<Vec<_>>(), [("street", short)]);
}
