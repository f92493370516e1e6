//! The way of a request behind every front door: the site is asked, what fails becomes an error page, and the answer is one that
//! the door takes. It does not know in which form requests and answers travel.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use lambda_http::{Context, Request, RequestExt};

use super::{
    App,
    event::Event,
    failures::{Page, RequestSummary},
    incoming::{IncomingRequest, Refused},
    reply::{HttpReply, Reply, bodiless, fields_that_fit, refuse_size},
    tasks::Scope,
    uri::BadRequest,
};
use crate::fields::cache_control::guard;

impl App {
    /// The reply to the event of a request.
    pub(super) async fn reply(&self, event: &Event<'_>, length: usize, context: Option<Context>) -> Reply {
        let incoming = event.incoming_request(&self.mount, length);
        let (door, multi_value) = (incoming.door, incoming.multi_value);
        HttpReply::new(door, multi_value, self.answer(incoming, context).await).into()
    }

    /// The answer as its front door takes it. Tasks that the handler queued are sent before the answer, or dropped if the request
    /// failed.
    pub(super) async fn answer(&self, incoming: IncomingRequest<'_>, context: Option<Context>) -> Response<Bytes> {
        let IncomingRequest { door, multi_value, id, method, path, root, wants_problem, request } = incoming;
        let summary = RequestSummary { method: &method, path: &path, root, wants_problem };
        let finished = |mut response| {
            // A layer outside of all others may have set a cookie, or said how long the answer may be kept.
            guard(&mut response);
            self.security_headers.iter().for_each(|headers| headers.apply(&mut response));
            self.warnings.of(door, response.headers());
            bodiless(&method, response)
        };
        let scope = Scope::new(&id, context.as_ref());
        let response = finished(scope.run(self.response(request, context, &summary)).await);
        let error = match refuse_size(door, multi_value, &response) {
            Some(error) => error,
            None if response.status().is_server_error() => {
                scope.drop_tasks();
                return response;
            }
            None => match scope.flush().await {
                Ok(()) => return response,
                Err(error) => error,
            },
        };
        scope.drop_tasks();
        finished(self.failed(&error, error.status(), fields_that_fit(door, response), &summary).await)
    }

    async fn response(
        &self,
        request: Result<Request, Refused>,
        context: Option<Context>,
        summary: &RequestSummary<'_>,
    ) -> Response<Bytes> {
        match request {
            Ok(request) => {
                let request = match context {
                    Some(context) => with_lambda_context(request, context),
                    None => request,
                };
                self.respond(request, summary).await
            }
            Err(Refused::TooLarge { size, limit }) => self.too_large(size, limit, summary).await,
            Err(Refused::Unreadable(BadRequest(reason))) => {
                tracing::debug!(reason, "a request can't be read");
                let detail = Some(reason).filter(|_| self.development);
                let page = Page { detail, told: Some(reason), ..Page::of(StatusCode::BAD_REQUEST) };
                self.error_page(page, summary).await
            }
        }
    }
}

fn with_lambda_context(mut request: Request, context: Context) -> Request {
    let trace = context.xray_trace_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
    set_trace(request.headers_mut(), trace);
    request.with_lambda_context(context)
}

/// The trace is the invocation's, not what a client may have sent.
fn set_trace(headers: &mut HeaderMap, trace: Option<HeaderValue>) {
    if let Some(trace) = trace {
        headers.insert("x-amzn-trace-id", trace);
    }
}
