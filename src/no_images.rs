//! What stands in for images in builds without them: static files are served as they are.

use std::sync::Arc;

use minijinja::Environment;

use crate::{
    error::Result,
    files::{assets::Assets, path::AssetPath, urls::Urls},
    representation::Representation,
};

/// The functions of templates that show images.
pub(crate) const FUNCTIONS: [&str; 0] = [];

/// No page shows images.
pub(crate) async fn render<T: Send + 'static>(page: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    page()
}

/// How a site's images are set up.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageSettings;

impl ImageSettings {
    pub(crate) fn represent(&self, _: &Arc<Assets>, _: &AssetPath, _: Option<&str>) -> Option<Representation> {
        None
    }

    pub(crate) fn negotiates(&self, _: &Assets, _: &AssetPath, _: Option<&str>) -> bool {
        false
    }

    pub(crate) fn refuses(&self, _: &Assets, _: &str, _: &str) -> bool {
        false
    }

    pub(crate) fn converts(&self, _: &Assets, _: &str) -> bool {
        false
    }

    pub(crate) fn queries(&self) -> Option<String> {
        None
    }

    pub(crate) fn misnamed(&self, _: &Assets) -> Vec<(String, String)> {
        Vec::new()
    }

    pub(crate) fn add_functions(&self, _: &mut Environment<'static>, _: &Arc<Assets>, _: &Urls) {}

    pub(crate) fn description<'a>(&self, _: &Assets, _: impl Iterator<Item = &'a str>) -> String {
        String::new()
    }
}
