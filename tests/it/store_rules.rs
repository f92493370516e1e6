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

    if store.counts_attempts() {
        check_counts(store, &wait).await;
    }

    check_status(store, &wait).await;

    // Of many who ask at once, one gets it.
    let owners: Vec<String> = (0..20).map(|n| format!("owner {n}")).collect();
    let claims = owners.iter().map(|owner| store.claim("h", owner, MINUTE));
    let claims = futures_util::future::join_all(claims).await;
    let acquired = claims.into_iter().filter(|claim| matches!(claim, Ok(Claim::Acquired))).count();
    assert_eq!(acquired, 1);
}

/// Texts about tasks: the last one holds, one that is only added changes nothing, and each is forgotten.
async fn check_status<F: Future<Output = ()>>(store: &impl IdempotencyStore, wait: impl Fn(Duration) -> F) {
    let put = async |key, text, keep| store.put_status(key, text, keep).await.expect("the store answers");
    let add = async |key, text| store.add_status(key, text, MINUTE).await.expect("the store answers");
    let status = async |key| store.status(key).await.expect("the store answers");
    assert_eq!(status("status|a").await, None);
    add("status|a", "queued").await;
    assert_eq!(status("status|a").await.as_deref(), Some("queued"));
    put("status|a", "running", MOMENT).await;
    add("status|a", "queued").await;
    assert_eq!(status("status|a").await.as_deref(), Some("running"));
    wait(2 * MOMENT).await;
    assert_eq!(status("status|a").await, None);
    add("status|a", "queued again").await;
    assert_eq!(status("status|a").await.as_deref(), Some("queued again"));
    assert_eq!(status("status|b").await, None);
}

/// The rules of a store that counts attempts.
async fn check_counts<F: Future<Output = ()>>(store: &impl IdempotencyStore, wait: impl Fn(Duration) -> F) {
    let claim = async |key, owner, lease| store.claim(key, owner, lease).await.expect("the store answers");
    let fail = async |key, owner| store.fail(key, owner).await.expect("the store answers");
    let release = async |key, owner| store.release(key, owner).await.expect("the store answers");

    // A failure counts, and what was given back does not.
    assert_eq!(claim("i", "m1/a", MINUTE).await, Claim::Acquired);
    assert!(fail("i", "m1/a").await);
    assert_eq!(claim("i", "m1/b", MINUTE).await, Claim::Again { attempt: 2 });
    assert!(release("i", "m1/b").await);
    assert_eq!(claim("i", "m1/c", MINUTE).await, Claim::Again { attempt: 2 });
    // Also where an answer was lost and it is asked again.
    assert_eq!(claim("i", "m1/c", MINUTE).await, Claim::Again { attempt: 2 });
    assert!(fail("i", "m1/c").await);
    assert!(!fail("i", "m1/c").await, "it is given up already");
    assert!(!release("i", "m1/c").await);
    assert_eq!(claim("i", "m1/d", MINUTE).await, Claim::Again { attempt: 3 });

    // So does a claim whose owner died.
    assert_eq!(claim("j", "m1/a", MOMENT).await, Claim::Acquired);
    wait(2 * MOMENT).await;
    assert_eq!(claim("j", "m1/b", MINUTE).await, Claim::Again { attempt: 2 });
    assert!(!fail("j", "m1/a").await, "it is another's");

    // Another message of the same key begins anew.
    assert!(fail("j", "m1/b").await);
    assert_eq!(claim("j", "m2/a", MINUTE).await, Claim::Acquired);
    assert!(matches!(claim("j", "m1/c", MINUTE).await, Claim::Busy { .. }));
    assert!(store.complete("j", "m2/a", MOMENT).await.expect("the store answers"));
    assert_eq!(claim("j", "m2/b", MINUTE).await, Claim::Done);
    assert_eq!(claim("j", "m3/a", MINUTE).await, Claim::Done);
    assert!(!fail("j", "m2/a").await);
    wait(2 * MOMENT).await;
    assert_eq!(claim("j", "m3/a", MINUTE).await, Claim::Acquired);
}
