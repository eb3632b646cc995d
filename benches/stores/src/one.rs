//! From an expired token to a new one by one instance, beside the bare request to the issuer and the bare round trips
//! to the store, in turn, key by key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokenkeep::store::{Holder, LeaseOutcome, SaveOutcome, Store};
use tokenkeep::{Key, TokenManager};

use crate::issuer::{Issuer, key};
use crate::place::{LaterClock, Place, Places};
use crate::times::{Times, count, millis};

pub(crate) async fn run(issuer: &Issuer, places: &Places, clock: &Arc<LaterClock>, rounds: usize) -> Result<()> {
    let mut rows = Vec::new();
    for place in &places.all {
        rows.push((place.name, measure(issuer, place, clock, rounds).await?));
    }
    println!("From an expired token to a new one, one instance, p50 / p99 of {} in ms:\n", rows[0].1.renewal.len());
    println!("| store | bare issuer | bare round trips | both | renewal | ratio of p50 | of p99 |");
    println!("|---|---|---|---|---|---|---|");
    for (name, Row { issuer, trips, both, renewal, .. }) in &rows {
        let (p50, p99) = (renewal.p50() / both.p50(), renewal.p99() / both.p99());
        println!("| {name} | {issuer} | {trips} | {both} | {renewal} | {p50:.2}x | {p99:.2}x |");
    }
    println!("\nWhere the time goes, means in ms, as the instance measures its calls:\n");
    println!("| store | renewal | load, twice | acquire_lease | issuer | save | release_lease | the rest |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, Row { renewal, spent, .. }) in &rows {
        let rest = renewal.mean() - spent.values().sum::<f64>();
        let [load, acquire, asked, save, release] =
            ["load", "acquire_lease", ISSUER, "save", "release_lease"].map(|part| spent.get(part).unwrap_or(&0.0));
        let mean = renewal.mean();
        println!(
            "| {name} | {mean:.2} | {load:.2} | {acquire:.2} | {asked:.2} | {save:.2} | {release:.2} | {rest:.2} |"
        );
    }
    println!();
    Ok(())
}

#[derive(Default)]
struct Row {
    issuer: Times,
    trips: Times,
    /// The two of each turn together.
    both: Times,
    renewal: Times,
    /// Milliseconds of a mean renewal, by what they were spent on.
    spent: BTreeMap<&'static str, f64>,
}

async fn measure(issuer: &Issuer, place: &Place, clock: &Arc<LaterClock>, rounds: usize) -> Result<Row> {
    let store = place.open(clock).await?;
    let instance = issuer.instance(&store, clock).await?;
    for index in 0..KEYS {
        instance.token(&key(index)).await?;
        copy(&*store, index).await?;
    }
    let mut row = Row::default();
    // The first one warms up.
    one_round(issuer, &*store, &instance, clock, &mut Row::default()).await?;
    let before = calls(&instance);
    for _ in 0..rounds {
        one_round(issuer, &*store, &instance, clock, &mut row).await?;
    }
    for (part, (calls, time)) in calls(&instance) {
        let (calls_before, time_before) = before.get(part).copied().unwrap_or_default();
        let expected = if part == "load" { 2.0 } else { 1.0 };
        let each = count(usize::try_from(calls - calls_before)?) / count(KEYS * rounds);
        // What is measured bare must be what a renewal does; the instance looks at a record now and then besides.
        ensure!((each - expected).abs() < 0.1, "a renewal makes {each} calls of {part}, not {expected}");
        row.spent.insert(part, millis(time.saturating_sub(time_before)) / count(KEYS * rounds));
    }
    instance.close().await?;
    Ok(row)
}

async fn one_round(
    issuer: &Issuer,
    store: &dyn Store,
    instance: &TokenManager,
    clock: &LaterClock,
    row: &mut Row,
) -> Result<()> {
    clock.pass_lives();
    let before = issuer.requests();
    for index in 0..KEYS {
        let mut taken = [Duration::ZERO; 3];
        for step in 0..3 {
            let which = (index + step) % 3;
            let begun = Instant::now();
            match which {
                0 => issuer.ask().await?,
                1 => round_trips(store, &copy_key(index)?).await?,
                _ => drop(instance.token(&key(index)).await?),
            }
            taken[which] = begun.elapsed();
        }
        let [bare, trips, renewal] = taken;
        row.issuer.push(bare);
        row.trips.push(trips);
        row.both.push(bare + trips);
        row.renewal.push(renewal);
    }
    let requests = issuer.requests() - before;
    ensure!(requests == 2 * u64::try_from(KEYS)?, "{requests} requests for {KEYS} renewals and as many bare ones");
    Ok(())
}

/// What a renewal asks of the store: the record before and under the lease, and what comes of it.
async fn round_trips(store: &dyn Store, key: &Key) -> Result<()> {
    let holder = Holder::unique();
    store.load(key).await?;
    let leased = store.acquire_lease(key, &holder, Duration::from_secs(15)).await?;
    ensure!(leased == LeaseOutcome::Acquired, "somebody has the lease");
    let stored = store.load(key).await?.context("the record is gone")?;
    let saved = store.save(key, &stored.record, Some(stored.version)).await?;
    ensure!(matches!(saved, SaveOutcome::Saved(_)), "somebody has written the record");
    Ok(store.release_lease(key, &holder).await?)
}

/// Makes a record like the key's one that no instance knows.
async fn copy(store: &dyn Store, index: usize) -> Result<()> {
    let stored = store.load(&parsed(&key(index))?).await?.context("there is no record")?;
    let copied = store.save(&copy_key(index)?, &stored.record, None).await?;
    ensure!(matches!(copied, SaveOutcome::Saved(_)), "there is a copy already");
    Ok(())
}

/// How often an instance has called what a renewal needs, and how long that took.
fn calls(instance: &TokenManager) -> BTreeMap<&'static str, (u64, Duration)> {
    let measured = instance.measurements();
    let store = measured.store.iter().filter(|measured| PARTS.contains(&measured.operation));
    let store = store.map(|measured| (measured.operation, (measured.calls.count(), measured.calls.sum())));
    let issuer =
        measured.providers.iter().map(|measured| (ISSUER, (measured.requests.count(), measured.requests.sum())));
    store.chain(issuer).collect()
}

fn copy_key(index: usize) -> Result<Key> {
    parsed(&format!("vendor:copy-{index}"))
}

fn parsed(key: &str) -> Result<Key> {
    Key::parse(key).map_err(anyhow::Error::msg)
}

const KEYS: usize = 200;
const ISSUER: &str = "issuer";
const PARTS: [&str; 5] = ["load", "acquire_lease", "renew_lease", "save", "release_lease"];
