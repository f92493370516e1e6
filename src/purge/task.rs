//! The task of a purge: its items, how items of one request are joined, and when it runs again. It does not know the edge.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::PurgeSettings;
use crate::{
    error::{Error, Result},
    fields::digest::hex,
    tasking::{Post, Posted, Scope, TaskContext, controller::TaskingController, task::Task, visibility::NotYet},
};

/// The items of an invalidation: `#post:7`, `/feed.xml`.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Items {
    items: BTreeSet<String>,
    /// Whether it is the second time.
    again: bool,
}

impl Task for Items {
    const NAME: &'static str = "chalice_purge";
    /// Whatever the site's other tasks have: the second purge waits as one that failed, and CloudFront may be busy for minutes.
    const ATTEMPTS: Option<u32> = Some(20);
}

impl Items {
    pub(super) fn first(items: BTreeSet<String>) -> Self {
        Self { items, again: false }
    }

    /// What CloudFront is asked for: more than it takes at once is everything.
    fn asked(&self) -> Vec<String> {
        if self.items.len() > MOST_ITEMS { vec!["/*".to_owned()] } else { self.items.iter().cloned().collect() }
    }

    /// A group of its own, as purges need no order: one that waits holds up no other. It is the same in each handling of a
    /// request.
    fn group(&self) -> String {
        let origin =
            Scope::current().map_or_else(|| uuid::Uuid::now_v7().to_string(), |scope| scope.origin().to_owned());
        let mut hash = Sha256::new_with_prefix(origin);
        self.items.iter().for_each(|item| hash.update(format!(" {item}")));
        format!("purge-{}", hex(&hash.finalize()[..16]))
    }
}

pub(super) async fn post(tasks: &TaskingController, items: &Items) -> Result<Posted> {
    posting(tasks, items).await
}

/// Keeps it for the success of what runs at this time, joined with what that has kept already.
pub(super) fn post_on_success(tasks: &TaskingController, mut items: Items) -> Result<()> {
    let earlier = Scope::current().and_then(|scope| scope.take_back(tasks.queue_name(), Items::NAME));
    let earlier = earlier.and_then(|message| serde_json::from_str::<Items>(&message.body).ok());
    items.items.extend(earlier.into_iter().flat_map(|earlier| earlier.items));
    posting(tasks, &items).on_success()
}

fn posting(tasks: &TaskingController, items: &Items) -> Post {
    tasks.post(items).with_group(items.group())
}

/// Runs a purge in the worker.
pub(super) async fn run(settings: PurgeSettings, context: TaskContext, items: Items) -> Result<()> {
    if items.again && context.attempt() == 1 {
        return Err(Error::retry_after(settings.second, NotYet("a purge is done once more after this time")));
    }
    let reference = hex(&Sha256::digest(context.idempotency_key())[..16]);
    settings.target.invalidate(items.asked(), &reference, context.remaining()).await?;
    match items.again || settings.second.is_zero() {
        true => Ok(()),
        false => posting(context.tasking(), &Items { again: true, ..items }).on_success(),
    }
}

/// The greatest number of items that CloudFront allows in progress at a time.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html>
const MOST_ITEMS: usize = 3_000;
