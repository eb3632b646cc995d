//! The store of `examples/own_store`, which keeps neither credentials nor budgets, and one that breaks a law.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{MemoryStore, SealedStore, Store};

#[path = "../../examples/own_store/store.rs"]
mod store;

use store::OwnStore;

struct Own {
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
}

#[async_trait]
impl StoreFixture for Own {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn keeps_credentials(&self) -> bool {
        false
    }

    fn counts_budgets(&self) -> bool {
        false
    }
}

/// As [`Own`], but the fixture promises what the store does not keep.
struct Boaster(Own);

#[async_trait]
impl StoreFixture for Boaster {
    fn clock(&self) -> &ManualClock {
        self.0.clock()
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.0.open().await
    }

    fn is_durable(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_of_ones_own_keeps_the_laws_that_it_promises() {
    contract::run_all(async || own(|store| store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_store_of_ones_own_keeps_them_too() {
    let (key, _) = SealKey::generate().unwrap();
    contract::run_all(async || own(|store| Arc::new(SealedStore::new(store, SealKeys::new(key.clone(), []))))).await;
}

#[tokio::test]
async fn a_store_that_breaks_laws_is_told_which() {
    let broken = broken_laws(async || Boaster(own(|store| store))).await;
    for law in ["a_store_says_whether_it_keeps_credentials", "accounts_are_paged_in_order", "a_window_slides"] {
        assert!(broken.contains(&format!("\n  {law}: ")), "{law}\n{broken}");
    }
    assert!(!broken.contains("a_lease_ends_by_itself"), "{broken}");
}

#[tokio::test]
async fn handles_that_do_not_share_their_data_break_laws() {
    struct Apart(ManualClock);

    #[async_trait]
    impl StoreFixture for Apart {
        fn clock(&self) -> &ManualClock {
            &self.0
        }

        async fn open(&self) -> Arc<dyn Store> {
            Arc::new(MemoryStore::new(Arc::new(ManualClock::new())))
        }
    }

    let broken = broken_laws(async || Apart(ManualClock::new())).await;
    for law in ["a_write_is_seen_by_another_handle_at_once", "of_64_simultaneous_takers_one_gets_the_lease"] {
        assert!(broken.contains(&format!("\n  {law}: ")), "{law}\n{broken}");
    }
}

fn own(around: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Own {
    let clock = Arc::new(ManualClock::new());
    let store = OwnStore { clock: Arc::<ManualClock>::clone(&clock), tables: Mutex::default() };
    Own { clock, store: around(Arc::new(store)) }
}

async fn broken_laws<F: StoreFixture>(fresh: impl AsyncFn() -> F) -> String {
    let panicked = AssertUnwindSafe(contract::run_all(fresh)).catch_unwind().await.unwrap_err();
    *panicked.downcast::<String>().unwrap()
}
