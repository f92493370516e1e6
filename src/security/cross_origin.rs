//! Refuses cross-site requests (cross-site request forgery). It reads the method and three header fields, and knows no session.

use std::{
    collections::HashSet,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{HeaderMap, HeaderName, Method, Request, Response, header};
use std::future::{Ready, ready};
use tower::{Layer, Service};

use crate::{
    error::{Error, ErrorKind, Result},
    fields::web_origin::WebOrigin,
    variables,
};

/// Refuses what another site's page makes a visitor's browser send: cross-site request forgery (CSRF).
///
/// It needs no token, so that pages with forms stay the same for everybody and cacheable: browsers say by themselves where
/// a request comes from, in `Sec-Fetch-Site` (Fetch Metadata; all browsers since 2023) and `Origin` (Fetch Standard, "Origin
/// header"), which no page can change. In this order:
///
/// 1. GET, HEAD and OPTIONS pass. They must not change anything (RFC 9110 §9.2.1): the rule of your site that this layer
///    relies on.
/// 2. An `Origin` that is one of the trusted ones passes.
/// 3. `Sec-Fetch-Site: same-origin` passes, and `none`, which is the visitor's own doing; any other value is refused,
///    `same-site` too: another subdomain is another site's page.
/// 4. Without that field, as in older browsers and over plain HTTP, an `Origin` must name the host of the `Host` field.
/// 5. With neither field it passes: it is no browser's, and so nobody's cookies come with it unasked.
///
/// What is refused is answered with 403 and `Cache-Control: no-store`; in an [`App`](crate::App) it is the site's page
/// `403.html`. The service does not see it.
///
/// # Behind CloudFront
///
/// The `Host` that a function sees there is its own and not the visitor's: name the public origin with
/// [`with_trusted_origin`](Self::with_trusted_origin), or forms from the few browsers of rule 4 are refused. CloudFront must
/// forward `Origin` and `Sec-Fetch-Site`, as the origin request policy AllViewerExceptHostHeader does: without both of
/// them every request looks like no browser's. A behaviour that takes forms has to allow POST anyhow.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::security::CrossOriginProtection;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let form = service_fn(async |_: http::Request<()>| Ok::<_, std::convert::Infallible>(http::Response::new("sent".to_owned())));
/// let site = CrossOriginProtection::new().with_trusted_origin("https://shop.example")?.layer(form);
///
/// let post = |site: &str| http::Request::post("/contact").header("sec-fetch-site", site).body(()).unwrap();
/// assert_eq!(site.clone().oneshot(post("same-origin")).await.unwrap().status(), 200);
/// assert_eq!(site.clone().oneshot(post("cross-site")).await.unwrap().status(), 403);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossOriginProtection {
    trusted: Arc<HashSet<String>>,
}

