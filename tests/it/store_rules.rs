//! What every idempotency store must do: one suite, for whatever store it is given. It knows none of them.

use std::time::Duration;

use chalice_http_toolkit::tasking::{Claim, IdempotencyStore};

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1500);

/// Goes through all rules; `wait` lets so much time pass for the store.
pub(crate) async fn check<F: Future<Output = ()>>(store: &impl IdempotencyStore, wait: impl Fn(Duration) -> F) {
    let claim = async |key, owner, lease| store.claim(key, owner, lease).await.expect("the store answers");
    let complete = async |key, owner| store.complete(key, owner, MINUTE).await.expect("the store answers");
    let release = async |key, owner| store.release(key, owner).await.expect("the store answers");

    // A task is one owner's until it is done, and then nobody's.
    assert_eq!(claim("a", "first", MINUTE).await, Claim::Acquired);
    let busy = |claim| match claim {
        Claim::Busy { remaining } => assert!(remaining > MINUTE - 2 * MOMENT && remaining <= MINUTE, "{remaining:?}"),
        other => panic!("{other:?}"),
    };
    busy(claim("a", "second", MINUTE).await);
    assert_eq!(claim("b", "second", MINUTE).await, Claim::Acquired, "another task is another matter");
    assert!(complete("a", "first").await);
    assert_eq!(claim("a", "second", MINUTE).await, Claim::Done);
    assert_eq!(claim("a", "first", MINUTE).await, Claim::Done);

    // Who asks twice, since an answer was lost, gets the same answer.
    assert_eq!(claim("c", "first", MINUTE).await, Claim::Acquired);
    assert_eq!(claim("c", "first", MINUTE).await, Claim::Acquired);
    assert!(complete("c", "first").await);
    assert!(complete("c", "first").await);

    // A claim that is given up is free at once; what is done can't be given up.
    assert_eq!(claim("d", "first", MINUTE).await, Claim::Acquired);
    assert!(release("d", "first").await);
    assert_eq!(claim("d", "second", MINUTE).await, Claim::Acquired);
    assert!(!release("a", "first").await);
    assert_eq!(claim("a", "second", MINUTE).await, Claim::Done);

    // Only the owner decides.
    assert!(!complete("d", "first").await);
    assert!(!release("d", "first").await);
    busy(claim("d", "third", MINUTE).await);
    assert!(!complete("unknown", "first").await);
    assert!(!release("unknown", "first").await);

    // A lease ends by itself; who lost it can do nothing any more.
    assert_eq!(claim("e", "first", MOMENT).await, Claim::Acquired);
    assert_eq!(claim("f", "first", MOMENT).await, Claim::Acquired);
    wait(2 * MOMENT).await;
    assert_eq!(claim("e", "second", MINUTE).await, Claim::Acquired);
    assert!(!complete("e", "first").await);
    assert!(!release("e", "first").await);
    assert!(complete("e", "second").await);
    // Unless nobody else has it.
    assert!(complete("f", "first").await);

    // What is done is remembered for a time.
    assert_eq!(claim("g", "first", MINUTE).await, Claim::Acquired);
    assert!(store.complete("g", "first", MOMENT).await.expect("the store answers"));
    assert_eq!(claim("g", "second", MINUTE).await, Claim::Done);
    wait(2 * MOMENT).await;
    assert_eq!(claim("g", "second", MINUTE).await, Claim::Acquired);

    // Of many who ask at once, one gets it.
    let owners: Vec<String> = (0..20).map(|n| format!("owner {n}")).collect();
    let claims = owners.iter().map(|owner| store.claim("h", owner, MINUTE));
    let claims = futures_util::future::join_all(claims).await;
    let acquired = claims.into_iter().filter(|claim| matches!(claim, Ok(Claim::Acquired))).count();
    assert_eq!(acquired, 1);
}
