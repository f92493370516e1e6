//! Renders one block of a page, for clients that replace a part of a page, such as htmx.

use serde::Serialize;

use super::ContentManager;
use crate::{error::Result, pages::explain::Explanation, representation::Representation};

impl ContentManager {
    /// One block of a page: what HTMX, Turbo or a script of your own puts in the place of a part of the page.
    ///
    /// The block is rendered alone. Nothing else of the page is, so its arguments are enough. It may stand in the template or
    /// in one that the template extends, be overridden, and call `super()`. What the templates define outside of blocks is
    /// there (`set`, `import`, `macro`), and so is what a block around this one defines before it. A variable of a loop or a
    /// `with` around the block is not: give it as an argument.
    ///
    /// Its ETag is known without rendering, like that of [`render_template`](Self::render_template), and covers what this
    /// block reads: what only the rest of the page shows does not change it. Status, Content-Type and volatile functions are
    /// as for the page.
    ///
    /// Where one URL gives the page or the block by a request's header, say so with `Vary` and let the cache's key have it.
    ///
    /// Where it can't be known beforehand what the block needs, the whole page is rendered, needs all its arguments, and
    /// counts in the tag. That is so if a template extends another by a computed name or within a condition, or if the block
    /// includes a template by a name that may be the page's own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TemplateNotFound`](crate::ErrorKind::TemplateNotFound) and
    /// [`ErrorKind::BlockNotFound`](crate::ErrorKind::BlockNotFound) here, the latter with the names of the blocks that there
    /// are; [`ErrorKind::Template`](crate::ErrorKind::Template), with the template and the line, for one that does not
    /// compile, and when it is rendered.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded, ErrorKind};
    /// use serde_json::json;
    ///
    /// const LIST: &[u8] = b"<h1>{{ title }}</h1><ul>{% block rows %}{% for r in rows %}<li>{{ r }}{% endfor %}{% endblock %}</ul>";
    /// const TEMPLATES: Embedded = Embedded::new(&[("list.html", LIST)]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let rows = content.render_block("list.html", "rows", json!({ "rows": ["a", "b"] }))?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # use http_body_util::BodyExt;
    /// let response = chalice_http_toolkit::CloudFront::new().respond(&http::Request::new(()), rows).await?;
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "<li>a<li>b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// let error = content.render_block("list.html", "row", ()).err().unwrap();
    /// assert_eq!(error.kind(), ErrorKind::BlockNotFound);
    /// assert_eq!(error.to_string(), "the template `list.html` has no block `row`: there are `rows`");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn render_block(
        &self,
        name: &str,
        block: &str,
        arguments: impl Serialize + Send + 'static,
    ) -> Result<Representation> {
        let fragment = self.with_template(name)?.fragment(name, block)?;
        self.page(fragment, name, arguments)
    }

    /// Everything that the tag of a block with these arguments covers, part by part: as [`explain`](Self::explain) for a page.
    ///
    /// # Errors
    ///
    /// Those of [`render_block`](Self::render_block) that are known without rendering.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    /// use serde_json::json;
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("list.html", b"{{ title }}{% block rows %}{{ rows }}{% endblock %}")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let before = content.explain_block("list.html", "rows", &json!({ "title": "One", "rows": 1 }))?;
    /// let after = content.explain_block("list.html", "rows", &json!({ "title": "Two", "rows": 2 }))?;
    /// assert_eq!(before.changes(&after), ["args.rows"]); // the block does not show `title`
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn explain_block(&self, name: &str, block: &str, arguments: &impl Serialize) -> Result<Explanation> {
        let fragment = self.with_template(name)?.fragment(name, block)?;
        let closure = self.default_closure(&fragment, name);
        Ok(closure.explain(arguments, &closure.counted(arguments), ""))
    }

    /// Whether a template, or one that it extends, has a block of this name. [`check`](Self::check) reads templates and does
    /// not know which blocks the site's code asks for: a test can ask for each of them here.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[
    ///     ("base.html", b"{% block head %}{% endblock %}{% block main %}{% endblock %}"),
    ///     ("list.html", b"{% extends 'base.html' %}{% block main %}...{% endblock %}"),
    /// ]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// assert!(content.has_block("list.html", "head"));
    /// assert!(!content.has_block("list.html", "rows"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn has_block(&self, name: &str, block: &str) -> bool {
        self.with_template(name).is_ok_and(|snapshot| snapshot.fragment(name, block).is_ok())
    }
}
