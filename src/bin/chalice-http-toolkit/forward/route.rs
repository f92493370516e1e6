//! `QUEUE->FUNCTION`, read once. It knows how functions are named; it asks nobody whether they exist.

use std::str::FromStr;

use http::Uri;

use crate::queue_name::{QueueName, is_name};

/// One `-e`: which queue goes to which function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(super) queue: QueueName,
    pub(super) function: Function,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Function {
    Name(String),
    Url(Uri),
}

impl FromStr for Route {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let (queue, function) = typed
            .rsplit_once("->")
            .ok_or("it has the form 'QUEUE->FUNCTION', in quotes: the shell takes a bare > for itself")?;
        Ok(Self { queue: queue.trim().parse()?, function: function.trim().parse()? })
    }
}

impl FromStr for Function {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        if is_name(typed) {
            return Ok(Self::Name(typed.into()));
        }
        let uri = typed.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http") && uri.path() != "/");
        uri.map(Self::Url).ok_or_else(|| {
            format!("{typed:?} is neither the name of a function nor an invoke URL: http://HOST:PORT/2015-03-31/functions/NAME/invocations")
        })
    }
}

impl Function {
    /// Where it is invoked.
    pub(super) fn at(&self, endpoint: &Uri) -> Result<Uri, String> {
        let name = match self {
            Self::Url(url) => return Ok(url.clone()),
            Self::Name(name) => name,
        };
        let endpoint_text = endpoint.to_string();
        let base = endpoint_text.trim_end_matches('/');
        if endpoint.scheme_str() != Some("http") {
            return Err(format!(
                "--invoke-endpoint {base} does not begin with http://; functions are invoked without TLS"
            ));
        }
        let url = format!("{base}/2015-03-31/functions/{name}/invocations");
        url.parse().map_err(|_| format!("--invoke-endpoint {base} is not the beginning of a URL"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoked_at(typed: &str) -> String {
        let route: Route = typed.parse().unwrap();
        route.function.at(&Uri::from_static("http://127.0.0.1:9000/")).unwrap().to_string()
    }

    #[test]
    fn functions_are_invoked_by_name_or_url() {
        assert_eq!(invoked_at("q->my_fn"), "http://127.0.0.1:9000/2015-03-31/functions/my_fn/invocations");
        assert_eq!(invoked_at("q->http://localhost:1/x"), "http://localhost:1/x");
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for typed in [
            "q",
            "q-",
            "->f",
            "q->",
            "q->a/b",
            "q->https://h/x",
            "q->http://h",
            "a b->f",
            "arn:aws:sqs:r:1->f",
            "arn:aws:s3:r:1:q->f",
            "arn:aws:sqs::1:q->f",
            "q.fifo.fifo->f",
        ] {
            assert!(typed.parse::<Route>().is_err(), "{typed}");
        }
    }
}
