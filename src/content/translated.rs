//! The languages of a site: its catalogues, and content in one of them.

use std::sync::Arc;

use super::{ContentManager, snapshot::Snapshot};
use crate::{error::Result, pages::page_tag::Closure, translations::Translations};

impl ContentManager {
    /// Adds translations. Templates get these functions, which have the names of gettext:
    ///
    /// - `_('Hello %(name)s', name=user)`, or `gettext(..)`: a message in the language of the page. Without a translation it is the
    ///   message itself. `%%` is a percent sign.
    /// - `ngettext('%(num)d cup', '%(num)d cups', n)`: a message for a number of things, by the plural rule of the language. `num` is
    ///   the number.
    /// - `pgettext('menu', 'Open')`: a message with a context (`msgctxt`), which comes first.
    /// - `language()`: the language of the page, for `<html lang="{{ language() }}">`.
    /// - `languages()`: all languages of the site, in the order of their names.
    ///
    /// The result is escaped like any value. If a message has markup, mark it as safe: `_('Hello <b>%(name)s</b>'|safe,
    /// name=user)`. Then its translations are sent as they are, and only the values are escaped.
    ///
    /// [`Translations`] says how the language of a request is chosen. [`in_language`](Self::in_language) chooses it in code.
    /// A page that uses one of these functions is sent with `Content-Language`. Its tag covers its language and all
    /// translations into that language, but no comments and dates of the catalogues. A page that uses none has the same tag for all
    /// languages. In development an edited catalogue is seen by the next request. [`check`](Self::check) finds messages without a
    /// translation.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FolderNotFound`](crate::ErrorKind::FolderNotFound) as for [`new`](Self::new). A fault in a catalogue is logged, and the rest of the
    /// catalogue is used.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(all(feature = "axum", feature = "testing"))] {
    /// use axum::{Router, extract::State, routing::get};
    /// use chalice_http_toolkit::{Answer, App, CloudFront, ContentManager, Embedded, Translations, testing::TestSite};
    /// use serde_json::json;
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("cart.html", b"{{ ngettext('%(num)d cup', '%(num)d cups', n) }}")]);
    /// const CATALOGUES: Embedded = Embedded::new(&[("de.po", br#"
    /// msgid ""
    /// msgstr "Plural-Forms: nplurals=2; plural=(n != 1);\n"
    ///
    /// msgid "%(num)d cup"
    /// msgid_plural "%(num)d cups"
    /// msgstr[0] "%(num)d Tasse"
    /// msgstr[1] "%(num)d Tassen"
    /// "#)]);
    ///
    /// async fn cart(State(content): State<ContentManager>) -> Answer {
    ///     Ok(content.render_template("cart.html", json!({ "n": 3 }))?)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?
    ///     .with_translations(Translations::new(CATALOGUES, "en"))?;
    /// let router = Router::new().route("/cart", get(cart)).route("/{language}/cart", get(cart));
    /// let app = App::new(router.with_state(content.clone())).with_content(&content).with_cloudfront(CloudFront::new());
    /// let site = TestSite::of(app);
    /// assert_eq!(site.get("/cart").send().await.text(), "3 cups");
    /// let german = site.get("/de/cart").send().await;
    /// assert_eq!((german.text(), german.header("content-language")), ("3 Tassen", "de"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// # }
    /// ```
    pub fn with_translations(self, translations: Translations) -> Result<Self> {
        let translations = translations.locate()?;
        Ok(self.with(|setup| {
            setup.provenance = setup.provenance.and(&translations.source);
            setup.translations = Some(translations);
        }))
    }

    /// The same content with all pages in one language, whatever the request says: for e-mails, and for a language that a visitor
    /// has chosen. A language that the site does not have means the nearest one (`de` for `de-AT`), or else the default language.
    ///
    /// If a cookie decides the language, the page needs [`with_personal`](crate::Representation::with_personal).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded, Translations};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("mail.txt", b"{{ _('Thank you, %(name)s!', name=name) }}")]);
    /// const CATALOGUES: Embedded =
    ///     Embedded::new(&[("de.po", b"msgid \"Thank you, %(name)s!\"\nmsgstr \"Danke, %(name)s!\"\n")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?
    ///     .with_translations(Translations::new(CATALOGUES, "en"))?;
    /// let mail = content.in_language("de-AT").render_template("mail.txt", serde_json::json!({ "name": "Maya" }))?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # use http_body_util::BodyExt;
    /// let response = CloudFront::new().respond(&http::Request::new(()), mail).await?;
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "Danke, Maya!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn in_language(&self, language: &str) -> Self {
        Self { language: Some(language.into()), ..self.clone() }
    }
    /// What a page is made from in the language of this content.
    pub(super) fn default_closure(&self, snapshot: &Snapshot, name: &str) -> Arc<Closure> {
        let (catalogue, _) = snapshot.catalogue(self.language.as_deref(), None);
        snapshot.closure(name, catalogue.as_deref())
    }
}
