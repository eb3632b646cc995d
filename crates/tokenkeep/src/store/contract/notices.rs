//! Laws of notices.

use std::time::Duration;

use tokio::time::timeout;

use super::records::record;
use super::{Expected as _, StoreFixture, key};
use crate::store::{Store, Version};

/// Whether the store promises these laws.
pub(super) fn are_asked(fixture: &dyn StoreFixture) -> bool {
    fixture.gives_notices()
}

pub(super) async fn a_write_of_another_handle_is_noticed(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let mut version = None;
    for generation in 1..4 {
        quiet(&*ours).await;
        let (saved, ()) = tokio::join!(save(&*theirs, generation, version), noticed(&*ours));
        // Who was told finds what there is to tell.
        assert_eq!(ours.changes(version.unwrap_or(Version::ZERO), 10).await.given(), [(key("graph"), saved)]);
        version = Some(saved);
    }
}

pub(super) async fn a_notice_that_comes_while_nobody_waits_is_kept(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    quiet(&*ours).await;
    save(&*theirs, 1, None).await;
    // Until it has come, there is nothing to wait for but the time.
    tokio::time::sleep(SHORT).await;
    noticed(&*ours).await;
}

pub(super) async fn a_wait_that_is_dropped_takes_no_notice_with_it(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    quiet(&*ours).await;
    let version = save(&*theirs, 1, None).await;
    noticed(&*ours).await;
    quiet(&*ours).await;
    for _ in 0..10 {
        drop(timeout(Duration::from_millis(1), ours.changed()).await);
    }
    save(&*theirs, 2, Some(version)).await;
    noticed(&*ours).await;
}

pub(super) async fn a_store_that_was_closed_gives_no_notice_and_does_not_fail(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    quiet(&*ours).await;
    ours.close().await;
    save(&*theirs, 1, None).await;
    quiet(&*ours).await;
}

async fn save(store: &dyn Store, generation: u64, expected: Option<Version>) -> Version {
    store.save(&key("graph"), &record(generation), expected).await.given().given()
}

async fn noticed(store: &dyn Store) {
    assert!(timeout(LONG, store.changed()).await.is_ok(), "no notice came within {LONG:?}");
}

/// Takes what notices there are, e.g. that from now on some can come.
async fn quiet(store: &dyn Store) {
    for _ in 0..10 {
        if timeout(SHORT, store.changed()).await.is_err() {
            return;
        }
    }
    panic!("notices come without end where nobody writes");
}

const SHORT: Duration = Duration::from_millis(300);
/// Longer than it takes on the slowest of machines.
const LONG: Duration = Duration::from_secs(10);
