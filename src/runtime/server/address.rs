//! Where the environment says that plain HTTP is to be served. It opens no socket.

use std::env;

use crate::{
    error::{Error, ErrorKind, Result},
    runtime::{Front, listen::setting},
    stage::Stage,
};

/// An address to listen on.
#[derive(Debug, PartialEq)]
pub(in crate::runtime) struct ListenAddress {
    pub(super) host: String,
    pub(super) port: u16,
    /// Only Lambda's proxy reaches it.
    pub(super) is_web_function: bool,
}

impl ListenAddress {
    /// `None` where events are served: on Lambda, and in development.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a variable that can't be read.
    pub(in crate::runtime) fn of_environment() -> Result<Option<Self>> {
        let endpoint = setting("AWS_LAMBDA_HTTP_ENDPOINT", String::new())?;
        if !endpoint.is_empty() {
            return Self::of_endpoint(&endpoint).map(Some);
        }
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_elsewhere = is_set("AWS_LAMBDA_RUNTIME_API") || Stage::current().is_development();
        // Whoever names a front door wants to see what that does.
        if is_elsewhere || setting("FRONT", Front::Plain)? != Front::Plain || !(is_set("PORT") || is_set("HOST")) {
            return Ok(None);
        }
        let (host, port) = (setting("HOST", "0.0.0.0".to_owned())?, setting("PORT", 3000)?);
        Ok(Some(Self { host, port, is_web_function: false }))
    }

    /// Reads `host:port`.
    fn of_endpoint(endpoint: &str) -> Result<Self> {
        let parts = endpoint.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = parts.filter(|(host, _)| !host.is_empty()).ok_or_else(|| {
            let message = format!("AWS_LAMBDA_HTTP_ENDPOINT is `{endpoint}`, which is no `host:port`");
            Error::new(ErrorKind::Configuration, message)
        })?;
        Ok(Self { host: host.to_owned(), port, is_web_function: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_function_says_host_and_port() {
        for (endpoint, expected) in [
            ("127.0.0.1:8080", Some(("127.0.0.1", 8080))),
            ("[::1]:1", Some(("[::1]", 1))),
            ("localhost:8080", Some(("localhost", 8080))),
            ("8080", None),
            (":8080", None),
            ("host:", None),
            ("host:65536", None),
        ] {
            let address = ListenAddress::of_endpoint(endpoint);
            let found = address.as_ref().ok().map(|address| (address.host.as_str(), address.port));
            assert_eq!(found, expected, "{endpoint}");
            assert!(address.is_err() || address.is_ok_and(|address| address.is_web_function));
        }
    }
}
