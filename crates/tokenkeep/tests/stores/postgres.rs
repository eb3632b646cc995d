//! What the PostgreSQL store promises beyond the contract, on real servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{PostgresStore, PostgresUrl, SealedStore, Store};
use tokenkeep_test_servers::Postgres;

/// A schema of its own in the database that these tests share.
struct Schema {
    clock: Arc<ManualClock>,
    name: String,
    seal_key: Option<SealKey>,
}

impl Schema {
    fn new(seal_key: Option<SealKey>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("law_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { clock: Arc::new(ManualClock::new()), name, seal_key }
    }

    fn url(&self) -> PostgresUrl {
        let url = format!("{}?schema={}", Postgres::shared().url("postgres"), self.name);
        PostgresUrl::parse(&url).unwrap()
    }
}

#[async_trait]
impl StoreFixture for Schema {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&self.url(), clock).await.unwrap());
        match &self.seal_key {
            Some(key) => Arc::new(SealedStore::new(store, SealKeys::new(key.clone(), []))),
            None => store,
        }
    }

    /// Moves what is stored into the past.
    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        let (name, ms) = (&self.name, by.as_millis());
        let sql = format!(
            "UPDATE {name}.leases SET ends_at = ends_at - interval '{ms} ms';
             UPDATE {name}.spendings SET at = at - interval '{ms} ms'"
        );
        tokio::task::spawn_blocking(move || Postgres::shared().sql("postgres", &sql)).await.unwrap();
    }

    fn gives_notices(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs postgres: run ./test"]
async fn the_postgres_store_keeps_the_laws() {
    contract::run_all(async || Schema::new(None)).await;
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn the_postgres_store_keeps_the_laws_sealed_and_on_one_thread() {
    let (seal_key, _text) = SealKey::generate().unwrap();
    contract::run_all(async || Schema::new(Some(seal_key.clone()))).await;
}
