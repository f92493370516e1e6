//! Serving until the process ends: the events of Lambda's runtime, or requests on this machine. It does not know what an
//! event is.

use std::sync::Arc;

use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;

use super::{App, dev_server};
use crate::error::{Error, ErrorKind, Result};

impl App {
    /// Serves until the process ends: Lambda's events where `AWS_LAMBDA_RUNTIME_API` is set, else local requests on
    /// `http://127.0.0.1:3000` (feature `dev-server`). `PORT` sets another port; `FRONT` (`http`, `rest`, `url`, `alb`;
    /// default `http`) the front door whose rules and limits apply.
    ///
    /// # Errors
    ///
    /// As [`run`](crate::run).
    pub async fn run(self) -> Result<()> {
        self.tasks.start();
        if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
            self.run_lambda().await
        } else {
            dev_server::run(self).await
        }
    }

    async fn run_lambda(self) -> Result<()> {
        let app = Arc::new(self);
        let handler = lambda_runtime::service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let app = app.clone();
            async move { app.invoke(event.payload.get(), Some(event.context)).await.map_err(|error| error.chain()) }
        });
        let stopped = |error| Error::caused(ErrorKind::Runtime, "the Lambda runtime loop stopped", error);
        lambda_runtime::run(handler).await.map_err(stopped)
    }
}
