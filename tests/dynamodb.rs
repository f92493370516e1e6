//! The idempotency store in DynamoDB and bodies in S3, with the real SDK against the emulator that `AWS_ENDPOINT_URL` names.
//! `tests/run` starts one; without, this fails. It is no part of `cargo test`: `cargo test --test dynamodb` names it.

#[path = "it/store_rules.rs"]
mod store_rules;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
        TransactWriteItem,
    },
};
use chalice_http_toolkit::{
    BoxError, Error, TaskContext, TaskingController,
    tasking::{DynamoStore, LocalQueue, RawTask},
};

/// A client of the emulator's.
async fn client() -> Client {
    std::env::var("AWS_ENDPOINT_URL").expect("AWS_ENDPOINT_URL names an emulator: tests/run starts one");
    let https = aws_smithy_http_client::Builder::new().build_http();
    let configuration = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(https);
    Client::new(&configuration.load().await)
}

/// A new table with a string key.
async fn table(client: &Client, purpose: &str, key: &str) -> String {
    let name = format!("{purpose}-{}", uuid::Uuid::now_v7());
    let attribute = AttributeDefinition::builder().attribute_name(key).attribute_type(ScalarAttributeType::S);
    let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash);
    let create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute.build().expect("complete"));
    create.key_schema(schema.build().expect("complete")).send().await.expect("a table");
    name
}

#[tokio::test]
async fn the_store_keeps_the_rules_of_every_store() {
    let table = table(&client().await, "done", "key").await;
    store_rules::check(&DynamoStore::new(table), tokio::time::sleep).await;
}

/// The effect and the mark are one transaction: however often a task fails after it or comes again, there is one effect.
#[tokio::test]
async fn an_effect_in_the_transaction_happens_once() {
    let client = client().await;
    let (done, orders) = (table(&client, "done", "key").await, table(&client, "orders", "id").await);
    let store = DynamoStore::new(done);
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let queue = LocalQueue::new("orders.fifo");
    let tasks = TaskingController::new("orders.fifo").expect("a FIFO name").with_local_queue(&queue);
    let tasks = tasks.with_store(store.clone()).with_backoff(Duration::ZERO, Duration::ZERO);
    let (noted, orders_table) = (attempts.clone(), orders.clone());
    let tasks = tasks.on_raw(move |context: TaskContext, task: RawTask| {
        let (store, orders, noted) = (store.clone(), orders_table.clone(), noted.clone());
        async move {
            noted.lock().expect("no panic").push(format!("{} {}", task.body(), context.attempt()));
            if task.body() == "early" && context.attempt() == 1 {
                return Err(BoxError::from("before the effect"));
            }
            // A second effect would be refused, and the task would never end.
            let put = Put::builder().table_name(orders).item("id", AttributeValue::S(task.body().to_owned()));
            let put = put.condition_expression("attribute_not_exists(id)").build()?;
            context.complete_with(&store, [TransactWriteItem::builder().put(put).build()]).await?;
            if task.body() == "late" {
                return Err("after the effect".into());
            }
            Ok(())
        }
    });
    for body in ["early", "late", "good"] {
        tasks.post_raw(body, [("a", "b")]).await.expect("posted");
    }
    tasks.work_off().await.expect("a local queue");
    assert!(queue.is_empty());
    assert_eq!(*attempts.lock().expect("no panic"), ["early 1", "early 2", "late 1", "good 1"]);
    let rows = client.scan().table_name(orders).send().await.expect("rows");
    assert_eq!(rows.count(), 3);
}

/// A claim that was lost loses its effect too.
#[tokio::test]
async fn who_lost_its_claim_writes_nothing() {
    let client = client().await;
    let (done, orders) = (table(&client, "done", "key").await, table(&client, "orders", "id").await);
    let store = DynamoStore::new(done);
    let (shared, orders_table) = (store.clone(), orders.clone());
    let tasks = TaskingController::new("orders.fifo").expect("a FIFO name").with_inline();
    let tasks = tasks.with_store(store.clone()).with_lease(Duration::from_millis(1));
    let tasks = tasks.on_raw(move |context: TaskContext, _: RawTask| {
        let (store, orders) = (shared.clone(), orders_table.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let other = chalice_http_toolkit::tasking::IdempotencyStore::claim(
                &store,
                context.idempotency_key(),
                "another",
                Duration::from_secs(60),
            );
            other.await.map_err(Error::handler)?;
            let put = Put::builder().table_name(orders).item("id", AttributeValue::S("x".to_owned()));
            let put = put.build().map_err(Error::handler)?;
            context.complete_with(&store, [TransactWriteItem::builder().put(put).build()]).await
        }
    });
    tasks.post_raw("x", [("a", "b")]).await.expect_err("the claim is another's");
    assert_eq!(client.scan().table_name(orders).send().await.expect("rows").count(), 0);
}
