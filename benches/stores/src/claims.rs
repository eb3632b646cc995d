//! What it costs to claim due keys in a database where a million are stored, and by which plan they are found.
//!
//! It starts a server from the system's packages on a throwaway folder, fills it by `generate_series`, and claims by the
//! store itself; the server says how (`auto_explain`). One round trip, the read of one record, stands beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokenkeep::Key;
use tokenkeep::clock::SystemClock;
use tokenkeep::store::{PostgresStore, PostgresUrl, Store};
use tokenkeep_test_servers::Postgres;

pub(crate) async fn run(keys: usize) -> Result<()> {
    // Of the least part that is due, each call claims a batch.
    ensure!(keys / 100 >= BATCH * CALLS, "KEYS is at least {}", 100 * BATCH * CALLS);
    let server = Postgres::start(&[
        ("shared_preload_libraries", "auto_explain"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_buffers", "on"),
        ("auto_explain.log_min_duration", "-1"),
    ]);
    let database = server.database();
    let url = PostgresUrl::parse(&server.url(&database)).map_err(anyhow::Error::msg)?;
    let store = PostgresStore::open(&url, Arc::new(SystemClock::new())).await?;
    server.sql(&database, &fill(keys));
    server.sql(&database, "VACUUM (ANALYZE) tokenkeep.records");
    println!("{}", server.sql(&database, SIZES));

    let before = measure(async || store.load(&key(0)?).await.map(drop).map_err(Into::into)).await?;
    println!("a round trip, the read of one record: {before}");
    for (state, due) in [("none is due", 0), ("1 % is due", keys / 100), ("10 % are due", keys / 10)] {
        server.sql(&database, &set_due(due));
        server.sql(&database, "VACUUM (ANALYZE) tokenkeep.records");
        let expected = if due == 0 { 0 } else { BATCH };
        let claimed = measure(async || claim(&store, expected).await).await?;
        println!("a claim of {BATCH} where {state}: {claimed}");
    }
    server.sql("postgres", &format!("ALTER DATABASE {database} SET auto_explain.log_min_duration = 0"));
    let store = PostgresStore::open(&url, Arc::new(SystemClock::new())).await?;
    claim(&store, BATCH).await?;
    println!("\n{}", plan(&server.log()).context("the server has logged no plan")?);
    Ok(())
}

async fn claim(store: &PostgresStore, expected: usize) -> Result<()> {
    let claimed = store.claim_due(BATCH, Duration::from_mins(1)).await?.context("nothing can be claimed")?;
    ensure!(claimed.len() == expected, "{} keys were claimed, not {expected}", claimed.len());
    Ok(())
}

/// The median and the slowest of some calls.
async fn measure(mut call: impl AsyncFnMut() -> Result<()>) -> Result<String> {
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let start = Instant::now();
        call().await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let ms = |at: usize| times[at].as_secs_f64() * 1_000.0;
    Ok(format!("median {:.2} ms, slowest {:.2} ms of {CALLS}", ms(CALLS / 2), ms(CALLS - 1)))
}

/// Records as large as sealed ones with a token of 1,200 bytes, which become due in an hour at the soonest.
fn fill(keys: usize) -> String {
    format!(
        "INSERT INTO tokenkeep.records (key, version, record, generation, expires_at, saved_at, due_at)
         SELECT 'vendor:' || n, n, '{{\"form\":1,\"generation\":1,\"fingerprint\":\"\",\"jitter\":0.0,\"boot_id\":\"' ||
             (SELECT string_agg(md5(n || ' ' || part), '') FROM generate_series(1, 50) part) || '\"}}',
             1, now() + interval '2 hours', now(), now() + interval '1 hour' + random() * interval '1 hour'
         FROM generate_series(0, {keys} - 1) n"
    )
}

/// So many became due within the last hour.
fn set_due(due: usize) -> String {
    format!("UPDATE tokenkeep.records SET due_at = now() - random() * interval '1 hour' WHERE version < {due}")
}

/// The last one that is of a claim.
fn plan(log: &str) -> Option<&str> {
    let (_, from) = log.rsplit_once("plan:\n")?;
    let at = from.find("Sort")?;
    let end = from[at..].find("\n2").map_or(from.len(), |end| at + end);
    Some(&from[at..end])
}

fn key(number: usize) -> Result<Key> {
    Key::parse(&format!("vendor:{number}")).map_err(anyhow::Error::msg)
}

pub(crate) const MILLION: usize = 1_000_000;
const BATCH: usize = 100;
const CALLS: usize = 21;

const SIZES: &str = "
    SELECT count(*) || ' records: table ' || pg_size_pretty(pg_table_size('tokenkeep.records')) || ', its indexes '
        || pg_size_pretty(pg_indexes_size('tokenkeep.records')) FROM tokenkeep.records";
