//! Converts images and keeps the results: each variant once, a few at a time, outside the threads that answer requests, within
//! limits of memory and time. It does not know requests or URLs.

use std::{
    convert::Infallible,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use tracing::Instrument;

use super::{
    disk::Disk,
    variant::{AllowedVariants, Plan, VariantKey},
};
use crate::{
    codec::{self, Format, Header, ImageLimits, Kind, Recipe, Refusal},
    error::{BoxError, Error, ErrorKind, Result},
    fields::digest::ContentDigest,
};

type Measured = std::result::Result<Header, Refusal>;

/// The resources that conversions may use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConversionResources {
    pub(crate) limits: ImageLimits,
    /// How many run at once.
    pub(crate) jobs: usize,
    /// In bytes, for all that run at once.
    pub(crate) memory: u64,
    /// How long a request waits.
    pub(crate) time: Duration,
    /// What the time that was measured for each step is multiplied by here.
    pub(crate) slowness: f64,
    /// In bytes, for results.
    pub(crate) cache: u64,
    pub(crate) disk: Option<(std::path::PathBuf, u64)>,
    /// Whether work goes on when a response has left. On Lambda the process is frozen then.
    pub(crate) background: bool,
}

/// The one place of a site where images are converted.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) allowed: AllowedVariants,
    resources: ConversionResources,
    /// The settings that change the results.
    salt: String,
    headers: Cache<ContentDigest, Measured>,
    outcomes: Cache<VariantKey, ConversionOutcome, Bytewise>,
    styles: Cache<(&'static str, ContentDigest), Arc<str>>,
    disk: Option<Arc<Disk>>,
    permits: Arc<Semaphore>,
}

/// The file of an image, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct SourceImage {
    pub(crate) bytes: Bytes,
    pub(crate) digest: ContentDigest,
}

/// A variant to be made.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) source: SourceImage,
    pub(crate) header: Header,
    pub(crate) plan: Plan,
    /// What its bytes are known by.
    pub(crate) key: VariantKey,
}

/// The outcome of a conversion, the same each time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConversionOutcome {
    Variant(Bytes),
    /// Nothing smaller came out, or the image turned out to be broken.
    Original,
}

#[derive(Clone, Debug)]
struct Bytewise;

impl Weighter<VariantKey, ConversionOutcome> for Bytewise {
    fn weight(&self, _: &VariantKey, outcome: &ConversionOutcome) -> u64 {
        let bytes = match outcome {
            ConversionOutcome::Variant(bytes) => bytes.len() as u64,
            ConversionOutcome::Original => 0,
        };
        bytes + 128
    }
}

impl Default for ConversionResources {
    /// What the machine has; on Lambda, what the function was given.
    fn default() -> Self {
        let function_memory = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok();
        let megabytes = function_memory.and_then(|size| size.parse::<u32>().ok());
        let on_lambda = std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some();
        let memory = megabytes.map_or(1 << 30, |size| u64::from(size) << 20);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            limits: ImageLimits::default(),
            jobs: megabytes.map_or(cores, |size| (f64::from(size) / MEMORY_OF_A_CORE) as usize).max(1),
            memory: memory / 5 * 3,
            time: Duration::from_secs(2),
            slowness: megabytes.map_or(1.0, |size| LAMBDA * (MEMORY_OF_A_CORE / f64::from(size)).max(1.0)),
            cache: (memory / 20 * 3).min(64 << 20),
            disk: on_lambda.then(|| (std::env::temp_dir().join("chalice_http_toolkit-images"), 256 << 20)),
            background: !on_lambda,
        }
    }
}

/// Megabytes of a function with which it has one core:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const MEMORY_OF_A_CORE: f64 = 1769.0;

/// How much slower a core of Lambda is taken to be than the one on which steps were measured.
const LAMBDA: f64 = 2.0;

/// The part of the time that a request waits in which the work has to be done by all that is known beforehand.
const SHARE: f64 = 0.5;

impl Engine {
    pub(crate) fn new(allowed: AllowedVariants, resources: ConversionResources) -> Self {
        let disk = resources.disk.clone().map(|(root, capacity)| Arc::new(Disk::new(root, capacity)));
        Self {
            salt: format!("{:?}", resources.limits),
            headers: Cache::new(1024),
            outcomes: Cache::with_weighter(256, resources.cache, Bytewise),
            styles: Cache::new(256),
            disk,
            permits: Arc::new(Semaphore::new(resources.jobs)),
            allowed,
            resources,
        }
    }

