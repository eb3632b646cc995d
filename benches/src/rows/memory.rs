//! A million keys in memory: bytes of each over its name and its token, and the time of a look-up among them.
//!
//! The limit is a plain map of strings, which neither knows when a token ends nor may be shared. Memory is what a process
//! of its own (see [`crate::child`]) asked the allocator for and still has. Beside it stands what the kernel counts,
//! which is that and what the allocator makes of it: its headers, and holes where flights were, more or fewer of them
//! with every change of a size.

use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokenkeep::TokenManager;
use tokenkeep::expiry::Policy;
use tokenkeep::store::MemoryStore;

use super::Effort;
use super::renewals::plan_all;
use crate::child;
use crate::fixture::{Issuer, MovableClock, TOKEN_BYTES, fill, key_name, manager_builder, one_thread};
use crate::machine::{requested_bytes, resident_bytes};
use crate::measure::{Samples, per, work_in_turn};
use crate::table::Line;

pub(super) fn measure(effort: &Effort) -> Result<Vec<Line>> {
    let [limit, buckets, bare, started, stored] = VARIANTS.map(|variant| Bytes::of_child(variant, effort));
    let (limit, buckets, bare, started, stored) = (limit?, buckets?, bare?, started?, stored?);
    let line = |work: &str, ours: Bytes| Line {
        work: work.into(),
        limit: format!("HashMap<String, String>: {limit}"),
        ours: ours.to_string(),
        ratio: Some(ours.requested / limit.requested),
        aim: format!("≤ {AIM_BYTES:.0} B"),
        met: Some(ours.requested <= AIM_BYTES),
        beside: None,
    };
    let plan = started.requested - bare.requested;
    Ok(vec![
        line("a million keys in memory, started manager", started),
        line("  the same, not started", bare).without_aim(),
        line("  the same, and memory: as the store", stored).without_aim(),
        Line {
            work: "  of these, what planning a renewal takes".into(),
            limit: format!("BTreeMap<second, Vec<u32>>: {:.0} B", buckets.requested),
            ours: format!("{plan:.0} B"),
            ratio: Some(plan / buckets.requested),
            aim: format!("≤ {AIM_PLAN_BYTES:.0} B"),
            met: Some(plan <= AIM_PLAN_BYTES),
            beside: None,
        },
    ])
}

pub(super) fn measure_look_up(effort: &Effort) -> Result<Vec<Line>> {
    let numbers = child::run(LOOK_UP_CHILD, effort)?;
    let (limit, ours) = numbers.split_at(numbers.len() / 2);
    let (limit, ours) = (Samples::new(limit.to_vec()), Samples::new(ours.to_vec()));
    Ok(vec![Line::of_ratio("look-up by name among a million", "HashMap::get", &limit, &ours, 1.5)])
}

/// Bytes of each key over the text of its name and its token.
#[derive(Clone, Copy)]
struct Bytes {
    requested: f64,
    resident: f64,
}

impl Bytes {
    fn of_child(variant: &str, effort: &Effort) -> Result<Self> {
        let numbers = child::run(variant, effort)?;
        let [requested, resident] = numbers[..] else { bail!("numbers of {variant} are missing") };
        Ok(Self { requested, resident })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} B over (resident {:.0})", self.requested, self.resident)
    }
}

/// In the child: bytes of each key over the text of its name and its token, requested and resident.
pub(super) fn measure_here(variant: &str, effort: &Effort) -> Result<Vec<f64>> {
    let keys = effort.million;
    let runtime = one_thread()?;
    let before = (requested_bytes(), resident_bytes()?);
    // What was filled lives until the end.
    let (_map, _plans, _manager);
    let mut owned = keys * TOKEN_BYTES + (0..keys).map(|index| key_name(index).len()).sum::<usize>();
    match variant {
        MAP => _map = plain_map(keys),
        BUCKETS => {
            _plans = plan_all(keys);
            owned = 0;
        }
        BARE | STARTED | STORED => {
            _manager = runtime.block_on(async {
                let clock = Arc::new(MovableClock::new());
                let builder = manager_builder(&Arc::new(Issuer::new()), Policy::default())
                    .clock(Arc::<MovableClock>::clone(&clock));
                let builder =
                    if variant == STORED { builder.store(Arc::new(MemoryStore::new(clock))) } else { builder };
                let manager = builder.build().await?;
                if variant != BARE {
                    manager.start();
                }
                fill(&manager, keys).await?;
                // What flights leave behind at first goes.
                tokio::time::sleep(Duration::from_millis(1500)).await;
                anyhow::Ok(manager)
            })?;
        }
        other => bail!("there is no variant {other:?}"),
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let over = |before: u64, now: u64| per(now.saturating_sub(before) as f64 - owned as f64, keys);
    Ok(vec![over(before.0, requested_bytes()), over(before.1, resident_bytes()?)])
}

/// In the child: nanoseconds of each round, of the limit and then of ours.
pub(super) fn look_up_here(effort: &Effort) -> Result<Vec<f64>> {
    let keys = effort.million;
    let runtime = one_thread()?;
    let map = plain_map(keys);
    let manager: TokenManager = runtime.block_on(async {
        let manager = manager_builder(&Arc::new(Issuer::new()), Policy::default()).build().await?;
        fill(&manager, keys).await?;
        anyhow::Ok(manager)
    })?;
    let mut order: Vec<_> = (0..keys).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut order);
    let names: Vec<_> = order.into_iter().map(key_name).collect();
    let operations = keys / 5;
    // Each round looks for other names, so that none is found in a cache of the processor; and which name is next
    // follows from what was found, so that a look-up takes its whole time and does not overlap with the next.
    let next = |at: usize, found: usize| at + 1 + found.abs_diff(TOKEN_BYTES);
    let [limit, ours] = work_in_turn(
        effort.rounds,
        operations,
        [
            &mut |round| {
                let mut at = round % 5 * operations;
                for _ in 0..operations {
                    at = next(at, map.get(names[at].as_str()).map_or(0, |text| black_box(text).len()));
                }
            },
            &mut |round| {
                let mut at = round % 5 * operations;
                runtime.block_on(async {
                    for _ in 0..operations {
                        let token = manager.token(&names[at]).await;
                        at = next(at, token.map_or(0, |token| black_box(token).expose_secret().len()));
                    }
                });
            },
        ],
    );
    Ok(limit.into_values().into_iter().chain(ours.into_values()).collect())
}

fn plain_map(keys: usize) -> HashMap<String, String> {
    (0..keys).map(|index| (key_name(index), "t".repeat(TOKEN_BYTES))).collect()
}

pub(super) const LOOK_UP_CHILD: &str = "look-up";
const VARIANTS: [&str; 5] = [MAP, BUCKETS, BARE, STARTED, STORED];
const BUCKETS: &str = "buckets";
const MAP: &str = "map";
const BARE: &str = "bare";
const STARTED: &str = "started";
const STORED: &str = "stored";
const AIM_BYTES: f64 = 200.0;
const AIM_PLAN_BYTES: f64 = 16.0;
