//! Arguments that every page may have, made from the request that is answered: who is logged in, messages, a menu. It does not
//! know what a template does with them.
//!
//! The request of a handler waits in its thread while the handler is polled, so that a page finds it without being handed it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
};

use http::Request;
use minijinja::value::{Value, ValueKind, merge_maps};
use serde::Serialize;

use super::ContentManager;
use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    pages::{page_tag::Closure, templates::value_of},
};

/// The arguments by name, in the order in which they were added.
#[derive(Clone, Default)]
pub(super) struct Context(Vec<(Arc<str>, Argument)>);

type Argument = Arc<dyn Fn(&Request<()>) -> Result<Value, BoxError> + Send + Sync>;

/// The context of one page: those arguments that its templates name.
pub(super) type Arguments = Vec<(Arc<str>, Value)>;

impl ContentManager {
    /// Adds an argument that a function makes from the request, such as the visitor's name, messages or a menu.
    ///
    /// The function is called only for pages whose templates name the argument. So a cookie is read only for pages that show
    /// it. These pages are [personal](crate::Representation::with_personal), and CloudFront may keep all others for everybody.
    /// The argument counts in the page's tag like all arguments: only the parts that the templates read.
    ///
    /// - It is called when the handler asks for the page ([`render_template`](Self::render_template),
    ///   [`render_template_with`](Self::render_template_with), [`render_block`](Self::render_block) and the error pages that the
    ///   site makes), within the handler's future.
    /// - If the handler passes an argument of this name, the function is not called.
    /// - It gets the request without the body, as [`App::with_content`](crate::App::with_content) or the layer of the content
    ///   gets it: method, URL, fields and extensions. `CookieJar::of(request)` has the cookies.
    /// - Without a request the argument is undefined: in a task, in a future that the handler spawned, without the layer, and on
    ///   error pages that [`App`](crate::App) makes for a failure. The log says so once for each template.
    ///
    /// The function is not `async`. For data from a database, use an extractor, and pass the data as an argument.
    ///
    /// # Errors
    ///
    /// If the function fails, rendering the page fails with [`ErrorKind::Handler`](crate::ErrorKind::Handler). An
    /// [`Error`](crate::Error) of this crate keeps its kind.
    ///
    /// # Examples
    ///
    /// Login on a site that CloudFront keeps: `about.html` does not name `user`.
    ///
    /// ```
    /// # #[cfg(all(feature = "axum", feature = "cookies", feature = "testing"))] {
    /// use axum::{Router, extract::State, routing::get};
    /// use chalice_http_toolkit::{
    ///     Answer, App, CloudFront, ContentManager, Embedded, Error,
    ///     cookies::{CookieJar, Cookies, SetCookie},
    ///     testing::TestSite,
    /// };
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[
    ///     ("about.html", b"<h1>About us</h1>"),
    ///     ("index.html", b"<p>Hello, {{ user or 'guest' }}"),
    /// ]);
    ///
    /// async fn about(State(content): State<ContentManager>) -> Answer {
    ///     Ok(content.render_template("about.html", ())?)
    /// }
    ///
    /// async fn index(State(content): State<ContentManager>) -> Answer {
    ///     Ok(content.render_template("index.html", ())?)
    /// }
    ///
    /// async fn sign_in(State(content): State<ContentManager>, jar: CookieJar) -> Answer {
    ///     jar.set(SetCookie::new("user", "Maya"))?;
    ///     Ok(content.see_other("/"))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?
    ///     .with_context("user", |request| Ok::<_, Error>(CookieJar::of(request)?.get("user")));
    /// let router = Router::new().route("/", get(index).post(sign_in)).route("/about", get(about));
    /// let app = App::new(router.with_state(content.clone()))
    ///     .with_content(&content)
    ///     .with_cookies(Cookies::new([7; 32])?)
    ///     .with_cloudfront(CloudFront::new());
    ///
    /// let site = TestSite::of(app);
    /// let signed_in = site.post("/").send().await;
    /// let index = site.get("/").cookies_of(&signed_in).send().await;
    /// assert_eq!((index.text(), index.header("vary")), ("<p>Hello, Maya", "cookie"));
    ///
    /// let about = site.get("/about").cookies_of(&signed_in).send().await;
    /// assert_eq!((about.header("cache-control"), about.header("vary")), ("no-cache", "")); // as without cookies
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// # }
    /// ```
    pub fn with_context<T, E>(
        self,
        name: &str,
        argument: impl Fn(&Request<()>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: Serialize,
        E: Into<BoxError>,
    {
        let argument: Argument = Arc::new(move |request| {
            let value = argument(request).map_err(Into::into)?;
            Ok(value_of("", &value)?)
        });
        self.with(|setup| setup.context.0.push((name.into(), argument)))
    }

    /// The arguments of a page, with the context that its templates name and the arguments don't have. `None` where the
    /// arguments are all that there is.
    pub(super) fn in_context(
        &self,
        name: &str,
        closure: Option<&Closure>,
        arguments: &impl Serialize,
    ) -> Result<Option<Value>> {
        if self.named(closure).next().is_none() {
            return Ok(None);
        }
        let given = value_of(name, arguments)?;
        let context = self.context(name, closure, &given)?;
        Ok(Some(merged(given, context)))
    }

    /// The context that a page's templates name and its arguments, so far as they are known, don't have.
    pub(super) fn context(&self, name: &str, closure: Option<&Closure>, given: &Value) -> Result<Arguments> {
        let is_given = |name: &str| given.get_attr(name).is_ok_and(|value| !value.is_undefined());
        let mut missing = self.named(closure).filter(|(name, _)| !is_given(name)).peekable();
        if missing.peek().is_none() {
            return Ok(Vec::new());
        }
        let Some(request) = CURRENT.with_borrow(Clone::clone) else {
            let arguments: Vec<&str> = missing.map(|(name, _)| &**name).collect();
            if self.setup.settings.is_news(name, "with_context") {
                tracing::warn!(template = name, ?arguments, "a page is made outside of a request, without its context");
            }
            return Ok(Vec::new());
        };
        missing.map(|(name, argument)| Ok((name.clone(), argument(&request).map_err(failed(name))?))).collect()
    }

    fn named<'a>(&'a self, closure: Option<&'a Closure>) -> impl Iterator<Item = &'a (Arc<str>, Argument)> {
        let arguments = closure.map_or(&[][..], |_| &self.setup.context.0);
        arguments.iter().filter(move |(name, _)| closure.is_some_and(|closure| closure.reads_argument(name)))
    }
}

impl Context {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn failed(name: &str) -> impl FnOnce(BoxError) -> Error {
    move |error| match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::caused(ErrorKind::Handler, format!("the argument `{name}` of with_context failed"), error),
    }
}

/// Arguments and their context. What is given counts, where both have it.
pub(super) fn merged(given: Value, context: Arguments) -> Value {
    if context.is_empty() {
        return given;
    }
    let mut all: BTreeMap<Value, Value> =
        context.into_iter().map(|(name, value)| (Value::from(&*name), value)).collect();
    let has_keys = given.as_object().is_some_and(|object| object.enumerator_len().is_some());
    if given.kind() == ValueKind::Map && !has_keys {
        // It gives its parts only where it is asked for them.
        return merge_maps([given, all.into()]);
    }
    let keys = given.try_iter().into_iter().flatten();
    all.extend(keys.filter_map(|key| Some((key.clone(), given.get_item(&key).ok()?))));
    all.into()
}

/// A key that stands for arguments, and their context.
pub(super) fn keyed(key: Value, context: &Arguments) -> Value {
    let context: BTreeMap<_, _> = context.iter().map(|(name, value)| (&**name, value.clone())).collect();
    Value::from(vec![key, context.into()])
}

/// What a request says without its body, for the functions of the context. `None` if there are none.
pub(super) fn head<B>(context: &Context, request: &Request<B>) -> Option<Arc<Request<()>>> {
    if context.is_empty() {
        return None;
    }
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    Some(Arc::new(head))
}

/// What is made for one request.
pub(super) fn within<T>(request: Option<&Arc<Request<()>>>, make: impl FnOnce() -> T) -> T {
    let _current = request.map(|request| Current(CURRENT.replace(Some(request.clone()))));
    make()
}

/// A future of which each step is made for one request.
pub(super) async fn throughout<F: Future>(request: Option<Arc<Request<()>>>, mut future: Pin<Box<F>>) -> F::Output {
    poll_fn(|context| within(request.as_ref(), || future.as_mut().poll(context))).await
}

thread_local! {
    /// NOTE: it stands here only while a future of the request is polled, and never while that waits: requests that share a
    /// thread do not meet it.
    static CURRENT: RefCell<Option<Arc<Request<()>>>> = const { RefCell::new(None) };
}

/// While it lives, another request is the current one. It has the one before, also where a handler panics.
struct Current(Option<Arc<Request<()>>>);

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
