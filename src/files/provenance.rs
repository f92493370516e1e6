//! Where the content of this process comes from, for the start message of the local server. It knows places, and no files.

use std::{
    collections::BTreeSet,
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
    has_folder: bool,
    reload: AtomicBool,
}

/// NOTE: a service does not show whose content it answers with. Those who make content leave word here.
static ALL: Mutex<Vec<Weak<Provenance>>> = Mutex::new(Vec::new());

impl Provenance {
    pub(crate) fn of(templates: &ResolvedSource, files: &ResolvedSource, reload: bool) -> Arc<Self> {
        let has_folder = [templates, files].iter().any(|place| matches!(place, ResolvedSource::Folder(_)));
        let places = match has_folder {
            true => format!("templates from {templates}, static files from {files}"),
            false => format!("templates and static files from {files}"),
        };
        let provenance = Arc::new(Self { places, has_folder, reload: AtomicBool::new(reload) });
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&provenance));
        provenance
    }

    pub(crate) fn set_reload(&self, reload: bool) {
        self.reload.store(reload, Ordering::Relaxed);
    }

    #[cfg_attr(not(feature = "dev-server"), allow(dead_code))]
    fn sentence(&self) -> String {
        let when = match (self.has_folder, self.reload.load(Ordering::Relaxed)) {
            (false, _) => "",
            (true, true) => ", reloaded when they change",
            (true, false) => ", not reloaded",
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
