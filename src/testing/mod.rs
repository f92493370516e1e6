//! A site in its own tests: requests that go the real way, through any front door, and behind a cache.
//!
//! [`TestSite`] sends requests to a site as a front door does. [`TestEdge`] puts CloudFront's cache before it, and
//! [`CacheResult`] is what that says of an answer.
//!
//! It has no way of its own: each request becomes the event of a front door, and each reply what that makes of it.

mod cache_result;
mod copies;
mod crawl;
mod edge;
mod form;
mod purging;
mod rules;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tower::Service;

pub use cache_result::CacheResult;
pub use crawl::BrokenLink;
pub use edge::TestEdge;

pub use crate::local_edge::LocalEdge;

use crate::{
    error::BoxError,
    fields::ows,
    hidden::{Fields, Length},
    runtime::{App, Front, exchange::exchange},
};

/// A site in a test: requests become events of a front door, and its replies become answers, as on Lambda. What the door
/// does to paths and fields is done here too ([`Front`]): behind [`Front::Rest`] no `WWW-Authenticate` arrives.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded, Front, testing::TestSite};
/// use tower::{Layer, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
/// # let service = CloudFront::new().layer(service_fn(move |_: lambda_http::Request| {
/// #     let page = content.html("<h1>Hello</h1>");
/// #     async { Ok::<http::Response<String>, std::convert::Infallible>(page.into()) }
/// # }));
/// let site = TestSite::new(service); // whatever `run` is given
/// let page = site.get("/").header("accept-language", "de").send().await;
/// assert_eq!((page.status().as_u16(), page.text()), (200, "<h1>Hello</h1>"));
///
/// let again = site.get("/").header("if-none-match", page.header("etag")).through(Front::Alb).send().await;
/// assert_eq!(again.status(), 304);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TestSite {
    app: Arc<App>,
    front: Front,
}

impl TestSite {
    /// A site of this service, behind an HTTP API.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<lambda_http::Request, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Self::of(App::new(service))
    }

    /// An app with all that it was told.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, Front, testing::TestSite};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let broken = tower::service_fn(async |_| Err::<http::Response<String>, _>("no database"));
    /// let app = App::new(broken).with_development(true); // error pages say why
    /// let page = TestSite::of(app).with_front(Front::Url).get("/").send().await;
    /// assert_eq!(page.status(), 500);
    /// assert!(page.text().contains("no database"));
    /// # });
    /// ```
    pub fn of(app: App) -> Self {
        Self { app: Arc::new(app), front: Front::Http }
    }

    /// Has requests come through this front door. Default: [`Front::Http`].
    pub fn with_front(mut self, front: Front) -> Self {
        self.front = front;
        self
    }

    /// A GET request for a path with its query.
    pub fn get(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::GET, target)
    }

    /// A POST request.
    pub fn post(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::POST, target)
    }

    /// A request by any method.
    ///
    /// # Panics
    ///
    /// For a target that is no path: it starts with a slash and has no spaces.
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(Target::Site(self), method, target)
    }

    async fn send(&self, front: Option<Front>, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let (parts, body) = exchange(&self.app, front.unwrap_or(self.front), &parts, &body).await.into_parts();
        match body.collect().await {
            Ok(body) => Response::from_parts(parts, body.to_bytes()),
            Err(error) => panic!("the answer broke off: {error}"),
        }
    }
}

const FETCH_SITE: &str = "sec-fetch-site";

/// Where a request is sent to.
enum Target<'a> {
    Site(&'a TestSite),
    Edge(&'a TestEdge),
}

/// A request to a [`TestSite`] or a [`TestEdge`], to be [sent](Self::send).
///
/// # Examples
///
/// ```
/// # use chalice_http_toolkit::testing::TestSite;
/// # async fn test(site: TestSite) {
/// let answer = site.post("/contact").form(&[("name", "Núria"), ("text", "Hello")]).send().await;
/// assert_eq!(answer.header("location"), "/thanks");
/// # }
/// ```
#[must_use = "a request does nothing before it is sent"]
pub struct TestRequest<'a> {
    asked: Target<'a>,
    front: Option<Front>,
    request: Request<Bytes>,
}

impl<'a> TestRequest<'a> {
    fn new(asked: Target<'a>, method: Method, target: &str) -> Self {
        let request = Request::builder().method(method).uri(target).header(header::HOST, "site.test");
        let request = request.header("x-forwarded-proto", "https").body(Bytes::new());
        let request = request.unwrap_or_else(|error| panic!("`{target}` is no path: {error}"));
        assert!(target.starts_with('/'), "`{target}` is no path: it starts with a slash");
        Self { asked, front: None, request }
    }

