//! The place of the cookies' layer among those of an `App`.

use tower::Layer;

use super::{
    App,
    layers::{LayerPosition, site},
};
use crate::cookies::Cookies;

impl App {
    /// Gives each handler a [`CookieJar`](crate::cookies::CookieJar). Where it stands: [`with_content`](Self::with_content).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, CloudFront, cookies::{CookieJar, Cookies}};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let site = service_fn(async |request: lambda_http::Request| {
    ///     let jar = request.extensions().get::<CookieJar>().expect("a jar");
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(jar.get("name").unwrap_or("stranger".to_owned())))
    /// });
    /// let app = App::new(site).with_cookies(Cookies::from_env()?).with_cloudfront(CloudFront::new());
    /// let event = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}"#;
    /// let reply = serde_json::to_string(&app.invoke(event, None).await?).unwrap();
    /// assert!(reply.contains("stranger") && reply.contains("private"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_cookies(self, cookies: Cookies) -> Self {
        self.with_layer(LayerPosition::Cookies, move |inner| site(cookies.layer(inner)))
    }
}
