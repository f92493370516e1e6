//! The way of a request behind every front door: the site is incoming, what fails becomes an error page, and the answer is one that
//! the door takes. It does not know in which form requests and answers travel.

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use lambda_http::{Context, Request, RequestExt};

use super::{
    App,
    door::Way,
    event::Event,
    failures::{Page, RequestSummary, watched},
    incoming::{IncomingRequest, Refused},
    reply::{HttpReply, Reply, bodiless, fields_that_fit, fitting},
    tasks::Scope,
    uri::BadRequest,
};
use crate::{body::Limit, fields::cache_control::guard, response_body::ResponseBody};

impl App {
    /// The reply to the event of a request.
    pub(super) async fn reply(&self, event: &Event<'_>, length: usize, context: Option<Context>) -> Reply {
        let incoming = event.incoming_request(&self.mount, length, Way::Whole);
        let (door, multi_value) = (incoming.door, incoming.multi_value);
        let response = self.answer(incoming, context).await.map(|body| body.bytes().cloned().unwrap_or_default());
        HttpReply::new(door, multi_value, response).into()
    }

    /// The answer as its front door takes it. Tasks that the handler queued are sent before the answer, or dropped if the request
    /// failed.
    pub(super) async fn answer(
        &self,
        incoming: IncomingRequest<'_>,
        context: Option<Context>,
    ) -> Response<ResponseBody> {
        let IncomingRequest { door, multi_value, way, id, method, path, root, wants_problem, mut request } = incoming;
        if let Ok(request) = &mut request {
            request.extensions_mut().insert(Limit(door.whole_limit(way)));
        }
        let summary = RequestSummary { method: &method, path: &path, root, wants_problem };
        let finished = |mut response| {
            // A layer outside of all others may have set a cookie, or said how long the answer may be kept.
            guard(&mut response);
            self.security_headers.iter().for_each(|headers| headers.apply(&mut response));
            self.warnings.of(door, response.headers());
            bodiless(&method, response)
        };
        let scope = Scope::new(&id, context.as_ref());
        let request = request.map(|request| match context {
            Some(context) => with_lambda_context(request, context),
            None => request,
        });
        let response = finished(scope.run(self.response(request, &summary)).await);
        let (error, around) = match fitting(door, multi_value, way, response).await {
            Err(refused) => refused,
            Ok(response) if response.status().is_server_error() => {
                scope.drop_tasks();
                return watched(response, &summary);
            }
            Ok(response) => match scope.flush().await {
                Ok(()) => return watched(response, &summary),
                Err(error) => (error, fields_that_fit(door, response.into_parts().0.headers)),
            },
        };
        scope.drop_tasks();
        finished(self.failed(&error, error.status(), around, &summary).await)
    }

    async fn response(
        &self,
        request: Result<Request, Refused>,
        summary: &RequestSummary<'_>,
    ) -> Response<ResponseBody> {
        match request {
            Ok(request) => self.respond(request, summary).await,
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
