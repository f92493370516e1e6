//! Whether a deployed function consumes a queue: Lambda's list of event source mappings.

use aws_config::SdkConfig;
use form_urlencoded::byte_serialize;
use serde_json::Value;

use crate::aws::{AwsRequest, BoxError, at_aws, send};

/// The functions that consume the queue. `endpoint` is where Lambda is, if not at AWS.
pub(super) async fn consumers(config: &SdkConfig, arn: &str, endpoint: Option<&str>) -> Result<Vec<String>, BoxError> {
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, _, _, region, ..] = parts[..] else { return Err(format!("{arn} is not an ARN").into()) };
    let endpoint = endpoint.map_or_else(|| at_aws("lambda", region), |url| url.trim_end_matches('/').into());
    let queue: String = byte_serialize(arn.as_bytes()).collect();
    let url = format!("{endpoint}/2015-03-31/event-source-mappings/?EventSourceArn={queue}");
    let response =
        send(config, &AwsRequest { service: "lambda", region, url, headers: &[], body: String::new() }).await?;
    match response.body.get("EventSourceMappings").and_then(Value::as_array) {
        Some(mappings) if response.status == 200 => Ok(enabled(mappings)),
        _ => {
            let message = response.message().unwrap_or("no list of event source mappings");
            Err(format!("{endpoint} answered {}: {message}", response.status).into())
        }
    }
}

/// The functions of mappings that poll, or will.
fn enabled(mappings: &[Value]) -> Vec<String> {
    let polls = |mapping: &&Value| !matches!(mapping["State"].as_str(), Some("Disabled" | "Disabling" | "Deleting"));
    mappings
        .iter()
        .filter(polls)
        .map(|mapping| mapping["FunctionArn"].as_str().unwrap_or("a function").into())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mapping_consumes_unless_it_is_off() {
        for (state, consumes) in [
            (json!("Enabled"), true),
            (json!("Creating"), true),
            (json!("Updating"), true),
            (json!(null), true),
            (json!("Disabled"), false),
            (json!("Disabling"), false),
            (json!("Deleting"), false),
        ] {
            let mapping = json!({ "FunctionArn": "arn:f", "State": state });
            assert_eq!(!enabled(&[mapping]).is_empty(), consumes, "{state}");
        }
    }
}
