//! Makes representations of HTML, XML, JSON, redirects, assets and error pages. Only error pages use templates.

use std::future::Future;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use serde::Serialize;

use super::{ContentManager, snapshot::tagged};
use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    fields::{cache_control::CacheControl, entity_tag::EntityTag, media_type},
    files::path::NOT_IN_PATH,
    pages::links,
    representation::Representation,
};

impl ContentManager {
    /// An HTML page that is there as text. Its ETag is a hash of it.
    pub fn html(&self, body: impl Into<Bytes>) -> Representation {
        tagged("text/html; charset=utf-8", body.into())
    }

    /// An XML document that is there as text: `application/xml`. Its ETag is a hash of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    /// let sitemap = content.xml("<urlset><url><loc>https://shop.example/</loc></url></urlset>");
    /// let response = CloudFront::new().respond(&http::Request::new(()), sitemap).await?;
    /// assert_eq!(response.headers()["content-type"], "application/xml; charset=utf-8");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn xml(&self, body: impl Into<Bytes>) -> Representation {
        tagged("application/xml; charset=utf-8", body.into())
    }

    /// A value as JSON: `application/json`. Its ETag is a hash of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Serialization`] where the value has no JSON form, such as a map whose keys are no strings.
    pub fn json(&self, value: &(impl Serialize + ?Sized)) -> Result<Representation> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Error::caused(ErrorKind::Serialization, "a value has no JSON form", error))?;
        Ok(tagged("application/json", body.into()))
    }

    /// A redirect within the site, with status 302, which no cache keeps for ever;
    /// [`with_status`](Representation::with_status) makes it another. A path (`/products`) gets the mount prefix, any other
    /// relative reference (`?page=2`) is taken from the page that was asked for.
    ///
    /// It never leads to another site, whoever wrote the target: what a browser would take for one (`//evil.example`,
    /// `/\evil.example`, `https:evil.example`, the same with tabs and line breaks in between) is refused with 400. So a
    /// target may come out of the request. An absolute URL is refused too, unless it is of the site's
    /// [public origin](Self::with_public_origin): that one is sent as it is. Where the site means another one, it says
    /// [`redirect_external`](Self::redirect_external).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Redirect`], with status 400, when it is sent; also for a target of more than 8,192 bytes, which is the
    /// longest URL that CloudFront takes.
    ///
    /// # Examples
    ///
    /// Back to where a visitor came from, after they have signed in:
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded, ErrorKind, Representation};
    ///
    /// fn signed_in(content: &ContentManager, next: Option<&str>) -> Representation {
    ///     content.redirect(next.unwrap_or("/account")) // out of `?next=`, or a hidden field of the form
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    /// let (request, cloudfront) = (http::Request::new(()), CloudFront::new());
    /// let response = cloudfront.respond(&request, signed_in(&content, Some("/cart"))).await?;
    /// assert_eq!((response.status().as_u16(), &response.headers()["location"]), (302, &"/cart".parse().unwrap()));
    /// let error = cloudfront.respond(&request, signed_in(&content, Some("//evil.example"))).await.unwrap_err();
    /// assert_eq!((error.kind(), error.status().as_u16()), (ErrorKind::Redirect, 400));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn redirect(&self, location: &str) -> Representation {
        let (target, origin) = (location.to_owned(), self.public_origin().map(str::to_owned));
        Representation::select(move |selection| {
            let root = utf8_percent_encode(selection.script_root, NOT_IN_PATH).to_string();
            let own = || links::own(origin.as_deref()?, &target);
            let location = links::within(&root, &target).or_else(own).ok_or_else(|| leads_away(&target))?;
            let location = links::encoded(if location.is_empty() { "/" } else { &location });
            if location.len() > links::LONGEST {
                let message = format!("a redirect's target has more than {} bytes, as no URL has", links::LONGEST);
                return Err(Error::new(ErrorKind::Redirect, message));
            }
            found(&location)
        })
        .with_status(StatusCode::FOUND)
    }

    /// A redirect within the site after a form, with status 303: the browser asks for the other page by GET (RFC 9110
    /// §15.4.4), and a reload of that page sends no form again. The target is as for [`redirect`](Self::redirect).
    ///
    /// # Errors
    ///
    /// As [`redirect`](Self::redirect).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    /// let request = http::Request::post("/contact").body(())?;
    /// let response = CloudFront::new().respond(&request, content.see_other("/thanks")).await?;
    /// assert_eq!((response.status().as_u16(), &response.headers()["location"]), (303, &"/thanks".parse()?));
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn see_other(&self, location: &str) -> Representation {
        self.redirect(location).with_status(StatusCode::SEE_OTHER)
    }

    /// A redirect to another site, by its absolute URL, with status 302: a payment service, a sign-in of somebody else's.
    /// SECURITY: a URL out of a request would lend this site's good name to whoever wrote it.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    /// let checkout = content.redirect_external("https://pay.example/checkout/7").with_status(http::StatusCode::SEE_OTHER);
    /// let response = CloudFront::new().respond(&http::Request::new(()), checkout).await?;
    /// assert_eq!((response.status().as_u16(), response.headers().contains_key("location")), (303, true));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn redirect_external(&self, url: &str) -> Representation {
        let url = url.to_owned();
        Representation::select(move |_| found(&url))
    }

    /// Bytes of any kind, such as an image: their type is told from their content, with `nosniff`. A strong ETag from
    /// the content; byte ranges; GET and HEAD only.
    pub fn asset(&self, bytes: impl Into<Bytes>) -> Representation {
        let bytes = bytes.into();
        let tag = EntityTag::of(&bytes);
        as_asset(Representation::new(media_type::sniff(&bytes), bytes)).with_computed_tag(tag)
    }

    /// Bytes that are costly to get, such as a blob in a database. `etag` is called at once and gives the version of the
    /// content, or `None` where there is none: the [`not_found`](Self::not_found) page, which takes no policy, download name
    /// or validator that is set for the asset. `body` is called only if the client needs the bytes. Type, `nosniff`, ranges and methods as for [`asset`](Self::asset).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Asset`] where a closure fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{BoxError, CloudFront, ContentManager, Embedded};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// async fn version() -> Result<Option<String>, BoxError> {
    ///     Ok(Some("row-7-version-3".into())) // SELECT version FROM pictures WHERE id = 7
    /// }
    /// async fn blob() -> Result<Vec<u8>, BoxError> {
    ///     unreachable!("a 304 needs no bytes")
    /// }
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    /// let picture = content.asset_with(version, blob).await?;
    /// let request = http::Request::get("/").header("if-none-match", "\"row-7-version-3\"").body(())?;
    /// assert_eq!(CloudFront::new().respond(&request, picture).await?.status(), 304);
    /// # Ok::<(), BoxError>(())
    /// # }).unwrap();
    /// ```
    pub async fn asset_with<T, E, Tag, TagFuture, Make, MakeFuture>(
        &self,
        etag: Tag,
        body: Make,
    ) -> Result<Representation>
    where
        T: AsRef<str>,
        E: Into<BoxError>,
        Tag: FnOnce() -> TagFuture,
        TagFuture: Future<Output = Result<Option<T>, E>>,
        Make: FnOnce() -> MakeFuture + Send + 'static,
        MakeFuture: Future<Output = Result<Vec<u8>, E>> + Send,
    {
        let version = etag().await.map_err(|error| Error::caused(ErrorKind::Asset, "an asset's etag failed", error))?;
        let Some(version) = version else {
            return Ok(self.not_found().standing_in());
        };
        let make = async move {
            let bytes =
                body().await.map_err(|error| Error::caused(ErrorKind::Asset, "an asset's body failed", error))?;
            Ok(bytes.into())
        };
        let asset = as_asset(Representation::lazy("", make)).with_type_of(media_type::sniff);
        Ok(asset.with_entity_tag(EntityTag::strong(version)))
    }

    /// The page for what is not there: status 404 and the template `404.html`, or a plain page where there is none.
    /// `Cache-Control: no-cache`.
    pub fn not_found(&self) -> Representation {
        self.error_page(StatusCode::NOT_FOUND, None).with_cache_control(CacheControl::no_cache())
    }

    /// The page for a status: the template of that name (`500.html`), else `error.html`, else a plain page. Both templates have
    /// `status` (500), `title` (`Internal Server Error`) and, if one is given, `detail`; where none is given, it is left out, and
    /// `{{ detail }}` prints nothing. `Cache-Control: no-store`.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded};
    /// use http::StatusCode;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # use http_body_util::BodyExt;
    /// const TEMPLATES: Embedded = Embedded::new(&[("503.html", b"<h1>Closed</h1>{{ detail }}")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let page = content.error_page(StatusCode::SERVICE_UNAVAILABLE, Some("until Monday"));
    /// let response = CloudFront::new().respond(&http::Request::new(()), page).await?;
    /// assert_eq!(response.status(), 503);
    /// assert_eq!(response.headers()["cache-control"], "no-store");
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "<h1>Closed</h1>until Monday");
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn error_page(&self, status: StatusCode, detail: Option<&str>) -> Representation {
        let own = format!("{}.html", status.as_u16());
        let template = if self.has_template(&own) { &own } else { "error.html" };
        let mut arguments = serde_json::Map::new();
        arguments.insert("status".into(), status.as_u16().into());
        arguments.insert("title".into(), title(status).into());
        // A strict engine fails at what is left out, and `null` would be printed as `None`.
        if let Some(detail) = detail.or(self.snapshot().templates.is_strict().then_some("")) {
            arguments.insert("detail".into(), detail.into());
        }
        let page = self.render_template(template, arguments).unwrap_or_else(|_| Self::plain_page(status, detail));
        page.with_status(status).with_cache_control(CacheControl::no_store())
    }

    /// What a client of an API is told in place of a page (RFC 9457).
    pub(crate) fn problem(status: StatusCode, detail: Option<&str>) -> Representation {
        let mut problem =
            serde_json::json!({ "type": "about:blank", "title": title(status), "status": status.as_u16() });
        if let Some(detail) = detail {
            problem["detail"] = detail.into();
        }
        let problem = Representation::new("application/problem+json", problem.to_string());
        problem.with_status(status).with_cache_control(CacheControl::no_store())
    }

    /// The page for a status where the site has no template for it: of its own, without a link to anything.
    pub(crate) fn plain_page(status: StatusCode, detail: Option<&str>) -> Representation {
        let title = title(status);
        let detail = detail.map_or_else(String::new, |text| format!("<pre>{}</pre>", minijinja::HtmlEscape(text)));
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1>{detail}</html>\n"
        );
        let page = Representation::new("text/html; charset=utf-8", page);
        page.with_status(status).with_cache_control(CacheControl::no_store())
    }
}

fn found(location: &str) -> Result<Representation> {
    let value = HeaderValue::from_str(&links::encoded(location))
        .map_err(|error| Error::caused(ErrorKind::Handler, "a redirect leads nowhere", error))?;
    Ok(Representation::empty(StatusCode::FOUND).with_header(header::LOCATION, value))
}

fn leads_away(target: &str) -> Error {
    let shown = links::shown(target);
    let message = format!("a redirect leads off the site, to {shown}: redirect_external is for another site's URL");
    Error::new(ErrorKind::Redirect, message)
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

fn as_asset(representation: Representation) -> Representation {
    representation.with_methods([Method::GET]).with_ranges(true)
}
