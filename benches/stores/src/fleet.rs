//! Several instances side by side that want the same keys of one store at the same time, all tokens having expired: one
//! key at a time, then all keys at once.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokenkeep::TokenManager;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::issuer::{Issuer, key};
use crate::place::{LaterClock, Place, Places};
use crate::times::{Times, count};

pub(crate) async fn run(issuer: &Issuer, places: &Places, clock: &Arc<LaterClock>, rounds: usize) -> Result<()> {
    println!("1, 2 and 4 instances that want the same keys at the same time, p50 / p99 in ms of all their callers:\n");
    println!(
        "| store | instances | one key at a time | {AT_ONCE} keys at once | renewals/s until all have all | requests per key |"
    );
    println!("|---|---|---|---|---|---|");
    for place in &places.all {
        let mut rows = [1, 2, 4].map(|size| (size, Row::default()));
        for _ in 0..rounds {
            for (size, row) in &mut rows {
                measure(issuer, place, clock, *size, row).await?;
            }
        }
        for (size, Row { in_turn, at_once, spent, renewals, requests }) in &rows {
            let (name, rate) = (place.name, count(rounds * AT_ONCE) / spent.as_secs_f64());
            let per_key = if renewals == requests { "1".into() } else { format!("{requests} for {renewals}") };
            println!("| {name} | {size} | {in_turn} | {at_once} | {rate:.0} | {per_key} |");
        }
    }
    Ok(())
}

#[derive(Default)]
struct Row {
    in_turn: Times,
    at_once: Times,
    /// On all keys at once.
    spent: Duration,
    renewals: u64,
    requests: u64,
}

/// One round with fresh instances: all have had all keys, and connections, before anything is measured.
async fn measure(issuer: &Issuer, place: &Place, clock: &Arc<LaterClock>, size: usize, row: &mut Row) -> Result<()> {
    let mut instances = Vec::new();
    for _ in 0..size {
        instances.push(issuer.instance(&place.open(clock).await?, clock).await?);
    }
    clock.pass_lives();
    want(&instances, 0..AT_ONCE).await?;

    clock.pass_lives();
    let before = issuer.requests();
    for index in 0..IN_TURN {
        row.in_turn.extend(want(&instances, index..index + 1).await?);
    }
    clock.pass_lives();
    let begun = Instant::now();
    row.at_once.extend(want(&instances, 0..AT_ONCE).await?);
    row.spent += begun.elapsed();
    row.renewals += u64::try_from(IN_TURN + AT_ONCE)?;
    row.requests += issuer.requests() - before;

    for instance in instances {
        instance.close().await?;
    }
    Ok(())
}

/// A caller of each instance for each key, all at the same moment; how long after it each had its token.
async fn want(instances: &[TokenManager], keys: std::ops::Range<usize>) -> Result<Vec<Duration>> {
    let start = Arc::new((Barrier::new(instances.len() * keys.len()), OnceLock::new()));
    let mut callers = JoinSet::new();
    for index in keys {
        for instance in instances {
            let (instance, start) = (instance.clone(), Arc::clone(&start));
            callers.spawn(async move {
                let (all_there, begun) = &*start;
                all_there.wait().await;
                let begun = begun.get_or_init(Instant::now);
                instance.token(&key(index)).await?;
                anyhow::Ok(begun.elapsed())
            });
        }
    }
    callers.join_all().await.into_iter().collect()
}

const IN_TURN: usize = 60;
const AT_ONCE: usize = 500;
