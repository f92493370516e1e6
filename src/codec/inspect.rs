//! What a file is that nobody vouches for, whether or not it is converted. It does not know what is done with it.

use super::{
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    measure::{is_whole, measure},
    probe::{moves, probe},
    refusal::{Refusal, within},
};

/// What is told of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Inspected {
    pub(crate) kind: Kind,
    /// As it is seen.
    pub(crate) size: (u32, u32),
    pub(crate) animated: bool,
    pub(crate) converted: bool,
}

/// What a file is, within these limits; `Err` where it is no image, or none whose size can be told.
pub(crate) fn inspect(bytes: &[u8], limits: &ImageLimits) -> Result<Inspected, Refusal> {
    match probe(bytes, limits) {
        Ok(header) => Ok(of(&header)),
        Err(Refusal::Unsupported(kind)) => {
            if matches!(kind, Kind::Avif | Kind::Heif) && !is_whole(bytes) {
                return Err(Refusal::broken("it ends too early"));
            }
            let size = measure(bytes).ok_or(Refusal::Unsupported(kind))?;
            within("pixels on a side", u64::from(size.0.max(size.1)), u64::from(limits.side))?;
            within("pixels", u64::from(size.0) * u64::from(size.1), limits.pixels)?;
            Ok(Inspected { kind, size, animated: moves(bytes), converted: false })
        }
        Err(why) => Err(why),
    }
}

fn of(header: &Header) -> Inspected {
    Inspected { kind: header.kind, size: header.upright(), animated: header.animated, converted: !header.animated }
}
