//! The token is good and due, but the issuer is down: what callers feel, and how often the issuer is asked.
//!
//! The limit is the same handle, the same callers and the same clock while nothing is due. Each call is timed by
//! itself, in both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokenkeep::expiry::Policy;
use tokenkeep::{Event, TokenHandle};
use tokio::sync::broadcast::Receiver;
use tokio::task::JoinSet;

use super::Effort;
use crate::fixture::{Issuer, LIFE, Mood, MovableClock, WORKERS, key_name, manager_builder, two_workers};
use crate::measure::quantile;
use crate::table::Line;

pub(super) fn measure(effort: &Effort) -> Result<Vec<Line>> {
    let runtime = two_workers()?;
    let mut total = Felt::default();
    for _ in 0..effort.rounds.div_ceil(3) {
        total.add(runtime.block_on(one_outage())?);
    }
    let part = |calls: &[f64]| [0.5, 0.99, 1.0].map(|part| quantile(calls, part));
    let (fresh, due) = (part(&total.fresh), part(&total.due));
    let show =
        |[half, most, all]: [f64; 3]| format!("p50 {half:.0} ns, p99 {:.1} µs, max {:.1} ms", most / 1e3, all / 1e6);
    Ok(vec![Line {
        work: "token still good, issuer down".into(),
        limit: format!("nothing due: {}", show(fresh)),
        ours: format!("{}; {} requests in {} back-off steps", show(due), total.requests, total.steps),
        ratio: Some(due[0] / fresh[0]),
        aim: "at once (p99 < 0.1 ms), 1 request a step".into(),
        met: Some(due[1] < 1e5 && total.requests == total.steps),
        beside: None,
    }])
}

#[derive(Default)]
struct Felt {
    fresh: Vec<f64>,
    due: Vec<f64>,
    requests: u64,
    steps: u64,
}

impl Felt {
    fn add(&mut self, other: Self) {
        self.fresh.extend(other.fresh);
        self.due.extend(other.due);
        self.requests += other.requests;
        self.steps += other.steps;
    }
}

async fn one_outage() -> Result<Felt> {
    let clock = Arc::new(MovableClock::new());
    let issuer = Arc::new(Issuer::new());
    let manager = manager_builder(&issuer, Policy::default()).clock(Arc::<MovableClock>::clone(&clock)).build().await?;
    let handle = manager.handle(&key_name(1))?;
    handle.token().await?;
    manager.start();

    let fresh = Callers::start(&handle);
    tokio::time::sleep(STEP).await;
    let fresh = fresh.stop().await?;

    issuer.set(Mood::Down(REQUEST_TIME));
    let before = issuer.asked();
    let mut events = manager.events();
    let callers = Callers::start(&handle);
    clock.pass(LIFE.saturating_sub(LIFE_LEFT));
    let mut steps = 0;
    loop {
        let retry_in = next_failure(&mut events).await?;
        steps += 1;
        // The clock stands: whatever they ask now, nobody may ask the issuer.
        tokio::time::sleep(STEP).await;
        if steps == STEPS {
            break;
        }
        clock.pass(retry_in);
    }
    let requests = issuer.asked() - before;
    let due = callers.stop().await?;
    manager.stop().await?;
    Ok(Felt { fresh, due, requests, steps })
}

async fn next_failure(events: &mut Receiver<Event>) -> Result<Duration> {
    loop {
        match tokio::time::timeout(Duration::from_secs(10), events.recv()).await?? {
            Event::Failed { retry_in: Some(retry_in), .. } => return Ok(retry_in),
            Event::Failed { .. } => bail!("there is to be no further attempt"),
            _ => {}
        }
    }
}

/// Tasks that ask all the time and note how long each call took.
struct Callers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Option<Vec<f64>>>,
}

impl Callers {
    fn start(handle: &TokenHandle) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (handle, stop) = (handle.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut calls = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..BATCH {
                        let asked_at = Instant::now();
                        handle.token().await.ok()?;
                        calls.push(asked_at.elapsed().as_secs_f64() * 1e9);
                    }
                    tokio::task::yield_now().await;
                }
                Some(calls)
            });
        }
        Self { stop, tasks }
    }

    async fn stop(self) -> Result<Vec<f64>> {
        self.stop.store(true, Ordering::Relaxed);
        match self.tasks.join_all().await.into_iter().collect::<Option<Vec<_>>>() {
            Some(calls) => Ok(calls.concat()),
            None => bail!("a caller was given no token though there is a good one"),
        }
    }
}

const TASKS: usize = 32 * WORKERS;
const BATCH: usize = 50;
const STEPS: u64 = 8;
/// How long callers are watched in each step.
const STEP: Duration = Duration::from_millis(20);
const REQUEST_TIME: Duration = Duration::from_millis(20);
/// Inside of every due window of an hour's token, and long enough for all steps.
pub(super) const LIFE_LEFT: Duration = Duration::from_mins(14);
