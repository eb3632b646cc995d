//! What becomes of opening: by many at once, and where something is in the way.

use std::sync::Arc;

use tokenkeep::seal::SealKey;
use tokenkeep::store::contract::ManualClock;
use tokenkeep::store::{PostgresStore, Store as _, StoreUrl};
use tokenkeep::{Clock, store};
use tokenkeep_test_servers::Postgres;
use tokio::task::JoinSet;

use super::{Place, key, open, record, save, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs postgres: run ./test"]
async fn of_40_simultaneous_first_opens_all_succeed() {
    let place = Place::new();
    let mut opens = JoinSet::new();
    for number in 0..40 {
        let url = place.url.clone();
        opens.spawn(async move {
            let store = open(&url).await.unwrap();
            save(&store, &format!("graph:{number}")).await;
            store.close().await;
        });
    }
    opens.join_all().await;
    assert_eq!(place.open().await.page(None, 100).await.unwrap().len(), 40);
    assert_eq!(place.sql("SELECT schema, needs FROM tokenkeep.state"), "3|1");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn what_is_in_the_way_is_said_without_the_password() {
    let server = Postgres::shared();
    let database = server.database();
    server.sql("postgres", "CREATE ROLE with_password LOGIN PASSWORD 'the-right-one'");
    let port = server.port();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = tokenkeep_sandbox::Sandbox::builder().start().await.unwrap();
    for (url, what) in [
        (format!("postgres://with_password:hunter2@127.0.0.1:{port}/{database}"), "the user or the password is wrong"),
        (format!("postgres://nobody:hunter2@127.0.0.1:{port}/{database}"), "the user or the password is wrong"),
        (format!("postgres://tokenkeep:hunter2@127.0.0.1:{port}/elsewhere"), "no such database"),
        (format!("postgres://tokenkeep:hunter2@127.0.0.1:1/{database}"), "nobody listens there"),
        (format!("postgres://tokenkeep:hunter2@nowhere.invalid/{database}"), "cannot be reached"),
        (format!("postgres://tokenkeep:hunter2@%2Fnowhere/{database}"), "cannot be reached"),
        (
            format!(
                "postgres://tokenkeep:hunter2@127.0.0.1:{}/{database}?connect_timeout=1",
                silent.local_addr().unwrap().port()
            ),
            "did not answer within 1 s",
        ),
        (
            format!(
                "postgres://tokenkeep:hunter2@127.0.0.1:{}/{database}",
                url::Url::parse(&other.url()).unwrap().port().unwrap()
            ),
            "does not speak as PostgreSQL does",
        ),
    ] {
        let error = open(&url).await.unwrap_err();
        assert!(error.what.contains(what), "{error}");
        assert!(
            !error.busy && !error.to_string().contains("hunter2") && error.store.starts_with("postgres://"),
            "{error}"
        );
    }
    let url = format!("postgres://with_password:the-right-one@127.0.0.1:{port}/{database}");
    let error = open(&url).await.unwrap_err();
    assert!(error.what.contains("may not make the tables: permission denied"), "{error}");
    assert!(error.what.contains("tokenkeep store sql"), "{error}");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn somebody_else_may_make_the_tables() {
    let place = Place::new();
    Postgres::shared().sql("postgres", "CREATE ROLE may_write LOGIN PASSWORD 'hunter2'");
    let text = format!("postgres://may_write:hunter2@127.0.0.1:{}/{}", Postgres::shared().port(), place.database);
    place.sql(&PostgresStore::sql(&url(&text)));
    let error = open(&text).await.unwrap_err();
    assert!(error.what.contains("permission denied for schema tokenkeep"), "{error}");
    place.sql(
        "GRANT USAGE ON SCHEMA tokenkeep TO may_write;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tokenkeep TO may_write",
    );
    let store = open(&text).await.unwrap();
    save(&store, "graph").await;
    let schema = key("graph");
    assert!(store.load(&schema).await.unwrap().is_some());
    assert!(!store.remove_credentials(&schema).await.unwrap());
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_store_on_a_server_demands_keys() {
    let place = Place::new();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let url = StoreUrl::parse(&place.url).unwrap();
    let error = store::open(&url, &[], &clock).await.unwrap_err();
    assert!(error.what.contains("openssl rand -base64 32") && error.what.contains("seal_keys"), "{error}");
    let (seal_key, _text) = SealKey::generate().unwrap();
    let store = store::open(&url, &[seal_key], &clock).await.unwrap();
    let refresh_token = record(7);
    let _saved = store.save(&key("graph"), &refresh_token, None).await.unwrap();
    let stored = place.sql("SELECT record FROM tokenkeep.records");
    assert!(stored.contains("\"generation\":7") && !stored.contains("refresh-"), "{stored}");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_socket_is_a_place_too() {
    let server = Postgres::shared();
    let folder = server.folder().display().to_string().replace('/', "%2F");
    let text = format!("postgres://tokenkeep@{folder}:{}/{}", server.port(), server.database());
    let store = open(&text).await.unwrap();
    save(&store, "graph").await;
    assert!(store.label().starts_with("postgres://%2F"), "{}", store.label());
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn nothing_is_left_open_by_a_store_that_was_closed() {
    let place = Place::new();
    let store = open(&format!("{}?application_name=to_be_closed", place.url)).await.unwrap();
    save(&store, "graph").await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'to_be_closed'";
    // It listens once somebody waits.
    store.changed().await;
    assert_eq!(place.sql(count), "2");
    store.close().await;
    let mut looks = 0;
    while place.sql(count) != "0" {
        looks += 1;
        assert!(looks < 1_000, "a connection is still there");
    }
    let error = store.load(&key("graph")).await.unwrap_err();
    assert!(error.what.contains("closed"), "{error}");
}
