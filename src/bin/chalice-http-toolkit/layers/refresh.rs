//! Which versions there are by now. AWS does not list the versions of its own layers to others
//! (ListLayerVersions is denied), but it tells of each one by its ARN.

use std::time::Duration;

use aws_config::SdkConfig;
use form_urlencoded::byte_serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    LayerVersion,
    table::{Arch, Layer},
};
use crate::aws::{AwsRequest, AwsResponse, BoxError, endpoint, send};

/// How many numbers in a row are tried in vain: AWS leaves some out.
const GAP: u32 = 5;

/// No layer has been published so often.
const MOST: u32 = 2000;

/// How often a call is made again where AWS is too busy.
const RETRIES: u32 = 5;

/// The newest version of a layer; `None` where there is none in that region.
pub(super) async fn newest(
    config: &SdkConfig,
    layer: &Layer,
    region: &str,
    arch: Arch,
) -> Result<Option<LayerVersion>, BoxError> {
    if let Some(name) = layer.parameter(arch)
        && let Some(arn) = parameter(config, region, name).await?
    {
        return published(&arn, layer.name(arch)).map(Some);
    }
    let Some((arn, version)) = layer.in_table(region, arch) else { return Ok(None) };
    if !is_there(config, region, &arn, version).await? {
        return Err(format!("{arn}:{version} can't be read: it takes lambda:GetLayerVersion").into());
    }
    let (mut last, mut next) = (version, version + 1);
    while next <= last + GAP && next < version + MOST {
        if is_there(config, region, &arn, next).await? {
            last = next;
        }
        next += 1;
    }
    Ok(Some(LayerVersion { arn, version: last }))
}

/// The value of a public parameter; `None` where there is no such parameter in this region.
async fn parameter(config: &SdkConfig, region: &str, name: &str) -> Result<Option<String>, BoxError> {
    let request = AwsRequest {
        service: "ssm",
        region,
        url: format!("{}/", endpoint(config, "ssm", region)),
        headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")],
        body: json!({ "Name": name }).to_string(),
    };
    let response = with_retries(config, &request).await?;
    match (response.status, response.code(), response.body.pointer("/Parameter/Value").and_then(Value::as_str)) {
        (200, _, Some(value)) => Ok(Some(value.to_owned())),
        (_, "ParameterNotFound", _) => Ok(None),
        _ => Err(refused("the public parameter", &response)),
    }
}

/// The ARN of a layer's version, as AWS's parameter has it.
fn published(arn: &str, name: &str) -> Result<LayerVersion, BoxError> {
    let parts = arn.rsplit_once(':').and_then(|(arn, version)| Some((arn, version.parse().ok()?)));
    match parts {
        Some((arn, version)) if arn.starts_with("arn:") && arn.ends_with(&format!(":layer:{name}")) => {
            Ok(LayerVersion { arn: arn.to_owned(), version })
        }
        _ => Err(format!("the public parameter has {arn:?}, which is no version of {name}").into()),
    }
}

async fn is_there(config: &SdkConfig, region: &str, arn: &str, version: u32) -> Result<bool, BoxError> {
    let arn: String = byte_serialize(format!("{arn}:{version}").as_bytes()).collect();
    let request = AwsRequest {
        service: "lambda",
        region,
        url: format!("{}/2018-10-31/layers?find=LayerVersion&Arn={arn}", endpoint(config, "lambda", region)),
        headers: &[],
        body: String::new(),
    };
    let response = with_retries(config, &request).await?;
    match (response.status, response.code()) {
        (200, _) => Ok(true),
        // What is not there is not allowed either, to who may not see what is there.
        (404, _) | (_, "AccessDeniedException" | "ResourceNotFoundException") => Ok(false),
        _ => Err(refused("the layer's version", &response)),
    }
}

/// An answer, asked for again while AWS is too busy.
async fn with_retries(config: &SdkConfig, request: &AwsRequest<'_>) -> Result<AwsResponse, BoxError> {
    let mut response = send(config, request).await?;
    for retry in 0..RETRIES {
        if response.status != 429 && response.status < 500 && !response.code().contains("Throttl") {
            break;
        }
        sleep(Duration::from_millis(200 << retry)).await;
        response = send(config, request).await?;
    }
    Ok(response)
}

fn refused(what: &str, response: &AwsResponse) -> BoxError {
    let message = response.message().unwrap_or("no more was said");
    format!("AWS answered {} {} about {what}: {message}", response.status, response.code()).into()
}
