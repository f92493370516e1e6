//! The functions `picture` and `srcset` of templates. Their output depends only on the images' content, the settings and the
//! arguments, because a page's tag covers no more.

use std::{fmt::Write as _, sync::Arc};

use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Kwargs, Value},
};

use super::{
    FUNCTIONS, Images,
    engine::SourceImage,
    placeholder::Placeholder,
    prebuilt::{self, last_resort},
    variant::VariantRequest,
};
use crate::{
    codec::{self, Format, Header},
    files::{assets::Assets, urls::Urls},
};

pub(crate) fn add_functions(
    environment: &mut Environment<'static>,
    images: &Images,
    assets: &Arc<Assets>,
    urls: &Urls,
) {
    let [picture, srcset] = FUNCTIONS;
    let gallery = Gallery { images: images.clone(), assets: assets.clone(), urls: urls.clone() };
    let shown = gallery.clone();
    environment.add_function(picture, move |state: &State<'_, '_>, name: &str, options: Kwargs| {
        let asked = Options::read(&shown.images, &options)?;
        options.assert_all_used()?;
        let markup = shown.find(state, name, asked.size)?.picture(&asked)?;
        Ok::<_, Error>(Value::from_safe_string(markup))
    });
    environment.add_function(srcset, move |state: &State<'_, '_>, name: &str, options: Kwargs| {
        let asked = Options::of_srcset(&gallery.images, &options)?;
        options.assert_all_used()?;
        let shown = gallery.find(state, name, asked.size)?;
        let list = shown.srcset(&shown.widths(&asked.widths), asked.wanted);
        Ok::<_, Error>(Value::from_safe_string(escaped(&list)))
    });
}

/// The images that templates can show.
#[derive(Clone)]
struct Gallery {
    images: Images,
    assets: Arc<Assets>,
    urls: Urls,
}

/// One of them: its URL, and what is known of it.
struct Shown<'a> {
    images: &'a Images,
    assets: &'a Assets,
    name: &'a str,
    url: String,
    file: Option<(SourceImage, Header)>,
    size: Option<(u32, u32)>,
    /// Whether its URL takes parameters.
    scales: bool,
}

/// What a template says about an image.
#[derive(Default)]
struct Options {
    alt: String,
    /// What the template says of an image that is no file.
    size: Option<(u32, u32)>,
    widths: Vec<u32>,
    sizes: Option<String>,
    wanted: VariantRequest,
    loading: String,
    decoding: String,
    placeholder: Option<Placeholder>,
    /// Further attributes of the `img`: `class`, `id`, `fetchpriority`, `style`.
    more: Vec<(&'static str, String)>,
}

impl Options {
    fn read(images: &Images, given: &Kwargs) -> Result<Self, Error> {
        let text = |name: &'static str, otherwise: &str| {
            Ok::<_, Error>(given.get::<Option<String>>(name)?.unwrap_or_else(|| otherwise.to_owned()))
        };
        let alt = given
            .get::<Option<String>>("alt")?
            .ok_or_else(|| invalid("picture() needs alt='…', which says what is seen; alt='' for mere decoration"))?;
        let placeholder = match given.get::<Option<&str>>("placeholder")? {
            None => None,
            Some("colour" | "color") => Some(Placeholder::Colour),
            Some("blur") => Some(Placeholder::Blur),
            Some(_) => return Err(invalid("placeholder is 'blur' or 'colour'")),
        };
        let mut more = Vec::new();
        for name in ["class", "id", "style", "fetchpriority"] {
            more.extend(given.get::<Option<String>>(name)?.map(|value| (name, value)));
        }
        let (loading, decoding) = (text("loading", "lazy")?, text("decoding", "async")?);
        let sizes = given.get("sizes")?;
        Ok(Self { alt, sizes, loading, decoding, placeholder, more, ..Self::of_srcset(images, given)? })
    }

    fn of_srcset(images: &Images, given: &Kwargs) -> Result<Self, Error> {
        let allowed = &images.allowed;
        let widths = given.get::<Option<Vec<u32>>>("widths")?.unwrap_or_default();
        if let Some(width) = widths.iter().find(|width| !allowed.widths.contains(width)) {
            return Err(invalid(&format!(
                "the width {width} is none that may be asked for (Images::with_widths): {:?}",
                allowed.widths
            )));
        }
        let quality = given.get::<Option<u8>>("quality")?;
        if let Some(quality) = quality.filter(|quality| !allowed.qualities.contains(quality)) {
            return Err(invalid(&format!(
                "the quality {quality} is none that may be asked for (Images::with_qualities): {:?}",
                allowed.qualities
            )));
        }
        let size = given.get::<Option<Value>>("size")?.map(size_of).transpose()?;
        Ok(Self { size, widths, wanted: VariantRequest { quality, ..VariantRequest::default() }, ..Self::default() })
    }
}

