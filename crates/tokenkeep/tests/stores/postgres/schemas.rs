//! Tables of other versions, and tables that go.

use std::time::Duration;

use tokenkeep::store::{Holder, Record, SaveOutcome, Store as _};
use tokenkeep::{Moment, TokenManager};
use tokenkeep_sandbox::Client;
use tokenkeep_test_servers::Postgres;

use super::{Place, key, open, record, save};

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn beside_a_later_version_that_only_adds_an_older_one_goes_on() {
    let place = Place::new();
    let running = place.open().await;
    let version = save(&running, "graph").await;
    place.sql(
        "ALTER TABLE tokenkeep.records ADD COLUMN later text NOT NULL DEFAULT 'x';
         ALTER TABLE tokenkeep.state ADD COLUMN later text;
         CREATE INDEX later ON tokenkeep.records (later);
         UPDATE tokenkeep.state SET schema = 4",
    );
    for store in [running, place.open().await] {
        let found = store.load(&key("graph")).await.unwrap().unwrap();
        let saved = store.save(&key("graph"), &record(2), Some(found.version)).await.unwrap();
        assert!(matches!(saved, SaveOutcome::Saved(saved) if saved > version));
    }
    assert_eq!(place.sql("SELECT schema, needs FROM tokenkeep.state"), "4|1");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn tables_that_do_not_say_what_is_due_are_changed_while_programs_that_do_not_know_it_go_on() {
    let place = Place::new();
    place.sql(&format!("CREATE SCHEMA tokenkeep; {}", include_str!("../../../src/store/postgres/0001_init.sql")));
    place.sql(&format!(
        "INSERT INTO tokenkeep.records (key, version, record, generation, saved_at)
         SELECT 'graph', version, $json${}$json$, 1, now() FROM tokenkeep.state",
        record(1).expose_json().as_str()
    ));
    let store = place.open().await;
    assert_eq!(place.sql("SELECT schema, needs FROM tokenkeep.state"), "3|1");
    let found = store.load(&key("graph")).await.unwrap().unwrap();
    assert_eq!((found.record.generation, found.record.due_at), (1, None));
    assert_eq!(store.claim_due(10, HOLD).await.unwrap(), Some(vec![]));

    let due = Record { due_at: Some(Moment { wall_ms: 1, boot_ms: 1 }), ..record(2) };
    let SaveOutcome::Saved(version) = store.save(&key("graph"), &due, Some(found.version)).await.unwrap() else {
        panic!("somebody came in between")
    };
    // As a program of the schema before saves: it names the columns that it knows.
    place.sql(&format!(
        "WITH next AS (UPDATE tokenkeep.state SET version = version + 1 RETURNING version)
         UPDATE tokenkeep.records SET version = next.version, record = $json${}$json$, generation = 3,
             expires_at = NULL, failure = NULL, saved_at = clock_timestamp()
         FROM next WHERE key = 'graph' AND records.version = {}",
        record(3).expose_json().as_str(),
        version.0
    ));
    assert_eq!(store.claim_due(10, HOLD).await.unwrap(), Some(vec![key("graph")]), "so its record is looked at");
    let found = store.load(&key("graph")).await.unwrap().unwrap();
    assert_eq!((found.record.generation, found.record.due_at), (3, None));
    assert!(matches!(
        store.save(&key("graph"), &found.record, Some(found.version)).await.unwrap(),
        SaveOutcome::Saved(_)
    ));
    assert_eq!(place.sql("SELECT count(*) FROM tokenkeep.records WHERE due_at IS NULL"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs postgres: run ./test"]
async fn whoever_changes_the_tables_while_a_backup_reads_them_does_not_make_the_others_wait_for_its_end() {
    let place = Place::new();
    let running = place.open().await;
    save(&running, "graph").await;
    place.sql(
        "ALTER TABLE tokenkeep.records DROP COLUMN due_at; DROP INDEX tokenkeep.records_expiry; \
         UPDATE tokenkeep.state SET schema = 1",
    );
    let waits_for = |mode: &str, is_granted: bool| {
        let locks = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'tokenkeep.records'::regclass";
        place.sql(&format!("{locks} AND mode = '{mode}' AND granted = {is_granted}")) == "t"
    };
    std::thread::scope(|scope| {
        scope.spawn(|| place.sql(LONG_READ));
        while !waits_for("AccessShareLock", true) {}
        let (url, handle) = (place.url.clone(), tokio::runtime::Handle::current());
        let starting = handle.spawn(async move { open(&url).await.map(drop) });
        while !waits_for("AccessExclusiveLock", false) && !starting.is_finished() {}
        let found = tokio::task::block_in_place(|| handle.block_on(running.load(&key("graph"))));
        let started = tokio::task::block_in_place(|| handle.block_on(starting)).unwrap();
        place.sql("INSERT INTO tokenkeep.credentials (key, json, saved_at) VALUES ('enough', '{}', now())");
        assert!(found.expect("who reads waits for the backup").is_some());
        assert!(started.unwrap_err().busy, "what passes is tried again");
    });
    place.open().await;
    assert_eq!(place.sql("SELECT schema FROM tokenkeep.state"), "3");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn where_a_later_version_needs_more_an_older_one_writes_nothing_and_says_so() {
    let place = Place::new();
    let running = place.open().await;
    let version = save(&running, "graph").await;
    place.sql("UPDATE tokenkeep.state SET schema = 4, needs = 4");
    let what = "schema 4 must be known, and this one knows up to 3";
    for error in [
        running.save(&key("graph"), &record(2), Some(version)).await.unwrap_err(),
        running.save(&key("another"), &record(2), None).await.unwrap_err(),
        running.newest_version().await.unwrap_err(),
        open(&place.url).await.unwrap_err(),
    ] {
        assert!(error.what.contains(what) && !error.busy, "{error}");
    }
    // It is not its turn to spend a login whose successor it could not save.
    let refused = running.acquire_lease(&key("graph"), &Holder::unique(), Duration::from_secs(30)).await.unwrap_err();
    assert!(refused.what.contains(what) && refused.busy, "{refused}");
    assert_eq!(place.sql("SELECT key, generation FROM tokenkeep.records"), "graph|1");
    assert_eq!(place.sql("SELECT schema, needs FROM tokenkeep.state"), "4|4");
    assert_eq!(place.sql("SELECT count(*) FROM tokenkeep.leases"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs postgres: run ./test"]
async fn tables_and_databases_that_were_dropped_are_made_anew_without_a_restart() {
    let (place, sandbox) = (Place::new(), tokenkeep_sandbox::Sandbox::builder());
    let sandbox = sandbox.client(Client::new("reports", "reports-secret")).start().await.unwrap();
    let text = format!(
        "store = '{}'\nseal_keys = ['MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=']\n\
         [providers.graph]\ngrant = 'client_credentials'\ntoken_url = '{}'\n\
         client_id = 'reports'\nclient_secret = 'reports-secret'\n",
        place.url,
        sandbox.token_url()
    );
    let manager = TokenManager::builder().config_text(&text).build().await.unwrap();
    manager.start();
    manager.token("graph").await.unwrap();
    for what in ["schema", "database"] {
        assert_eq!(place.sql("SELECT count(*) FROM tokenkeep.records"), "1");
        if what == "schema" {
            place.sql("DROP SCHEMA tokenkeep CASCADE");
        } else {
            Postgres::shared().sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", place.database));
            Postgres::shared().sql("postgres", &format!("CREATE DATABASE {}", place.database));
        }
        let mut looks = 0;
        while place.sql("SELECT to_regclass('tokenkeep.records') IS NULL") == "t" {
            looks += 1;
            assert!(looks < 300, "the tables of the {what} are not made anew");
        }
        while place.sql("SELECT count(*) FROM tokenkeep.records") == "0" {
            // There is a second between two requests to an issuer.
            manager.handle("graph").unwrap().refresh().await.ok();
            looks += 1;
            assert!(looks < 300, "nothing is saved in the {what}");
        }
    }
    manager.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_store_whose_tables_were_dropped_knows_it() {
    let place = Place::new();
    let store = place.open().await;
    assert!(store.is_in_place());
    place.sql("DROP SCHEMA tokenkeep CASCADE");
    let error = store.load(&key("graph")).await.unwrap_err();
    assert!(error.what.contains("were dropped"), "{error}");
    assert!(!store.is_in_place());
}

const HOLD: Duration = Duration::from_mins(1);

/// Reads all records, as a backup does, and is not done before there are credentials.
const LONG_READ: &str = "DO $$ BEGIN
    PERFORM FROM tokenkeep.records;
    FOR look IN 1..600 LOOP
        EXIT WHEN EXISTS (SELECT FROM tokenkeep.credentials);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$";
