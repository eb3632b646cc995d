//! What a monitoring system is told.

use tokenkeep::budget::Budget;
use tokenkeep::expiry::Policy;
use tokenkeep::failure::FailureKind;
use tokenkeep::measurements::{ProviderMeasurements, StoreMeasurements};
use tokenkeep::source::Fault;
use tokenkeep::{Accounts, KeyState, SourceSettings, TokenManager};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn who_waits_and_what_is_under_way_is_counted_while_it_lasts() {
    let world = world(HOUR).await;
    world.issuer.hold();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let graph = world.graph();
        callers.spawn(async move { graph.token().await });
    }
    world.issuer.arrival(1).await;
    settle().await;
    let held = graph(&world.manager);
    assert_eq!((held.flights, held.waiters, held.requests.count(), held.keys_in_memory), (1, 20, 0, 1));
    // Who leaves waits no more.
    callers.abort_all();
    while callers.join_next().await.is_some() {}
    assert_eq!((graph(&world.manager).flights, graph(&world.manager).waiters), (1, 0));
    world.issuer.let_go();
    world.get().await.unwrap();
    settle().await;
    let landed = graph(&world.manager);
    assert_eq!((landed.flights, landed.waiters, landed.requests.count(), landed.tokens), (0, 0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn each_request_to_an_issuer_counts_once_by_what_came_of_it() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    for account in ["graph:1", "graph:2"] {
        world.manager.token(account).await.unwrap_err();
        // Declined without a request.
        world.manager.token(account).await.unwrap_err();
    }
    world.issuer.fail(Fault::Refused);
    world.manager.token("graph:3").await.unwrap_err();
    let measured = graph(&world.manager);
    assert_eq!((measured.requests.count(), measured.tokens), (4, 1));
    let expected = [
        (FailureKind::Unavailable, 2),
        (FailureKind::RateLimited, 0),
        (FailureKind::Refused, 1),
        (FailureKind::LoginRequired, 0),
    ];
    assert_eq!(measured.failures, expected);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_another_process_is_measured_by_the_one_that_waits() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    world.issuer.hold();
    let mut callers = JoinSet::new();
    let asking = world.graph();
    callers.spawn(async move { asking.token().await });
    world.issuer.arrival(1).await;
    let waiting = other.clone();
    callers.spawn(async move { waiting.token("graph").await });
    pass(SECOND).await;
    world.issuer.let_go();
    assert!(callers.join_all().await.iter().all(Result::is_ok));
    settle().await;
    assert_eq!((graph(&world.manager).lease_waits.count(), graph(&other).lease_waits.count()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_budget_is_told_and_comes_back() {
    let budget = Budget::parse("3/1m").unwrap();
    let limited = || SourceSettings::default().with_accounts(Accounts::Any).with_budget(budget);
    let world = world_of(Issuer::new(HOUR), limited()).await;
    let left = |manager: &TokenManager| (graph(manager).budget, graph(manager).budget_left);
    assert_eq!(left(&world.manager), (Some(budget), Some(3)));
    for account in ["graph:1", "graph:2", "graph:3"] {
        world.manager.token(account).await.unwrap();
    }
    assert_eq!(left(&world.manager).1, Some(0));
    let other = manager_with(&world.clock, &world.store, &world.issuer, limited()).await;
    // It learns what others spent when it wants to spend.
    other.token("graph:4").await.unwrap_err();
    assert_eq!(left(&other).1, Some(0));
    pass(MINUTE + SECOND).await;
    assert_eq!((left(&world.manager).1, left(&other).1), (Some(3), Some(3)));
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_store_are_counted_with_those_that_failed_or_hung() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    assert_eq!(counts(&store(&world.manager, "save")), (1, 0));
    world.store.set(Trouble::NoSaves);
    world.manager.token("graph:1").await.unwrap();
    let failed = store(&world.manager, "save");
    assert!(failed.failures >= 1 && failed.calls.count() > failed.failures, "{failed:?}");
    world.store.set(Trouble::Hangs("load"));
    let before = store(&world.manager, "load");
    world.manager.token("graph:2").await.ok();
    let hung = store(&world.manager, "load");
    assert!(hung.failures > before.failures, "{hung:?}");
    // What was never called has no line.
    assert!(world.manager.measurements().store.iter().all(|measured| measured.operation != "purge"));
}

#[tokio::test(start_paused = true)]
async fn the_statuses_in_memory_are_the_first_that_are_wanted_and_cost_no_call_of_the_store() {
    let world = world_with(Issuer::new(HOUR), Policy::default()).await;
    for account in ["graph:c", "graph:a", "graph:b", "graph:hidden"] {
        world.manager.token(account).await.unwrap();
    }
    let _never_asked = world.manager.handle("graph:0").unwrap();
    world.store.set(Trouble::Gone);
    let statuses = world.manager.statuses_in_memory(|key| key.account() != "hidden", 2);
    let seen: Vec<_> = statuses.iter().map(|status| (status.key.as_str(), status.state)).collect();
    assert_eq!(seen, [("graph:a", KeyState::Fresh), ("graph:b", KeyState::Fresh)]);
    assert!(world.manager.store_trouble().is_none());
}

fn graph(manager: &TokenManager) -> ProviderMeasurements {
    let [graph] = <[_; 1]>::try_from(manager.measurements().providers).unwrap();
    graph
}

fn store(manager: &TokenManager, operation: &str) -> StoreMeasurements {
    let measured = manager.measurements().store;
    measured.into_iter().find(|measured| measured.operation == operation).unwrap()
}

fn counts(measured: &StoreMeasurements) -> (u64, u64) {
    (measured.calls.count(), measured.failures)
}
