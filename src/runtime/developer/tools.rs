//! What the local server has for a developer beside the site, below `/_dev`. It answers this machine's own browser alone; for
//! everybody else these paths are the site's.

use std::{str::FromStr, time::SystemTime};

use http::{HeaderValue, Method, Response, header, request};

use super::{
    reload::{self, Document},
    requests::Requests,
    show,
};
use crate::{error::Result, files::changes::FolderState, response_body::ResponseBody, runtime::listen::setting};

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
    pub(in crate::runtime) fn answer(&self, request: &request::Parts) -> Option<Response<ResponseBody>> {
        if !is_of_own_page(request) || request.method != Method::GET {
            return None;
        }
        match request.uri.path() {
            reload::SCRIPT_PATH if self.reloads => Some(tool("text/javascript; charset=utf-8", reload::SCRIPT.into())),
            reload::EVENTS_PATH if self.reloads => Some(tool("text/event-stream", reload::events(&self.process))),
            path => show::page(path, &self.requests).map(|page| guarded(page.map(ResponseBody::from))),
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