/// Two numbers of pixels: a tuple or a list.
fn size_of(given: Value) -> Result<(u32, u32), Error> {
    let side = |at: usize| given.get_item_by_index(at).ok().and_then(|side| u32::try_from(side).ok());
    match (given.len(), side(0), side(1)) {
        (Some(2), Some(width @ 1..), Some(height @ 1..)) => Ok((width, height)),
        _ => Err(invalid(&format!("size is (width, height) in pixels, and not {given}"))),
    }
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.to_owned())
}

impl Gallery {
    /// The image of a name, or of a URL of the site's own, which begins with a slash as no name does.
    fn find<'a>(&'a self, state: &State<'_, '_>, text: &'a str, size: Option<(u32, u32)>) -> Result<Shown<'a>, Error> {
        match (text.starts_with('/'), size) {
            (false, None) => Ok(self.file(state, text)),
            (true, Some(size)) => {
                let url = (self.urls.of_path)(text).map_err(|why| invalid(&why))?;
                let (images, assets) = (&self.images, &self.assets);
                Ok(Shown { images, assets, name: text, url, file: None, size: Some(size), scales: true })
            }
            (true, None) => Err(invalid(&format!(
                "`{text}` is a URL of the site's own: say size=(width, height) of its image, as Images::inspect tells it"
            ))),
            (false, Some(_)) => Err(invalid(&format!(
                "size=(…) is for URLs, which begin with a slash: what `{text}` measures is read from the static file"
            ))),
        }
    }

    fn file<'a>(&'a self, state: &State<'_, '_>, text: &'a str) -> Shown<'a> {
        let (name, _) = self.assets.named(text);
        let content = self.assets.files().get(name);
        let source = content.map(|content| SourceImage { bytes: content.bytes.clone(), digest: content.digest });
        let size = source.as_ref().and_then(|source| {
            let header = self.images.engine.header(source);
            header.map_or_else(|_| codec::measure(&source.bytes), |header| Some(header.upright()))
        });
        let file = source.and_then(|source| {
            let header = self.images.engine.scalable(&source)?;
            Some((source, header))
        });
        // What is converted has a query of its own; a symbol of an SVG image is named behind its URL.
        let url = (self.urls.of_file)(state.name(), if file.is_some() { name } else { text });
        let scales = file.is_some();
        Shown { images: &self.images, assets: &self.assets, name, url, file, size, scales }
    }
}

