//! The store in memory keeps the rules of every store; the one in DynamoDB goes through the same in `tests/dynamodb.rs`.

use chalice_http_toolkit::tasking::MemoryStore;

use crate::store_rules;

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_keeps_the_rules_of_every_store() {
    store_rules::check(&MemoryStore::new(), tokio::time::sleep).await;
}
