//! A signed request to a service of AWS, for a call or two of it. It does not know what they mean.
//!
//! The SDKs of Lambda and of Systems Manager would make them too. They have some 230 operations and would double what this
//! command takes to build, so requests are signed and sent by the parts that the SDK of SQS is made of.

use std::{env, time::SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{ProvideCredentials, http::HttpRequest};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::{
    Builder, Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::HttpConnector, identity::Identity};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

/// The longest answer is a reply of a function: 6 MB, in which each byte of a page may be written as six.
const LIMIT: usize = 40 * 1024 * 1024;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request: GET, or POST where it has a body.
#[derive(Debug)]
pub(crate) struct AwsRequest<'a> {
    pub(crate) service: &'static str,
    pub(crate) region: &'a str,
    pub(crate) url: String,
    pub(crate) headers: &'a [(&'static str, &'static str)],
    pub(crate) body: String,
}

/// An answer: its status, and what its body says.
#[derive(Debug)]
pub(crate) struct AwsResponse {
    pub(crate) status: u16,
    pub(crate) body: Value,
    code: String,
}

impl AwsResponse {
    /// What AWS calls the error; empty where it is none.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What AWS says about an error.
    pub(crate) fn message(&self) -> Option<&str> {
        ["Message", "message"].iter().find_map(|word| self.body.get(word)?.as_str())
    }
}

/// Credentials, endpoints and TLS, with this region or the one that is configured.
pub(crate) async fn configuration(region: Option<&str>) -> SdkConfig {
    let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let defaults = aws_config::defaults(BehaviorVersion::latest()).http_client(https);
    match region {
        Some(region) => defaults.region(Region::new(region.to_owned())).load().await,
        None => defaults.load().await,
    }
}

/// Where a service is: at the endpoint that the environment names for it (AWS_ENDPOINT_URL_LAMBDA and the like), else at AWS.
pub(crate) fn endpoint(config: &SdkConfig, service: &str, region: &str) -> String {
    let own = env::var(format!("AWS_ENDPOINT_URL_{}", service.to_uppercase())).ok().filter(|url| !url.is_empty());
    let named = own.or_else(|| config.endpoint_url().map(str::to_owned));
    named.map_or_else(|| at_aws(service, region), |url| url.trim_end_matches('/').into())
}

pub(crate) fn at_aws(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{domain}")
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl HttpAnswer {
    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

/// Asks without credentials.
pub(crate) async fn get(url: &str) -> Result<HttpAnswer, BoxError> {
    sent(HttpRequest::get(url)?).await
}

pub(crate) async fn send_for_bytes(config: &SdkConfig, request: &AwsRequest<'_>) -> Result<HttpAnswer, BoxError> {
    sent(signed(config, request).await?).await
}

async fn sent(request: HttpRequest) -> Result<HttpAnswer, BoxError> {
    let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
    let response = connector.call(request).await?;
    let status = response.status().as_u16();
    let fields = response.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = Limited::new(response.into_body(), LIMIT).collect().await?.to_bytes();
    Ok(HttpAnswer { status, fields, body })
}

pub(crate) async fn send(config: &SdkConfig, request: &AwsRequest<'_>) -> Result<AwsResponse, BoxError> {
    let answer = send_for_bytes(config, request).await?;
    let (status, code) = (answer.status, answer.field("x-amzn-errortype").to_owned());
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = if code.is_empty() { body["__type"].as_str().unwrap_or_default().to_owned() } else { code };
    // `AccessDeniedException:http://internal…` and `com.amazonaws.ssm#ParameterNotFound` are both written.
    let code = code.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned();
    Ok(AwsResponse { status, body, code })
}

async fn signed(config: &SdkConfig, request: &AwsRequest<'_>) -> Result<HttpRequest, BoxError> {
    let credentials = config.credentials_provider().ok_or("there are no credentials")?;
    let identity: Identity = credentials.provide_credentials().await?.into();
    let parameters = v4::SigningParams::builder().identity(&identity).region(request.region).name(request.service);
    let parameters = parameters.time(SystemTime::now()).settings(SigningSettings::default()).build()?.into();
    let method = if request.body.is_empty() { "GET" } else { "POST" };
    let body = SignableBody::Bytes(request.body.as_bytes());
    let unsigned = SignableRequest::new(method, &request.url, request.headers.iter().copied(), body)?;
    let (instructions, _) = sign(unsigned, &parameters)?.into_parts();
    let mut signed = HttpRequest::get(&request.url)?;
    signed.set_method(method)?;
    *signed.body_mut() = request.body.clone().into();
    for (name, value) in request.headers.iter().copied().chain(instructions.headers()) {
        signed.headers_mut().insert(name.to_owned(), value.to_owned());
    }
    Ok(signed)
}
