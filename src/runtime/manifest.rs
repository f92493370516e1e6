//! The closures of a release, for whoever deploys the next: printed by the program, or as the reply to an event of its own. It
//! does not know what is done with them.

use std::io::Write;

use serde_json::Value;

use super::App;
use crate::{
    content::{ContentManager, EdgeManifest},
    error::{Error, ErrorKind, Result},
    json::Object,
};

impl App {
    /// Says what its pages and files are made from, for `chalice-http-toolkit purge`, which drops the copies of what a deployment
    /// has changed. Default: it does not say it.
    ///
    /// - The program prints the [manifest](EdgeManifest) and ends where the variable `EDGE_MANIFEST` is set, but not on Lambda.
    /// - The function answers the event `{"chalice-http-toolkit":"edge-manifest"}` with it. Only who may invoke the function
    ///   sends one: a front door's event is always a request.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, ContentManager, Embedded, diagnostics::EdgeManifest};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let site = service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let content = ContentManager::new(Embedded::new(&[("a.html", b"a")]), Embedded::new(&[]))?;
    /// let app = App::new(site).with_edge_manifest(&content);
    /// let reply = app.invoke(r#"{"chalice-http-toolkit":"edge-manifest"}"#, None).await?;
    /// let manifest: EdgeManifest = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
    /// assert_eq!(manifest, content.edge_manifest());
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_edge_manifest(mut self, content: &ContentManager) -> Self {
        self.edge_manifest = Some(content.clone());
        self
    }

    /// The reply to the event that asks for it; `None` for any other.
    pub(super) fn asked_for_manifest(&self, event: &str) -> Option<Result<Value>> {
        let fields = Object::parse(event)?;
        let is_alone = fields.fields().count() == 1;
        let is_it = is_alone && fields.text("chalice-http-toolkit").is_some_and(|asked| asked == "edge-manifest");
        is_it.then(|| serde_json::to_value(self.manifest()?).map_err(unwritable))
    }

    /// Prints it, if that is asked for by the environment; whether it was.
    pub(super) fn print_manifest(&self) -> Result<bool> {
        if std::env::var_os("EDGE_MANIFEST").is_none_or(|value| value.is_empty()) {
            return Ok(false);
        }
        let json = serde_json::to_string_pretty(&self.manifest()?).map_err(unwritable)?;
        let written = writeln!(std::io::stdout(), "{json}");
        written.map_err(|error| Error::caused(ErrorKind::Runtime, "the edge manifest can't be printed", error))?;
        Ok(true)
    }

    fn manifest(&self) -> Result<EdgeManifest> {
        let unknown = || Error::new(ErrorKind::Configuration, "this app has no edge manifest: App::with_edge_manifest");
        self.edge_manifest.as_ref().map(ContentManager::edge_manifest).ok_or_else(unknown)
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::caused(ErrorKind::Serialization, "the edge manifest can't be written", error)
}
