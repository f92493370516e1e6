//! The settings that a server on this machine reads from the environment, and its socket.

use std::{env, str::FromStr};

use tokio::net::TcpListener;

use crate::error::{BoxError, Error, ErrorKind, Result};

pub(super) async fn listen(host: &str, port: u16) -> Result<TcpListener> {
    let name = host.trim_matches(['[', ']']);
    TcpListener::bind((name, port)).await.map_err(|error| {
        let message = format!(
            "can't listen on `{host}`, port {port}: HOST sets an address of this machine (127.0.0.1 for this machine alone, 0.0.0.0 \
             for all that it has), PORT another port"
        );
        Error::caused(ErrorKind::Runtime, message, error)
    })
}

/// A variable of the environment. An empty one is not set.
pub(super) fn setting<T: FromStr>(name: &str, default: T) -> Result<T>
where
    T::Err: Into<BoxError>,
{
    let unreadable = |value: &str, error| {
        Error::caused(ErrorKind::Configuration, format!("{name} is `{value}`, which can't be read"), error)
    };
    match env::var(name) {
        Ok(value) if !value.is_empty() => value.parse().map_err(|error: T::Err| unreadable(&value, error.into())),
        Err(env::VarError::NotUnicode(value)) => Err(unreadable(&value.to_string_lossy(), "it is not UTF-8".into())),
        Ok(_) | Err(env::VarError::NotPresent) => Ok(default),
    }
}
