//! No AVIF: what stands in for its encoder in builds without the feature `avif`.

use super::{
    super::{pixels::Pixels, refusal::Refusal},
    Tier,
};

pub(super) const IS_BUILT: bool = false;

pub(super) const fn encode(_: &Pixels, _: u8, _: Tier, _: bool) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::NoFormat)
}
