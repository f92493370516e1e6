//! What the local server gets to know of an answer besides the answer: each room notes what it knows, in a type of its own. Without
//! somebody who asks nothing is noted.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Extensions;

tokio::task_local! {
    static NOTES: Arc<Mutex<Extensions>>;
}

/// Runs a future, and collects what is noted meanwhile.
#[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "only the local server asks"))]
pub(crate) async fn noted<F: Future>(future: F) -> (F::Output, Extensions) {
    let notes = Arc::<Mutex<Extensions>>::default();
    let output = NOTES.scope(notes.clone(), future).await;
    let notes = std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner));
    (output, notes)
}

/// Notes something, if somebody asks. Of each type the first one counts: an error page comes later.
pub(crate) fn note<T: Clone + Send + Sync + 'static>(what: impl FnOnce() -> T) {
    // What runs for nobody's request has no notes.
    _ = NOTES.try_with(|notes| {
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.get_or_insert_with(what);
    });
}

/// The image that came out for a request.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(all(feature = "dev-server", feature = "images")),
    allow(dead_code, reason = "nobody makes or reads it then")
)]
pub(crate) struct ImageNote {
    pub(crate) source_bytes: usize,
    /// The size of the source.
    pub(crate) source_pixels: (u32, u32),
    pub(crate) source_type: &'static str,
    /// The width that was asked for.
    pub(crate) width: Option<u32>,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: usize,
    /// How long it took; `None` where it was there.
    pub(crate) made_in: Option<Duration>,
    /// It took longer than a request waits, and its source was sent.
    pub(crate) is_late: bool,
}
