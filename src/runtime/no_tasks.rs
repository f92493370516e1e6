//! No background tasks: what stands in for them in a build without the feature `tasking`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use lambda_http::Context;
use serde_json::Value;

use super::App;
use crate::error::{Error, ErrorKind, Result};

#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {}

impl Tasks {
    pub(crate) fn checked(&self) -> Result<()> {
        Ok(())
    }

    pub(crate) fn start(&self) {}

    #[allow(dead_code)] // Without a server nobody polls.
    pub(crate) fn start_polling(&self) -> Result<()> {
        Ok(())
    }

    #[allow(dead_code)] // As above.
    pub(crate) fn end_polling(&self, _: Duration) {}

    #[allow(dead_code)] // Without the local server nothing stops it.
    pub(crate) async fn stop(&self) {}

    #[allow(dead_code)] // Without the local server nobody looks.
    pub(crate) fn shown(&self) -> Vec<Value> {
        Vec::new()
    }

    #[allow(dead_code)]
    pub(crate) fn change(&self, _: &str, _: &str, _: &str) -> bool {
        false
    }

    pub(crate) fn due(&self, _: &str) -> Result<Option<(String, BoxFuture<'static, Result<Value>>)>> {
        Ok(None)
    }

    pub(crate) fn print_schedules(&self) -> Result<bool> {
        Ok(false)
    }

    #[allow(dead_code)] // Without the local server there is no clock.
    pub(crate) fn clock(&self, _: &App) -> Result<Option<BoxFuture<'static, ()>>> {
        Ok(None)
    }

    pub(crate) async fn work(&self, _: &str, _: Option<&Context>) -> Result<Value> {
        Err(Error::new(ErrorKind::Event, "this event is of a queue; tasks need the feature `tasking`"))
    }
}

pub(crate) struct Scope;

impl Scope {
    pub(crate) fn new(_: &str, _: Option<&Context>) -> Self {
        Self
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> F {
        future
    }

    pub(crate) async fn flush(&self) -> Result<()> {
        Ok(())
    }

    pub(crate) fn drop_tasks(&self) {}
}
