//! The tables in PostgreSQL.

use tokenkeep_test_servers::Postgres;
use tokio::task::JoinSet;

use super::vendor::{PASSWORD, USERNAME, Vendor};

/// B3: tokens with a `TIMESTAMP WITH TIME ZONE`, encrypted credentials, in tables that instances make which start at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn instances_that_start_at_once_make_the_tables_and_share_them() {
    let (vendor, database) = Vendor::with_postgres().await;
    let start = || vendor.serve();
    let brokers = tokio::join!(start(), start(), start(), start(), start());
    let clients = [&brokers.0, &brokers.1, &brokers.2, &brokers.3, &brokers.4].map(|broker| broker.client.clone());
    clients[0].give_credentials("7").await;
    let mut asking = JoinSet::new();
    for client in clients {
        asking.spawn(async move { client.token("7").await["access_token"].as_str().unwrap().to_owned() });
    }
    let mut tokens = asking.join_all().await;
    tokens.dedup();
    assert_eq!((tokens.len(), vendor.logins()), (1, 1));

    let sql = |sql: &str| Postgres::shared().sql(&database, sql).trim().to_owned();
    let types = "SELECT data_type FROM information_schema.columns WHERE table_schema = 'tokenkeep'";
    for column in [
        "table_name = 'records' AND column_name = 'expires_at'",
        "table_name = 'credentials' AND column_name = 'saved_at'",
    ] {
        assert_eq!(sql(&format!("{types} AND {column}")), "timestamp with time zone", "{column}");
    }
    let left = sql(
        "SELECT round(extract(epoch FROM expires_at - now()))::int FROM tokenkeep.records WHERE key = 'bluestakes:7'",
    );
    assert!((3_500..=3_600).contains(&left.parse::<u32>().unwrap()), "{left}");
    let stored = sql("SELECT json FROM tokenkeep.credentials; SELECT record FROM tokenkeep.records");
    assert!(sql("SELECT count(*) FROM tokenkeep.credentials") == "1" && stored.contains("password"), "{stored}");
    for secret in [USERNAME, PASSWORD, &tokens[0]] {
        assert!(!stored.contains(secret), "{stored}");
    }
}

/// B3: an index serves the clean-up: among many good tokens it reads those that are over and no others.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn the_clean_up_finds_what_is_over_by_an_index() {
    let (vendor, database) = Vendor::with_postgres().await;
    vendor.keep("good", "good", 1_800).await;
    for company in ["1", "2"] {
        vendor.keep(company, "over", -3_600).await;
    }
    let sql = |sql: &str| Postgres::shared().sql(&database, sql).trim().to_owned();
    // Far more good ones than a page has; the counter of versions goes on behind them.
    sql("INSERT INTO tokenkeep.records (key, version, record, generation, expires_at, saved_at)
         SELECT 'bluestakes:more-' || number, version + 10 + number, record, generation, expires_at, saved_at
         FROM tokenkeep.records, generate_series(1, 20000) AS number WHERE key = 'bluestakes:good';
         UPDATE tokenkeep.state SET version = (SELECT max(version) FROM tokenkeep.records);
         ANALYZE tokenkeep.records");
    let broker = vendor.serve().await;
    let read = || {
        sql("SELECT pg_stat_force_next_flush()");
        let read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'records'";
        sql(read).parse::<u64>().unwrap()
    };
    let before = read();
    assert_eq!(broker.client.post("/tokens/cleanup", None).await, (200, serde_json::json!({ "removed": 2 })));
    drop(broker);
    let used = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'records_expiry'";
    let by_index = async {
        while sql(used).parse::<u64>().unwrap() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::support::LONG, by_index).await.unwrap();
    let after = read();
    assert!(after - before < 1_000, "{} rows were read", after - before);
}
