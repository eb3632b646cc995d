//! Tokens that are long over are thrown out; what is kept is counted.

use tokenkeep::source::{Expiry, Fault};
use tokenkeep::{CLEANUP_GRACE, CLEANUP_INTERVAL, Code, Event};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn only_tokens_that_have_been_over_for_five_minutes_are_thrown_out() {
    let world = rotating_world(MINUTE * 10).await;
    world.manager.token("graph:old").await.unwrap();
    let mut events = world.manager.events();
    pass((MINUTE * 10 + CLEANUP_GRACE).saturating_sub(SECOND)).await;
    assert_eq!(world.manager.cleanup().await.unwrap(), 0);
    pass(SECOND * 2).await;
    assert_eq!(world.manager.cleanup().await.unwrap(), 1);
    let record = world.store.record("graph:old").await.unwrap();
    assert!(record.token.is_none() && record.refresh_token.is_some() && record.generation == 1);
    let removed = std::iter::from_fn(|| events.try_recv().ok()).filter_map(|event| match event {
        Event::CleanedUp { removed } => Some(removed),
        _ => None,
    });
    assert_eq!(removed.collect::<Vec<_>>(), [0, 1]);
    // The login goes on, and the generations go on counting.
    assert_eq!(world.manager.token("graph:old").await.unwrap().generation(), 2);
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_thrown_out_is_counted_no_more() {
    let world = world(MINUTE).await;
    world.get().await.unwrap();
    pass(MINUTE + CLEANUP_GRACE).await;
    assert_eq!(world.manager.stats(None).await.unwrap().expired_tokens, 1);
    assert_eq!(world.manager.cleanup().await.unwrap(), 1);
    assert_eq!(world.manager.stats(None).await.unwrap().total_cached, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_work_is_said_by_cleaning_up() {
    let world = world(MINUTE).await;
    world.get().await.unwrap();
    world.store.set(Trouble::Gone);
    assert_eq!(world.manager.cleanup().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn each_token_that_is_kept_is_counted_once() {
    let world = world(HOUR).await;
    world.manager.token("graph:good").await.unwrap();
    world.issuer.set_expiry(Expiry::In(MINUTE * 10));
    world.manager.token("graph:soon").await.unwrap();
    world.issuer.set_expiry(Expiry::In(MINUTE * 9 + SECOND * 15));
    world.manager.token("graph:too-late").await.unwrap();
    world.issuer.set_expiry(Expiry::In(MINUTE));
    world.manager.token("graph:over").await.unwrap();
    world.manager.token("graph:failing").await.unwrap();
    pass(MINUTE * 9).await;
    world.issuer.fail(Fault::Refused);
    world.manager.token("graph:failing").await.unwrap_err();
    world.manager.token("graph:never").await.unwrap_err();
    let other = world.another_process().await;
    for manager in [&world.manager, &other] {
        let stats = manager.stats(None).await.unwrap();
        let counts = (stats.total_cached, stats.valid_tokens, stats.expiring_soon, stats.expired_tokens);
        assert_eq!(counts, (5, 1, 1, 3), "a token within its buffer counts as expired");
    }
    assert_eq!(world.manager.stats(Some("graph")).await.unwrap().total_cached, 5);
    assert_eq!(world.manager.stats(Some("other")).await.unwrap_err().code(), Code::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn a_started_manager_cleans_up_by_itself_also_after_trouble() {
    let world = world(MINUTE).await;
    world.manager.start();
    world.get().await.unwrap();
    world.store.set(Trouble::Gone);
    pass(CLEANUP_INTERVAL + SECOND).await;
    world.store.set(Trouble::None);
    assert!(world.store.record("graph").await.unwrap().token.is_some());
    pass(CLEANUP_INTERVAL).await;
    assert!(world.store.record("graph").await.unwrap().token.is_none());
}
