//! Placeholders that a page shows until an image is loaded: its main colour, or a few pixels of it. The only markup here is one
//! style declaration.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    engine::{Engine, SourceImage},
    variant::Plan,
};
use crate::codec::{self, Format, Header, Recipe, Refusal, Tier};

/// The sorts of placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Placeholder {
    /// The colour that there is most of.
    Colour,
    /// The image in 16 pixels, which a browser blurs when it stretches them.
    Blur,
}

/// In pixels.
const WIDTH: u32 = 16;

impl Placeholder {
    pub(crate) const ALL: [Self; 2] = [Self::Colour, Self::Blur];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Colour => "colour",
            Self::Blur => "blur",
        }
    }

    /// A declaration of style; a grey one where the image can't be read.
    pub(crate) fn style(self, engine: &Engine, source: &SourceImage, header: &Header) -> String {
        engine.style(self.name(), &source.digest, || {
            self.make(engine, source, header).unwrap_or_else(|why| {
                tracing::debug!(%why, "an image has a grey placeholder");
                "background-color:#888".to_owned()
            })
        })
    }

    fn make(self, engine: &Engine, source: &SourceImage, header: &Header) -> Result<String, Refusal> {
        let plan = Plan { formats: Format::Webp.alone(), width: Some(WIDTH), quality: 50, tier: Tier::Good };
        if !engine.affords(header, plan) {
            return Err(Refusal::NoFormat);
        }
        let limits = engine.limits();
        match self {
            Self::Colour => {
                let pixels = codec::decode(&source.bytes, header, Some((WIDTH, WIDTH)), limits)?
                    .resized(WIDTH, WIDTH)?
                    .into_srgb();
                let [red, green, blue] = pixels.dominant_colour();
                Ok(format!("background-color:#{red:02x}{green:02x}{blue:02x}"))
            }
            Self::Blur => {
                let Plan { width, formats, quality, tier } = plan;
                let recipe = Recipe { width, formats, quality, tier };
                let small = codec::convert(&source.bytes, header, &recipe, limits)?;
                let data = BASE64_STANDARD.encode(small.bytes);
                Ok(format!("background:url(data:image/webp;base64,{data}) center/cover no-repeat"))
            }
        }
    }
}
