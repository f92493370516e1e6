//! The AWS configuration of the process: region, credentials, endpoints and TLS, read when a client is first needed. It
//! knows no service.

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use tokio::sync::OnceCell;

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
