//! The inline scripts and styles of a page, as a Content-Security-Policy names them. It does not know how they are found,
//! nor what a policy says besides.

use std::collections::BTreeSet;

/// What a page has inline, known from its templates; in the extensions of the response that sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inline {
    /// Sources such as `'sha256-…'` (CSP Level 3 §2.3.1).
    pub(crate) scripts: BTreeSet<String>,
    pub(crate) styles: BTreeSet<String>,
    /// Whether the crate itself writes `style` attributes into it: the placeholders of pictures.
    pub(crate) style_attributes: bool,
}

impl Inline {
    pub(crate) fn extend(&mut self, other: Self) {
        self.scripts.extend(other.scripts);
        self.styles.extend(other.styles);
        self.style_attributes |= other.style_attributes;
    }
}