    pub(crate) fn limits(&self) -> &ImageLimits {
        &self.resources.limits
    }

    /// Runs what takes its time off the threads that answer requests, when it is its turn.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = self.permits.clone().acquire_owned().await.map_err(ended)?;
        on_its_turn(turn, work).await
    }

    /// What an image is, by its header alone.
    pub(crate) fn header(&self, source: &SourceImage) -> Measured {
        self.headers.get(&source.digest).unwrap_or_else(|| {
            let header = codec::probe(&source.bytes, &self.resources.limits);
            self.headers.insert(source.digest, header.clone());
            header
        })
    }

    /// What an image is that comes in other widths than its own. One that moves is sent as it is, as is what can't be read.
    pub(crate) fn scalable(&self, source: &SourceImage) -> Option<Header> {
        self.header(source).ok().filter(|header| !header.animated)
    }

    pub(crate) fn job(&self, source: &SourceImage, header: &Header, plan: Plan) -> Job {
        let key = self.key(plan, &source.digest);
        Job { source: source.clone(), header: header.clone(), plan, key }
    }

    pub(crate) fn key(&self, plan: Plan, digest: &ContentDigest) -> VariantKey {
        plan.key(digest, &self.salt)
    }

    /// Whether there is room and time for it, by what is known of each step.
    pub(crate) fn affords(&self, header: &Header, plan: Plan) -> bool {
        let time = self.resources.time.as_secs_f64() * 1000.0 * SHARE;
        self.predicted_ms(header, plan) <= time && self.fits(header, plan)
    }

    /// Whether there is memory for it.
    pub(crate) fn fits(&self, header: &Header, plan: Plan) -> bool {
        let (width, height) = header.fitted(plan.width);
        let pixels = u64::from(width) * u64::from(height);
        let encode = |format: &Format| codec::encode_memory(*format, header.lossless, pixels);
        let encode = plan.formats.iter().map(encode).max().unwrap_or(0);
        header.decode_memory(plan.width) + encode <= self.memory_of_a_job()
    }

    fn memory_of_a_job(&self) -> u64 {
        self.resources.memory / self.resources.jobs.max(1) as u64
    }

    fn predicted_ms(&self, header: &Header, plan: Plan) -> f64 {
        let (width, height) = header.fitted(plan.width);
        let megapixels = f64::from(width) * f64::from(height) / 1e6;
        let each = |format: &Format| codec::predicted_ms(*format, plan.tier, header.lossless, megapixels);
        let mut formats = plan.formats.iter().filter(|format| **format != Format::Jpeg || !header.lossless).map(each);
        // What may be a drawing is tried in each format.
        let encode: f64 = if header.lossless { formats.sum() } else { formats.next().unwrap_or(0.0) };
        (codec::predicted_decode_ms(header, plan.width) + encode) * self.resources.slowness
    }

    /// The style of a placeholder of this kind, made once.
    pub(crate) fn style(&self, kind: &'static str, image: &ContentDigest, make: impl FnOnce() -> String) -> String {
        let made = self.styles.get_or_insert_with(&(kind, *image), || Ok::<Arc<str>, Infallible>(make().into()));
        match made {
            Ok(style) => style.to_string(),
        }
    }

    /// Whether it is there already.
    pub(crate) fn holds(&self, key: &VariantKey) -> bool {
        self.outcomes.contains_key(key) || self.disk.as_ref().is_some_and(|disk| disk.contains(key))
    }

    /// Makes a variant, or takes the one that is there. `None` where that takes longer than a request waits. What has begun
    /// by then goes on, and the next request may find its result; what has not is given up.
    pub(crate) async fn make(self: Arc<Self>, job: Job) -> Option<ConversionOutcome> {
        if let Some(outcome) = self.outcomes.get(&job.key) {
            return Some(outcome);
        }
        let (time, key, begun) = (self.resources.time, job.key, Arc::new(AtomicBool::new(false)));
        let turn = self.permits.clone().acquire_owned();
        // A task of its own: that a request has gone away doesn't end the work that others wait for.
        let beginning = begun.clone();
        let work = async move {
            let work = async {
                if let Some(kept) = self.kept(key).await {
                    return Ok(kept);
                }
                let turn = turn.await.map_err(ended)?;
                beginning.store(true, Ordering::Relaxed);
                self.work(job, turn).await
            };
            self.outcomes.get_or_insert_async(&key, work).await
        };
        let mut work = tokio::spawn(work.in_current_span());
        match timeout(time, &mut work).await {
            Ok(Ok(Ok(outcome))) => Some(outcome),
            Ok(Ok(Err(error))) => {
                tracing::error!(error = error.chain(), "an image could not be converted");
                None
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "an image could not be converted");
                None
            }
            Err(_) => {
                if !begun.load(Ordering::Relaxed) {
                    work.abort();
                }
                tracing::warn!(waited_ms = time.as_millis(), "an image took too long; the original is sent");
                None
            }
        }
    }

    /// Makes a better variant for the next request, where work may go on after the response and nobody waits for the resources.
    pub(crate) fn make_later(self: &Arc<Self>, job: Job) {
        if !self.resources.background || self.holds(&job.key) || !self.fits(&job.header, job.plan) {
            return;
        }
        let Ok(turn) = self.permits.clone().try_acquire_owned() else { return };
        let engine = self.clone();
        let work = async move {
            let key = job.key;
            engine.outcomes.get_or_insert_async(&key, engine.work(job, turn)).await
        };
        tokio::spawn(work.in_current_span());
    }

    async fn kept(&self, key: VariantKey) -> Option<ConversionOutcome> {
        let disk = self.disk.clone().filter(|disk| disk.contains(&key))?;
        let read = spawn_blocking(move || disk.get(&key).map(ConversionOutcome::read));
        read.await.ok().flatten()
    }

    async fn work(&self, job: Job, turn: OwnedSemaphorePermit) -> Result<ConversionOutcome> {
        let (disk, limits) = (self.disk.clone(), self.resources.limits);
        let work = on_its_turn(turn, move || {
            let outcome = convert(&job, &limits);
            disk.inspect(|disk| disk.put(&job.key, outcome.written()));
            outcome
        });
        work.await
    }
}

