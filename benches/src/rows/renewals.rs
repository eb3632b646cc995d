//! A million renewals: what it costs to plan each and to have its time come.
//!
//! The limit is what the scheduler is made of: buckets of a second with a number for each key, filled and emptied.
//!
//! Ours cannot be taken out of a manager, so it is made to do nothing else: all keys are due, but the issuer limits its
//! requests, so each key comes up, is looked at, and is planned again for when the limit ends; then the issuer limits
//! again. That is every step of a life but the flight. Time is tokio's, paused: a tick comes as soon as all rest.
//! When the wall clock is set, every key is looked at and planned anew.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokenkeep::TokenManager;
use tokenkeep::expiry::{MAX_REFRESH_BEFORE, Policy};
use tokio::runtime::{Builder, Runtime};

use super::Effort;
use crate::child;
use crate::fixture::{Issuer, Mood, MovableClock, fill, key_name, manager_builder};
use crate::measure::{Samples, nanos_of_work, per, work_in_turn};
use crate::table::{Line, nanos};

pub(super) fn measure(effort: &Effort) -> Result<Vec<Line>> {
    let numbers = child::run(CHILD, effort)?;
    let [ahead, by_hand] = numbers[..2] else { anyhow::bail!("numbers are missing") };
    let series: Vec<_> = numbers[2..].chunks(effort.rounds).map(|rounds| Samples::new(rounds.to_vec())).collect();
    let [limit, planned, lives] = &series[..] else { anyhow::bail!("numbers are missing") };
    Ok(vec![
        Line {
            work: "a million renewals: plan and come up".into(),
            limit: format!("BTreeMap<second, Vec<u32>>: {}", nanos(limit)),
            ours: nanos(lives),
            ratio: Some(lives.over(limit).median()),
            aim: format!("≤ {AIM_NANOS:.0} ns"),
            met: Some(lives.median() <= AIM_NANOS),
            beside: None,
        },
        Line::of_ratio(
            "  all planned anew, the clock having been set",
            "BTreeMap<second, Vec<u32>>",
            limit,
            planned,
            1.0,
        )
        .without_aim(),
        Line {
            work: "  a whole renewal, the issuer taking no time".into(),
            limit: format!("by hand: {by_hand:.0} ns"),
            ours: format!("ahead: {ahead:.0} ns"),
            ratio: Some(ahead / by_hand),
            aim: String::new(),
            met: None,
            beside: None,
        },
    ])
}

/// In the child: nanoseconds of a whole renewal ahead and by hand, then the rounds of the limit, of planning
/// anew, and of planning and coming up.
pub(super) fn measure_here(effort: &Effort) -> Result<Vec<f64>> {
    let keys = effort.million;
    let bench = Bench::new(keys)?;
    bench.manager_started();
    let mut failed = Ok(());
    bench.limit_issuer()?;
    let [limit, lives] = work_in_turn(
        effort.rounds,
        keys,
        [
            &mut |_| {
                let mut plans = plan_all(keys);
                while let Some((_, keys)) = plans.pop_first() {
                    for key in keys {
                        black_box(key);
                    }
                }
            },
            &mut |_| failed = std::mem::replace(&mut failed, Ok(())).and(bench.come_up()),
        ],
    );
    failed?;
    let ahead = bench.renew_ahead();
    let by_hand = bench.renew_by_hand()?;
    let mut set_ahead = false;
    let [planned] = work_in_turn(
        effort.rounds,
        keys,
        [&mut |_| {
            set_ahead = !set_ahead;
            bench.clock.set_wall(if set_ahead { Duration::from_secs(2) } else { Duration::ZERO });
            bench.tick();
        }],
    );
    let series = [limit, planned, lives].into_iter().flat_map(Samples::into_values);
    Ok([ahead, by_hand].into_iter().chain(series).collect())
}

struct Bench {
    runtime: Runtime,
    clock: Arc<MovableClock>,
    issuer: Arc<Issuer>,
    manager: TokenManager,
    keys: usize,
}

