//! Where the content of this process comes from, for the start message of the local server. It knows places, and no files.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::source::ResolvedSource;

/// Where the templates and the static files of one site come from, and whether they are looked at again.
#[derive(Debug)]
pub(crate) struct Provenance {
    places: String,
    folders: Vec<(Holds, PathBuf)>,
    reload: AtomicBool,
}

/// What the files of a folder are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holds {
    Templates,
    StaticFiles,
}

/// NOTE: a service does not show whose content it answers with. Those who make content leave word here.
static ALL: Mutex<Vec<Weak<Provenance>>> = Mutex::new(Vec::new());

impl Provenance {
    pub(crate) fn of(templates: &ResolvedSource, files: &ResolvedSource, reload: bool) -> Arc<Self> {
        let folders: Vec<_> = [(Holds::Templates, templates), (Holds::StaticFiles, files)]
            .into_iter()
            .filter_map(|(holds, source)| Some((holds, source.folder()?.to_owned())))
            .collect();
        let places = match folders.is_empty() {
            false => format!("templates from {templates}, static files from {files}"),
            true => format!("templates and static files from {files}"),
        };
        Self::kept(places, folders, reload)
    }

    fn kept(places: String, folders: Vec<(Holds, PathBuf)>, reload: bool) -> Arc<Self> {
        let provenance = Arc::new(Self { places, folders, reload: AtomicBool::new(reload) });
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&provenance));
        provenance
    }

    /// The same, with one more source of what pages are made from.
    pub(crate) fn and(&self, source: &ResolvedSource) -> Arc<Self> {
        let mut folders = self.folders.clone();
        folders.extend(source.folder().map(|folder| (Holds::Templates, folder.to_owned())));
        Self::kept(self.places.clone(), folders, self.reload.load(Ordering::Relaxed))
    }

    pub(crate) fn set_reload(&self, reload: bool) {
        self.reload.store(reload, Ordering::Relaxed);
    }

    #[cfg_attr(not(feature = "dev-server"), allow(dead_code))]
    fn sentence(&self) -> String {
        let when = match (self.folders.is_empty(), self.reload.load(Ordering::Relaxed)) {
            (true, _) => "",
            (false, true) => ", reloaded when they change",
            (false, false) => ", not reloaded",
        };
        format!("{}{when}", self.places)
    }
}

/// A sentence for each site of this process.
#[cfg_attr(not(feature = "dev-server"), allow(dead_code))]
pub(crate) fn sentences() -> BTreeSet<String> {
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter_map(Weak::upgrade).map(|provenance| provenance.sentence()).collect()
}

/// The folders of this process that are looked at again.
#[cfg_attr(not(feature = "dev-server"), allow(dead_code))]
pub(crate) fn reloaded_folders() -> BTreeSet<(Holds, PathBuf)> {
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let reloaded = all.iter().filter_map(Weak::upgrade).filter(|site| site.reload.load(Ordering::Relaxed));
    reloaded.flat_map(|site| site.folders.clone()).collect()
}
