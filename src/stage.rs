//! Which stage a site runs in. It decides nothing by itself.

use std::net::IpAddr;

/// The stage that a site runs in, from the environment variable `STAGE`.
///
/// `STAGE=dev` is development: edited templates and files are seen at once, and error pages show what went wrong. Any
/// other value is not. Without the variable it is development, except on Lambda (where `LAMBDA_TASK_ROOT` or
/// `AWS_LAMBDA_HTTP_ENDPOINT` is set) and where `HOST` lets the server listen on more than this machine's own addresses: whoever
/// can reach it then would see what only a developer should.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::Stage;
///
/// if Stage::current().is_development() {
///     println!("templates are reloaded");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    development: bool,
}

impl Stage {
    /// The stage of this process.
    pub fn current() -> Self {
        let on_lambda =
            ["LAMBDA_TASK_ROOT", "AWS_LAMBDA_HTTP_ENDPOINT"].iter().any(|name| std::env::var_os(name).is_some());
        let is_shown = std::env::var_os("HOST").is_some_and(|host| !host.to_str().is_some_and(listens_on_loopback));
        Self::of(std::env::var("STAGE").ok().as_deref(), on_lambda || is_shown)
    }

    pub(crate) fn of(stage: Option<&str>, others_reach_it: bool) -> Self {
        Self { development: stage.map_or(!others_reach_it, |stage| stage == "dev") }
    }

    /// Whether it is development.
    pub fn is_development(self) -> bool {
        self.development
    }
}

/// Whether a server with this `HOST` can be reached from this machine only. An empty one is none.
fn listens_on_loopback(host: &str) -> bool {
    host.is_empty() || is_loopback(host)
}

/// Whether a host is this machine, whoever asks: `localhost` and all below it (RFC 6761 §6.3), and addresses of the
/// loopback network.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let below = name.strip_suffix("localhost");
    let is_local_name = below.is_some_and(|below| below.is_empty() || (below.len() > 1 && below.ends_with('.')));
    is_local_name || address_in(host).is_some_and(|address| address.is_loopback())
}

/// The address that a host is, with or without brackets around it.
pub(crate) fn address_in(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_assumed_where_others_reach_it_and_development_elsewhere() {
        for (stage, others_reach_it, development) in
            [(None, false, true), (None, true, false), (Some("dev"), true, true), (Some("prod"), false, false)]
        {
            assert_eq!(Stage::of(stage, others_reach_it).is_development(), development);
        }
        for (host, only_here) in [
            ("", true),
            ("localhost", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("[::1]", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.168.1.5", false),
            ("my-machine", false),
        ] {
            assert_eq!(listens_on_loopback(host), only_here, "{host}");
        }
    }
}
