//! Sets the security fields of every response. It learns of a page's inline scripts from the response's extensions.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tower::{Layer, Service};

use super::policy::Policy;
use crate::{
    error::{Error, ErrorKind, Result},
    fields::{media_type, ows},
    inline::Inline,
    pending::Pending,
};

/// Adds the fields that tell browsers what a site's pages may do, with defaults that are safe.
///
/// | field | on | default |
/// |---|---|---|
/// | `Content-Security-Policy` | HTML and XML | below |
/// | `X-Frame-Options` | HTML and XML | `DENY`, for browsers that don't know `frame-ancestors` |
/// | `X-Content-Type-Options` | everything | `nosniff` |
/// | `Referrer-Policy` | everything | `strict-origin-when-cross-origin` |
/// | `Strict-Transport-Security` | everything | none: [`with_hsts`](Self::with_hsts) |
/// | `Permissions-Policy` | HTML | none: [`with_permissions_policy`](Self::with_permissions_policy) |
///
/// A field that a handler has set stays as it is, as the policy of SVG files does. A 304 gets none of them: a cache keeps
/// those of the answer that it has (RFC 9110 §15.4.5). So a policy that changes reaches a stored page when its tag changes: that
/// of a template with each release, that of bytes (`content.html()`, a static `.html`) with the bytes, not before.
///
/// It is a [`tower::Layer`] around the [`CloudFront`](crate::CloudFront) layer; inside of it nothing is added, and that is logged
/// as an error. `App::with_security_headers` does the same and reaches error pages too.
///
/// # The policy
///
/// ```text
/// default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:; object-src 'none'
/// ```
///
/// Scripts and styles come from the site's own files. An inline `<script>` or `<style>` runs if a template has it word for
/// word: its SHA-256 is computed when templates are loaded, and stands in the policy of each page that can contain it. So
/// a script that somebody slipped into the page does not run, and there is no nonce, which would make every page another one
/// and end all 304s.
///
/// Blocked are inline scripts with template expressions in them (put what changes into `data-` attributes), event handlers
/// (`onclick="…"`), `style="…"` attributes and `javascript:` URLs;
/// [`check_inline`](crate::ContentManager::check_inline) finds them. A page that shows pictures by `picture()` or `image()` has
/// `style-src-attr 'unsafe-inline'`, which their placeholders need. Pages made without templates have no hashes.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{App, CloudFront, ContentManager, Embedded, security::SecurityHeaders};
/// use std::time::Duration;
/// use tower::service_fn;
/// use tower::Layer;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// const TEMPLATES: Embedded = Embedded::new(&[("index.html", b"<script>start()</script>")]);
/// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
/// let site = service_fn(move |_| {
///     let page = content.render_template("index.html", ());
///     async { page.map(http::Response::<String>::from) }
/// });
/// let headers = SecurityHeaders::new()
///     .with_directive("img-src", "'self' https://images.example")?
///     .with_hsts(Duration::from_secs(365 * 24 * 60 * 60));
/// let app = App::new(CloudFront::new().layer(site)).with_security_headers(headers);
///
/// let event = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}"#;
/// let reply = serde_json::to_string(&app.invoke(event, None).await?).unwrap();
/// assert!(reply.contains("script-src 'self' 'sha256-"), "{reply}");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
///
/// As a layer, with all that is left out by default:
///
/// ```
/// use chalice_http_toolkit::{CloudFront, Error, Representation, security::SecurityHeaders};
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let site = service_fn(async |_: http::Request<()>| {
///     Ok::<http::Response<String>, Error>(Representation::new("text/html", "<h1>Hello</h1>").into())
/// });
/// let headers = SecurityHeaders::new()
///     .with_referrer_policy("same-origin")?
///     .with_hsts_and_subdomains(Duration::from_secs(24 * 60 * 60))
///     .with_permissions_policy("camera=(), geolocation=()")?;
/// let response = headers.layer(CloudFront::new().layer(site)).oneshot(http::Request::new(())).await?;
/// assert_eq!(response.headers()["referrer-policy"], "same-origin");
/// assert_eq!(response.headers()["strict-transport-security"], "max-age=86400; includeSubDomains");
/// assert_eq!(response.headers()["permissions-policy"], "camera=(), geolocation=()");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    policy: Policy,
    frame_options: Option<HeaderValue>,
    referrer_policy: HeaderValue,
    hsts: Option<HeaderValue>,
    permissions_policy: Option<HeaderValue>,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            frame_options: Some(HeaderValue::from_static("DENY")),
            referrer_policy: HeaderValue::from_static("strict-origin-when-cross-origin"),
            hsts: None,
            permissions_policy: None,
        }
    }
}

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Referrer Policy, §3.
const REFERRER_POLICIES: [&str; 8] = [
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
];