impl CrossOriginProtection {
    /// Trusts the page's own origin only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the page's own origin, and the one that the environment variable `PUBLIC_ORIGIN` names, if it is set:
    /// `https://www.shop.example`, the address that visitors have. Behind CloudFront set it: it is for the few browsers that
    /// send no `Sec-Fetch-Site`.
    ///
    /// # Errors
    ///
    /// As [`with_trusted_origin`](Self::with_trusted_origin).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::security::CrossOriginProtection;
    ///
    /// let protection = CrossOriginProtection::from_env()?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        match variables::text("PUBLIC_ORIGIN", variables::PROCESS)? {
            Some(origin) => Self::new().with_trusted_origin(&origin),
            None => Ok(Self::new()),
        }
    }

    /// Takes requests from the pages of this origin too: the public one of the site, `https://shop.example`, or a service
    /// that sends its visitors back with a form. For several origins it is called several times. Default: none.
    ///
    /// It is one origin, compared as browsers write it: a scheme (`https` or `http`), a host, and a port that is not the
    /// scheme's own. Capitals and `:443` behind `https` are put that way here. There are no wildcards: each subdomain is
    /// trusted by its name, so that one that somebody else may run is not trusted with the others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what no browser sends, with the reason: a wildcard, no scheme or another one, `null`, a
    /// user, a path or a slash at the end, a host with letters beyond ASCII (write it as `xn--…`).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ErrorKind, security::CrossOriginProtection};
    ///
    /// let shops = CrossOriginProtection::new()
    ///     .with_trusted_origin("https://www.shop.example")?
    ///     .with_trusted_origin("https://pay.shop.example")?;
    ///
    /// let error = shops.with_trusted_origin("https://*.shop.example").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Configuration);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_trusted_origin(mut self, origin: &str) -> Result<Self> {
        let trusted = WebOrigin::parse(origin).map_err(|why| {
            // What stands before an `@` may be a password.
            let shown = origin.rsplit('@').next().unwrap_or_default();
            let message = format!("`{shown}` is no origin that a browser sends, such as `https://shop.example`: {why}");
            Error::new(ErrorKind::Configuration, message)
        })?;
        Arc::make_mut(&mut self.trusted).insert(trusted.to_string());
        Ok(self)
    }

    /// Why a request is refused; `None` if it passes.
    fn refuses<B>(&self, request: &Request<B>) -> Option<&'static str> {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
            return None;
        }
        let headers = request.headers();
        let origin = single_line(headers, &header::ORIGIN);
        if let SingleLine::Value(origin) = origin
            && self.trusted.contains(origin)
        {
            return None;
        }
        match (single_line(headers, &SEC_FETCH_SITE), origin) {
            (SingleLine::Value("same-origin" | "none"), _) | (SingleLine::Absent, SingleLine::Absent) => None,
            (SingleLine::Absent, SingleLine::Value(origin)) if is_host(origin, request) => None,
            (SingleLine::Absent, _) => Some("its Origin is not this host's, nor a trusted one"),
            _ => Some("Sec-Fetch-Site says that another site's page made it"),
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The value of a field that has one line at most.
#[derive(Clone, Copy)]
enum SingleLine<'a> {
    Absent,
    Value(&'a str),
    /// Several lines, or one that is no text: no browser sends that.
    Malformed,
}

fn single_line<'a>(headers: &'a HeaderMap, name: &HeaderName) -> SingleLine<'a> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => SingleLine::Absent,
        (Some(line), None) => line.to_str().map_or(SingleLine::Malformed, SingleLine::Value),
        _ => SingleLine::Malformed,
    }
}

/// Whether an origin is that of the host that was asked. The scheme is not compared: behind a front door nobody knows it.
fn is_host<B>(origin: &str, request: &Request<B>) -> bool {
    let asked = match single_line(request.headers(), &header::HOST) {
        SingleLine::Value(asked) => asked,
        // HTTP/2 and later have it in the URL alone (RFC 9113 §8.3.1).
        SingleLine::Absent => request.uri().authority().map_or("", |authority| authority.as_str()),
        SingleLine::Malformed => "",
    };
    WebOrigin::parse(origin).is_ok_and(|origin| origin.is_host(asked))
}

impl<S> Layer<S> for CrossOriginProtection {
    type Service = CrossOriginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CrossOriginService { protection: self.clone(), inner }
    }
}

/// A service behind a [`CrossOriginProtection`]: what its layer makes.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::security::{CrossOriginProtection, CrossOriginService};
/// use tower::Layer;
///
/// let service: CrossOriginService<&str> = CrossOriginProtection::new().layer("any service");
/// ```
#[derive(Clone, Debug)]
pub struct CrossOriginService<S> {
    protection: CrossOriginProtection,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for CrossOriginService<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    RB: From<&'static str>,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Self::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.protection.refuses(&request) {
            None => Either::Right(self.inner.call(request)),
            Some(reason) => {
                let error = Error::new(ErrorKind::CrossOrigin, format!("a request is refused: {reason}"));
                Either::Left(ready(Ok(error.into())))
            }
        }
    }
}
