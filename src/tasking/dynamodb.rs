//! The idempotency store in DynamoDB, and the user's effect in one transaction with it: the one file that knows DynamoDB.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::{
    Client,
    config::retry::RetryConfig,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{
        AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
        builders::UpdateBuilder,
    },
};
use tokio::sync::OnceCell;

use super::{
    controller::context::TaskContext,
    scope::Scope,
    sending::flush,
    store::{Claim, IdempotencyStore, KEEP_COUNT, StoreFuture, message_of},
};
use crate::error::{BoxError, Error, ErrorKind, Result};

const CLAIMED: &str = "CLAIMED";
const DONE: &str = "DONE";
/// A claim that was given up; its row is kept for its count of attempts.
const FREE: &str = "FREE";

/// An [`IdempotencyStore`] in a DynamoDB table, for workers that are many.
///
/// The table has the partition key `key` (a string), and `expires` as its time-to-live attribute. Needs
/// `dynamodb:UpdateItem`. Each call is one conditional write; a claim is two where another message had the same key. Clocks of
/// workers that claim the same task should agree to a second. It counts attempts.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{DynamoStore, TaskingController};
///
/// let tasks = TaskingController::new("mail.fifo")?.with_store(DynamoStore::new("tasks-done"));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DynamoStore(Arc<Table>);

#[derive(Debug)]
struct Table {
    name: String,
    client: OnceCell<Client>,
}

impl DynamoStore {
    /// A store in this table. Nothing is asked of it before the first task.
    pub fn new(table: impl Into<String>) -> Self {
        Self(Arc::new(Table { name: table.into(), client: OnceCell::new() }))
    }

    async fn client(&self) -> &Client {
        let make = || async {
            let configuration = aws_sdk_dynamodb::config::Builder::from(super::aws::configuration().await);
            // Each write may be repeated: a claim is its owner's also the second time, and is counted once.
            Client::from_conf(configuration.retry_config(RetryConfig::standard()).build())
        };
        self.0.client.get_or_init(make).await
    }

    /// Claims the task as another attempt of the message that has claimed it before, or else as its first.
    async fn put_claim(&self, key: &str, owner: &str, lease: Duration) -> Result<Claim, BoxError> {
        match self.write_claim(key, owner, lease, Some(message_of(owner))).await? {
            Written::Claim(claim) => Ok(claim),
            Written::Other => match self.write_claim(key, owner, lease, None).await? {
                Written::Claim(claim) => Ok(claim),
                // Somebody else was faster, and is done with it already.
                Written::Other => Ok(Claim::Busy { remaining: Duration::ZERO }),
            },
        }
    }

    /// One conditional write; where `message` is given, only on a row of its own or a new one.
    async fn write_claim(
        &self,
        key: &str,
        owner: &str,
        lease: Duration,
        message: Option<&str>,
    ) -> Result<Written, BoxError> {
        let now = now();
        let until = now.saturating_add(lease);
        let update = self.client().await.update_item().table_name(&self.0.name).key("key", text(key));
        let counted = if message.is_some() { "if_not_exists(#attempts, :zero) + :one" } else { ":one" };
        let update = update.update_expression(format!(
            "SET #owner = :owner, #message = :message, #state = :claimed, #lease = :lease, #expires = :until, \
             #attempts = {counted}"
        ));
        let own =
            if message.is_some() { "(attribute_not_exists(#message) OR #message = :message)" } else { "#key = :key" };
        let free = format!(
            "attribute_not_exists(#key) OR ({own} AND (#expires < :seconds OR #state = :free \
             OR (#state = :claimed AND #lease < :now)))"
        );
        let update = ["key", "owner", "message", "state", "lease", "expires", "attempts"]
            .iter()
            .fold(update.condition_expression(free), |update, name| {
                update.expression_attribute_names(format!("#{name}"), *name)
            });
        let update = update
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":message", text(message_of(owner)))
            .expression_attribute_values(":claimed", text(CLAIMED))
            .expression_attribute_values(":free", text(FREE))
            .expression_attribute_values(":lease", milliseconds(until))
            .expression_attribute_values(":until", seconds(until.saturating_add(KEEP_COUNT)))
            .expression_attribute_values(":seconds", seconds(now))
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":one", AttributeValue::N("1".into()));
        let update = match message {
            Some(_) => update.expression_attribute_values(":zero", AttributeValue::N("0".into())),
            None => update.expression_attribute_values(":key", text(key)),
        };
        let update = update.return_values(ReturnValue::UpdatedNew);
        let update = update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(written) => Ok(Written::Claim(acquired(written.attributes.as_ref()))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(found(failed.item(), owner, now)),
                _ => Err(error.into()),
            },
        }
    }

    async fn mark_done(&self, key: &str, owner: &str, keep: Duration) -> Result<bool, BoxError> {
        let done = done(&self.0.name, key, owner, keep).build()?;
        let update = self.client().await.update_item().table_name(done.table_name).set_key(Some(done.key));
        let update = update.update_expression(done.update_expression);
        let update = update.set_condition_expression(done.condition_expression);
        let update = update.set_expression_attribute_names(done.expression_attribute_names);
        let update = update.set_expression_attribute_values(done.expression_attribute_values);
        let Err(error) = update.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(error.into()),
        }
    }

    /// Ends a claim. That it has no owner then makes a repetition of this write harmless.
    async fn free_claim(&self, key: &str, owner: &str, counts: bool) -> Result<bool, BoxError> {
        let update = self.client().await.update_item().table_name(&self.0.name).key("key", text(key));
        let update = match counts {
            true => update.update_expression("SET #state = :free, #owner = :nobody"),
            false => update
                .update_expression(
                    "SET #state = :free, #owner = :nobody, #attempts = if_not_exists(#attempts, :one) - :one",
                )
                .expression_attribute_names("#attempts", "attempts")
                .expression_attribute_values(":one", AttributeValue::N("1".into())),
        };
        let update = update.condition_expression("#owner = :owner AND #state = :claimed");
        let update = update.expression_attribute_names("#owner", "owner").expression_attribute_names("#state", "state");
        let update = update.expression_attribute_values(":owner", text(owner));
        let update = update.expression_attribute_values(":nobody", text("nobody"));
        let update = update.expression_attribute_values(":free", text(FREE));
        let update = update.expression_attribute_values(":claimed", text(CLAIMED));
        let Err(error) = update.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(error.into()),
        }
    }
}

