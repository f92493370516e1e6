//! How a queue is named: by its name, its ARN or its URL. It asks nobody whether the queue exists.

use std::str::FromStr;

use http::Uri;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum QueueName {
    Name(String),
    Arn { region: String, account: String, name: String },
    Url { url: String, region: Option<String> },
}

impl FromStr for QueueName {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        if typed.starts_with("arn:") {
            return arn(typed)
                .ok_or_else(|| format!("{typed:?} is not the ARN of a queue: arn:aws:sqs:REGION:ACCOUNT:NAME"));
        }
        if typed.contains("://") {
            let uri: Uri = typed.parse().map_err(|_| format!("{typed:?} is not the URL of a queue"))?;
            return Ok(Self::Url { region: region(uri.host().unwrap_or_default()), url: typed.into() });
        }
        if is_name(typed.strip_suffix(".fifo").unwrap_or(typed)) {
            return Ok(Self::Name(typed.into()));
        }
        Err(format!("{typed:?} is not the name of a queue: letters, digits, - and _, then .fifo if it is one"))
    }
}

fn arn(typed: &str) -> Option<QueueName> {
    let parts: Vec<&str> = typed.split(':').collect();
    let [_, _, "sqs", region, account, name] = parts[..] else { return None };
    let complete = !region.is_empty() && !account.is_empty() && !name.is_empty();
    complete.then(|| QueueName::Arn { region: region.into(), account: account.into(), name: name.into() })
}

/// The region in a host such as `sqs.eu-central-1.amazonaws.com`.
fn region(host: &str) -> Option<String> {
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    domain.starts_with("amazonaws.").then(|| region.into())
}

pub(crate) fn is_name(typed: &str) -> bool {
    !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_named_in_three_ways() {
        let arn = QueueName::Arn { region: "eu-west-1".into(), account: "123".into(), name: "q.fifo".into() };
        let url = |url: &str, region: Option<&str>| QueueName::Url { url: url.into(), region: region.map(Into::into) };
        for (typed, wanted) in [
            ("q.fifo", QueueName::Name("q.fifo".into())),
            ("q", QueueName::Name("q".into())),
            ("arn:aws:sqs:eu-west-1:123:q.fifo", arn),
            ("http://127.0.0.1:1/0/q", url("http://127.0.0.1:1/0/q", None)),
            (
                "https://sqs.eu-west-1.amazonaws.com/1/q",
                url("https://sqs.eu-west-1.amazonaws.com/1/q", Some("eu-west-1")),
            ),
        ] {
            assert_eq!(typed.parse(), Ok(wanted), "{typed}");
        }
    }
}
