//! Purges: what drops copies at the edge when the data that they show has changed.
//!
//! 1. [`Purge::tags`] makes a `task` that keeps the order of its queue; several of one request are one
//! 2. the worker hands its items to a `target`: a `distribution` of CloudFront, or a `LocalEdge`
//! 3. and posts them once more, for pages that were on their way while the data changed
//!
//! It does not know which pages there are, nor what they show.

mod distribution;
mod target;
mod task;

pub use crate::local_edge::LocalEdge;

use std::{
    collections::BTreeSet,
    fmt,
    future::IntoFuture,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use self::{
    target::Target,
    task::{Items, run},
};
use crate::{
    error::Result,
    fields::cache_tags::valid,
    tasking::{Posted, controller::TaskingController},
};

/// Drops copies at the edge: the counterpart of [`CloudFront::with_cache_tags`](crate::CloudFront::with_cache_tags) for data that
/// changes.
///
/// A purge is a task of a FIFO queue: it is never lost, and it comes after the change if it is posted after it, or with
/// [`on_success`](PurgePost::on_success). The worker asks CloudFront for an invalidation with the SDK; it needs
/// `cloudfront:CreateInvalidation` for this distribution alone. The same delivery that comes twice is one invalidation. While
/// CloudFront has too many in progress the worker waits, and then the task comes again, up to twenty times, whatever
/// [attempts](crate::tasking::TaskingController::with_attempts) other tasks have.
///
/// A page that was made from the old data may reach the edge when the first purge is over. So each purge is done twice, the
/// second time [ten seconds](Self::with_second_purge) later. It costs two items of an invalidation for each tag: the first
/// thousand of a month are free.
///
/// Which edge: the distribution with the id that [`with_distribution`](Self::with_distribution) or the variable `DISTRIBUTION_ID`
/// says. In development ([`Stage`](crate::Stage)), outside of Lambda, where neither that variable nor
/// `AWS_ENDPOINT_URL_CLOUDFRONT` or `AWS_ENDPOINT_URL` is set, it is a [`LocalEdge`] of the process.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{App, BoxError, Front};
/// use chalice_http_toolkit::purge::{LocalEdge, Purge};
/// use chalice_http_toolkit::tasking::{LocalQueue, TaskingController};
/// use chalice_http_toolkit::testing::TestSite;
/// use http::Response;
/// use tower::service_fn;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// # let (queue, edge) = (LocalQueue::new("shop.fifo"), LocalEdge::new());
/// let tasks = TaskingController::new("shop.fifo")?; // and the handlers of the site's own tasks
/// # let tasks = tasks.with_local_queue(&queue);
/// let purge = Purge::new(tasks);
/// # let purge = purge.with_local_edge(&edge);
/// let purging = purge.clone();
/// let site = service_fn(move |_request: lambda_http::Request| {
///     // … the price of product 7 is written …
///     let purged = purging.tags(["product:7"]).on_success().and_then(|()| purging.tags(["products"]).on_success());
///     async move { purged.map(|()| Response::new("saved".to_owned())) }
/// });
/// let app = App::new(site).with_tasks(purge.tasks()); // not `tasks`, which does not know purges
/// # let site = TestSite::of(app);
/// # assert_eq!(site.post("/product/7").send().await.status(), 200);
/// # purge.tasks().work_off().await?;
/// # assert_eq!(edge.purges(), [["#product:7", "#products"]]);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Purge {
    without: TaskingController,
    settings: PurgeSettings,
    tasks: Arc<OnceLock<TaskingController>>,
}

/// The settings of the worker.
#[derive(Clone)]
struct PurgeSettings {
    target: Target,
    second: Duration,
}

impl Purge {
    /// Purges as tasks of this queue, which [`tasks`](Self::tasks) then knows.
    pub fn new(tasks: TaskingController) -> Self {
        let settings = PurgeSettings { target: Target::default(), second: Duration::from_secs(10) };
        Self { without: tasks, settings, tasks: Arc::default() }
    }

    /// The id of the distribution, `E2QWRUHAPOMQZL`. Default: that of the variable `DISTRIBUTION_ID`.
    pub fn with_distribution(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.change(|settings| settings.target = Target::of_distribution(id))
    }

