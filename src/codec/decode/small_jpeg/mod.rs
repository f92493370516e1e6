//! JPEG files of the usual structure into pixels that are fewer than those stored: one scan with all components, as cameras
//! write it. What would be scaled away is read and checked, but never becomes a pixel.
//!
//! 1. [`tables`] reads what stands before the scan.
//! 2. [`bits`] reads the scan's codes, a block of 8 × 8 frequencies at a time.
//! 3. [`block`] makes 1 × 1 to 7 × 7 pixels of the lowest frequencies.
//! 4. [`rows`] puts components together.

mod bits;
mod block;
mod rows;
mod tables;

use self::{
    bits::{Bits, Block},
    block::Transform,
    rows::Rows,
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
    let broken = || Refusal::broken("its scan ends too early, or has codes that mean nothing");
    let (frame, scan) = tables::read(picture)?;
    let mut data = Vec::new();
    read_scan(&frame, scan, eighths as usize, header, &mut data).ok_or_else(broken)?;
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

/// The rows of units (ITU-T T.81 A.2), each of which becomes a few rows of pixels. `None` where the scan is broken.
fn read_scan(frame: &Frame, scan: &[u8], eighths: usize, header: &Header, data: &mut Vec<u8>) -> Option<()> {
    let transform = Transform::new(eighths);
    let mut rows = Rows::new(frame, eighths, header.colours);
    let (mut bits, mut block) = (Bits::new(scan), Block::new(eighths));
    let mut predictions = [0; 4];
    let (across, down) = frame.units();
    data.reserve_exact(rows.bytes());
    for row in 0..down {
        for column in 0..across {
            let number = row * across + column;
            if number > 0 && number.is_multiple_of(frame.restart) {
                bits = bits.restarted(number / frame.restart - 1)?;
                predictions = [0; 4];
            }
            for ((component, prediction), plane) in frame.components.iter().zip(&mut predictions).zip(&mut rows.planes)
            {
                for (y, x) in component.blocks() {
                    bits.read(component, prediction, &mut block)?;
                    let place = plane.place(y, column * component.across + x, eighths);
                    transform.pixels(&block, plane.data.get_mut(place..)?, plane.stride);
                }
            }
        }
        if bits.is_past_the_end() {
            return None;
        }
        rows.put_together(row, data);
    }
    Some(())
}