impl DynamoStore {
    /// The write of a text about a task, in a row of its own.
    async fn update_status(&self, key: &str, status: &str, keep: Duration) -> UpdateItemFluentBuilder {
        let update = self.client().await.update_item().table_name(&self.0.name).key("key", text(key));
        let update = update.update_expression("SET #status = :status, #expires = :expires");
        let update = update.expression_attribute_names("#status", "status");
        let update = update.expression_attribute_names("#expires", "expires");
        let update = update.expression_attribute_values(":status", text(status));
        update.expression_attribute_values(":expires", seconds(now().saturating_add(keep)))
    }
}

type Item = HashMap<String, AttributeValue>;

/// What came of a claim's write.
enum Written {
    Claim(Claim),
    /// Nothing was written, for the row is that of another message with the same key.
    Other,
}

fn number(item: Option<&Item>, name: &str) -> Option<u64> {
    item?.get(name)?.as_n().ok()?.parse().ok()
}

fn acquired(item: Option<&Item>) -> Claim {
    match number(item, "attempts").and_then(|attempts| u32::try_from(attempts).ok()) {
        Some(attempt) if attempt > 1 => Claim::Again { attempt },
        _ => Claim::Acquired,
    }
}

/// The state of a row that another claim owns.
fn found(item: Option<&Item>, owner: &str, now: Duration) -> Written {
    let text = |name| item.and_then(|item| item.get(name)).and_then(|value: &AttributeValue| value.as_s().ok());
    let is = |name, value: &str| text(name).is_some_and(|text| text == value);
    // The rows of claims stay for a while after their end, and those of done tasks until it.
    let has_expired = number(item, "expires").is_some_and(|expires| expires < now.as_secs());
    let remaining = number(item, "lease").map(Duration::from_millis).unwrap_or_default().saturating_sub(now);
    match () {
        // The answer to this very claim was lost.
        () if is("owner", owner) && is("state", CLAIMED) => Written::Claim(acquired(item)),
        () if is("state", DONE) && !has_expired => Written::Claim(Claim::Done),
        () if is("state", CLAIMED) && !remaining.is_zero() => Written::Claim(Claim::Busy { remaining }),
        () => Written::Other,
    }
}

