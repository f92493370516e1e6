//! Representations of images: the variant for a request is chosen by its header fields, the image's header and its digest.
//! Nothing is decoded before the body is needed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{
    accept::AcceptClass,
    engine::{ConversionOutcome, Engine, Job, SourceImage},
    prebuilt::{self, PrebuiltVariant},
    variant::{AllowedVariants, Plan, VariantKey, VariantRequest, key_of_original},
};
use crate::{
    codec::{self, Format, Header, Kind, Refusal},
    error::Result,
    fields::{cache_control::CacheControl, digest::ContentDigest, entity_tag::EntityTag, media_type},
    files::{
        assets::{AssetMatch, Assets},
        path::AssetPath,
    },
    notes::{self, ImageNote},
    representation::{MadeBody as Body, Representation},
};

/// What a request gets.
#[derive(Debug)]
enum Choice {
    /// The best that there is for it.
    Best(Candidate),
    /// What could be made in time, and what is better.
    Makeshift(Candidate, Box<Job>),
    /// The file as it is, which is the best.
    Original,
    /// The file as it is, as nothing could be made in time.
    LastResort,
}

/// A variant that could be sent.
#[derive(Clone, Debug)]
struct Candidate {
    job: Job,
    tag: VariantKey,
    made: Option<PrebuiltVariant>,
}

/// The image that a path and a query mean. `None` where they mean no file, or one that is served as any file is.
pub(crate) fn at(
    engine: &Arc<Engine>,
    assets: &Arc<Assets>,
    path: &AssetPath,
    query: Option<&str>,
) -> Option<Representation> {
    let (found, segment) = located(assets, path)?;
    let content = assets.files().get(&found.name)?.clone();
    let wanted = match requested_variant(&engine.allowed, &content.bytes, segment, query.unwrap_or_default())? {
        Ok(wanted) => wanted,
        Err(why) => return Some(refused(why)),
    };
    let source = SourceImage { bytes: content.bytes, digest: content.digest };
    match engine.header(&source) {
        Ok(header) => {
            let (assets, name) = (assets.clone(), found.name.clone());
            let identity = source.digest;
            let variant = Variant { engine: engine.clone(), source, header, wanted, identity };
            Some(variant.represent(found.policy(), move |job| prebuilt::find(&assets, &name, job)))
        }
        Err(why) => {
            tracing::debug!(file = found.name, %why, "an image is served as it is");
            Some(unconverted(source, found.policy()))
        }
    }
}

/// What a URL asks of this file; `None` where it is served as any file is.
pub(crate) fn requested_variant(
    allowed: &AllowedVariants,
    file: &[u8],
    segment: Option<&str>,
    query: &str,
) -> Option<Result<VariantRequest, String>> {
    let kind = codec::converted(file)?;
    let wanted = match (segment, query) {
        (Some(segment), "") => allowed.read_segment(segment),
        (Some(_), _) => Err("The parameters of an image stand in its path or in the query.\n".into()),
        (None, query) => allowed.read_query(query),
    };
    // An icon is several pictures, of which a browser takes the one that fits. It stays what it is, whatever stands behind its
    // `?`, unless a width or a format of it is asked for.
    let is_plain = kind == Kind::Ico && !wanted.as_ref().is_ok_and(|wanted| *wanted != VariantRequest::default());
    (!is_plain).then_some(wanted)
}

/// The file that a path means, and what stands behind its name.
pub(crate) fn located<'a>(assets: &Assets, path: &'a AssetPath) -> Option<(AssetMatch, Option<&'a str>)> {
    if let Some(found) = assets.find(path) {
        return Some((found, None));
    }
    let (image, segment) = path.as_str().rsplit_once('/')?;
    Some((assets.find(&AssetPath::from_name(image).ok()?)?, Some(segment)))
}

/// A file that is too large or broken: what can be told from it about who took it where is removed all the same.
fn unconverted(source: SourceImage, policy: Option<CacheControl>) -> Representation {
    let tag = EntityTag::of_digest(&key_of_original(&source.digest));
    let body = async move { Ok(Body::Promised(source.bare())) };
    let image = described(Representation::making(HeaderMap::new(), body)).with_computed_tag(tag);
    match policy {
        Some(policy) => image.with_cache_control(policy),
        None => image,
    }
}

impl SourceImage {
    fn bare(&self) -> Bytes {
        codec::strip_unconverted(&self.bytes).map_or_else(|| self.bytes.clone(), Bytes::from)
    }
}

/// 400 with a plain sentence.
pub(crate) fn refused(why: String) -> Representation {
    let answer = Representation::new("text/plain; charset=utf-8", why);
    answer.with_status(StatusCode::BAD_REQUEST).with_methods([Method::GET]).with_refusal().standing_in()
}

