//! Whether a deployed function consumes a queue: Lambda's list of event source mappings, asked by one signed request.
//!
//! The SDK of Lambda would answer it too. It has some 90 operations and would double what this command takes to build, so
//! the request is signed and sent by the parts that the SDK of SQS is made of.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_sqs::config::{ProvideCredentials, http::HttpRequest};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::HttpConnector, identity::Identity};
use form_urlencoded::byte_serialize;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

/// A page of the list is some tens of kilobytes.
const LIMIT: usize = 4 * 1024 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The functions that consume the queue. `endpoint` is where Lambda is, if not at AWS.
pub(super) async fn consumers(config: &SdkConfig, arn: &str, endpoint: Option<&str>) -> Result<Vec<String>, BoxError> {
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, partition, _, region, ..] = parts[..] else { return Err(format!("{arn} is not an ARN").into()) };
    let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let endpoint =
        endpoint.map_or_else(|| format!("https://lambda.{region}.{domain}"), |url| url.trim_end_matches('/').into());
    let queue: String = byte_serialize(arn.as_bytes()).collect();
    let url = format!("{endpoint}/2015-03-31/event-source-mappings/?EventSourceArn={queue}");
    let request = signed(config, &url, region).await?;
    let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
    let response = connector.call(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LIMIT).collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    match body.get("EventSourceMappings").and_then(Value::as_array) {
        Some(mappings) if status == 200 => Ok(enabled(mappings)),
        _ => {
            let said = ["Message", "message"].iter().find_map(|word| body.get(word)?.as_str());
            Err(format!("{endpoint} answered {status}: {}", said.unwrap_or("no list of event source mappings")).into())
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

async fn signed(config: &SdkConfig, url: &str, region: &str) -> Result<HttpRequest, BoxError> {
    let credentials = config.credentials_provider().ok_or("there are no credentials")?;
    let identity: Identity = credentials.provide_credentials().await?.into();
    let parameters = v4::SigningParams::builder().identity(&identity).region(region).name("lambda");
    let parameters = parameters.time(SystemTime::now()).settings(SigningSettings::default()).build()?.into();
    let unsigned = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(unsigned, &parameters)?.into_parts();
    let mut request = HttpRequest::get(url)?;
    for (name, value) in instructions.headers() {
        request.headers_mut().insert(name.to_owned(), value.to_owned());
    }
    Ok(request)
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
