//! The idempotency store in DynamoDB, and the user's effect in one transaction with it: the one file that knows DynamoDB.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::{
    Client,
    config::retry::RetryConfig,
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, builders::UpdateBuilder},
};
use std::sync::Arc;
use tokio::sync::OnceCell;

use super::{
    context::TaskContext,
    scope::Scope,
    store::{Claim, IdempotencyStore, StoreFuture},
    work::flush,
};
use crate::error::{BoxError, Error, ErrorKind, Result};

const CLAIMED: &str = "CLAIMED";
const DONE: &str = "DONE";
/// How long after its end the row of a claim stays, for whoever wants to look. It decides nothing.
const AFTER_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// An [`IdempotencyStore`] in a DynamoDB table, for workers that are many.
///
/// The table has the partition key `key` (a string), and `expires` as its time-to-live attribute. Needs
/// `dynamodb:PutItem`, `dynamodb:UpdateItem` and `dynamodb:DeleteItem`. Each call is one conditional write. Clocks of
/// workers that claim the same task should agree to a second.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{TaskingController, tasking::DynamoStore};
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
            // Each write may be repeated: a claim is its owner's also the second time.
            Client::from_conf(configuration.retry_config(RetryConfig::standard()).build())
        };
        self.0.client.get_or_init(make).await
    }

    async fn put_claim(&self, key: &str, owner: &str, lease: Duration) -> Result<Claim, BoxError> {
        let now = now();
        let put = self.client().await.put_item().table_name(&self.0.name);
        let put = put.item("key", text(key)).item("owner", text(owner)).item("state", text(CLAIMED));
        let put = put
            .item("lease", milliseconds(now.saturating_add(lease)))
            .item("expires", seconds(now.saturating_add(lease).saturating_add(AFTER_LEASE)));
        let free = "attribute_not_exists(#key) OR #expires < :seconds \
            OR (#state = :claimed AND (#lease < :now OR #owner = :owner))";
        let put = put.condition_expression(free).expression_attribute_names("#key", "key");
        let put = put.expression_attribute_names("#expires", "expires").expression_attribute_names("#lease", "lease");
        let put = put.expression_attribute_names("#state", "state").expression_attribute_names("#owner", "owner");
        let put = put.expression_attribute_values(":seconds", seconds(now));
        let put = put.expression_attribute_values(":now", milliseconds(now));
        let put = put.expression_attribute_values(":claimed", text(CLAIMED));
        let put = put.expression_attribute_values(":owner", text(owner));
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Claim::Acquired) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let field = |name| failed.item().and_then(|item| item.get(name));
                if field("state").and_then(|state| state.as_s().ok()).is_some_and(|state| state == DONE) {
                    return Ok(Claim::Done);
                }
                let until = field("lease").and_then(|lease| lease.as_n().ok()?.parse().ok());
                let until = until.map(Duration::from_millis).unwrap_or_default();
                Ok(Claim::Busy { remaining: until.saturating_sub(now) })
            }
            _ => Err(error.into()),
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

    async fn delete_claim(&self, key: &str, owner: &str) -> Result<bool, BoxError> {
        let delete = self.client().await.delete_item().table_name(&self.0.name).key("key", text(key));
        let delete = delete.condition_expression("#owner = :owner AND #state = :claimed");
        let delete = delete.expression_attribute_names("#owner", "owner").expression_attribute_names("#state", "state");
        let delete = delete.expression_attribute_values(":owner", text(owner));
        let delete = delete.expression_attribute_values(":claimed", text(CLAIMED));
        let Err(error) = delete.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(error.into()),
        }
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
        Box::pin(self.delete_claim(key, owner))
    }
}

impl TaskContext {
    /// Writes the task's effect and the mark that it is done in one transaction: then the effect happens once, whatever
    /// crashes or comes again. The store must be the one that the controller was given. Call it last: what a handler does
    /// after it is not repeated. Tasks that wait for the handler's success are sent before it.
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
    /// use chalice_http_toolkit::{BoxError, TaskingController, tasking::DynamoStore};
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
        if let Some(scope) = Scope::current() {
            flush(&scope).await?;
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