    /// Purges this edge, and none at AWS: for tests.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{purge::{LocalEdge, Purge}, tasking::TaskingController};
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let edge = LocalEdge::new();
    /// let purge = Purge::new(TaskingController::new("shop.fifo")?.with_inline())
    ///     .with_distribution("E2QWRUHAPOMQZL")
    ///     .with_local_edge(&edge)
    ///     .with_second_purge(Duration::ZERO);
    /// purge.tags(["product:7"]).await?;
    /// purge.paths(["/feed.xml"]).await?;
    /// assert_eq!(edge.purges(), [["#product:7"], ["/feed.xml"]]);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_local_edge(self, edge: &LocalEdge) -> Self {
        self.change(|settings| settings.target = Target::Local(edge.clone()))
    }

    /// How long after the first purge the second one comes: as long as a page takes from the moment when its data is read until
    /// CloudFront has kept it. With zero there is none, and a page that is made while the data changes may stay. Default: ten
    /// seconds.
    pub fn with_second_purge(self, after: Duration) -> Self {
        self.change(|settings| settings.second = after)
    }

    fn change(mut self, change: impl FnOnce(&mut PurgeSettings)) -> Self {
        change(&mut self.settings);
        Self { tasks: Arc::default(), ..self }
    }

    /// The controller of the queue, which runs purges too: for [`App::with_tasks`](crate::App::with_tasks).
    ///
    /// # Panics
    ///
    /// Where the controller already runs purges.
    pub fn tasks(&self) -> &TaskingController {
        self.tasks.get_or_init(|| {
            let settings = self.settings.clone();
            self.without.clone().on(move |context, items: Items| run(settings.clone(), context, items))
        })
    }

    /// A purge of all copies that have one of these tags: post it with [`on_success`](PurgePost::on_success), or await it. Tags
    /// are made valid as [`with_data_tags`](crate::Representation::with_data_tags) does it. What has none does nothing, and more
    /// than 3,000 items, which CloudFront does not take at once, drop all copies.
    pub fn tags<T: AsRef<str>>(&self, tags: impl IntoIterator<Item = T>) -> PurgePost {
        self.items(tags.into_iter().map(|tag| format!("#{}", valid(tag.as_ref()))))
    }

    /// A purge of paths, as CloudFront takes them: `/feed.xml`, `/blog/*`, `/*`; percent-encoded, and with the query where the
    /// copy has one. For what has no tags.
    pub fn paths<T: AsRef<str>>(&self, paths: impl IntoIterator<Item = T>) -> PurgePost {
        self.items(paths.into_iter().map(|path| format!("/{}", path.as_ref().trim_start_matches('/'))))
    }

    fn items(&self, items: impl Iterator<Item = String>) -> PurgePost {
        PurgePost { purge: self.clone(), items: items.collect() }
    }
}

impl fmt::Debug for Purge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purge").field("target", &self.settings.target).field("second", &self.settings.second).finish()
    }
}

/// A purge on its way: await it to post it at once, for code outside of a handler.
///
/// # Errors
///
/// As for a [`Post`](crate::tasking::Post).
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Error, purge::{Purge, PurgePost}};
///
/// async fn price_changed(purge: &Purge, product: u32) -> Result<(), Error> {
///     let post: PurgePost = purge.tags([format!("product:{product}"), "products".to_owned()]);
///     post.on_success()
/// }
/// ```
#[derive(Debug)]
#[must_use = "a purge is posted by `on_success`, or when it is awaited"]
pub struct PurgePost {
    purge: Purge,
    items: BTreeSet<String>,
}

impl PurgePost {
    /// Posts it when the handler that runs at this time has succeeded, as [`Post::on_success`](crate::tasking::Post::on_success)
    /// does it: a change that fails purges nothing. All purges of one request are one task and one invalidation.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) outside of an [`App`](crate::App)'s handler.
    pub fn on_success(self) -> Result<()> {
        if self.items.is_empty() {
            return Ok(());
        }
        task::post_on_success(self.purge.tasks(), Items::first(self.items))
    }
}

impl IntoFuture for PurgePost {
    type Output = Result<Option<Posted>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            if self.items.is_empty() {
                return Ok(None);
            }
            task::post(self.purge.tasks(), &Items::first(self.items)).await.map(Some)
        })
    }
}