impl IdempotencyStore for DynamoStore {
    fn claim<'a>(&'a self, key: &'a str, owner: &'a str, lease: Duration) -> StoreFuture<'a, Claim> {
        Box::pin(self.put_claim(key, owner, lease))
    }

    fn complete<'a>(&'a self, key: &'a str, owner: &'a str, keep: Duration) -> StoreFuture<'a, bool> {
        Box::pin(self.mark_done(key, owner, keep))
    }

    fn release<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(self.free_claim(key, owner, false))
    }

    fn fail<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(self.free_claim(key, owner, true))
    }

    fn put_status<'a>(&'a self, key: &'a str, status: &'a str, keep: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.update_status(key, status, keep).await.send().await.map(drop).map_err(Into::into) })
    }

    fn add_status<'a>(&'a self, key: &'a str, status: &'a str, keep: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let update = self.update_status(key, status, keep).await;
            let update = update.condition_expression("attribute_not_exists(#status) OR #expires < :now");
            let update = update.expression_attribute_values(":now", seconds(now()));
            let Err(error) = update.send().await else { return Ok(()) };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            }
        })
    }

    fn status<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<String>> {
        Box::pin(async move {
            let get = self.client().await.get_item().table_name(&self.0.name).key("key", text(key));
            let item = get.consistent_read(true).send().await?.item;
            // DynamoDB deletes a row some time after its end.
            let is_kept = number(item.as_ref(), "expires").is_some_and(|expires| expires >= now().as_secs());
            let status = item.filter(|_| is_kept).and_then(|mut item| item.remove("status"));
            Ok(status.and_then(|status| status.as_s().ok().cloned()))
        })
    }

    fn counts_attempts(&self) -> bool {
        true
    }
}

impl TaskContext {
    /// Writes the task's effect and the mark that it is done in one transaction: then the effect happens once, whatever
    /// crashes or comes again. The store must be the one that the controller was given. Call it last: what a handler does
    /// after it is not repeated. Tasks that wait for the handler's success, and the [next step](Self::next), are sent before it.
    /// After it, they are refused.
    ///
    /// At most 99 items; each may have conditions of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] where a condition failed, the claim was lost or DynamoDB can't be reached; it may have been written
    /// where only the answer was lost. Return it, and the task comes again if it was not. What kind posting has, where a task
    /// that waited could not be sent.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
    /// use chalice_http_toolkit::{BoxError, tasking::{DynamoStore, TaskingController}};
    ///
    /// let store = DynamoStore::new("tasks-done");
    /// let tasks = TaskingController::new("orders.fifo")?.with_store(store.clone());
    /// let tasks = tasks.on_raw(move |context, task| {
    ///     let store = store.clone();
    ///     async move {
    ///         let order = AttributeValue::S(task.into_body());
    ///         let put = Put::builder().table_name("orders").item("id", order).build()?;
    ///         context.complete_with(&store, [TransactWriteItem::builder().put(put).build()]).await?;
    ///         Ok::<(), BoxError>(())
    ///     }
    /// });
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub async fn complete_with(
        &self,
        store: &DynamoStore,
        effect: impl IntoIterator<Item = TransactWriteItem>,
    ) -> Result<()> {
        let failed = |error: BoxError| Error::caused(ErrorKind::Store, "a task's effect was not written", error);
        // Behind the mark nothing runs again: what waits for success has to be in the queue before.
        let scope = Scope::current();
        if let Some(scope) = &scope {
            flush(scope).await?;
        }
        let (key, owner) = (&self.delivery.key, &self.delivery.owner);
        let done = done(&store.0.name, key, owner, self.tasking.settings().keep);
        // Not for one that is marked: the effect of a call whose answer was lost would happen again.
        let done = done.condition_expression("#owner = :owner AND #state = :claimed");
        let done = done.expression_attribute_values(":claimed", text(CLAIMED)).build();
        let done = done.map_err(|error| failed(error.into()))?;
        let done = TransactWriteItem::builder().update(done).build();
        let items = effect.into_iter().chain([done]).collect();
        let written = store.client().await.transact_write_items().set_transact_items(Some(items)).send().await;
        written.map_err(|error| failed(error.into()))?;
        self.delivery.is_complete.store(true, std::sync::atomic::Ordering::Release);
        scope.iter().for_each(|scope| scope.close());
        Ok(())
    }
}

/// The write that marks a task as done, for its owner alone. It may be repeated.
fn done(table: &str, key: &str, owner: &str, keep: Duration) -> UpdateBuilder {
    let update = Update::builder().table_name(table).key("key", text(key));
    let update = update.update_expression("SET #state = :done, #expires = :expires");
    let update = update.condition_expression("#owner = :owner").expression_attribute_names("#owner", "owner");
    let update = update.expression_attribute_names("#state", "state").expression_attribute_names("#expires", "expires");
    let update = update.expression_attribute_values(":done", text(DONE));
    let update = update.expression_attribute_values(":owner", text(owner));
    update.expression_attribute_values(":expires", seconds(now().saturating_add(keep)))
}

/// The time since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn milliseconds(since_1970: Duration) -> AttributeValue {
    AttributeValue::N(since_1970.as_millis().to_string())
}

/// What DynamoDB's time to live counts in.
fn seconds(since_1970: Duration) -> AttributeValue {
    AttributeValue::N(since_1970.as_secs().to_string())
}