    /// Adds a line to a header field. `Host`, `Content-Type`, `Cookie` and `Sec-Fetch-Site`, which have one line, get this one.
    ///
    /// # Panics
    ///
    /// For a name or a value that no field has.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        let value = HeaderValue::try_from(value).unwrap_or_else(|error| panic!("`{value}`: {error}"));
        match ["host", "content-type", "cookie", FETCH_SITE].contains(&name.as_str()) {
            true => _ = self.request.headers_mut().insert(name, value),
            false => _ = self.request.headers_mut().append(name, value),
        }
        self
    }

    /// Through this front door, whatever the site's is.
    pub fn through(mut self, front: Front) -> Self {
        self.front = Some(front);
        self
    }

    /// With a body of this type.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut this = self.header("content-type", content_type);
        *this.request.body_mut() = body.into();
        this
    }

    /// With the fields of a form, urlencoded, as the page of the site itself sends it; a `Sec-Fetch-Site` of your own stays.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let (content_type, body) = form::urlencoded(fields);
        self.of_the_sites_page().body(&content_type, body)
    }

    /// With the fields of a form that has files, multipart, as the page of the site itself sends it. A file is its field, its
    /// name and its bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use chalice_http_toolkit::testing::TestSite;
    /// # async fn test(site: TestSite) {
    /// let picture = ("picture", "bowl.jpg", b"\xff\xd8\xff".as_slice());
    /// let answer = site.post("/contact").form_with_files(&[("name", "Ada")], &[picture]).send().await;
    /// assert_eq!(answer.status(), 303);
    /// # }
    /// ```
    pub fn form_with_files(self, fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Self {
        let (content_type, body) = form::multipart(fields, files);
        self.of_the_sites_page().body(&content_type, body)
    }

    fn of_the_sites_page(self) -> Self {
        let is_told = self.request.headers().contains_key(FETCH_SITE);
        if is_told { self } else { self.header(FETCH_SITE, "same-origin") }
    }

    /// With the cookies that a browser has after this answer, and after those that were given before it: what an answer has
    /// set replaces what was there, and what it has removed is no more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use chalice_http_toolkit::testing::TestSite;
    /// # async fn test(site: TestSite) {
    /// let login = site.post("/log-in").form(&[("name", "ada"), ("password", "1815")]).send().await;
    /// let account = site.get("/account").cookies_of(&login).send().await;
    /// assert!(account.text().contains("Hello, ada"));
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test(TestSite::new(tower::service_fn(
    /// #     async |request: lambda_http::Request| {
    /// #         let is_ada = request.headers().get("cookie").is_some_and(|cookie| cookie == "user=ada");
    /// #         let response = http::Response::builder().header("set-cookie", "user=ada; Path=/");
    /// #         response.body(if is_ada { "Hello, ada" } else { "" }.to_owned())
    /// #     },
    /// # ))));
    /// ```
    pub fn cookies_of(self, answer: &TestAnswer) -> Self {
        let name_of = |pair: &str| ows::trim(pair.split('=').next().unwrap_or_default()).to_owned();
        let had = self.request.headers().get(header::COOKIE).and_then(|pairs| pairs.to_str().ok()).unwrap_or_default();
        let mut pairs: Vec<String> = had.split("; ").filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        for line in answer.headers().get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
            let pair = line.split(';').next().unwrap_or_default();
            pairs.retain(|other| name_of(other) != name_of(pair));
            if !line.to_ascii_lowercase().split(';').any(|attribute| ows::trim(attribute) == "max-age=0") {
                pairs.push(pair.to_owned());
            }
        }
        if pairs.is_empty() {
            let mut this = self;
            this.request.headers_mut().remove(header::COOKIE);
            return this;
        }
        self.header("cookie", &pairs.join("; "))
    }

    /// What the client gets. Where the site fails, a page with a status from 500, and the reason in the log.
    pub async fn send(self) -> TestAnswer {
        match self.asked {
            Target::Site(site) => TestAnswer { response: site.send(self.front, self.request).await, cache: None },
            Target::Edge(edge) => edge.answer(self.front, self.request).await,
        }
    }
}

/// What a client gets.
///
/// # Examples
///
/// ```
/// # use chalice_http_toolkit::testing::TestSite;
/// # async fn test(site: TestSite) {
/// let answer = site.get("/logo.png").send().await;
/// assert_eq!(answer.header("content-type"), "image/png");
/// assert!(answer.bytes().starts_with(b"\x89PNG"));
/// # }
/// ```
#[derive(Clone)]
pub struct TestAnswer {
    response: Response<Bytes>,
    cache: Option<CacheResult>,
}

impl TestAnswer {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// All header fields.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The first line of a header field as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers().get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok()).unwrap_or_default()
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        self.response.body()
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// Where it is no UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_else(|error| panic!("the body is no text: {error}"))
    }

    /// What a [`TestEdge`] did for it; `None` where none was asked.
    pub fn cache(&self) -> Option<CacheResult> {
        self.cache
    }
}

/// Without the query, the body, and the fields that tell who somebody is: a test's output is a log too.
impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest")
            .field("front", &self.front)
            .field("method", self.request.method())
            .field("path", &self.request.uri().path())
            .field("headers", &Fields(self.request.headers()))
            .field("body", &Length(self.request.body().len()))
            .finish_non_exhaustive()
    }
}

/// Without the body, and without cookies.
impl fmt::Debug for TestAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAnswer")
            .field("status", &self.status())
            .field("headers", &Fields(self.headers()))
            .field("body", &Length(self.bytes().len()))
            .field("cache", &self.cache)
            .finish()
    }
}
