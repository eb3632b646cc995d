//! Laws of leases.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Expected as _, MANY, StoreFixture, handles, key};
use crate::store::{Holder, LeaseOutcome};

/// Every store has leases.
pub(super) fn are_asked(_fixture: &dyn StoreFixture) -> bool {
    true
}

pub(super) async fn of_64_simultaneous_takers_one_gets_the_lease(fixture: &dyn StoreFixture) {
    let handles = handles(fixture).await;
    let mut takers = JoinSet::new();
    for store in handles.iter().cycle().take(MANY).map(Arc::clone) {
        takers.spawn(async move { store.acquire_lease(&key("graph"), &Holder::unique(), TTL).await.given() });
    }
    let outcomes = takers.join_all().await;
    assert_eq!(count_acquired(&outcomes), 1, "of a free lease");

    fixture.advance(TTL).await;
    let mut takers = JoinSet::new();
    for store in handles.iter().cycle().take(MANY).map(Arc::clone) {
        takers.spawn(async move { store.acquire_lease(&key("graph"), &Holder::unique(), TTL).await.given() });
    }
    let outcomes = takers.join_all().await;
    assert_eq!(count_acquired(&outcomes), 1, "of a lease that has ended");
}

pub(super) async fn a_lease_ends_by_itself(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, first, second) = (key("graph"), Holder::unique(), Holder::unique());
    assert_eq!(ours.acquire_lease(&graph, &first, TTL).await.given(), LeaseOutcome::Acquired);
    assert_held(theirs.acquire_lease(&graph, &second, TTL).await.given());
    fixture.advance(TTL).await;
    assert_eq!(theirs.acquire_lease(&graph, &second, TTL).await.given(), LeaseOutcome::Acquired);
    assert_held(ours.acquire_lease(&graph, &first, TTL).await.given());
}

pub(super) async fn a_held_lease_names_the_time_left(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let graph = key("graph");
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), TTL).await.given(), LeaseOutcome::Acquired);
    fixture.advance(TTL / 3).await;
    let left = assert_held(store.acquire_lease(&graph, &Holder::unique(), TTL * 5).await.given());
    assert_left(left, TTL * 2 / 3);
}

pub(super) async fn a_renewed_lease_lasts_from_the_renewal(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, holder, other) = (key("graph"), Holder::unique(), Holder::unique());
    assert_eq!(ours.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    fixture.advance(TTL / 2).await;
    assert!(ours.renew_lease(&graph, &holder, TTL).await.given(), "a running lease was not renewed");
    let left = assert_held(theirs.acquire_lease(&graph, &other, TTL).await.given());
    assert_left(left, TTL);
    fixture.advance(TTL * 3 / 4).await;
    assert_held(theirs.acquire_lease(&graph, &other, TTL).await.given());
    fixture.advance(TTL / 2).await;
    assert_eq!(theirs.acquire_lease(&graph, &other, TTL).await.given(), LeaseOutcome::Acquired);
}

pub(super) async fn a_lease_that_has_ended_is_not_renewed(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, holder, other) = (key("graph"), Holder::unique(), Holder::unique());
    assert!(!ours.renew_lease(&graph, &holder, TTL).await.given(), "renewed without ever having been taken");
    assert_eq!(ours.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    fixture.advance(TTL).await;
    assert!(!ours.renew_lease(&graph, &holder, TTL).await.given(), "renewed after its end");
    assert_eq!(
        theirs.acquire_lease(&graph, &other, TTL).await.given(),
        LeaseOutcome::Acquired,
        "the refused renewal had an effect"
    );
}

pub(super) async fn a_lease_is_renewed_by_its_holder_only(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, late, present) = (key("graph"), Holder::unique(), Holder::unique());
    assert_eq!(ours.acquire_lease(&graph, &late, TTL).await.given(), LeaseOutcome::Acquired);
    fixture.advance(TTL).await;
    assert_eq!(theirs.acquire_lease(&graph, &present, TTL).await.given(), LeaseOutcome::Acquired);
    fixture.advance(TTL / 2).await;
    assert!(!ours.renew_lease(&graph, &late, TTL * 9).await.given(), "renewed by one whose turn is over");
    let left = assert_held(ours.acquire_lease(&graph, &late, TTL).await.given());
    assert_left(left, TTL / 2);
    assert!(theirs.renew_lease(&graph, &present, TTL).await.given(), "the holder lost its lease");
}

pub(super) async fn a_release_by_another_changes_nothing(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, holder, other) = (key("graph"), Holder::unique(), Holder::unique());
    theirs.release_lease(&graph, &other).await.given();
    assert_eq!(ours.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    theirs.release_lease(&graph, &other).await.given();
    assert_held(theirs.acquire_lease(&graph, &other, TTL).await.given());
    assert!(ours.renew_lease(&graph, &holder, TTL).await.given(), "the holder lost its lease");
}

pub(super) async fn a_released_lease_is_free(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, holder, other) = (key("graph"), Holder::unique(), Holder::unique());
    assert_eq!(ours.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    ours.release_lease(&graph, &holder).await.given();
    assert!(!ours.renew_lease(&graph, &holder, TTL).await.given(), "renewed after its release");
    assert_eq!(theirs.acquire_lease(&graph, &other, TTL).await.given(), LeaseOutcome::Acquired);
}