impl Bench {
    fn new(keys: usize) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let clock = Arc::new(MovableClock::new());
        let issuer = Arc::new(Issuer::new());
        issuer.set_life(LIFE);
        let policy = Policy { refresh_before: Some(REFRESH_BEFORE), ..Policy::default() };
        let builder = manager_builder(&issuer, policy).clock(Arc::<MovableClock>::clone(&clock));
        let manager = runtime.block_on(builder.build())?;
        runtime.block_on(fill(&manager, keys))?;
        Ok(Self { runtime, clock, issuer, manager, keys })
    }

    /// Starts the manager, which plans all keys.
    fn manager_started(&self) {
        self.runtime.block_on(async { self.manager.start() });
        // From here on ticks come in the middle of those seconds that are waited for.
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(500)).await });
    }

    /// Lets the scheduler look once at what has come up.
    fn tick(&self) {
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_secs(1)).await });
    }

    /// Makes all keys due, and the issuer limit its requests for [`HOLD`].
    fn limit_issuer(&self) -> Result<()> {
        // Here nobody ticks before the issuer has said so.
        self.clock.pass(LIFE.saturating_sub(REFRESH_BEFORE.mul_f32(0.99)));
        self.issuer.set(Mood::Limiting(HOLD));
        self.ask_limited_issuer()
    }

    fn ask_limited_issuer(&self) -> Result<()> {
        let before = self.issuer.asked();
        let refused = self.runtime.block_on(async { self.manager.handle(&key_name(0))?.refresh().await });
        ensure!(refused.is_err() && self.issuer.asked() == before + 1, "the issuer did not limit its requests");
        Ok(())
    }

    /// Every key comes up, is looked at, and is planned again.
    fn come_up(&self) -> Result<()> {
        // The limit is renewed before it ends; then all that waited for that end come up.
        self.clock.pass(HOLD.saturating_sub(3 * MARGIN));
        self.ask_limited_issuer()?;
        self.clock.pass(2 * MARGIN);
        let before = self.issuer.asked();
        self.tick();
        ensure!(self.issuer.asked() == before, "a key was renewed though the issuer limits its requests");
        Ok(())
    }

    /// Nanoseconds of work for the renewal of a key by the background.
    fn renew_ahead(&self) -> f64 {
        self.issuer.set(Mood::Well(Duration::ZERO));
        let before = self.issuer.asked();
        self.clock.pass(HOLD);
        let work = nanos_of_work(|| {
            while self.issuer.asked() - before < self.keys as u64 {
                self.tick();
            }
        });
        per(work, self.keys)
    }

    /// The same, each asked for by hand.
    fn renew_by_hand(&self) -> Result<f64> {
        self.clock.pass(Duration::from_mins(1));
        let mut renewed = Ok(());
        let work = nanos_of_work(|| {
            renewed = self.runtime.block_on(async {
                for index in 0..self.keys {
                    self.manager.handle(&key_name(index))?.refresh().await?;
                }
                Ok(())
            });
        });
        renewed.map(|()| per(work, self.keys))
    }
}

/// Plans keys in seconds as jitter spreads those that were obtained at once.
pub(super) fn plan_all(keys: usize) -> BTreeMap<u32, Vec<u32>> {
    let spread = 1..u32::try_from(MAX_REFRESH_BEFORE.as_secs() / 5).unwrap_or(u32::MAX);
    let mut random = fastrand::Rng::with_seed(7);
    let mut plans: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for key in (0..).take(keys) {
        plans.entry(random.u32(spread.clone())).or_default().push(key);
    }
    plans
}

pub(super) const CHILD: &str = "renewals";
/// Long enough that no token ends while the rounds pass.
const LIFE: Duration = Duration::from_hours(24 * 20);
const REFRESH_BEFORE: Duration = Duration::from_hours(24 * 8);
const HOLD: Duration = Duration::from_hours(1);
const MARGIN: Duration = Duration::from_secs(10);
const AIM_NANOS: f64 = 50.0;
