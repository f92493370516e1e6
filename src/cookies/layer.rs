//! The layer that gives each request its jar, and writes the `Set-Cookie` fields of the response. It knows no cookie by name.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, header};
use tower::{Layer, Service};

use super::{
    jar::{ClosedJar, CookieJar},
    seal::{self, Secrets},
    settings::CookieSettings,
    viewing,
};
use crate::{
    body::{Head, Limit},
    error::{BoxError, Error, Result},
    error_response::Panicked,
    fields::cache_control::{Personal, guard},
    pending::Pending,
    stage::Stage,
    variables,
};

/// Cookies that the site can trust: signed with a secret, and encrypted by choice. It is a [`tower::Layer`] inside of the
/// [`CloudFront`](crate::CloudFront) layer, around the handlers that use a [`CookieJar`].
///
/// A signed cookie can be read by the visitor and not be changed; an encrypted one can't be read either. Each is bound to
/// its name, so that none is good for another, and to its time where it has one. A visitor can keep a copy and send it again
/// within that time: what must end at once needs a database.
///
/// # A shared cache never gets a personal page
///
/// The jar is the only way to a cookie: the `Cookie` field is taken out of the request that the service sees. Whoever asks
/// the jar makes the response personal, as [`with_personal`](crate::Representation::with_personal) says, 304 and errors
/// alike, whether the cookie was there or not: the page for those who have none is not everybody's either. It holds for
/// pages, includes, macros and imports, since what they show came as an argument. **One exception is CloudFront's own**: it
/// keeps 404, 410, 414 and 500 to 504 for ten seconds whatever they say, unless the distribution sets ErrorCachingMinTTL to 0 for
/// them (410 has no such setting). Show nothing personal in an error.
///
/// # When a request fails
///
/// In an [`App`](crate::App) what was set, removed or flashed before a handler returned an error goes out with the error page. A
/// panic leaves nothing of it.
///
/// # Behind CloudFront
///
/// A behaviour that caches strips cookies from requests, and where it forwards them it stops asking with `If-None-Match`.
/// Give the paths whose pages read cookies a behaviour with the cache policy CachingDisabled and the origin request policy
/// AllViewerExceptHostHeader; keep everything else cached, without cookies. A cache policy with a minimum TTL above zero
/// ignores `private`: none of these paths may have one.
///
/// # Local
///
/// Cookies are `Secure` and have names that start with `__Host-`, which no other host of the domain can set (RFC 6265bis
/// §4.1.3.2). Over `http://localhost` some browsers take neither, so in development ([`Stage`]) they have neither; on Lambda
/// they always do.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "axum")] mod site {
/// use chalice_http_toolkit::{BoxError, CloudFront, cookies::{CookieJar, Cookies}};
/// use axum::{Router, routing::get};
/// use tower::Layer;
///
/// async fn index(jar: CookieJar) -> String {
///     format!("Hello, {}", jar.get("name").unwrap_or("stranger".into()))
/// }
///
/// # async fn run() -> Result<(), BoxError> {
/// let cookies = Cookies::from_env()?;
/// let router = Router::new().route("/", get(index));
/// let site = CloudFront::new().layer(cookies.layer(router));
/// chalice_http_toolkit::run(site).await?;
/// # Ok(())
/// # }
/// # }
/// ```
///
/// Encrypted, and with the secret from before, whose cookies are still good:
///
/// ```
/// use chalice_http_toolkit::cookies::Cookies;
///
/// let cookies = Cookies::new([2; 48])?.with_previous_secret([1; 48])?.with_encryption();
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cookies {
    settings: Arc<CookieSettings>,
}