impl Shown<'_> {
    /// A `picture` with an `img` in it. Its width and height keep the place free until it is there.
    fn picture(&self, options: &Options) -> Result<String, Error> {
        let widths = self.widths(&options.widths);
        let mut markup = String::from("<picture>");
        let sizes = options.sizes.as_deref().or((!widths.is_empty()).then_some("100vw"));
        for format in self.sources() {
            let wanted = VariantRequest { format: Some(format), ..options.wanted };
            let list = if widths.is_empty() { self.url(wanted) } else { self.srcset(&widths, wanted) };
            markup.push_str("<source");
            attributes(&mut markup, &[("type", Some(format.media_type())), ("srcset", Some(&list)), ("sizes", sizes)]);
            markup.push('>');
        }
        let wanted = VariantRequest { format: self.last_resort(), ..options.wanted };
        // A browser that knows no srcset is an old one, on a screen of its time.
        let plain = widths.iter().map(|(asked, _)| *asked).filter(|asked| *asked <= 1200).max();
        let plain = plain.or(widths.first().map(|(asked, _)| *asked));
        let (source, list) = (self.url(VariantRequest { width: plain, ..wanted }), self.srcset(&widths, wanted));
        let [width, height] =
            [self.size.map(|(width, _)| width.to_string()), self.size.map(|(_, height)| height.to_string())];
        markup.push_str("<img");
        attributes(
            &mut markup,
            &[
                ("src", Some(&source)),
                ("srcset", (!widths.is_empty()).then_some(&list)),
                ("sizes", sizes.filter(|_| !widths.is_empty())),
                ("width", width.as_deref()),
                ("height", height.as_deref()),
                ("alt", Some(&options.alt)),
                ("loading", Some(&options.loading)),
                ("decoding", Some(&options.decoding)),
            ],
        );
        let style = self.style(options)?;
        let more = options.more.iter().filter(|(name, _)| *name != "style");
        let more: Vec<_> = more.map(|(name, value)| (*name, Some(value.as_str()))).collect();
        attributes(&mut markup, &more);
        attributes(&mut markup, &[("style", style.as_deref())]);
        markup.push_str("></picture>");
        Ok(markup)
    }

    /// The placeholder goes ahead of what the template says.
    fn style(&self, options: &Options) -> Result<Option<String>, Error> {
        let own = options.more.iter().find(|(name, _)| *name == "style").map(|(_, style)| style.clone());
        if options.placeholder.is_some() && options.size.is_some() {
            return Err(invalid("placeholder is for static files: a page does not know the pixels of a URL"));
        }
        let (Some(placeholder), Some((source, header))) = (options.placeholder, &self.file) else { return Ok(own) };
        let ahead = prebuilt::placeholder(self.assets, self.name, placeholder, &source.digest);
        let style = ahead.unwrap_or_else(|| placeholder.style(&self.images.engine, source, header));
        Ok(Some(match own {
            Some(own) => format!("{style};{own}"),
            None => style,
        }))
    }

    /// The widths to ask for, and how wide the image then comes: up to the first that is no narrower than the image, which
    /// comes in its own width.
    fn widths(&self, asked: &[u32]) -> Vec<(u32, u32)> {
        let Some((full, _)) = self.size.filter(|_| self.scales) else { return Vec::new() };
        let mut widths = if asked.is_empty() { self.images.allowed.widths.clone() } else { asked.to_vec() };
        if asked.is_empty() {
            widths.retain(|width| *width >= SMALLEST_BY_DEFAULT);
        }
        widths.sort_unstable();
        let narrower = widths.partition_point(|width| *width < full);
        widths.truncate(narrower + 1);
        let mut widths: Vec<(u32, u32)> = widths.into_iter().map(|width| (width, width.min(full))).collect();
        widths.dedup();
        widths
    }

    fn srcset(&self, widths: &[(u32, u32)], wanted: VariantRequest) -> String {
        let mut list = String::new();
        for (asked, width) in widths {
            let separator = if list.is_empty() { "" } else { ", " };
            _ = write!(list, "{separator}{} {width}w", self.url(VariantRequest { width: Some(*asked), ..wanted }));
        }
        list
    }

    fn url(&self, wanted: VariantRequest) -> String {
        if !self.scales || wanted == VariantRequest::default() {
            return self.url.clone();
        }
        let (url, fragment) = self.url.split_at(self.url.find('#').unwrap_or(self.url.len()));
        match url.contains('?') {
            false if self.images.path_urls => format!("{url}/{}{fragment}", wanted.to_segment()),
            false => format!("{url}{}{fragment}", wanted.to_query()),
            // The site's own query comes first.
            true => format!("{url}&{}{fragment}", wanted.to_query().trim_start_matches('?')),
        }
    }

    /// The formats that the page itself offers: where the CDN can't tell clients apart, the browser chooses.
    fn sources(&self) -> Vec<Format> {
        let offered = [Format::Avif, Format::Webp].into_iter().filter(|format| format.is_built());
        if self.images.path_urls && self.scales { offered.collect() } else { Vec::new() }
    }

    fn last_resort(&self) -> Option<Format> {
        if !self.images.path_urls || !self.scales {
            return None;
        }
        let by_name = if self.name.ends_with(".png") { Format::Png } else { Format::Jpeg };
        Some(self.file.as_ref().map_or(by_name, |(_, header)| last_resort(header)))
    }
}

/// Narrower ones are for icons; a template that wants them says so.
const SMALLEST_BY_DEFAULT: u32 = 256;

fn attributes(markup: &mut String, attributes: &[(&str, Option<&str>)]) {
    for (name, value) in attributes {
        if let Some(value) = value {
            _ = write!(markup, " {name}=\"{}\"", escaped(value));
        }
    }
}

/// As the value of an attribute in double quotes. The engine's own escaping would write each slash of a URL as `&#x2f;`.
fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
