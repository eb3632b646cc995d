//! Wakes keys up when something is to be done for them in the background.
//!
//! A timer or a task for each key would cost hundreds of bytes and microseconds per life; most keys need nothing for an
//! hour. So a key waits in the bucket of the second in which it is looked at next, as one pointer, and one task looks
//! at one bucket a second. A key whose plans changed is put into another bucket and the old pointer is ignored when it
//! comes up: the slot knows which second is meant.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hashbrown::HashMap;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::flight::forget_rejected;
use super::provider::ProviderRuntime;
use super::slot::{Slot, State, seconds};
use super::{Shared, claims, cleanup, keep_always, watch_store};
use crate::clock::Moment;
use crate::expiry::{Decision, Gate, Phase, Refresh, classify, decide, renewal};
use crate::provider::Accounts;

#[derive(Debug, Default)]
pub(super) struct Scheduler {
    buckets: Mutex<HashMap<u32, Vec<Weak<Slot>>>>,
    running: AtomicBool,
    background: Mutex<Option<Background>>,
}

/// The background tasks of a started manager.
#[derive(Debug)]
struct Background {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Scheduler {
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn start(&self, shared: &Arc<Shared>) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose runtime has ended runs no more.
        if background.as_ref().is_some_and(|background| !background.tasks.is_empty()) {
            return;
        }
        let started = Background { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        self.running.store(true, Ordering::Relaxed);
        started.tasks.spawn(supervise(Running { shared: Arc::downgrade(shared), stop: started.stop.clone() }));
        started.tasks.close();
        *background = Some(started);
    }

    pub(super) async fn stop(&self) {
        let background = {
            let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
            self.running.store(false, Ordering::Relaxed);
            // Not later: whoever starts meanwhile plans anew.
            self.buckets.lock().unwrap_or_else(PoisonError::into_inner).clear();
            background.take()
        };
        let Some(background) = background else { return };
        background.stop.cancel();
        background.tasks.wait().await;
    }

    /// Runs one more task in the background, if that runs; it ends when told to.
    pub(super) fn spawn<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(background) = background.as_ref().filter(|background| !background.tasks.is_empty()) {
            background.tasks.spawn(task(background.stop.clone()));
        }
    }

    /// Has a slot looked at in this second, or before: whoever looks at it plans it anew.
    fn put(&self, slot: &Arc<Slot>, state: &mut State, second: u32) {
        let planned = (1..=second).contains(&slot.wakes_at());
        if planned || !self.is_running() {
            return;
        }
        slot.set_wakes_at(state, second);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.entry(second).or_default().push(Arc::downgrade(slot));
    }

    fn take_until(&self, second: u32) -> Vec<(u32, Vec<Weak<Slot>>)> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.extract_if(|at, _| *at <= second).collect()
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        if let Some(background) = self.background.lock().unwrap_or_else(PoisonError::into_inner).take() {
            background.stop.cancel();
        }
    }
}

impl Shared {
    /// Has a slot looked at when something is to be done for it next.
    pub(super) fn schedule_next(self: &Arc<Self>, slot: &Arc<Slot>, state: &mut State) {
        if self.scheduler.is_running() {
            self.schedule_at(slot, &slot.provider(), state, self.clock.now());
        }
    }

    fn schedule_at(&self, slot: &Arc<Slot>, provider: &ProviderRuntime, state: &mut State, now: Moment) {
        if let Some(wait) = self.next_look(slot, provider, state, now) {
            let at = seconds(now.plus(wait + Duration::from_millis(999)));
            self.scheduler.put(slot, state, at.max(seconds(now) + 1));
        }
    }

    /// Has a slot looked at in the next second.
    pub(super) fn wake_soon(&self, slot: &Arc<Slot>, state: &mut State) {
        self.scheduler.put(slot, state, seconds(self.clock.now()) + 1);
    }

