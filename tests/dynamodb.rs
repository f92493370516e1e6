//! The idempotency store in DynamoDB and bodies in S3, with the real SDK against the emulator that `AWS_ENDPOINT_URL` names.
//! `tests/run` starts one; without, this fails. It is no part of `cargo test`: `cargo test --test dynamodb` names it.

#[path = "../examples/blog/blog.rs"]
mod blog;
#[path = "../examples/blog/tests.rs"]
mod blog_tests;
#[path = "../examples/blog/store.rs"]
mod store;
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

/// The same as in SQLite: what visitors and the author of the example `blog` do.
#[tokio::test]
async fn the_blog_lives_in_a_table_too() -> Result<(), BoxError> {
    let client = client().await;
    let name = format!("blog-{}", uuid::Uuid::now_v7());
    let attribute =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute("kind")?).attribute_definitions(attribute("key")?);
    create.key_schema(key("kind", KeyType::Hash)?).key_schema(key("key", KeyType::Range)?).send().await?;
    blog_tests::whole_way(&store::Store::table(name).await).await
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
    let tasks =
        tasks.with_store(store.clone()).with_backoff(Duration::ZERO, Duration::ZERO).with_default_group("orders");
    let tasks = tasks.with_dead_letter_queue("dead.fifo").expect("a FIFO name");
    let (noted, orders_table) = (attempts.clone(), orders.clone());
    let tasks = tasks.on_raw(move |context: TaskContext, task: RawTask| {
        let (store, orders, noted) = (store.clone(), orders_table.clone(), noted.clone());
        async move {
            noted.lock().expect("no panic").push(task.body().to_owned());
            if task.body() == "early" && context.attempt() == 1 {
                return Err(BoxError::from("before the effect"));
            }
            // A second effect would be refused, and the task would never end.
            let put = Put::builder().table_name(orders).item("id", AttributeValue::S(task.body().to_owned()));
            let put = put.condition_expression("attribute_not_exists(id)").build()?;
            context.complete_with(&store, [TransactWriteItem::builder().put(put).build()]).await?;
            match task.body() {
                "late" => Err("after the effect".into()),
                // It is done: nobody is to find it among the dead letters.
                "very late" => Err(Error::permanent("after the effect").into()),
                _ => Ok(()),
            }
        }
    });
    for body in ["early", "late", "very late", "good"] {
        tasks.post_raw(body, [("a", "b")]).await.expect("posted");
    }
    tasks.work_off().await.expect("a local queue");
    assert!(queue.is_empty());
    assert_eq!(*attempts.lock().expect("no panic"), ["early", "early", "late", "very late", "good"]);
    assert!(queue.dead_letters().is_empty());
    let rows = client.scan().table_name(orders).send().await.expect("rows");
    assert_eq!(rows.count(), 4);
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

#[derive(serde::Serialize, serde::Deserialize)]
struct Large {
    text: String,
}

impl chalice_http_toolkit::Task for Large {
    const NAME: &'static str = "large";
}

/// A body that not even compressed fits goes through S3, and is still there after.
#[tokio::test]
async fn a_body_that_is_too_large_goes_through_s3() {
    let https = aws_smithy_http_client::Builder::new().build_http();
    let configuration = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(https).load().await;
    let configuration = aws_sdk_s3::config::Builder::from(&configuration).force_path_style(true).build();
    let (client, bucket) = (aws_sdk_s3::Client::from_conf(configuration), format!("bodies-{}", uuid::Uuid::now_v7()));
    let region = std::env::var("AWS_REGION").expect("AWS_REGION is set");
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder();
    let place = place.location_constraint(region.as_str().into()).build();
    client.create_bucket().bucket(&bucket).create_bucket_configuration(place).send().await.expect("a bucket");

    let mut random = fastrand::Rng::with_seed(1);
    let body: String = (0..3_000_000).map(|_| random.alphanumeric()).collect();
    let (queue, seen) = (LocalQueue::new("large.fifo"), Arc::new(Mutex::new(Vec::new())));
    let noted = seen.clone();
    let tasks = TaskingController::new("large.fifo").expect("a FIFO name").with_local_queue(&queue);
    let tasks = tasks.with_s3_offload(format!("{bucket}/large/")).on_raw(move |_: TaskContext, task: RawTask| {
        noted.lock().expect("no panic").push(task.into_body());
        async { Ok::<(), BoxError>(()) }
    });
    let noted = seen.clone();
    let tasks = tasks.on(move |_: TaskContext, task: Large| {
        noted.lock().expect("no panic").push(task.text);
        async { Ok::<(), BoxError>(()) }
    });
    tasks.post_raw(&body, [("a", "b")]).await.expect("posted");
    tasks.post(&Large { text: body.clone() }).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert!(*seen.lock().expect("no panic") == [body.clone(), body], "the bodies are others");
    let left = client.list_objects_v2().bucket(&bucket).send().await.expect("a list");
    assert_eq!(left.contents().len(), 2);
    assert!(left.contents().iter().all(|object| object.key().is_some_and(|key| key.starts_with("large/"))));
}
