//! The command line with a PostgreSQL store.

use tokenkeep_test_servers::Postgres;

use crate::world::World;

const SEAL_KEYS: &str = "seal_keys = [{ file = 'seal.key' }]\n";

async fn world_with_a_seal_key() -> World {
    let world = World::start().await;
    std::fs::write(world.path("seal.key"), "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=").unwrap();
    world
}

#[tokio::test]
async fn store_sql_prints_what_makes_the_tables_and_connects_to_nothing() {
    let world = World::without_config().await;
    world.write_config("store = \"postgres://me:hunter2@nowhere.invalid/tokens?schema=billing\"\n");
    let printed = world.run(&["store", "sql"]).await;
    assert!(printed.data().contains("CREATE SCHEMA IF NOT EXISTS \"billing\";"), "{printed:?}");
    assert!(printed.data().contains("CREATE TABLE \"billing\".records") && !printed.stdout.contains("hunter2"));
    world.write_config("store = \"sqlite:tokens.db\"\n");
    assert!(world.run(&["store", "sql"]).await.failure(2).contains("this store has no tables"));
}

#[tokio::test]
async fn who_makes_the_tables_needs_no_configuration() {
    let world = World::without_config().await;
    let printed = world.run(&["store", "sql", "--schema", "billing"]).await;
    assert!(printed.data().contains("CREATE TABLE \"billing\".records"), "{printed:?}");
    for name in ["x\"; DROP TABLE y; --", "a&sslmode=disable", ""] {
        let refused = world.run(&["store", "sql", "--schema", name]).await;
        assert!(refused.failure(2).contains("schema") && refused.stdout.is_empty(), "{refused:?}");
    }
}

#[tokio::test]
async fn a_store_on_a_server_without_keys_is_refused_before_anything_is_asked() {
    let world = World::start().await;
    for url in ["postgres://me:hunter2@127.0.0.1:1/tokens", "redis://:hunter2@127.0.0.1:1"] {
        world.write_config(&world.usual_config().replace("sqlite:tokens.db", url));
        let checked = world.run(&["config", "check"]).await;
        assert!(checked.failure(2).contains("error: `seal_keys` is missing"), "{checked:?}");
        let failed = world.run(&["get", "graph"]).await;
        assert!(failed.failure(2).contains("openssl rand -base64 32"), "{failed:?}");
        assert!(!failed.stderr.contains("hunter2") && !checked.stderr.contains("hunter2"), "{failed:?} {checked:?}");
    }
    assert_eq!(world.requests("graph"), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_without_the_password() {
    let world = world_with_a_seal_key().await;
    let config = world.usual_config().replace("sqlite:tokens.db", "postgres://me:hunter2@127.0.0.1:1/tokens");
    world.write_config(&format!("{SEAL_KEYS}{config}"));
    let failed = world.run(&["store", "reseal"]).await;
    assert!(failed.failure(7).contains("nobody listens there") && !failed.stderr.contains("hunter2"), "{failed:?}");
    // A token that spends nothing is had all the same.
    let got = world.run(&["get", "graph"]).await;
    assert!(got.code == Some(0) && got.stderr.contains("nobody listens there"), "{got:?}");
    assert!(!got.stderr.contains("hunter2"), "{got:?}");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn programs_that_share_a_database_share_its_tokens() {
    let world = world_with_a_seal_key().await;
    let url = Postgres::shared().url(&Postgres::shared().database());
    let config = world.usual_config();
    let shared = config.replace("sqlite:tokens.db", &url);
    assert_ne!(shared, config);
    world.write_config(&format!("{SEAL_KEYS}{shared}"));
    let requests = world.requests("graph");
    let token = world.run(&["get", "graph"]).await.data().to_owned();
    assert_eq!(world.run(&["get", "graph"]).await.data(), token);
    assert_eq!(world.requests("graph"), requests + 1);
    let resealed = world.run(&["store", "reseal", "--json"]).await.json();
    assert_eq!((&resealed["already_right"], &resealed["unopenable"]), (&1.into(), &serde_json::json!([])));
}
