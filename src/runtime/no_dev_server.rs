//! No local server: what stands in for it in a build without the feature `dev-server`.

use super::App;
use crate::error::{Error, ErrorKind, Result};

pub(super) async fn run(_: App) -> Result<()> {
    let message = "AWS_LAMBDA_RUNTIME_API is not set, and the local server is left out (feature `dev-server`)";
    Err(Error::new(ErrorKind::Configuration, message))
}
