//! What the local server has for a developer beside the site, below `/_dev`. It answers this machine's own browser alone; for
//! everybody else these paths are the site's.

use std::{collections::BTreeMap, str::FromStr, time::SystemTime};

use http::{HeaderValue, Method, Response, StatusCode, header, request};

use super::{
    reload::{self, Document},
    requests::Requests,
    show,
};
use crate::{
    error::Result,
    files::changes::FolderState,
    response_body::ResponseBody,
    runtime::{listen::setting, tasks::Tasks},
};

/// The tools of one process.
pub(in crate::runtime) struct Tools {
    /// What no other process has.
    process: String,
    reloads: bool,
    pub(in crate::runtime) requests: Requests,
}

/// A setting that is on or off.
struct Switch(bool);

impl FromStr for Switch {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "on" => Ok(Self(true)),
            "off" => Ok(Self(false)),
            _ => Err("it is `on` or `off`"),
        }
    }
}

impl Tools {
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a `RELOAD` that is neither `on` nor `off`.
    pub(in crate::runtime) fn of_environment() -> Result<Self> {
        Ok(Self::new(setting("RELOAD", Switch(true))?.0))
    }

    pub(in crate::runtime) fn new(reloads: bool) -> Self {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self { process: format!("{:x}-{started:x}", std::process::id()), reloads, requests: Requests::default() }
    }

    /// The answer to a request for one of the tools; `None` where the path is the site's.
    pub(in crate::runtime) fn answer(&self, request: &request::Parts, tasks: &Tasks) -> Option<Response<ResponseBody>> {
        if request.method == Method::POST {
            return changed(request, tasks).map(guarded);
        }
        if !is_of_own_page(request) || request.method != Method::GET {
            return None;
        }
        match request.uri.path() {
            reload::SCRIPT_PATH if self.reloads => Some(tool("text/javascript; charset=utf-8", reload::SCRIPT.into())),
            reload::EVENTS_PATH if self.reloads => Some(tool("text/event-stream", reload::events(&self.process))),
            path => {
                show::page(path, &self.requests, || tasks.shown()).map(|page| guarded(page.map(ResponseBody::from)))
            }
        }
    }

    /// The page that a browser asks for, which is to show each edit.
    pub(in crate::runtime) fn document(&self, request: &mut request::Parts) -> Option<Document> {
        self.reloads.then(|| Document::of(request, reload::id(&self.process, &FolderState::now()))).flatten()
    }
}

/// Whether a request comes from a page of this server, or is the developer's own doing. SECURITY: a page of another site may ask
/// for what it cannot read (Fetch Metadata, `Sec-Fetch-Site`).
fn is_of_own_page(request: &request::Parts) -> bool {
    request.headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// Does to a task what a button of the page asks for, and leads back to the page; `None` where the path is the site's. SECURITY:
/// only this server's own page has such buttons: a page of another site may send a form anywhere.
fn changed(request: &request::Parts, tasks: &Tasks) -> Option<Response<ResponseBody>> {
    let action = request.uri.path().strip_prefix("/_dev/tasks/").filter(|action| ACTIONS.contains(action))?;
    if !is_from_own_form(request) {
        return None;
    }
    let fields: BTreeMap<_, _> = form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()).collect();
    let field = |name: &str| fields.get(name).map(|value| &**value).unwrap_or_default();
    // A task that is gone meanwhile needs nothing any more: the page shows what there is.
    tasks.change(action, field("queue"), field("id"));
    let mut back = Response::new(ResponseBody::from(""));
    *back.status_mut() = StatusCode::SEE_OTHER;
    back.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/_dev/tasks"));
    Some(back)
}

const ACTIONS: [&str; 3] = ["run", "retry", "drop"];

/// Whether a form of this server's own page was sent (Fetch Metadata, or `Origin` in browsers without it). Neither field is no
/// word of a browser, and is refused too.
fn is_from_own_form(request: &request::Parts) -> bool {
    let text = |name| request.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text("origin").and_then(|origin| origin.strip_prefix("http://"));
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => origin.is_some() && origin == text("host"),
    }
}

fn tool(content_type: &'static str, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    guarded(response)
}

/// An answer that is kept nowhere, and that no page of another site reads.
fn guarded(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    for (name, value) in [
        (header::CACHE_CONTROL.as_str(), "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn only_a_form_of_the_own_page_changes_a_task() {
        for (fields, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("origin", "http://localhost:3000")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "http://localhost:4000")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            let mut request = Request::post("/_dev/tasks/drop?queue=a.fifo&id=1").header("host", "localhost:3000");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            let answer = Tools::new(true).answer(&parts, &Tasks::default());
            assert_eq!(answer.map(|answer| answer.status()), expected.then_some(StatusCode::SEE_OTHER), "{fields:?}");
        }
    }
}
