//! Laws of budgets.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Expected as _, MANY, StoreFixture, handles};
use crate::budget::{Budget, Spending};
use crate::store::Store;

/// Whether the store promises these laws.
pub(super) fn are_asked(fixture: &dyn StoreFixture) -> bool {
    fixture.counts_budgets()
}

pub(super) async fn of_64_simultaneous_requests_a_budget_allows_its_number(fixture: &dyn StoreFixture) {
    let handles = handles(fixture).await;
    let mut requests = JoinSet::new();
    for store in handles.iter().cycle().take(MANY).map(Arc::clone) {
        requests.spawn(async move { store.spend("vendor", budget("10/1m")).await.given() });
    }
    let counted = requests.join_all().await.iter().filter(|outcome| **outcome == Spending::Counted).count();
    assert_eq!(counted, 10, "of a budget of 10");
}

pub(super) async fn a_window_slides(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    assert_eq!(spend(&*store, 2).await, Spending::Counted);
    fixture.advance(WINDOW / 2).await;
    assert_eq!(spend(&*store, 2).await, Spending::Counted);
    fixture.advance(WINDOW / 2).await;
    assert_eq!(spend(&*store, 2).await, Spending::Counted, "the first has left the window");
    assert_exhausted(spend(&*store, 2).await, WINDOW / 2);
    fixture.advance(WINDOW / 2).await;
    assert_eq!(spend(&*store, 2).await, Spending::Counted, "the second has left the window");
}

pub(super) async fn an_exhausted_budget_names_the_time_until_there_is_room(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    for _ in 0..3 {
        assert_eq!(spend(&*ours, 3).await, Spending::Counted);
        fixture.advance(WINDOW / 6).await;
    }
    assert_exhausted(spend(&*theirs, 3).await, WINDOW / 2);
    assert_exhausted(spend(&*theirs, 1).await, WINDOW * 5 / 6);
    assert_eq!(spend(&*theirs, 4).await, Spending::Counted, "a larger budget has room");
}

pub(super) async fn budgets_of_different_names_do_not_touch(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    assert_eq!(spend(&*store, 1).await, Spending::Counted);
    assert_eq!(store.spend("another", budget("1/1m")).await.given(), Spending::Counted);
    assert_exhausted(spend(&*store, 1).await, WINDOW);
}

pub(super) async fn what_was_spent_outlives_closing(fixture: &dyn StoreFixture) {
    if !fixture.is_durable() {
        return;
    }
    let store = fixture.open().await;
    assert_eq!(spend(&*store, 1).await, Spending::Counted);
    store.close().await;
    drop(store);
    assert_exhausted(spend(&*fixture.open().await, 1).await, WINDOW);
}

pub(super) async fn a_clock_that_is_set_gives_no_budget_back(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    assert_eq!(spend(&*store, 1).await, Spending::Counted);
    fixture.clock().set_wall_back(WINDOW * 1_000);
    assert_exhausted(spend(&*store, 1).await, WINDOW);
    fixture.clock().set_wall_forward(WINDOW * 2_000);
    assert_exhausted(spend(&*store, 1).await, WINDOW);
    fixture.advance(WINDOW).await;
    assert_eq!(spend(&*store, 1).await, Spending::Counted);
}

async fn spend(store: &dyn Store, requests: u32) -> Spending {
    store.spend("vendor", budget(&format!("{requests}/1m"))).await.given()
}

fn budget(text: &str) -> Budget {
    Budget::parse(text).unwrap_or_else(|error| panic!("{text} {error}"))
}

#[track_caller]
fn assert_exhausted(spending: Spending, expected: Duration) {
    let Spending::Exhausted(left) = spending else { panic!("one more than the budget was counted") };
    assert!(left <= expected && left + SLACK >= expected, "{left:?} are said to be left of {expected:?}");
}

const WINDOW: Duration = Duration::from_mins(1);
/// What passes while a test runs, where a server's clock cannot be stopped.
const SLACK: Duration = Duration::from_secs(5);