impl Cookies {
    /// Signs cookies with keys that are derived from a secret (HKDF): 32 random bytes or more, the same in all instances,
    /// from the function's configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a shorter one.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self> {
        let secrets = Secrets::new(secret.as_ref())?;
        // Whatever the stage is called: what runs at AWS is reached by HTTPS alone.
        let at_aws = std::env::var_os("LAMBDA_TASK_ROOT").is_some();
        let secure = at_aws || !Stage::current().is_development();
        Ok(Self { settings: Arc::new(CookieSettings { secrets, secure }) })
    }

    /// Takes the secrets from the environment variables `COOKIE_SECRET` and, while the secret is changed,
    /// `COOKIE_SECRET_PREVIOUS`.
    ///
    /// Without `COOKIE_SECRET`, or where it is empty, the secret is a random one in development alone ([`Stage`]): cookies
    /// are then good until the process ends. In production the site does not start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where it is missing in production, where only the previous
    /// one is set, and as [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::cookies::Cookies;
    ///
    /// let cookies = Cookies::from_env()?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        Self::from_variables(Stage::current(), variables::PROCESS)
    }

    fn from_variables(stage: Stage, read: variables::Read<'_>) -> Result<Self> {
        let advice =
            "set it to 32 random bytes or more, such as `openssl rand -base64 48` prints, the same in all instances";
        let Some(secrets) = variables::secrets(["COOKIE_SECRET", "COOKIE_SECRET_PREVIOUS"], advice, stage, read)?
        else {
            return Self::new(seal::random_secret());
        };
        let cookies = Self::new(secrets.current)?;
        match secrets.previous {
            Some(previous) => cookies.with_previous_secret(previous),
            None => Ok(cookies),
        }
    }

    /// Takes cookies that were made with this secret too, which was the one before. New ones are made with the new secret.
    /// Default: none.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_previous_secret(self, secret: impl AsRef<[u8]>) -> Result<Self> {
        let secrets = self.settings.secrets.clone().with_previous(secret.as_ref())?;
        Ok(self.with(|settings| settings.secrets = secrets))
    }

    /// Encrypts cookies (AES-256-GCM) instead of signing them: visitors can't read what is in them. Cookies that are only
    /// signed are no longer taken. Default: signed (HMAC-SHA256).
    pub fn with_encryption(self) -> Self {
        self.with(|settings| settings.secrets.encrypts = true)
    }

    /// Whether cookies are `Secure` and have names that start with `__Host-`. Default: yes, except in development on one's
    /// own machine.
    pub fn with_secure(self, secure: bool) -> Self {
        self.with(|settings| settings.secure = secure)
    }

    fn with(mut self, change: impl FnOnce(&mut CookieSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> Layer<S> for Cookies {
    type Service = CookiesService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CookiesService { settings: self.settings.clone(), inner }
    }
}

/// A service whose requests have a [`CookieJar`]: what the layer [`Cookies`] makes.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::cookies::{Cookies, CookiesService};
/// use tower::Layer;
///
/// let service: CookiesService<&str> = Cookies::new([7; 32])?.layer("any service");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CookiesService<S> {
    settings: Arc<CookieSettings>,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for CookiesService<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    RB: Default,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let jar = CookieJar::new(self.settings.clone(), request.headers());
        let is_head = request.extensions().get::<Head>().is_some();
        // RFC 9110 §9.2.1, and no page is seen.
        let changes_nothing = is_head || [Method::HEAD, Method::OPTIONS, Method::TRACE].contains(request.method());
        let in_app = request.extensions().get::<Limit>().is_some();
        // SECURITY: nobody inside reads a cookie without the jar knowing.
        request.headers_mut().remove(header::COOKIE);
        request.extensions_mut().insert(jar.clone());
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            let is_page = response.as_ref().is_ok_and(viewing::is_page);
            let closed = jar.close(is_page && !changes_nothing);
            let response = match response {
                // What was set before it failed goes out with the error page.
                Err(error) if in_app => Ok(Error::from_handler(error).carried_by(RB::default())),
                response => response,
            };
            response.map(|response| sent(response, closed))
        })
    }
}

/// The response with the cookies that were set, and marked if it is personal.
fn sent<RB>(mut response: Response<RB>, closed: ClosedJar) -> Response<RB> {
    let ClosedJar { mut fields, read, is_for_now } = closed;
    if response.extensions().get::<Panicked>().is_some() {
        fields.clear();
    }
    if fields.is_empty() && !read {
        return response;
    }
    for field in fields {
        response.headers_mut().append(header::SET_COOKIE, field);
    }
    if is_for_now {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    // A representation gets its policy later, from the layer outside, and the mark makes that one private.
    response.extensions_mut().insert(Personal);
    if response.extensions().get::<Pending>().is_none() {
        // What is decided on already may meet no such layer any more.
        guard(&mut response);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_site_without_a_cookie_secret_starts_in_development_alone() {
        let (dev, prod) = (Stage::of(Some("dev"), true), Stage::of(Some("prod"), true));
        let (one, other) = ("a-secret-of-thirty-two-bytes-0001", "a-secret-of-thirty-two-bytes-0002");
        for (stage, current, previous, starts) in [
            (dev, "", "", true),
            (dev, one, "", true),
            (dev, "short", "", false),
            (dev, "", other, false),
            (prod, "", "", false),
            (prod, "", other, false),
            (prod, "short", "", false),
            (prod, one, "short", false),
            (prod, one, "", true),
            (prod, one, other, true),
        ] {
            let read = |name: &str| Some(if name == "COOKIE_SECRET" { current } else { previous }.into());
            let cookies = Cookies::from_variables(stage, &read);
            assert_eq!(cookies.is_ok(), starts, "{stage:?} {current} {previous}");
            assert!(cookies.err().is_none_or(|error| error.kind() == ErrorKind::Configuration));
        }
    }

    #[test]
    fn the_secrets_of_the_environment_are_used_and_a_random_one_is_never_the_same() {
        let (dev, one, other) = (Stage::of(Some("dev"), true), [1; 32], [2; 32]);
        let text = |bytes: [u8; 32]| String::from_utf8(bytes.to_vec()).expect("ASCII");
        let set = |name: &str| Some(if name == "COOKIE_SECRET" { text(one) } else { text(other) }.into());
        let opens = |cookies: &Cookies, secret: &[u8]| {
            let sealed = Secrets::new(secret).expect("long enough").seal("n", "v", None);
            cookies.settings.secrets.open("n", &sealed, 0).is_some()
        };
        let cookies = Cookies::from_variables(dev, &set).expect("two good secrets");
        assert!(opens(&cookies, &one) && opens(&cookies, &other) && !opens(&cookies, &[3; 32]));
        let (first, second) = (Cookies::from_variables(dev, &|_| None), Cookies::from_variables(dev, &|_| None));
        let (first, second) = (first.expect("a random one"), second.expect("a random one"));
        let sealed = first.settings.secrets.seal("n", "v", None);
        assert!(first.settings.secrets.open("n", &sealed, 0).is_some());
        assert!(second.settings.secrets.open("n", &sealed, 0).is_none());
    }
}
