//! Behind pgbouncer in transaction mode, where each message may go to another connection of the server.

use std::sync::LazyLock;

use tokenkeep::store::contract;
use tokenkeep::store::{SaveOutcome, Store as _};
use tokenkeep_test_servers::{PgBouncer, Postgres};
use tokio::task::JoinSet;

use super::{Schema, key, open, record};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs pgbouncer: run ./test"]
async fn behind_a_pooler_all_laws_but_those_of_notices_are_kept() {
    static POOLER: LazyLock<PgBouncer> = LazyLock::new(|| PgBouncer::before(Postgres::shared(), 3));
    let database = Postgres::shared().database();
    for law in contract::LAWS.iter().filter(|law| !law.name.contains("notice") && !law.name.contains("wait")) {
        law.check(Schema::at(&database, &POOLER.url(&database))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs pgbouncer: run ./test"]
async fn behind_a_pooler_many_stores_mix_nothing_up() {
    let pooler = PgBouncer::before(Postgres::shared(), 2);
    let database = Postgres::shared().database();
    let mut processes = JoinSet::new();
    for number in 0..10 {
        let text = pooler.url(&database);
        processes.spawn(async move {
            let (store, name) = (open(&text).await.unwrap(), key(&format!("graph:{number}")));
            // It waits for notices that never come.
            let listening = tokio::time::timeout(std::time::Duration::from_secs(5), store.changed());
            let writing = async {
                let mut version = None;
                for generation in 1..30 {
                    let saved = store.save(&name, &record(generation), version).await.unwrap();
                    let SaveOutcome::Saved(saved) = saved else { panic!("nobody else writes {name}") };
                    assert_eq!(store.load(&name).await.unwrap().unwrap().record.generation, generation);
                    version = Some(saved);
                }
            };
            let (heard, ()) = tokio::join!(listening, writing);
            assert!(heard.is_err(), "a notice came where nobody can listen");
            store.close().await;
        });
    }
    processes.join_all().await;
}
