//! JPEG files of the usual structures into pixels that are fewer than those stored: one scan with all components, as cameras
//! write it, or several passes over the picture, as editors do. Details that scaling would remove are read and
//! checked, but no pixel is computed from them.
//!
//! 1. [`tables`] reads what stands before a scan.
//! 2. [`bits`] reads the scan's codes, a block of 8 × 8 frequencies at a time.
//! 3. [`passes`] holds what becomes pixels where several scans tell of a block, [`band`] what one of them tells.
//! 4. [`block`] makes 1 × 1 to 7 × 7 pixels of the lowest frequencies.
//! 5. [`rows`] puts components together.

mod band;
mod bits;
mod block;
mod passes;
mod rows;
mod tables;

use self::{
    bits::{Bits, Block},
    block::Transform,
    passes::Passes,
    rows::{Plane, Rows},
    tables::Frame,
};
use super::{
    super::{
        header::{Colours, Header},
        pixels::Layout,
        refusal::Refusal,
    },
    jpeg::read_inks,
};

/// The pixels of a picture that [`files::jpeg::picture`](super::super::files::jpeg::picture) has made plain, `eighths` / 8 as
/// wide and as high.
pub(super) fn decode(picture: &[u8], header: &Header, eighths: u32) -> Result<(Layout, Vec<u8>), Refusal> {
    let mut data = if header.passes {
        passes(picture, header, eighths as usize)
    } else {
        scan(picture, header, eighths as usize)
    }?;
    let layout = match header.colours {
        Colours::Grey => Layout::Grey,
        Colours::Ycc | Colours::Rgb => Layout::Rgb,
        Colours::Inks | Colours::Ycck => Layout::Cmyk,
    };
    if layout == Layout::Cmyk {
        read_inks(&mut data, header.colours);
    }
    Ok((layout, data))
}

/// A picture whose first scan has all of it.
fn scan(picture: &[u8], header: &Header, eighths: usize) -> Result<Vec<u8>, Refusal> {
    let mut data = Vec::new();
    tables::read(picture, |frame, tables, scan| {
        let codings = tables.codings(&frame, scan)?;
        let (mut bits, mut block, mut predictions) = (Bits::new(scan.data), Block::new(eighths), [0; 4]);
        data = draw(&frame, eighths, header.colours, |row, planes, transform| {
            let (across, _) = frame.units();
            for column in 0..across {
                let number = row * across + column;
                if number > 0 && number.is_multiple_of(tables.restart) {
                    bits = bits.restarted(number / tables.restart - 1)?;
                    predictions = [0; 4];
                }
                let components = frame.components.iter().zip(&codings);
                for (((component, coding), prediction), plane) in components.zip(&mut predictions).zip(&mut *planes) {
                    for (y, x) in component.blocks() {
                        bits.read(coding, prediction, &mut block)?;
                        let place = plane.place(y, column * component.across + x, eighths);
                        transform.pixels(&block, plane.data.get_mut(place..)?, plane.stride);
                    }
                }
            }
            (!bits.is_past_the_end()).then_some(())
        })?;
        Some(())
    })?;
    Ok(data)
}

/// A picture in several passes: no pixel is known before the last of them.
fn passes(picture: &[u8], header: &Header, eighths: usize) -> Result<Vec<u8>, Refusal> {
    let mut passes = None;
    tables::read(picture, |frame, tables, scan| {
        passes.get_or_insert_with(|| Passes::new(frame, eighths)).read(tables, scan)
    })?;
    let drawn = passes.and_then(|passes| {
        let row = |row, planes: &mut [Plane], transform: &Transform| passes.draw(row, planes, transform, eighths);
        draw(&passes.frame, eighths, header.colours, row)
    });
    drawn.ok_or_else(|| Refusal::broken("it has no picture"))
}

/// The pixels of the rows of units (ITU-T T.81 A.2), each of which becomes a few rows of them. `None` where the scan is broken.
fn draw(
    frame: &Frame,
    eighths: usize,
    colours: Colours,
    mut each: impl FnMut(usize, &mut [Plane], &Transform) -> Option<()>,
) -> Option<Vec<u8>> {
    let transform = Transform::new(eighths);
    let mut rows = Rows::new(frame, eighths, colours);
    let mut data = Vec::with_capacity(rows.bytes());
    for row in 0..frame.units().1 {
        each(row, &mut rows.planes, &transform)?;
        rows.put_together(row, &mut data);
    }
    Some(data)
}
