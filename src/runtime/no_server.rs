//! No server of plain HTTP: what stands in for it in a build without the feature `server`.

use http::{Response, request::Parts};

use super::{App, door::PLAIN};
use crate::{
    error::{Error, ErrorKind, Result},
    response_body::ResponseBody,
};

#[derive(Clone, Debug, Default)]
pub(super) struct Settings {}

impl Settings {
    pub(super) fn checked(&self) -> Result<()> {
        Ok(())
    }
}

/// What those need who play the server of plain HTTP.
#[cfg_attr(
    not(any(feature = "dev-server", feature = "testing")),
    allow(dead_code, reason = "only who plays this server asks for it")
)]
impl Settings {
    pub(super) fn body_limit(&self) -> usize {
        PLAIN.request_body_limit
    }

    pub(super) fn header_limit(&self) -> usize {
        PLAIN.request_header_limit
    }

    pub(super) fn health(&self, _: &Parts, _: bool) -> Option<Response<ResponseBody>> {
        None
    }
}

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
