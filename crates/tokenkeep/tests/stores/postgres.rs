//! What the PostgreSQL store promises beyond the contract, on real servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

mod connections;
mod opening;
mod pooler;
mod schemas;
mod tls;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{PostgresStore, PostgresUrl, Record, SaveOutcome, SealedStore, Store, StoreError, Version};
use tokenkeep::{Key, Secret};
use tokenkeep_test_servers::Postgres;

/// A schema of its own in a database of the server that these tests share.
struct Schema {
    clock: Arc<ManualClock>,
    database: String,
    name: String,
    /// The URL of the database, perhaps by way of a pooler.
    url: String,
    seal_key: Option<SealKey>,
}

impl Schema {
    fn new() -> Self {
        Self::at("postgres", &Postgres::shared().url("postgres"))
    }

    fn at(database: &str, url: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("law_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (clock, url) = (Arc::new(ManualClock::new()), format!("{url}?schema={name}"));
        Self { clock, database: database.into(), name, url, seal_key: None }
    }

    fn sealed(seal_key: SealKey) -> Self {
        Self { seal_key: Some(seal_key), ..Self::new() }
    }
}

#[async_trait]
impl StoreFixture for Schema {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&url(&self.url), clock).await.unwrap());
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
             UPDATE {name}.spendings SET at = at - interval '{ms} ms';
             UPDATE {name}.records SET due_at = due_at - interval '{ms} ms'"
        );
        Postgres::shared().sql(&self.database, &sql);
    }

    fn gives_notices(&self) -> bool {
        true
    }

    fn gives_due_keys(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs postgres: run ./test"]
async fn the_postgres_store_keeps_the_laws() {
    contract::run_all(async || Schema::new()).await;
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn the_postgres_store_keeps_the_laws_sealed_and_on_one_thread() {
    let (seal_key, _text) = SealKey::generate().unwrap();
    contract::run_all(async || Schema::sealed(seal_key.clone())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs postgres: run ./test"]
async fn the_postgres_store_keeps_the_laws_whatever_the_database_is_set_to() {
    let server = Postgres::shared();
    let database = server.database();
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "standard_conforming_strings = off",
        "bytea_output = 'escape'",
        "timezone = 'Pacific/Chatham'",
        "datestyle = 'German'",
        "search_path = ''",
    ] {
        server.sql("postgres", &format!("ALTER DATABASE {database} SET {setting}"));
    }
    contract::run_all(async || Schema::at(&database, &server.url(&database))).await;
}

/// A store with the tables in a database of its own.
struct Place {
    database: String,
    url: String,
}

impl Place {
    fn new() -> Self {
        let database = Postgres::shared().database();
        Self { url: Postgres::shared().url(&database), database }
    }

    fn sql(&self, sql: &str) -> String {
        Postgres::shared().sql(&self.database, sql)
    }

    async fn open(&self) -> PostgresStore {
        open(&self.url).await.unwrap()
    }
}

async fn open(text: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(&url(text), Arc::new(ManualClock::new())).await
}

fn url(text: &str) -> PostgresUrl {
    PostgresUrl::parse(text).unwrap()
}

async fn save(store: &dyn Store, name: &str) -> Version {
    let SaveOutcome::Saved(version) = store.save(&key(name), &record(1), None).await.unwrap() else {
        panic!("there was a record of {name}")
    };
    version
}

/// One that looks like no other, as sealed ones do.
fn record(generation: u64) -> Record {
    Record {
        generation,
        fingerprint: Fingerprint::of([]),
        token: None,
        refresh_in: None,
        jitter: 0.5,
        refresh_token: Some(Secret::new(format!("refresh-{:016x}", fastrand::u64(..)))),
        asked_at: None,
        failure: None,
        due_at: None,
        boot_id: "".into(),
    }
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}
