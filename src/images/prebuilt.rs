//! Variants that are made ahead, beside the static files: a build step writes them and a site finds them by their key,
//! so that one of an older image, or of other settings, is never taken for one of this. It does not know requests.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use super::{
    accept::AcceptClass,
    engine::{ConversionOutcome, Engine, Job, SourceImage, convert},
    ownership,
    placeholder::Placeholder,
    variant::{Plan, VariantKey, VariantRequest, key_of_original},
};
use crate::{
    codec::{Format, Header, ImageLimits},
    error::{Error, ErrorKind, Result},
    fields::digest::{ContentDigest, hex},
    files::{
        assets::Assets,
        source::{Content, FileFilter, ResolvedSource},
    },
};

/// Where variants lie among the static files.
const FOLDER: &str = "_variants";
const PLACEHOLDER: &str = "placeholder";

/// What a build step has done.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::images::Images;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let done = Images::new().with_widths([320, 640]).prebuild(folder.path())?;
/// assert_eq!((done.images, done.made), (0, 0), "the folder is empty");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prebuilt {
    /// Images that were found and can be converted.
    pub images: usize,
    /// Variants that were made now.
    pub made: usize,
    /// Variants that were there already.
    pub kept: usize,
    /// Variants of images or settings that are no more, and were removed.
    pub removed: usize,
    /// Bytes of all variants and placeholders.
    pub bytes: u64,
}

/// A variant that was made ahead, and what its bytes are known by.
#[derive(Clone, Debug)]
pub(crate) struct PrebuiltVariant {
    pub(crate) tag: VariantKey,
    pub(crate) outcome: ConversionOutcome,
}

/// What was made ahead for the static file of this name. Its tag is of its bytes: they may have been made elsewhere, where
/// the same codecs round otherwise.
pub(crate) fn find(assets: &Assets, name: &str, job: &Job) -> Option<PrebuiltVariant> {
    let files = assets.files();
    files.names(&format!("{FOLDER}/{name}/")).next()?;
    let content = files.get(&place(name, job))?;
    let outcome = ConversionOutcome::read(content.bytes.clone());
    let tag = match &outcome {
        ConversionOutcome::Variant(_) => VariantKey::new(*content.digest.as_bytes()),
        ConversionOutcome::Original => key_of_original(&job.source.digest),
    };
    Some(PrebuiltVariant { tag, outcome })
}

fn place(name: &str, job: &Job) -> String {
    format!("{FOLDER}/{name}/{}", hex(&job.plan.name(&job.source.digest).as_bytes()[..16]))
}

/// The placeholder of a static file, if it was made ahead.
pub(crate) fn placeholder(assets: &Assets, name: &str, kind: Placeholder, digest: &ContentDigest) -> Option<String> {
    let content = assets.files().get(&place_of_placeholder(name, kind, digest))?;
    String::from_utf8(content.bytes.to_vec()).ok()
}

/// Digests of all that could be.
pub(crate) fn placeholders<'a>(assets: &'a Assets, name: &str) -> Vec<&'a ContentDigest> {
    let files = assets.files();
    let prefix = format!("{FOLDER}/{name}/{PLACEHOLDER}");
    files.names(&prefix).filter_map(|name| Some(&files.get(name)?.digest)).collect()
}

fn place_of_placeholder(name: &str, kind: Placeholder, digest: &ContentDigest) -> String {
    let own = Sha256::new().chain_update(env!("CARGO_PKG_VERSION")).chain_update(digest).finalize();
    format!("{FOLDER}/{name}/{PLACEHOLDER}-{}-{}", kind.name(), hex(&own[..16]))
}

/// Makes what is missing, and removes what nothing asks for any more.
pub(crate) fn prebuild(engine: &Engine, folder: &Path, path_urls: bool) -> Result<Prebuilt> {
    let root = folder.canonicalize().map_err(|error| failed(folder, error))?;
    let files = ResolvedSource::Folder(root.clone()).files(FileFilter::Visible);
    let mut done = Prebuilt::default();
    let (mut wanted, mut missing) = (BTreeSet::new(), Vec::new());
    for name in files.names("").filter(|name| !is_variant(name)) {
        let Some(Content { bytes, digest }) = files.get(name).cloned() else { continue };
        let source = SourceImage { bytes, digest };
        let Some(header) = engine.scalable(&source) else { continue };
        done.images += 1;
        for kind in Placeholder::ALL {
            let place = place_of_placeholder(name, kind, &source.digest);
            if !files.contains(&place) {
                write(&root, &place, kind.style(engine, &source, &header).as_bytes())?;
            }
            wanted.insert(place);
        }
        for plan in plans(engine, &header, path_urls) {
            let job = engine.job(&source, &header, plan);
            let place = place(name, &job);
            match files.contains(&place) {
                true => done.kept += 1,
                false => missing.push((place.clone(), job)),
            }
            wanted.insert(place);
        }
    }
    done.made = missing.len();
    make(&root, missing, engine.limits())?;
    for stale in files.names(FOLDER).filter(|name| is_variant(name) && !wanted.contains(*name)) {
        remove(&root, stale)?;
        done.removed += 1;
    }
    done.bytes = wanted.iter().filter_map(|place| Some(fs::metadata(root.join(place)).ok()?.len())).sum();
    Ok(done)
}