pub(super) async fn a_holder_may_take_its_lease_again(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, holder, other) = (key("graph"), Holder::unique(), Holder::unique());
    assert_eq!(ours.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    fixture.advance(TTL / 2).await;
    assert_eq!(ours.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    let left = assert_held(theirs.acquire_lease(&graph, &other, TTL).await.given());
    assert_left(left, TTL);
}

pub(super) async fn leases_of_different_keys_do_not_touch(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (graph, account, holder, other) = (key("graph"), key("graph:7"), Holder::unique(), Holder::unique());
    assert_eq!(store.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    assert_eq!(store.acquire_lease(&account, &other, TTL).await.given(), LeaseOutcome::Acquired);
    store.release_lease(&account, &other).await.given();
    assert_held(store.acquire_lease(&graph, &other, TTL).await.given());
    assert_eq!(store.acquire_lease(&account, &holder, TTL).await.given(), LeaseOutcome::Acquired);
}

pub(super) async fn a_holder_of_two_leases_ends_and_renews_each_by_itself(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, account, third) = (key("graph"), key("graph:7"), key("mail"));
    let (holder, other) = (Holder::unique(), Holder::unique());
    for key in [&graph, &account, &third] {
        assert_eq!(ours.acquire_lease(key, &holder, TTL).await.given(), LeaseOutcome::Acquired, "{key}");
    }
    ours.release_lease(&account, &holder).await.given();
    assert_held(theirs.acquire_lease(&graph, &other, TTL).await.given());
    assert_held(theirs.acquire_lease(&third, &other, TTL).await.given());
    fixture.advance(TTL / 2).await;
    assert!(ours.renew_lease(&graph, &holder, TTL).await.given(), "lost with the lease of another key");
    assert!(!ours.renew_lease(&account, &holder, TTL).await.given(), "renewed after its release");
    let left = assert_held(theirs.acquire_lease(&third, &other, TTL).await.given());
    assert_left(left, TTL / 2);
    fixture.advance(TTL / 2).await;
    assert_held(theirs.acquire_lease(&graph, &other, TTL).await.given());
    let outcome = theirs.acquire_lease(&third, &other, TTL).await.given();
    assert_eq!(outcome, LeaseOutcome::Acquired, "renewed with the lease of another key");
}

pub(super) async fn a_lease_is_not_cut_to_whole_seconds(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    for (ttl, later) in [(Duration::from_millis(900), Duration::ZERO), (Duration::from_millis(1_900), SECOND)] {
        let mut was_held = false;
        // Real time passes too: a machine that is slow now and then is no store that cuts.
        for attempt in 0..50 {
            let key = key(&format!("graph:{attempt}"));
            assert_eq!(store.acquire_lease(&key, &Holder::unique(), ttl).await.given(), LeaseOutcome::Acquired);
            fixture.advance(later).await;
            let outcome = store.acquire_lease(&key, &Holder::unique(), ttl).await.given();
            was_held = outcome != LeaseOutcome::Acquired;
            if was_held {
                break;
            }
        }
        assert!(was_held, "a lease of {ttl:?} has ended after {later:?}");
        fixture.advance(TTL).await;
    }
}

pub(super) async fn a_clock_set_back_does_not_keep_a_lease_alive(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (graph, holder, other) = (key("graph"), Holder::unique(), Holder::unique());
    assert_eq!(store.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    fixture.clock().set_wall_back(TTL * 1_000);
    let left = assert_held(store.acquire_lease(&graph, &other, TTL).await.given());
    assert_left(left, TTL);
    fixture.advance(TTL).await;
    assert_eq!(store.acquire_lease(&graph, &other, TTL).await.given(), LeaseOutcome::Acquired);
}

pub(super) async fn a_clock_set_forward_ends_no_lease(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (graph, holder, other) = (key("graph"), Holder::unique(), Holder::unique());
    assert_eq!(store.acquire_lease(&graph, &holder, TTL).await.given(), LeaseOutcome::Acquired);
    fixture.clock().set_wall_forward(TTL * 1_000);
    let left = assert_held(store.acquire_lease(&graph, &other, TTL).await.given());
    assert_left(left, TTL);
    assert!(store.renew_lease(&graph, &holder, TTL).await.given(), "the holder lost its lease");
}

fn count_acquired(outcomes: &[LeaseOutcome]) -> usize {
    outcomes.iter().filter(|outcome| **outcome == LeaseOutcome::Acquired).count()
}

#[track_caller]
fn assert_held(outcome: LeaseOutcome) -> Duration {
    match outcome {
        LeaseOutcome::Held(left) => left,
        LeaseOutcome::Acquired => panic!("a lease that somebody has was given to another"),
    }
}

/// Real time passes too, and a server's clock cannot be stopped.
#[track_caller]
fn assert_left(left: Duration, expected: Duration) {
    assert!(left <= expected && left + SLACK >= expected, "{left:?} are left where it should be {expected:?}");
}

const TTL: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_secs(5);