    /// Does what is to be done for a slot whose second has come.
    fn look_after(self: &Arc<Self>, slot: &Arc<Slot>, now: Moment) {
        let mut state = slot.lock();
        slot.set_wakes_at(&mut state, 0);
        if state.flight().is_some() {
            return;
        }
        let provider = slot.provider();
        if self.is_kept_fresh(slot, &provider, &state, now) {
            if !is_wanted(slot, &provider, &state, now) {
                // Without a new token that takes its place, the rejected one would stay in the store.
                self.see_to_rejected(slot, &state);
                self.schedule_at(slot, &provider, &mut state, now);
            } else if !self.launch_ahead(slot, &mut state) && provider.wait_in_line(slot) {
                self.tasks.spawn(serve_line(Arc::downgrade(self), provider));
            }
            return;
        }
        let phase = classify(slot.live().as_deref(), now, Duration::ZERO);
        // What others renew just as well, and nobody here uses, waits in the store.
        let is_good = matches!(phase, Phase::Fresh | Phase::Due | Phase::MustWait);
        if is_good && !self.is_claimed(&provider) {
            self.schedule_at(slot, &provider, &mut state, now);
            return;
        }
        self.see_to_rejected(slot, &state);
        // What the store may not know is not let go.
        let unknown = state.unsaved().is_some() || state.is_rejected() || self.is_store_failing();
        if unknown || state.has_subscribers() {
            self.scheduler.put(slot, &mut state, seconds(now.plus(IDLE_LOOK)));
            return;
        }
        state.settle(None, now);
        drop(state);
        if self.slots.remove_if_unshared(slot) {
            self.forget_trouble_of(slot.key());
        } else {
            let mut state = slot.lock();
            self.scheduler.put(slot, &mut state, seconds(now.plus(IDLE_LOOK)));
        }
    }

    /// Has the store told that a token was rejected, if it does not know.
    pub(super) fn see_to_rejected(self: &Arc<Self>, slot: &Arc<Slot>, state: &State) {
        if state.is_rejected() {
            self.tasks.spawn(forget_rejected(Arc::clone(self), Arc::clone(slot)));
        }
    }

    /// How long until something is to be done for a slot; `None`: nothing by itself.
    fn next_look(&self, slot: &Slot, provider: &ProviderRuntime, state: &State, now: Moment) -> Option<Duration> {
        if let Gate::BackingOff(until) | Gate::Refused(until) = state.gate(provider, now) {
            return Some(until.remaining(now).min(LONGEST_LOOK));
        }
        let Some(live) = slot.live() else {
            // What a failure has a key wait for can be over before the failure is saved.
            let is_due = state.failure().is_some() && self.is_kept_fresh(slot, provider, state, now);
            return Some(if is_due { Duration::ZERO } else { IDLE_LOOK });
        };
        let policy = provider.policy();
        let due = renewal(&live, policy);
        // An idle key may be used again before it is due, and nobody plans it then.
        let by_itself = policy.refresh != Refresh::OnDemand
            && (self.is_kept_fresh(slot, provider, state, now) || !due.is_reached(now));
        let next = if by_itself { due } else { live.expires_at() };
        (!next.is_never()).then(|| next.remaining(now))
    }

    /// Whether this key is renewed though nobody asks at this moment.
    fn is_kept_fresh(&self, slot: &Slot, provider: &ProviderRuntime, state: &State, now: Moment) -> bool {
        // A key that somebody merely named, and that may not even exist, is not kept for ever.
        let known = || provider.accounts() == Accounts::Default || state.is_kept() || slot.live().is_some();
        match provider.policy().refresh {
            Refresh::OnDemand => false,
            Refresh::Ahead => slot.is_in_use(state, now),
            Refresh::Always | Refresh::Every(_) => {
                slot.is_in_use(state, now) || (known() && !self.is_claimed(provider))
            }
        }
    }

    fn look_after_all(self: &Arc<Self>, now: Moment) {
        self.slots.for_each(|slot| self.look_after(slot, now));
    }
}