fn is_variant(name: &str) -> bool {
    name.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/'))
}

/// The best plan for each class of clients, in the size of the image and in each smaller one. Where the page names the
/// format, the best plan for each format that it names.
fn plans(engine: &Engine, header: &Header, path_urls: bool) -> Vec<Plan> {
    let image = (header.upright().0, header.format());
    let mut plans: Vec<Plan> = Vec::new();
    for width in engine.allowed.widths.iter().copied().map(Some).chain([None]) {
        let by_accept = [AcceptClass::Avif, AcceptClass::Webp, AcceptClass::Old]
            .map(|bucket| (None, bucket.formats(header.stands_for())));
        let by_name = [Format::Avif, Format::Webp, last_resort(header)].map(|format| (Some(format), format.alone()));
        for (format, formats) in if path_urls { by_name } else { by_accept } {
            let wanted = VariantRequest { width, format, ..VariantRequest::default() };
            let best = Plan::of(image, wanted, formats, engine.allowed.quality).into_iter().next();
            plans.extend(best.filter(|best| !best.formats.is_empty() && !plans.contains(best)));
        }
    }
    plans
}

/// The format for browsers that know no other, where the page names the format.
pub(crate) fn last_resort(header: &Header) -> Format {
    if header.alpha || header.lossless { Format::Png } else { Format::Jpeg }
}

/// As many at a time as there are cores.
fn make(root: &Path, missing: Vec<(String, Job)>, limits: &ImageLimits) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let queue = Mutex::new(missing.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((place, job)) = next() {
            write(root, &place, convert(&job, limits).written())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Image, "a conversion panicked")))
        })
    })
}

/// A file is under its name when it is whole; until then it is hidden, and no part of the site.
fn write(root: &Path, place: &str, content: &[u8]) -> Result<()> {
    let written = || {
        let mut temporary = ownership::temporary_in(&folder_of(root, place)?)?;
        temporary.write_all(content)?;
        temporary.persist(root.join(place))?;
        Ok(())
    };
    written().map_err(|error| failed(&root.join(place), error))
}

fn remove(root: &Path, place: &str) -> Result<()> {
    let removed = folder_of(root, place).and_then(|_| fs::remove_file(root.join(place)));
    removed.map_err(|error| failed(&root.join(place), error))
}

/// The folder of a variant, which is made where it is not there.
///
/// SECURITY: a symbolic link on the way would lead to other files, which would be replaced or removed.
fn folder_of(root: &Path, place: &str) -> io::Result<PathBuf> {
    let mut folder = root.to_owned();
    let (above, _) = place.rsplit_once('/').unwrap_or_default();
    for name in above.split('/') {
        folder.push(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ if fs::symlink_metadata(&folder)?.is_dir() => {}
            _ => {
                let message = format!("`{}` is a symbolic link or a file: remove it", folder.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
        }
    }
    Ok(folder)
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::caused(ErrorKind::File, format!("`{}` can't be read or written", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_variant_is_never_written_nor_removed_through_a_link() {
        use std::os::unix::fs::{MetadataExt, symlink};

        let (site, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = site.path();
        write(root, "_variants/a/b.jpg/x", b"one").unwrap();
        assert_eq!(fs::read(root.join("_variants/a/b.jpg/x")).unwrap(), b"one");
        assert_ne!(fs::metadata(root.join("_variants/a/b.jpg/x")).unwrap().mode() & 0o044, 0, "it is to be deployed");
        fs::write(outside.path().join("theirs"), b"theirs").unwrap();
        symlink(outside.path().join("theirs"), root.join("_variants/a/b.jpg/.x")).unwrap();
        symlink(outside.path().join("theirs"), root.join("_variants/a/b.jpg/y")).unwrap();
        for place in ["_variants/a/b.jpg/x", "_variants/a/b.jpg/y"] {
            write(root, place, b"two").unwrap();
            assert!(fs::symlink_metadata(root.join(place)).unwrap().is_file(), "{place}");
        }
        symlink(outside.path(), root.join("_variants/link")).unwrap();
        for place in ["_variants/link/z", "_variants/link/below/z", "_variants/a/b.jpg/y/z"] {
            assert!(write(root, place, b"three").is_err(), "{place}");
        }
        for place in ["_variants/link/theirs", "_variants/a/b.jpg/y/z"] {
            assert!(remove(root, place).is_err(), "{place}");
        }
        remove(root, "_variants/a/b.jpg/.x").unwrap();
        remove(root, "_variants/a/b.jpg/x").unwrap();
        let left: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["theirs"]);
        assert_eq!(fs::read(outside.path().join("theirs")).unwrap(), b"theirs");
    }
}
