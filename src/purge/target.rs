//! Which edge is purged in this process: a distribution at AWS, or the local one. It does not know what is purged.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::distribution::Distribution;
use crate::{
    error::{Error, ErrorKind, Result},
    local_edge::LocalEdge,
    stage::Stage,
};

#[derive(Clone)]
pub(super) enum Target {
    Local(LocalEdge),
    /// Resolved when it is first needed, from the id that the site gave, or else from the environment.
    Lazy(Option<String>, Arc<OnceLock<ResolvedTarget>>),
}

#[derive(Clone)]
pub(super) enum ResolvedTarget {
    Local(LocalEdge),
    Distribution(Arc<Distribution>),
    Nothing,
}

impl Default for Target {
    fn default() -> Self {
        Self::Lazy(None, Arc::default())
    }
}

impl Target {
    pub(super) fn of_distribution(id: String) -> Self {
        Self::Lazy(Some(id), Arc::default())
    }

    /// Drops the copies that these items mean. Whoever asks again with the same reference asks for nothing more.
    pub(super) async fn invalidate(
        &self,
        items: Vec<String>,
        reference: &str,
        remaining: Option<Duration>,
    ) -> Result<()> {
        let found = match self {
            Self::Local(edge) => ResolvedTarget::Local(edge.clone()),
            Self::Lazy(id, found) => found.get_or_init(|| find(id.as_deref())).clone(),
        };
        match found {
            ResolvedTarget::Local(edge) => edge.invalidate(items),
            ResolvedTarget::Distribution(distribution) => distribution.invalidate(items, reference, remaining).await?,
            ResolvedTarget::Nothing => {
                let message = "no distribution is known to purge: set the variable DISTRIBUTION_ID, or say \
                               Purge::with_distribution";
                return Err(Error::new(ErrorKind::Configuration, message));
            }
        }
        Ok(())
    }
}

fn find(id: Option<&str>) -> ResolvedTarget {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_set = |name| variable(name).is_some();
    let configured = variable("DISTRIBUTION_ID");
    let is_at_aws = configured.is_some()
        || ["AWS_ENDPOINT_URL_CLOUDFRONT", "AWS_ENDPOINT_URL", "LAMBDA_TASK_ROOT"].iter().any(|name| is_set(name));
    if !is_at_aws && Stage::current().is_development() {
        tracing::info!("purges stay in this process: no distribution is configured");
        return ResolvedTarget::Local(LocalEdge::new());
    }
    match id.map(str::to_owned).or(configured) {
        Some(id) => ResolvedTarget::Distribution(Arc::new(Distribution::new(id))),
        None => ResolvedTarget::Nothing,
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(edge) => edge.fmt(f),
            Self::Lazy(id, _) => f.debug_tuple("Distribution").field(id).finish(),
        }
    }
}
