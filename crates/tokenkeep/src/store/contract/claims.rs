//! Laws of claims.

use std::time::Duration;

use tokio::task::JoinSet;

use super::records::record;
use super::{Expected as _, MANY, StoreFixture, handles, key};
use crate::clock::{Clock as _, Moment};
use crate::store::{Holder, LeaseOutcome, Record, Store, Version};

/// Whether the store promises these laws.
pub(super) fn are_asked(fixture: &dyn StoreFixture) -> bool {
    fixture.gives_due_keys()
}

pub(super) async fn a_claim_of_nothing_takes_nothing(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    save(&*store, "graph", Some(past(fixture, 1)), None).await;
    assert!(claim(&*store, 0).await.is_empty());
    assert_eq!(claim(&*store, 10).await, ["graph"]);
}

pub(super) async fn what_is_due_is_loaded_as_it_was_written(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let mut version = None;
    for due_at in [Some(past(fixture, 1)), None, Some(future(fixture))] {
        version = Some(save(&*store, "graph", due_at, version).await);
        assert_eq!(due_at_of(&*store, "graph").await, due_at, "due_at");
        let page = store.page(None, 10).await.given();
        assert_eq!(page.last().and_then(|(_, stored)| stored.record.due_at), due_at, "due_at of a page");
    }
}

pub(super) async fn only_what_is_due_is_claimed_the_longest_due_first(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    // Neither in the order of the keys nor in that of the versions.
    for (name, seconds) in [("graph:b", 20), ("graph:d", 40), ("graph:a", 30), ("graph:c", 10)] {
        save(&*store, name, Some(past(fixture, seconds)), None).await;
    }
    save(&*store, "graph:later", Some(future(fixture)), None).await;
    save(&*store, "graph:never", None, None).await;
    assert_eq!(claim(&*store, 3).await, ["graph:d", "graph:a", "graph:b"]);
    assert_eq!(claim(&*store, 3).await, ["graph:c"]);
    assert!(claim(&*store, 3).await.is_empty());
}

pub(super) async fn a_key_becomes_due_when_its_time_comes(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    save(&*store, "graph", Some(future(fixture)), None).await;
    assert!(claim(&*store, 10).await.is_empty());
    fixture.advance(AGES).await;
    assert_eq!(claim(&*store, 10).await, ["graph"]);
}

pub(super) async fn a_claimed_key_is_due_again_when_nobody_has_saved_it_meanwhile(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    save(&*ours, "graph", Some(past(fixture, 1)), None).await;
    assert_eq!(claim(&*ours, 10).await, ["graph"]);
    fixture.advance(HOLD / 2).await;
    assert!(claim(&*theirs, 10).await.is_empty(), "it is held");
    fixture.advance(HOLD / 2).await;
    assert_eq!(claim(&*theirs, 10).await, ["graph"]);
    assert!(claim(&*ours, 10).await.is_empty(), "it is held again");
}

pub(super) async fn a_claimed_key_that_is_saved_is_due_when_the_record_says(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let version = save(&*store, "graph", Some(past(fixture, 1)), None).await;
    assert_eq!(claim(&*store, 10).await, ["graph"]);
    let version = save(&*store, "graph", Some(past(fixture, 1)), Some(version)).await;
    assert_eq!(claim(&*store, 10).await, ["graph"], "due at once, and no more held");
    save(&*store, "graph", Some(future(fixture)), Some(version)).await;
    fixture.advance(HOLD).await;
    assert!(claim(&*store, 10).await.is_empty(), "due no more when the claim has ended");
}

pub(super) async fn what_is_due_no_more_is_claimed_no_more(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let version = save(&*store, "graph", Some(past(fixture, 1)), None).await;
    let refused = store.save(&key("graph"), &record(2), None).await.given();
    assert_eq!(refused, crate::store::SaveOutcome::Conflict);
    assert_eq!(claim(&*store, 10).await, ["graph"], "a save that was refused changes nothing");
    save(&*store, "graph", None, Some(version)).await;
    fixture.advance(HOLD).await;
    assert!(claim(&*store, 10).await.is_empty());
}

pub(super) async fn of_64_simultaneous_claims_each_key_is_in_one(fixture: &dyn StoreFixture) {
    let handles = handles(fixture).await;
    let mut names: Vec<_> = (0..2 * MANY).map(|number| format!("graph:{number}")).collect();
    for name in &names {
        save(&*handles[0], name, Some(past(fixture, 1)), None).await;
    }
    let mut claims = JoinSet::new();
    for store in handles.iter().cycle().take(MANY).cloned() {
        claims.spawn(async move { claim(&*store, 3).await });
    }
    let mut claimed = claims.join_all().await.concat();
    let simultaneous = claimed.len();
    // Who came when another looked at the same keys may have left them.
    while claimed.len() < names.len() {
        let more = claim(&*handles[1], 100).await;
        assert!(!more.is_empty(), "{} of {} keys were given, and no more", claimed.len(), names.len());
        claimed.extend(more);
    }
    assert!(simultaneous > 0, "all were in each other's way");
    claimed.sort_unstable();
    names.sort_unstable();
    assert_eq!(claimed, names);
}

pub(super) async fn a_claim_changes_no_record_and_takes_no_lease(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let version = save(&*store, "graph", Some(past(fixture, 1)), None).await;
    assert_eq!(claim(&*store, 10).await, ["graph"]);
    assert_eq!(store.newest_version().await.given(), version);
    assert!(store.changes(version, 10).await.given().is_empty(), "a claim is no change");
    let lease = store.acquire_lease(&key("graph"), &Holder::unique(), HOLD).await.given();
    assert_eq!(lease, LeaseOutcome::Acquired);
    // Who has read the record before writes over it all the same.
    save(&*store, "graph", None, Some(version)).await;
}

pub(super) async fn what_is_due_outlives_closing(fixture: &dyn StoreFixture) {
    if !fixture.is_durable() {
        return;
    }
    let store = fixture.open().await;
    save(&*store, "graph:1", Some(past(fixture, 2)), None).await;
    save(&*store, "graph:2", Some(past(fixture, 1)), None).await;
    assert_eq!(claim(&*store, 1).await, ["graph:1"]);
    store.close().await;
    drop(store);
    assert_eq!(claim(&*fixture.open().await, 10).await, ["graph:2"]);
}

async fn save(store: &dyn Store, name: &str, due_at: Option<Moment>, expected: Option<Version>) -> Version {
    let record = Record { due_at, ..record(1) };
    store.save(&key(name), &record, expected).await.given().given()
}

async fn claim(store: &dyn Store, limit: usize) -> Vec<String> {
    let claimed = store.claim_due(limit, HOLD).await.given();
    let claimed = claimed.unwrap_or_else(|| panic!("the store gives nothing of what is due"));
    assert!(claimed.len() <= limit, "more were claimed than asked for");
    claimed.iter().map(ToString::to_string).collect()
}

async fn due_at_of(store: &dyn Store, name: &str) -> Option<Moment> {
    let stored = store.load(&key(name)).await.given();
    stored.unwrap_or_else(|| panic!("nothing was loaded of {name}")).record.due_at
}

/// Before the present by the fixture's clock as by any server's.
fn past(fixture: &dyn StoreFixture, seconds: u64) -> Moment {
    fixture.clock().now().minus(Duration::from_secs(seconds))
}

/// After both.
fn future(fixture: &dyn StoreFixture) -> Moment {
    fixture.clock().now().plus(AGES)
}

const HOLD: Duration = Duration::from_mins(1);
/// The fixture's clock begins less than that before the present.
const AGES: Duration = Duration::from_hours(24 * 365 * 60);
