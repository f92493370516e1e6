//! What goes wrong with a request: its line in the log, and the page for it. It does not know what is tried.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;

use super::At;
use crate::{CloudFront, ContentManager, Representation, ScriptRoot, error::Error};

/// Logs an error, the one place where that is done. What is the sender's own fault, as a malformed form, is no error of
/// the site's.
pub(super) fn log(error: &Error, at: &At<'_>) {
    let (method, path, kind) = (at.method, at.path, error.kind());
    if error.status().is_client_error() {
        tracing::info!(method, path, ?kind, error = error.chain(), "a request was refused");
        return;
    }
    let template = error.template();
    tracing::error!(
        method,
        path,
        ?kind,
        template = template.map(|(name, _)| name),
        line = template.and_then(|(_, line)| line),
        error = error.chain(),
        "a request failed"
    );
}

/// The site's page for a status, or a plain one where there is none or it fails.
pub(super) async fn page(
    pages: Option<&ContentManager>,
    status: StatusCode,
    detail: Option<&str>,
    root: &ScriptRoot,
) -> Response<Bytes> {
    let page = pages.map(|content| content.error_page(status, detail));
    if let Some(response) = made(page, root).await {
        return response;
    }
    let plain = made(Some(ContentManager::plain_page(status, detail)), root).await;
    plain.unwrap_or_else(|| Response::new(Bytes::new()))
}

/// A page as a whole response; `None` where it fails, as an error page may.
async fn made(page: Option<Representation>, root: &ScriptRoot) -> Option<Response<Bytes>> {
    let mut request = http::Request::new(());
    request.extensions_mut().insert(root.clone());
    let response = CloudFront::new().respond(&request, page?).await;
    let response = response.inspect_err(|error| tracing::error!(error = error.chain(), "an error page failed")).ok()?;
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Some(Response::from_parts(parts, body.to_bytes())),
        Err::<_, Infallible>(never) => match never {},
    }
}
