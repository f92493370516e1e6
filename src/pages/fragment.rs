//! A block of a page, as templates that have nothing else. It does not know how they are made.

use std::{collections::HashMap, io, sync::Arc};

use minijinja::{Environment, Template, Value};

use super::loader::load;
use crate::files::source::Files;

/// A block that is rendered without its page.
pub(crate) struct Fragment {
    pub(super) block: String,
    /// The templates that stand in for those of the files; none where the whole page is rendered for the block.
    pub(super) sources: Arc<Sources>,
}

pub(super) type Sources = HashMap<String, String>;

impl Fragment {
    pub(crate) fn block(&self) -> &str {
        &self.block
    }

    /// Whether nothing else of the page is rendered.
    pub(crate) fn is_alone(&self) -> bool {
        !self.sources.is_empty()
    }

    /// What stands in for a template of the files.
    pub(crate) fn source(&self, name: &str) -> Option<&str> {
        self.sources.get(name).map(String::as_str)
    }

    /// An engine with these templates in the places of others. What is loaded besides stays loaded.
    pub(crate) fn environment(&self, of_page: &Environment<'static>, files: &Arc<Files>) -> Environment<'static> {
        let (mut environment, sources, files) = (of_page.clone(), self.sources.clone(), files.clone());
        sources.keys().for_each(|name| environment.remove_template(name));
        environment.set_loader(move |name| match sources.get(name) {
            Some(source) => Ok(Some(source.clone())),
            None => load(&files, name),
        });
        environment
    }

    pub(crate) fn render(&self, template: &Template<'_, '_>, arguments: Value) -> Result<String, minijinja::Error> {
        if self.is_alone() {
            return template.render(arguments);
        }
        let mut page = template.render_captured_to(arguments, io::sink())?;
        page.with_state_mut(|state| state.render_block(&self.block))
    }
}