async fn on_its_turn<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let span = tracing::Span::current();
    let work = spawn_blocking(move || {
        let _turn = turn;
        span.in_scope(work)
    });
    work.await.map_err(ended)
}

fn ended(error: impl Into<BoxError>) -> Error {
    Error::caused(ErrorKind::Image, "a conversion did not end", error)
}

/// Renders a page that shows images off the threads that answer requests: a placeholder is made from pixels.
pub(crate) async fn render<T: Send + 'static>(page: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let span = tracing::Span::current();
    let rendered = spawn_blocking(move || span.in_scope(page)).await;
    rendered
        .unwrap_or_else(|error| Err(Error::caused(ErrorKind::Image, "a page with images could not be rendered", error)))
}

/// Never larger than the original, for whoever takes the original's format.
pub(crate) fn convert(job: &Job, limits: &ImageLimits) -> ConversionOutcome {
    let Job { source, header, plan, .. } = job;
    let begun = std::time::Instant::now();
    let recipe = Recipe { width: plan.width, formats: plan.formats, quality: plan.quality, tier: plan.tier };
    let converted = match codec::convert(&source.bytes, header, &recipe, limits) {
        Ok(converted) => converted,
        Err(error) => {
            tracing::warn!(%error, "an image is sent as it is");
            return ConversionOutcome::Original;
        }
    };
    // Who has a choice of formats takes a GIF as well.
    let acceptable = header.format().is_some_and(|format| plan.formats.contains(&format))
        || (header.kind == Kind::Gif && plan.formats.len() > 1);
    let length = codec::strip(&source.bytes, header).map_or(source.bytes.len(), |stripped| stripped.len());
    let pays = !acceptable || converted.bytes.len() < length;
    tracing::debug!(
        format = converted.format.extension(),
        width = converted.width,
        height = converted.height,
        bytes = converted.bytes.len(),
        of_bytes = source.bytes.len(),
        ms = begun.elapsed().as_millis(),
        graphic = converted.graphic,
        pays,
        "an image was converted"
    );
    if pays { ConversionOutcome::Variant(converted.bytes.into()) } else { ConversionOutcome::Original }
}

impl ConversionOutcome {
    /// As a file: no variant is empty.
    pub(crate) fn written(&self) -> &[u8] {
        match self {
            Self::Variant(bytes) => bytes,
            Self::Original => &[],
        }
    }

    pub(crate) fn read(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Original } else { Self::Variant(bytes) }
    }
}
