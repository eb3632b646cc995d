//! Connections and servers that go, and come back.

use std::time::Duration;

use tokenkeep::store::{Holder, SaveOutcome, Store as _};
use tokenkeep_test_servers::{Link, Postgres, Relay};
use tokio::time::timeout;

use super::{Place, key, open, record, save};

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn connections_that_were_ended_are_not_noticed() {
    let place = Place::new();
    let (store, graph) = (place.open().await, key("graph"));
    let mut version = Some(save(&store, "graph").await);
    for generation in 2..5 {
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tokenkeep' AND datname = current_database()");
        assert!(store.load(&graph).await.unwrap().is_some());
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tokenkeep' AND datname = current_database()");
        let SaveOutcome::Saved(saved) = store.save(&graph, &record(generation), version).await.unwrap() else {
            panic!()
        };
        version = Some(saved);
    }
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn connections_that_were_idle_for_too_long_are_not_noticed() {
    let place = Place::new();
    place.sql(&format!("ALTER DATABASE {} SET idle_session_timeout = '100ms'", place.database));
    let (store, graph) = (place.open().await, key("graph"));
    save(&store, "graph").await;
    for _ in 0..3 {
        until_none_is_connected(&place);
        assert!(store.load(&graph).await.unwrap().is_some());
    }
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_server_that_is_gone_is_said_and_found_again() {
    let server = Postgres::start(&[]);
    let (store, graph) = (open(&server.url("postgres")).await.unwrap(), key("graph"));
    let version = save(&store, "graph").await;
    store.changed().await;
    server.stop();
    for _ in 0..3 {
        let error = store.load(&graph).await.unwrap_err();
        assert!(error.what.contains("nobody listens there") && !error.busy, "{error}");
    }
    server.start_again();
    assert_eq!(store.load(&graph).await.unwrap().unwrap().version, version);
    // Who waits is told once that there may be something, and then what there is.
    noticed(&store).await;
    let other = open(&server.url("postgres")).await.unwrap();
    let _saved = other.save(&graph, &record(2), Some(version)).await.unwrap();
    noticed(&store).await;
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_listener_whose_connection_was_ended_listens_again_and_looks_once() {
    let place = Place::new();
    let (ours, theirs) = (place.open().await, place.open().await);
    ours.changed().await;
    assert!(timeout(Duration::from_millis(300), ours.changed()).await.is_err(), "nobody has written");
    let listeners = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    assert_eq!(place.sql(listeners), "1");
    noticed(&ours).await;
    save(&theirs, "graph").await;
    noticed(&ours).await;
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_link_that_is_cut_fails_at_once_and_is_well_again() {
    let place = Place::new();
    let relay = Relay::to(Postgres::shared().port());
    let text = place.url.replace(&Postgres::shared().port().to_string(), &relay.port().to_string());
    let store = open(&text).await.unwrap();
    save(&store, "graph").await;
    relay.set(Link::Cut);
    let error = store.load(&key("graph")).await.unwrap_err();
    assert!(error.what.contains("closed it"), "{error}");
    relay.set(Link::Well);
    assert!(store.load(&key("graph")).await.unwrap().is_some());
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_standby_is_read_and_says_why_it_is_not_written() {
    let primary = Postgres::start(&[]);
    let store = open(&primary.url("postgres")).await.unwrap();
    let version = save(&store, "graph").await;
    let standby = primary.standby();
    let store = open(&standby.url("postgres")).await.unwrap();
    assert_eq!(store.load(&key("graph")).await.unwrap().unwrap().version, version);
    assert_eq!(store.newest_version().await.unwrap(), version);
    let error = store.save(&key("graph"), &record(2), Some(version)).await.unwrap_err();
    assert!(error.what.contains("it is a standby"), "{error}");
    let error = store.acquire_lease(&key("graph"), &Holder::unique(), Duration::from_mins(1)).await.unwrap_err();
    assert!(error.busy, "{error}: nobody may use a login without a lease while a failover lasts");
    // It takes over.
    standby.sql("postgres", "SELECT pg_promote()");
    assert!(matches!(store.save(&key("graph"), &record(2), Some(version)).await.unwrap(), SaveOutcome::Saved(_)));
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn too_many_connections_are_a_trouble_that_passes() {
    let server = Postgres::start(&[("max_connections", "8"), ("superuser_reserved_connections", "3")]);
    server.sql("postgres", "CREATE ROLE few LOGIN PASSWORD 'hunter2'");
    server.sql("postgres", "CREATE DATABASE few OWNER few");
    let text = format!("postgres://few:hunter2@127.0.0.1:{}/few", server.port());
    let mut stores = Vec::new();
    let error = loop {
        match open(&text).await {
            Ok(store) => stores.push(store),
            Err(error) => break error,
        }
        assert!(stores.len() < 8);
    };
    assert!(error.busy && error.what.contains("too many connections"), "{error}");
    let last = stores.pop().unwrap();
    last.close().await;
    let mut tries = 0;
    while let Err(error) = open(&text).await {
        tries += 1;
        assert!(tries < 1_000, "{error}");
    }
}

fn until_none_is_connected(place: &Place) {
    let mut looks = 0;
    while place.sql(CONNECTED) != "0" {
        looks += 1;
        assert!(looks < 1_000, "the server ends no connection");
    }
}

async fn noticed(store: &tokenkeep::store::PostgresStore) {
    assert!(timeout(Duration::from_secs(10), store.changed()).await.is_ok(), "no notice came");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn calls_that_are_given_up_make_no_more_connections_than_there_may_be() {
    let place = Place::new();
    let store = open(&format!("{}?max_connections=2", place.url)).await.unwrap();
    save(&store, "graph").await;
    let database = place.url.rsplit('/').next().unwrap().to_owned();
    let locked = tokio::task::spawn_blocking(move || {
        Postgres::shared().sql(&database, "BEGIN; LOCK TABLE tokenkeep.records; SELECT pg_sleep(3)");
    });
    let lock = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND \
                relation = 'tokenkeep.records'::regclass";
    while place.sql(lock) == "0" {
        tokio::task::yield_now().await;
    }
    for _ in 0..6 {
        assert!(timeout(Duration::from_millis(200), store.load(&key("graph"))).await.is_err());
    }
    let connected = place.sql(CONNECTED);
    locked.await.unwrap();
    assert_eq!(connected, "2");
    assert!(store.load(&key("graph")).await.unwrap().is_some());
}

const CONNECTED: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tokenkeep' AND datname = current_database()";
