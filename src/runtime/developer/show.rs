//! Which page of the tools a path means, and what it shows of the latest requests.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    edge, pages, picture,
    requests::{Answered, MOST, Requests},
};
use crate::{hidden::is_secret, notes::ImageNote};

/// Texts with more bytes of HTML are cut in the table: the page of a request has them whole.
const LONGEST_IN_TABLE: usize = 72;

/// So many parts of a page are listed.
const MOST_PARTS: usize = 200;

/// The page at a path; `None` where there is none.
pub(super) fn page(path: &str, requests: &Requests) -> Option<Response<Bytes>> {
    match path.strip_prefix("/_dev")? {
        "" | "/" => Some(list(requests)),
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
        let value = if is_secret(name) { "<hidden>".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        json!([name.as_str(), value])
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

fn image(image: &ImageNote) -> String {
    let (width, height) = image.source_pixels;
    let wanted = image.width.map(|width| format!(", {width} pixels wide")).unwrap_or_default();
    let time = match image.made_in {
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

/// The time of day in UTC.
pub(super) fn time_of_day(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
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
        let list = text(page("/_dev", &requests));
        assert_eq!(list.matches("<tr><td>").count(), MOST);
        assert!(list.len() < 60_000, "{}", list.len());
    }

    #[test]
    fn a_request_has_a_page_without_its_secrets() {
        let requests = Requests::default();
        requests.add((&Method::GET, &"/a".parse().expect("a path")), &answer(), Duration::ZERO, &Extensions::new());
        let details = text(page("/_dev/requests/1", &requests));
        assert!(details.contains("set-cookie") && !details.contains("hunter2"), "{details}");
        assert!(details.contains("the answer sets a cookie"), "{details}");
        for unknown in ["/_dev/requests/2", "/_dev/requests/x", "/_dev/other", "/_device", "/"] {
            assert!(page(unknown, &requests).is_none(), "{unknown}");
        }
        assert_eq!(page("/_dev/", &requests).map(|page| page.status()), Some(StatusCode::OK));
    }
}