impl SecurityHeaders {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a directive of the Content-Security-Policy, in place of the default one of that name. Hashes are added to
    /// `script-src` and `style-src` by themselves, but not to one that has `'unsafe-inline'`: they would switch that off.
    /// `X-Frame-Options` follows `frame-ancestors`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what is no directive: a name with other characters than letters and `-`, a value with
    /// a semicolon, a comma or a line break, and a keyword such as `self` without its quotation marks, which would be a host.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::security::SecurityHeaders;
    ///
    /// let embedded_by_a_partner = SecurityHeaders::new().with_directive("frame-ancestors", "https://partner.example")?;
    /// assert!(SecurityHeaders::new().with_directive("script-src", "'self'; object-src *").is_err());
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_directive(mut self, name: &str, value: &str) -> Result<Self> {
        self.policy.set(name, value)?;
        if name.eq_ignore_ascii_case("frame-ancestors") {
            self.frame_options = match ows::trim(value).to_ascii_lowercase().as_str() {
                "'none'" => Some(HeaderValue::from_static("DENY")),
                "'self'" => Some(HeaderValue::from_static("SAMEORIGIN")),
                // It has no way to name others.
                _ => None,
            };
        }
        Ok(self)
    }

    /// Sends another Referrer-Policy: one, or several separated by commas, of which browsers take the last that they know.
    /// Default: `strict-origin-when-cross-origin`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what can't stand in a field, and where no policy that browsers know is in it: they
    /// would ignore it.
    pub fn with_referrer_policy(mut self, policy: &str) -> Result<Self> {
        if !policy.split(',').any(|policy| REFERRER_POLICIES.contains(&ows::trim(policy))) {
            let message = format!("`{policy}` is no Referrer-Policy: there are {}", REFERRER_POLICIES.join(", "));
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        self.referrer_policy = value("Referrer-Policy", policy)?;
        Ok(self)
    }

    /// Has browsers use HTTPS alone for this host, for so long (RFC 6797), in whole seconds. There is no way back before that
    /// time is over: begin with a day. Default: not sent.
    pub fn with_hsts(self, max_age: Duration) -> Self {
        self.with_hsts_value(format!("max-age={}", max_age.as_secs()))
    }

    /// The same for all subdomains too, whoever runs them. Default: not sent.
    pub fn with_hsts_and_subdomains(self, max_age: Duration) -> Self {
        self.with_hsts_value(format!("max-age={}; includeSubDomains", max_age.as_secs()))
    }

    fn with_hsts_value(mut self, value: String) -> Self {
        self.hsts = HeaderValue::try_from(value).ok();
        self
    }

    /// Sends a Permissions-Policy, such as `camera=(), geolocation=()`. Default: not sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what can't stand in a field.
    pub fn with_permissions_policy(mut self, policy: &str) -> Result<Self> {
        self.permissions_policy = Some(value("Permissions-Policy", policy)?);
        Ok(self)
    }

    /// Adds the fields that a response lacks.
    pub(crate) fn apply<B>(&self, response: &mut Response<B>) {
        if response.status() == StatusCode::NOT_MODIFIED {
            return;
        }
        if response.extensions().get::<Pending>().is_some() {
            tracing::error!(
                "SecurityHeaders are inside of the layer that decides on representations, whose fields they cannot see: put them around it"
            );
            return;
        }
        let inline = response.extensions().get::<Arc<Inline>>().cloned();
        let headers = response.headers_mut();
        let set = |headers: &mut HeaderMap, name: HeaderName, value: Option<&HeaderValue>| {
            value.into_iter().for_each(|value| _ = headers.entry(&name).or_insert_with(|| value.clone()));
        };
        set(headers, header::X_CONTENT_TYPE_OPTIONS, Some(&HeaderValue::from_static("nosniff")));
        set(headers, header::REFERRER_POLICY, Some(&self.referrer_policy));
        set(headers, header::STRICT_TRANSPORT_SECURITY, self.hsts.as_ref());
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type::essence(media_type);
        if media_type::is_html(&media_type) {
            set(headers, PERMISSIONS_POLICY, self.permissions_policy.as_ref());
        }
        // A policy of the handler's own says by itself who may frame the page.
        if media_type::is_markup(&media_type) && !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            set(headers, header::X_FRAME_OPTIONS, self.frame_options.as_ref());
            set(headers, header::CONTENT_SECURITY_POLICY, Some(&self.policy.value(inline.as_deref())));
        }
    }
}

fn value(field: &str, text: &str) -> Result<HeaderValue> {
    let refused = |error| Error::caused(ErrorKind::Configuration, format!("`{text}` is no {field}"), error);
    HeaderValue::try_from(text).map_err(refused)
}

impl<S> Layer<S> for SecurityHeaders {
    type Service = SecurityHeadersService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SecurityHeadersService { headers: Arc::new(self.clone()), inner }
    }
}

/// A service whose answers have [`SecurityHeaders`]: what their layer makes.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::security::{SecurityHeaders, SecurityHeadersService};
/// use tower::Layer;
///
/// let service: SecurityHeadersService<&str> = SecurityHeaders::new().layer("any service");
/// ```
#[derive(Clone, Debug)]
pub struct SecurityHeadersService<S> {
    headers: Arc<SecurityHeaders>,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for SecurityHeadersService<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Future: Send + 'static,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let headers = self.headers.clone();
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = match response.await {
                Ok(response) => response,
                Err(error) => return Err(error),
            };
            headers.apply(&mut response);
            Ok(response)
        })
    }
}
