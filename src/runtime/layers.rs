//! The layers of this crate around a site's service, always in the same order. It does not know what a layer does.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::Response;
use http_body::Body as HttpBody;
use lambda_http::Request;
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};

use super::App;
use crate::{
    body::whole,
    cloudfront::CloudFront,
    content::ContentManager,
    error::{BoxError, Error},
    response_body::{ResponseBody, Streams},
    security::CrossOriginProtection,
};

/// A service as an [`App`] calls it: bodies and errors of one type.
pub(super) type Site = BoxCloneSyncService<Request, Response<ResponseBody>, Error>;

/// Puts one layer around a service.
type Around = Arc<dyn Fn(Site) -> Site + Send + Sync>;

/// A site's service and the layers around it.
#[derive(Clone)]
pub(super) struct Layers {
    service: Site,
    /// By their [`LayerPosition`], the innermost first.
    around: [Option<Around>; 4],
}

/// Where a layer stands, from the inside to the outside.
#[derive(Clone, Copy)]
pub(super) enum LayerPosition {
    Content,
    #[cfg_attr(not(feature = "cookies"), allow(dead_code, reason = "only cookies stand there"))]
    Cookies,
    Protection,
    CloudFront,
}

impl Layers {
    pub(super) fn of(service: Site) -> Self {
        Self { service, around: [const { None }; 4] }
    }

    /// Puts a layer in its place, in which there is one at most.
    fn put(&mut self, place: LayerPosition, layer: impl Fn(Site) -> Site + Send + Sync + 'static) {
        self.around[place as usize] = Some(Arc::new(layer));
    }

    /// The service behind all of them.
    pub(super) fn site(&self) -> Site {
        self.around.iter().flatten().fold(self.service.clone(), |inner, around| around(inner))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").field("around", &self.around.iter().flatten().count()).finish_non_exhaustive()
    }
}

/// Any service as an [`App`] calls it. Bodies are whole, but for those that are meant to be sent as streams.
pub(super) fn site<S, B>(service: S) -> Site
where
    S: Service<Request, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    BoxCloneSyncService::new(service_fn(move |request| {
        let request: Request = request;
        let limit = request.extensions().get().copied();
        let answer = service.clone().oneshot(request);
        async move {
            let (mut parts, body) = answer.await.map_err(Error::from_handler)?.into_parts();
            if parts.extensions.get::<Streams>().is_some() {
                return Ok(Response::from_parts(parts, ResponseBody::stream(body)));
            }
            let body = whole(body, limit).await.unwrap_or_else(|error| {
                parts.status = error.status();
                parts.extensions.insert(error);
                Bytes::new()
            });
            Ok(Response::from_parts(parts, body.into()))
        }
    }))
}

impl App {
    /// Serves static files beside the service's own routes, and takes [error pages](Self::with_error_pages) from the templates: the
    /// layer of a [`ContentManager`], in its right place.
    ///
    /// The layers of an `App` stand around the service in one order, however the calls are ordered: content inside, then
    /// cookies, then the protection against cross-origin requests, then [`CloudFront`]. Each is there once; a second call takes
    /// the place of the first. A layer of your own goes around the service that [`new`](Self::new) takes.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, extract::State, routing::get};
    /// use chalice_http_toolkit::{Answer, App, CloudFront, ContentManager, Embedded, security::CrossOriginProtection};
    ///
    /// async fn index(State(content): State<ContentManager>) -> Answer {
    ///     Ok(content.render_template("index.html", ())?)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// const TEMPLATES: Embedded = Embedded::new(&[("index.html", b"<h1>Hello</h1>"), ("404.html", b"nothing here")]);
    /// const FILES: Embedded = Embedded::new(&[("site.css", b"h1 { color: teal }")]);
    /// let content = ContentManager::new(TEMPLATES, FILES)?;
    /// let router = Router::new().route("/", get(index)).with_state(content.clone());
    /// let app = App::new(router)
    ///     .with_content(&content)
    ///     .with_protection(CrossOriginProtection::from_env()?)
    ///     .with_cloudfront(CloudFront::new());
    ///
    /// for (path, expected) in [("/", "<h1>Hello</h1>"), ("/static/site.css", "color: teal"), ("/nope", "nothing here")] {
    ///     let event = format!(r#"{{"rawPath":"{path}","requestContext":{{"http":{{"method":"GET"}}}}}}"#);
    ///     let reply = serde_json::to_string(&app.invoke(&event, None).await?).unwrap();
    ///     assert!(reply.contains(expected), "{reply}");
    /// }
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// # }
    /// ```
    pub fn with_content(self, content: &ContentManager) -> Self {
        let layer = content.clone();
        self.with_error_pages(content).with_layer(LayerPosition::Content, move |inner| site(layer.layer(inner)))
    }

    /// Refuses requests that another site's page makes a visitor's browser send, with 403. Where it stands:
    /// [`with_content`](Self::with_content).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, security::CrossOriginProtection};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let site = service_fn(async |_| Ok::<_, std::convert::Infallible>(http::Response::new("sent".to_owned())));
    /// let app = App::new(site).with_protection(CrossOriginProtection::new());
    /// let event = r#"{"rawPath":"/","headers":{"sec-fetch-site":"cross-site"},"requestContext":{"http":{"method":"POST"}}}"#;
    /// assert_eq!(app.invoke(event, None).await?.status(), 403);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_protection(self, protection: CrossOriginProtection) -> Self {
        self.with_layer(LayerPosition::Protection, move |inner| site(protection.layer(inner)))
    }

    /// Decides on every answer what [`CloudFront`] says: 304, 206, 412, what may be kept. It stands around all other layers
    /// ([`with_content`](Self::with_content)).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, CloudFront};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let site = service_fn(async |_| Ok::<_, std::convert::Infallible>(http::Response::new("hello".to_owned())));
    /// let app = App::new(site).with_cloudfront(CloudFront::new());
    /// let event = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}"#;
    /// let reply = app.invoke(event, None).await?;
    /// assert!(serde_json::to_string(&reply).unwrap().contains("etag"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_cloudfront(self, cloudfront: CloudFront) -> Self {
        self.with_layer(LayerPosition::CloudFront, move |inner| site(cloudfront.layer(inner)))
    }

    pub(super) fn with_layer(
        mut self,
        place: LayerPosition,
        layer: impl Fn(Site) -> Site + Send + Sync + 'static,
    ) -> Self {
        self.layers.put(place, layer);
        self.service = self.layers.site();
        self
    }
}
