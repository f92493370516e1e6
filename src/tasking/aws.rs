//! The AWS configuration of the process: region, credentials, endpoints and TLS, read when a client is first needed. It
//! knows no service.

use std::{
    env,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig};
use aws_sdk_sqs::config::ProvideCredentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use http::Uri;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout},
};

/// What every client of this process is made from.
///
/// It does not try again by itself: who posts must know of each attempt whether its answer was lost, and has one budget of
/// time for all of them.
pub(crate) async fn configuration() -> &'static SdkConfig {
    static CONFIGURATION: OnceCell<SdkConfig> = OnceCell::const_new();
    CONFIGURATION
        .get_or_init(|| async {
            // `ring` builds with a C compiler alone, so also with zig for Lambda's processors.
            let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
            let configuration = aws_config::defaults(BehaviorVersion::latest()).http_client(https);
            configuration.retry_config(RetryConfig::disabled()).load().await
        })
        .await
}

/// Each says that there are credentials somewhere. Without any, only a machine of EC2 has some, which says so at once.
const CREDENTIALS: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
];
const ANSWER_OF_EC2: Duration = Duration::from_millis(500);
/// For so long it is not asked again in vain.
const IN_VAIN: Duration = Duration::from_secs(10);

/// What is missing for any request to a service whose endpoint this variable names. No attempt would succeed.
pub(crate) async fn fault(configuration: &SdkConfig, endpoint: &str) -> Option<String> {
    if configuration.region().is_none() {
        return Some("no AWS region is set: set AWS_REGION, also for an emulator".to_owned());
    }
    let is_url = |url: &str| url.parse::<Uri>().is_ok_and(|url| url.scheme().is_some() && url.host().is_some());
    for name in [endpoint, "AWS_ENDPOINT_URL"] {
        if let Some(url) = env::var(name).ok().filter(|url| !url.is_empty() && !is_url(url)) {
            return Some(format!("{name} is `{url}`, which is no URL such as http://127.0.0.1:4566"));
        }
    }
    credentials_fault(configuration).await
}

async fn credentials_fault(configuration: &SdkConfig) -> Option<String> {
    static MISSED: Mutex<Option<Instant>> = Mutex::new(None);
    let missed = || MISSED.lock().unwrap_or_else(PoisonError::into_inner);
    let has_files = env::home_dir().is_some_and(|home| home.join(".aws").exists());
    if has_files || CREDENTIALS.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return None;
    }
    let provider = configuration.credentials_provider();
    let is_new = missed().is_none_or(|at| at.elapsed() > IN_VAIN);
    if let Some(provider) = provider.filter(|_| is_new) {
        if let Ok(Ok(_)) = timeout(ANSWER_OF_EC2, provider.provide_credentials()).await {
            return None;
        }
        *missed() = Some(Instant::now());
    }
    Some(
        "there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (an emulator takes any)"
            .to_owned(),
    )
}