/// Whether a new token is wanted now and may be asked for.
fn is_wanted(slot: &Slot, provider: &ProviderRuntime, state: &State, now: Moment) -> bool {
    let live = slot.live();
    let gate = state.gate(provider, now);
    match decide(classify(live.as_deref(), now, Duration::ZERO), gate) {
        Decision::HandOutAndRefresh | Decision::Wait => true,
        Decision::Decline => false,
        Decision::HandOut => {
            let is_due = live.is_some_and(|live| renewal(&live, provider.policy()).is_reached(now));
            is_due && gate == Gate::Open
        }
    }
}

/// Renews the keys of a busy provider that wait for it, one after the other as permits come free, fairly with those
/// for which callers wait.
async fn serve_line(shared: Weak<Shared>, provider: Arc<ProviderRuntime>) {
    let mut serving = Serving { line: Some(provider) };
    while let Some(provider) = &serving.line {
        let Ok(permit) = Arc::clone(&provider.permits).acquire_owned().await else { return };
        let Some(slot) = provider.next_in_line() else {
            serving.line = None;
            return;
        };
        let Some(shared) = shared.upgrade().filter(|shared| shared.scheduler.is_running()) else { continue };
        let mut state = slot.lock();
        if is_wanted(&slot, &slot.provider(), &state, shared.clock.now()) && state.flight().is_none() {
            shared.launch_with(&slot, &mut state, Some(permit));
        } else {
            shared.schedule_next(&slot, &mut state);
        }
    }
}

/// Somebody who serves a line. When they are gone before it is empty, because they panicked or their runtime ended,
/// somebody else can.
struct Serving {
    line: Option<Arc<ProviderRuntime>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(provider) = &self.line {
            provider.leave_line();
        }
    }
}

/// Says so when the background work has ended, also when its runtime did, or had no timers.
struct Running {
    shared: Weak<Shared>,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade().filter(|_| !self.stop.is_cancelled()) {
            shared.scheduler.running.store(false, Ordering::Relaxed);
            error!(
                "the background work has ended with its runtime; until it is started again, tokens are had on demand"
            );
        }
    }
}

/// Keeps the background tasks running: one that panics is started again.
async fn supervise(running: Running) {
    let Running { shared, stop } = &running;
    loop {
        let mut tasks = JoinSet::new();
        tasks.spawn(tick(Weak::clone(shared), stop.clone()));
        tasks.spawn(watch_store::run(Weak::clone(shared), stop.clone()));
        tasks.spawn(keep_always::run(Weak::clone(shared), stop.clone()));
        tasks.spawn(claims::run(Weak::clone(shared), stop.clone()));
        tasks.spawn(cleanup::run(Weak::clone(shared), stop.clone()));
        let mut panicked = false;
        while let Some(ended) = tasks.join_next().await {
            if ended.is_err() && !panicked {
                panicked = true;
                error!("the background work broke off and is started again; tokens can still be had on demand");
                tasks.abort_all();
            }
        }
        if !panicked {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

async fn tick(shared: Weak<Shared>, stop: CancellationToken) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut distance_ms = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        let now = shared.clock.now();
        // At first, and when the wall clock was set: what was planned by it no longer holds.
        let distance = now.wall_ms - now.boot_ms;
        if distance_ms.is_none_or(|before: i64| before.abs_diff(distance) > CLOCK_STEP_MS) {
            shared.look_after_all(now);
        }
        distance_ms = Some(distance);
        for (second, slots) in shared.scheduler.take_until(seconds(now)) {
            for slot in slots.iter().filter_map(Weak::upgrade).filter(|slot| slot.wakes_at() == second) {
                shared.look_after(&slot, now);
            }
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
/// A greater change of the distance between the clocks is a clock that was set.
const CLOCK_STEP_MS: u64 = 1000;
/// After so long a key without a token is looked at: used, or let go.
const IDLE_LOOK: Duration = Duration::from_mins(1);
/// However far away the next attempt is, an idle key leaves memory after this.
const LONGEST_LOOK: Duration = Duration::from_hours(1);
