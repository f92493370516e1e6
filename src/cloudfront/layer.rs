//! The layer for a whole service: representations are answered as [`CloudFront::respond`] does, and ordinary responses
//! become representations first. It does not know what is inside the service.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, Method, Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service};

use super::CloudFront;
use crate::{
    EntityTag, Representation,
    error::{BoxError, Error, ErrorKind, Result},
    representation::{Pending, ScriptRoot},
};

/// A service whose answers [`CloudFront`] decides on: what its layer makes.
///
/// The service inside never sees a HEAD request: it is asked as with GET, and the body is dropped, so that both have the
/// same fields.
#[derive(Clone, Debug)]
pub struct CloudFrontService<S> {
    cloudfront: CloudFront,
    inner: S,
}

impl<S> Layer<S> for CloudFront {
    type Service = CloudFrontService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CloudFrontService { cloudfront: self.clone(), inner }
    }
}

impl<S, B, RB> Service<Request<B>> for CloudFrontService<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Future: Send + 'static,
    RB: HttpBody + Send + 'static,
    RB::Data: Send,
    RB::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut asked = Request::new(());
        *asked.method_mut() = request.method().clone();
        *asked.headers_mut() = request.headers().clone();
        if let Some(root) = request.extensions().get::<ScriptRoot>() {
            asked.extensions_mut().insert(root.clone());
        }
        if request.method() == Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        let cloudfront = self.cloudfront.clone();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = match response.await {
                Ok(response) => response,
                Err(error) => return Err(error),
            };
            let answer = answer(&cloudfront, &asked, response).await;
            // The error travels in the response's extensions to the App, which logs it.
            Ok(answer.unwrap_or_else(Response::from))
        })
    }
}

async fn answer<RB>(
    cloudfront: &CloudFront,
    asked: &Request<()>,
    response: Response<RB>,
) -> Result<Response<Full<Bytes>>>
where
    RB: HttpBody,
    RB::Error: Into<BoxError>,
{
    let (parts, body) = response.into_parts();
    let (representation, extensions) = match parts.extensions.get::<Pending>().and_then(Pending::take) {
        Some(representation) => (representation, Extensions::new()),
        None => {
            let collected = body.collect().await;
            let body = collected
                .map_err(|error| Error::caused(ErrorKind::Body, "the body of a response broke off", error))?
                .to_bytes();
            if is_decided(parts.status) {
                return Ok(Response::from_parts(parts, Full::new(body)));
            }
            let tag = parts.headers.get(header::ETAG).map(|tag| tag.to_str().unwrap_or_default().parse());
            let mut headers = parts.headers;
            headers.remove(header::CONTENT_LENGTH);
            let representation = Representation::with_headers(headers, body.clone()).with_status(parts.status);
            let representation = match tag {
                Some(Ok(tag)) => representation.with_entity_tag(tag),
                Some(Err(_)) => representation,
                None => representation.with_entity_tag(EntityTag::of(&body)),
            };
            (representation, parts.extensions)
        }
    };
    let mut response = cloudfront.respond(asked, representation).await?;
    *response.extensions_mut() = extensions;
    Ok(response)
}

/// Whether the service inside has evaluated conditions or ranges by itself.
fn is_decided(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(
            status,
            StatusCode::NOT_MODIFIED
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::RANGE_NOT_SATISFIABLE
        )
}