/// An image and what is wanted of it.
pub(crate) struct Variant {
    pub(crate) engine: Arc<Engine>,
    pub(crate) source: SourceImage,
    pub(crate) header: Header,
    pub(crate) wanted: VariantRequest,
    /// What its tags are made of: the source's digest, or the version by which a site knows it.
    pub(crate) identity: ContentDigest,
}

impl Variant {
    /// The representation of it that a request's fields choose; `made` finds what was made ahead.
    pub(crate) fn represent(
        self,
        policy: Option<CacheControl>,
        made: impl Fn(&Job) -> Option<PrebuiltVariant> + Send + 'static,
    ) -> Representation {
        Representation::select(move |selection| {
            let (choice, better) = self.choose(selection.headers, made);
            let tag = self.tag(&choice);
            // Whoever has a better one keeps it: another request, or another instance, may have had more time.
            let is_asked = selection.headers.contains_key(header::IF_NONE_MATCH);
            let held = better.iter().filter(|_| is_asked).map(|it| EntityTag::of_digest(&it.tag)).collect();
            // A fingerprint promises that the bytes never change. Of a makeshift that is not true: a better one is to come.
            let provisional = !choice.is_final();
            let image = described(Representation::making(HeaderMap::new(), self.make(choice)));
            let image = image.with_computed_tag(tag).with_as_good(held).with_provisional(provisional);
            Ok(match policy {
                Some(policy) => image.with_cache_control(policy),
                None => image,
            })
        })
    }

    /// The best plan that is made already or can be made in time, and those that are better. Of the request's fields Accept
    /// alone counts, which Vary names: conditions are not for the choice.
    fn choose(&self, fields: &HeaderMap, made: impl Fn(&Job) -> Option<PrebuiltVariant>) -> (Choice, Vec<Candidate>) {
        let Self { engine, source, header, .. } = self;
        if self.is_kept(fields) {
            return (Choice::Original, Vec::new());
        }
        let image = (header.upright().0, header.format());
        let formats = formats(header.stands_for(), self.wanted, fields);
        let plans = Plan::of(image, self.wanted, formats, engine.allowed.quality);
        let candidate = |plan| {
            let job = engine.job(source, header, plan);
            let made = made(&job);
            let tag = match &made {
                Some(made) => made.tag,
                None if self.identity == source.digest => job.key,
                None => engine.key(plan, &self.identity),
            };
            Candidate { job, tag, made }
        };
        let ready =
            |it: &Candidate| it.made.is_some() || engine.holds(&it.job.key) || engine.affords(header, it.job.plan);
        let mut better: Vec<Candidate> = Vec::new();
        // One after another: a key is a hash, and mostly the first one will do.
        for candidate in plans.into_iter().map(candidate) {
            if !ready(&candidate) {
                better.push(candidate);
                continue;
            }
            let choice = match better.first() {
                Some(best) => Choice::Makeshift(candidate, Box::new(best.job.clone())),
                None => Choice::Best(candidate),
            };
            return (choice, better);
        }
        (if better.is_empty() { Choice::Original } else { Choice::LastResort }, better)
    }

    /// Whether the file is sent as it is: one that moves, and for who names no format of our time one that every browser
    /// shows, in its own width.
    fn is_kept(&self, fields: &HeaderMap) -> bool {
        let VariantRequest { width, quality, format } = self.wanted;
        let is_asked_as_it_is =
            quality.is_none() && format.is_none() && self.header.fitted(width) == self.header.upright();
        let is_shown = matches!(self.header.kind, Kind::Gif | Kind::Bmp | Kind::Ico);
        self.header.animated || (is_asked_as_it_is && is_shown && AcceptClass::of(fields) == AcceptClass::Old)
    }

    fn tag(&self, choice: &Choice) -> EntityTag {
        EntityTag::of_digest(&match choice {
            Choice::Best(candidate) | Choice::Makeshift(candidate, _) => candidate.tag,
            Choice::Original | Choice::LastResort => key_of_original(&self.identity),
        })
    }

    async fn make(self, choice: Choice) -> Result<Body> {
        let (Candidate { job, made, .. }, best) = match choice {
            Choice::Original | Choice::LastResort => return Ok(Body::Promised(self.original())),
            Choice::Best(candidate) => (candidate, None),
            Choice::Makeshift(candidate, best) => (candidate, Some(*best)),
        };
        let (plan, begun) = (job.plan, std::time::Instant::now());
        let was_there = made.is_some() || self.engine.holds(&job.key);
        let outcome = match made {
            Some(made) => Some(made.outcome),
            None => self.engine.clone().make(job).await,
        };
        self.note(plan, outcome.as_ref(), (!was_there).then(|| begun.elapsed()));
        if let Some(best) = best {
            self.engine.make_later(best);
        }
        Ok(match outcome {
            Some(ConversionOutcome::Variant(bytes)) => Body::Promised(bytes),
            Some(ConversionOutcome::Original) => Body::Promised(self.original()),
            None => {
                Body::Instead { body: self.original(), headers: self.not_kept(), closure: None, provisional: false }
            }
        })
    }

