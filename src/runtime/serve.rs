//! Serving until the process ends: the events of Lambda's runtime, or requests on this machine. It does not know what an
//! event is.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use lambda_runtime::{LambdaEvent, LambdaInvocation, Runtime, layers::TracingLayer};
use lambda_runtime_api_client::PooledClient;
use serde_json::value::RawValue;
use tokio::runtime::{Handle, RuntimeFlavor};
use tower::{Service, layer::layer_fn};

use super::{App, dev_server, panics, server, streaming::StreamedReplies};
use crate::error::{BoxError, Error, ErrorKind, Result};

impl App {
    /// Serves until the process ends:
    ///
    /// | where | what |
    /// |---|---|
    /// | `AWS_LAMBDA_HTTP_ENDPOINT` is set: a Web Function of Lambda | plain HTTP at this `host:port` (feature `server`) |
    /// | `AWS_LAMBDA_RUNTIME_API` is set: any other function | Lambda's events, `AWS_LAMBDA_MAX_CONCURRENCY` at once |
    /// | production ([`Stage`](crate::Stage)), `PORT` or `HOST` is set, and `FRONT` is not: a container, a VM | plain HTTP (feature `server`), on `0.0.0.0:3000` unless they say otherwise |
    /// | elsewhere | local requests as events, on `http://127.0.0.1:3000` (feature `dev-server`) |
    ///
    /// Plain HTTP has [limits](crate::server::ServerLimits), [proxies](Self::with_trusted_proxies), a [health
    /// path](Self::with_health_path) and a [graceful end](Self::with_shutdown_time).
    ///
    /// Variables of the environment set the servers:
    ///
    /// | variable | what it sets | default |
    /// |---|---|---|
    /// | `HOST` | the address of this machine to listen on; `0.0.0.0` or `::` for all that it has, as in a container or for a phone in the same network | `127.0.0.1` |
    /// | `PORT` | the port | `3000` |
    /// | `FRONT` | the front door whose rules and limits apply: `http`, `rest`, `url`, `alb`, `plain` ([`Front`](crate::Front)) | `http` |
    /// | `TRUSTED_PROXIES` | whose word on client and scheme counts, for plain HTTP ([`with_trusted_proxies`](Self::with_trusted_proxies)) | none |
    /// | `ALLOWED_HOSTS` | further hosts that are served in development | none |
    /// | `RELOAD` | `on` or `off`: whether the browser loads pages again after an edit, in development | `on` |
    /// | `EDGE_MANIFEST` | anything: the program prints what its pages are made from, and ends ([`with_edge_manifest`](Self::with_edge_manifest)) | none |
    /// | `SCHEDULE_MANIFEST` | anything: the program prints its schedules ([`every`](Self::every)) for `chalice-http-toolkit schedules`, and ends (feature `tasking`) | none |
    ///
    /// A line in the log at level `info` says the address, the front door, the stage, and where templates and static files come
    /// from: the folders, or the copies in the program.
    ///
    /// In development the log has a line for each request (target `chalice_http_toolkit::access`), and an error of the site is shown
    /// by a page for the developer: the lines of the template, the causes, the variables. The browser loads pages again after an
    /// edit of a template and after a build, and `/_dev` lists the latest requests ([guide](crate::guide::developing)). These
    /// tools need a server that listens on a loopback address, and a build with debug assertions.
    ///
    /// With a `HOST` that others can reach it is production unless `STAGE=dev` says otherwise ([`Stage`](crate::Stage)).
    ///
    /// In development it serves only hosts that cannot be another site's, so that no page of one can read what a developer sees
    /// by making its own name lead to this machine (DNS rebinding): `localhost` and names below it, loopback addresses, the
    /// value of `HOST`, the address at which the connection came in, and `ALLOWED_HOSTS`. Any other host is answered with 403
    /// and a hint. `ALLOWED_HOSTS` has names and addresses, separated by commas, without scheme and port: `shop.test` is one
    /// name, `.shop.test` is that name and all below it, `*.shop.test` all below it, `*` is any host. A URL in the request line
    /// counts more than `Host`. A request without a Host field or with more than one is answered with 400 (RFC 9112 §3.2).
    ///
    /// At Ctrl-C and SIGTERM the local server ends. Before, it waits for the tasks that run at the time, and the log names those
    /// that end with the process, as a queue in the process does not outlive it. The second time it ends at once.
    ///
    /// # Errors
    ///
    /// As [`run`](crate::run).
    pub async fn run(self) -> Result<()> {
        self.mount.checked()?;
        self.server.checked()?;
        let is_on_lambda = std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some_and(|value| !value.is_empty());
        if !is_on_lambda && self.print_manifest()? {
            return Ok(());
        }
        self.tasks.checked()?;
        if !is_on_lambda && self.tasks.print_schedules()? {
            return Ok(());
        }
        let address = server::ListenAddress::of_environment()?;
        panics::remember_places();
        self.tasks.start();
        // Boxed: the compiler limits how deep futures stand within one another, and a site's own stand around this one.
        let served: BoxFuture<'static, Result<()>> = match address {
            Some(address) => Box::pin(server::run(self, address)),
            None if is_on_lambda => Box::pin(self.run_lambda()),
            None => Box::pin(dev_server::run(self)),
        };
        served.await
    }

    async fn run_lambda(self) -> Result<()> {
        let app = Arc::new(self);
        let streaming = app.clone();
        let handler = lambda_runtime::service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let app = app.clone();
            async move { app.invoke(event.payload.get(), Some(event.context)).await.map_err(|error| error.chain()) }
        });
        let stopped = |error| Error::caused(ErrorKind::Runtime, "the Lambda runtime loop stopped", error);
        warn_of_one_thread();
        if !streaming.streaming {
            return lambda_runtime::run_concurrent(handler).await.map_err(stopped);
        }
        let client = Arc::new(PooledClient::builder().build());
        let layer = layer_fn(|inner| StreamedReplies { app: streaming.clone(), client: client.clone(), inner });
        let runtime = Runtime::new(handler).layer(layer).layer(TracingLayer::new());
        looped(runtime).await.map_err(stopped)
    }
}

/// The loop of `lambda_runtime`, boxed where its service is any: only so the compiler sees that it may be sent to other threads.
fn looped<S>(runtime: Runtime<S>) -> BoxFuture<'static, Result<(), BoxError>>
where
    S: Service<LambdaInvocation, Response = (), Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    Box::pin(runtime.run_concurrent())
}

/// Several requests at once take turns on one thread.
fn warn_of_one_thread() {
    let at_once = std::env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().and_then(|at_once| at_once.parse::<u32>().ok());
    let at_once = at_once.unwrap_or(1);
    if at_once > 1 && Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        tracing::warn!(
            at_once,
            "several requests come at once, and the program has one thread for them: #[tokio::main(flavor = \"multi_thread\")]"
        );
    }
}
