//! Which page of the tools a path means, and what it shows of the latest requests.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    clock::time_of_day,
    edge, pages, picture,
    requests::{Answered, MOST, Requests, without_secrets},
};
use crate::{
    hidden::{URLS, is_secret},
    notes::ImageNote,
};

/// Texts with more bytes of HTML are cut in the table: the page of a request has them whole.
const LONGEST_IN_TABLE: usize = 72;

/// So many parts of a page are listed.
const MOST_PARTS: usize = 200;

/// The page at a path; `None` where there is none.
pub(super) fn page(path: &str, requests: &Requests, queues: impl FnOnce() -> Vec<Value>) -> Option<Response<Bytes>> {
    match path.strip_prefix("/_dev")? {
        "" | "/" => Some(list(requests)),
        "/images" => Some(images(requests)),
        "/tasks" => Some(pages::page("tasks.html", path, json!({ "queues": queues() }))),
        rest => {
            let number = rest.strip_prefix("/requests/")?.parse().ok()?;
            Some(details(&*requests.get(number)?))
        }
    }
}

fn list(requests: &Requests) -> Response<Bytes> {
    let row = |answered: &Answered| {
        let mut row = summary(answered);
        row["target"] = short(&answered.target).into();
        row["verdict"] = short(&answered.verdict()).into();
        row
    };
    let rows: Vec<Value> = requests.latest().iter().map(|answered| row(answered)).collect();
    pages::page("requests.html", "/_dev", json!({ "requests": rows, "most": MOST }))
}

fn details(answered: &Answered) -> Response<Bytes> {
    let moved = &answered.moved;
    let parts: Vec<&str> = answered.page.iter().flat_map(|page| page.covered.parts()).collect();
    let arguments = |part: &&&str| part.starts_with("args") || part.starts_with("the key");
    let (of_arguments, of_site): (Vec<&str>, Vec<&str>) = parts.iter().partition(|part| arguments(part));
    let fields = answered.headers.iter().map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let shown = match name {
            name if is_secret(name) => "<hidden>".into(),
            name if URLS.contains(name) => without_secrets(&text),
            _ => text.into_owned(),
        };
        json!([name.as_str(), shown])
    });
    pages::page(
        "request.html",
        "",
        json!({
            "it": summary(answered),
            "verdict": Some(answered.verdict()).filter(|verdict| !verdict.is_empty()).unwrap_or_else(|| "answered".into()),
            "moved": moved.parts.iter().take(MOST_PARTS).collect::<Vec<_>>(),
            "more_moved": moved.parts.len().saturating_sub(MOST_PARTS),
            "moved_at": moved.at.map(time_of_day),
            "image": answered.image.as_ref().map(image),
            "edge": edge::would_do(answered),
            "picture": answered.page.as_ref().map(|page| picture::svg(&(page.graph)(), &moved.parts)),
            "arguments": of_arguments.len(),
            "parts": of_site.iter().chain(&of_arguments).take(MOST_PARTS).collect::<Vec<_>>(),
            "more_parts": parts.len().saturating_sub(MOST_PARTS),
            "fields": fields.collect::<Vec<_>>(),
        }),
    )
}

fn summary(answered: &Answered) -> Value {
    json!({
        "number": answered.number,
        "at": time_of_day(answered.at),
        "method": answered.method.as_str(),
        "target": answered.target,
        "status": answered.status.as_u16(),
        "ms": milliseconds(answered.took),
        "bytes": answered.bytes,
    })
}

/// The images that the latest requests asked for, each variant once, and what they weigh beside their sources.
fn images(requests: &Requests) -> Response<Bytes> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for answered in requests.latest() {
        let Some(image) = &answered.image else { continue };
        // The latest is the first. A variant that was there then was made by an earlier one.
        if !seen.insert((answered.target.clone(), image.media_type)) {
            continue;
        }
        let made = requests.latest().iter().filter(|other| other.target == answered.target).find_map(|other| {
            let note = other.image.as_ref().filter(|note| note.media_type == image.media_type)?;
            note.made_in
        });
        let (width, height) = image.source_pixels;
        rows.push(json!({
            "target": short(&answered.target),
            "number": answered.number,
            "source": format!("{} of {width} × {height}", image.source_type),
            "before": image.source_bytes,
            "after": image.bytes,
            "media_type": image.media_type,
            "width": image.width,
            "percent": percent(image.bytes, image.source_bytes),
            "ms": made.filter(|_| !image.is_late).map(|time| time.as_millis().to_string()),
            "is_late": image.is_late,
        }));
    }
    let sum = |name: &str| rows.iter().filter_map(|row: &Value| row[name].as_u64()).sum::<u64>();
    let (before, after) = (sum("before"), sum("after"));
    pages::page("images.html", "/_dev/images", json!({ "images": rows, "before": before, "after": after }))
}

fn percent(part: usize, of: usize) -> usize {
    (part * 100).checked_div(of).unwrap_or_default()
}