    /// Notes what came out, for a developer who looks at it.
    fn note(&self, plan: Plan, outcome: Option<&ConversionOutcome>, made_in: Option<Duration>) {
        notes::note(|| {
            let bytes = match outcome {
                Some(ConversionOutcome::Variant(bytes)) => bytes.clone(),
                Some(ConversionOutcome::Original) | None => self.original(),
            };
            ImageNote {
                source_bytes: self.source.bytes.len(),
                source_pixels: self.header.upright(),
                source_type: self.header.kind.media_type(),
                width: plan.width,
                media_type: media_type_of(&bytes),
                bytes: bytes.len(),
                made_in,
                is_late: outcome.is_none(),
            }
        });
    }

    /// The file without what it tells about who took it where.
    fn original(&self) -> Bytes {
        codec::strip(&self.source.bytes, &self.header).map_or_else(|| self.source.bytes.clone(), Bytes::from)
    }

    fn not_kept(&self) -> HeaderMap {
        let media_type = HeaderValue::from_static(self.header.kind.media_type());
        HeaderMap::from_iter([
            (header::CONTENT_TYPE, media_type),
            (header::CACHE_CONTROL, CacheControl::no_store().into()),
        ])
    }

    /// All of it at once, for an image whose bytes had to be loaded first: with its own tag among the fields.
    pub(crate) async fn make_whole(self, fields: &HeaderMap) -> Result<Body> {
        let (choice, _) = self.choose(fields, |_| None);
        let (tag, provisional) = (self.tag(&choice), !choice.is_final());
        Ok(match self.make(choice).await? {
            Body::Promised(body) => {
                Body::Instead { headers: tagged(&tag, media_type_of(&body)), body, closure: None, provisional }
            }
            instead @ Body::Instead { .. } => instead,
        })
    }
}

impl Choice {
    /// Whether a later request gets the same.
    fn is_final(&self) -> bool {
        matches!(self, Self::Best(_) | Self::Original)
    }
}

/// An image whose bytes are not there yet.
pub(crate) struct UnloadedImage<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) identity: ContentDigest,
    pub(crate) wanted: VariantRequest,
}

impl UnloadedImage<'_> {
    /// The tags that it may turn out to have; none where the request has no condition that they would be compared with.
    pub(crate) fn tags(&self, fields: &HeaderMap) -> Vec<EntityTag> {
        if ![header::IF_NONE_MATCH, header::IF_MATCH].iter().any(|name| fields.contains_key(name)) {
            return Vec::new();
        }
        let quality = self.wanted.quality.unwrap_or(self.engine.allowed.quality);
        // It may be a PNG or not. It may be narrower than what is wanted, and is never widened.
        let formats = [None, Some(Format::Png)].map(|own| formats(own, self.wanted, fields));
        let ways = [self.wanted.width, None].into_iter().flat_map(|width| formats.map(|formats| (width, formats)));
        let plans = ways.flat_map(|(width, formats)| Plan::ladder(formats, width, quality));
        let keys = plans.map(|plan| self.engine.key(plan, &self.identity)).chain([key_of_original(&self.identity)]);
        keys.map(|key| EntityTag::of_digest(&key)).collect()
    }
}

/// An image that is sent as it is, with its own tag among the fields.
pub(crate) fn whole(source: &SourceImage, identity: &ContentDigest, why: &Refusal) -> Body {
    tracing::debug!(%why, "an image is sent as it is");
    let media_type = media_type_of(&source.bytes);
    let tag = EntityTag::of_digest(&key_of_original(identity));
    let mut headers = tagged(&tag, media_type);
    media_type::disarm(&mut headers);
    Body::Instead { headers, body: source.bare(), closure: None, provisional: false }
}

fn tagged(tag: &EntityTag, media_type: &'static str) -> HeaderMap {
    let tag = HeaderValue::from_str(&tag.to_string()).ok().map(|tag| (header::ETAG, tag));
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))].into_iter().chain(tag))
}

fn media_type_of(bytes: &[u8]) -> &'static str {
    codec::sniff(bytes).map_or_else(|| media_type::sniff(bytes), Kind::media_type)
}

/// What every image has.
pub(crate) fn described(image: Representation) -> Representation {
    image.with_type_of(media_type_of).with_methods([Method::GET]).with_ranges(true)
}

/// What may be sent of an image in this format.
fn formats(own: Option<Format>, wanted: VariantRequest, fields: &HeaderMap) -> &'static [Format] {
    match wanted.format {
        Some(format) => format.alone(),
        None => AcceptClass::of(fields).formats(own),
    }
}
