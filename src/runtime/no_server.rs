//! No server of plain HTTP: what stands in for it in a build without the feature `server`.

use super::App;
use crate::error::{Error, ErrorKind, Result};

#[derive(Clone, Debug, Default)]
pub(super) struct Settings {}

#[derive(Debug)]
pub(super) enum ListenAddress {}

impl ListenAddress {
    pub(super) fn of_environment() -> Result<Option<Self>> {
        if std::env::var_os("AWS_LAMBDA_HTTP_ENDPOINT").is_none_or(|endpoint| endpoint.is_empty()) {
            return Ok(None);
        }
        let message = "AWS_LAMBDA_HTTP_ENDPOINT is set, and the server of plain HTTP is left out (feature `server`)";
        Err(Error::new(ErrorKind::Configuration, message))
    }
}

pub(super) async fn run(_: App, address: ListenAddress) -> Result<()> {
    match address {}
}
