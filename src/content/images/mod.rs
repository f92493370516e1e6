//! Images: placeholder of the area's head until its other parts are there.

#[allow(dead_code, unused_imports)]
pub(crate) mod codec;