fn image(image: &ImageNote) -> String {
    let (width, height) = image.source_pixels;
    let wanted = image.width.map(|width| format!(", {width} pixels wide")).unwrap_or_default();
    let time = match image.made_in {
        Some(_) if image.is_late => "as making it took longer than a request waits".into(),
        Some(time) => format!("made in {} ms", time.as_millis()),
        None => "made before".into(),
    };
    format!(
        "{} bytes as {}{wanted}, {time}. Its source has {} bytes as {}, {width} by {height} pixels.",
        image.bytes, image.media_type, image.source_bytes, image.source_type
    )
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn short(text: &str) -> String {
    let mut bytes = 0;
    let end = text.char_indices().find(|(_, letter)| {
        bytes += if "<>&\"'/".contains(*letter) { ESCAPED } else { letter.len_utf8() };
        bytes > LONGEST_IN_TABLE
    });
    end.map_or(text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

/// Bytes of a character that HTML escapes.
const ESCAPED: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response_body::ResponseBody;
    use http::{Extensions, HeaderValue, Method, StatusCode};

    fn text(page: Option<Response<Bytes>>) -> String {
        String::from_utf8(page.expect("a page").into_body().to_vec()).expect("text")
    }

    fn answer() -> Response<ResponseBody> {
        let mut answer = Response::new(Bytes::from(vec![0; 1_000_000]).into());
        let reason = HeaderValue::from_static("no tag: <&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&<&");
        answer.headers_mut().insert("x-etag-reason", reason);
        answer.headers_mut().insert("set-cookie", HeaderValue::from_static("session=hunter2"));
        answer
    }

    #[test]
    fn the_list_is_small_whatever_is_in_it() {
        let requests = Requests::default();
        let uri = format!("/{}", "x&".repeat(500)).parse().expect("a target");
        for _ in 0..MOST {
            requests.add((&Method::OPTIONS, &uri), &answer(), Duration::from_secs(100), &Extensions::new());
        }
        let list = text(page("/_dev", &requests, Vec::new));
        assert_eq!(list.matches("<tr><td>").count(), MOST);
        assert!(list.len() < 60_000, "{}", list.len());
    }

    #[test]
    fn each_variant_of_an_image_is_listed_once_with_what_it_saves() {
        let requests = Requests::default();
        for (target, media_type, bytes, made_in) in [
            ("/static/a.jpg?w=640", "image/avif", 20, Some(Duration::from_millis(90))),
            ("/static/a.jpg?w=640", "image/avif", 20, None),
            ("/static/a.jpg?w=640", "image/jpeg", 50, None),
        ] {
            let mut notes = Extensions::new();
            notes.insert(ImageNote {
                source_bytes: 100,
                source_pixels: (1600, 900),
                source_type: "image/jpeg",
                width: Some(640),
                media_type,
                bytes,
                made_in,
                is_late: false,
            });
            let uri = target.parse().expect("a target");
            requests.add((&Method::GET, &uri), &Response::default(), Duration::ZERO, &notes);
        }
        let images = text(page("/_dev/images", &requests, Vec::new));
        assert_eq!(images.matches("<tr><td>").count(), 2, "{images}");
        for part in ["20 %", "50 %", ">90 ms", "200 bytes", "70 bytes"] {
            assert!(images.contains(part), "{part}: {images}");
        }
    }

    #[test]
    fn urls_in_fields_are_shown_without_the_secrets_in_them() {
        for (name, value, hidden, kept) in [
            ("location", "/welcome?token=hunter2&page=2", "hunter2", "token=&lt;hidden&gt;&amp;page=2"),
            ("location", "https://app.example/#access_token=hunter2", "hunter2", "https://app.example/#access_token"),
            ("refresh", "5; url=/sign-in?password=hunter2", "hunter2", "/sign-in?password"),
            ("link", "</a?api_key=hunter2>; rel=next, </b>; rel=prev", "hunter2", "/b"),
            ("content-location", "/posts/7?page=2", "hunter2", "/posts/7?page=2"),
        ] {
            let requests = Requests::default();
            let mut answer = Response::default();
            let value = http::HeaderValue::from_static(value);
            answer.headers_mut().insert(http::HeaderName::from_static(name), value);
            requests.add((&Method::GET, &"/a".parse().expect("a path")), &answer, Duration::ZERO, &Extensions::new());
            let details = text(page("/_dev/requests/1", &requests, Vec::new)).replace("&#x2f;", "/");
            assert!(!details.contains(hidden) && details.contains(kept), "{name}: {details}");
        }
    }

    #[test]
    fn a_request_has_a_page_without_its_secrets() {
        let requests = Requests::default();
        requests.add((&Method::GET, &"/a".parse().expect("a path")), &answer(), Duration::ZERO, &Extensions::new());
        let details = text(page("/_dev/requests/1", &requests, Vec::new));
        assert!(details.contains("set-cookie") && !details.contains("hunter2"), "{details}");
        assert!(details.contains("the answer sets a cookie"), "{details}");
        for unknown in ["/_dev/requests/2", "/_dev/requests/x", "/_dev/other", "/_device", "/"] {
            assert!(page(unknown, &requests, Vec::new).is_none(), "{unknown}");
        }
        assert_eq!(page("/_dev/", &requests, Vec::new).map(|page| page.status()), Some(StatusCode::OK));
    }
}
