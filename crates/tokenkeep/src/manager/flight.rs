//! One attempt to get a token for a key, on a task of the manager, for all who wait for it.
//!
//! ```text
//! look into the store ─▶ wait for a permit ─▶ take the lease ─▶ look again ─▶ ask the issuer ─▶ save ─▶ publish
//!        └── good token there? done              └── held by another process? look again until it is done
//! ```
//!
//! The hard problem is the refresh token that the issuer spends by answering: from the moment the request is sent until
//! the answer is saved, nothing may lose it. So nobody can cancel a flight; the record is read again under the lease
//! before its refresh token is used; the answer is saved before it is published; and what cannot be saved is kept,
//! used, and saved later.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::backoff::{self, Present};
use super::provider::ProviderRuntime;
use super::record::{Stored, accept, normalized};
use super::slot::{FlightReceiver, FlightResult, Slot, State};
use super::{Shared, StoreTask, declined};
use crate::clock::Moment;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::expiry::{Gate, Phase, REQUEST_FLOOR, classify};
use crate::failure::{Failure, FailureKind};
use crate::secret::Secret;
use crate::source::{Ask, Fault, FetchError, Fetched, Keep};
use crate::store::{Holder, LeaseOutcome, Record, SaveOutcome, StoreError, Version};
use crate::token::IssuedToken;

/// Why a flight starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Somebody needs a token.
    Caller,
    /// A token in use nears its end.
    Ahead,
    /// A person wants a new one: no stored token and no back-off stands in the way.
    ByHand,
}

/// What a flight is to bring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// A token of a greater generation than this.
    pub(super) above: u64,
    /// Why.
    pub(super) trigger: Trigger,
}

struct Flight {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    start: Start,
    holder: Holder,
}

impl Shared {
    /// Starts a flight; all who want its answer take the receiver.
    pub(super) fn launch(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        state: &mut State,
        start: Start,
        permit: Option<OwnedSemaphorePermit>,
    ) -> FlightReceiver {
        let (sender, receiver) = watch::channel(None);
        state.busy().flight = Some(receiver.clone());
        let landing = Landing { shared: Arc::clone(self), slot: Arc::clone(slot), sender, landed: false };
        let flight = Flight { shared: Arc::clone(self), slot: Arc::clone(slot), start, holder: Holder::unique() };
        self.tasks.spawn(flight.run(landing, permit));
        receiver
    }

    /// Starts a flight for a token that is still good, unless there is one under way or the provider is busy; whether
    /// there is one now.
    pub(super) fn launch_ahead(self: &Arc<Self>, slot: &Arc<Slot>, state: &mut State) -> bool {
        if state.flight().is_some() {
            return true;
        }
        let permit = Arc::clone(&slot.provider().permits).try_acquire_owned().ok();
        let free = permit.is_some();
        if free {
            self.launch_with(slot, state, permit);
        }
        free
    }

    /// Starts a flight of the background.
    pub(super) fn launch_with(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        state: &mut State,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let above = slot.live().map_or(0, |live| live.generation());
        self.launch(slot, state, Start { above, trigger: Trigger::Ahead }, permit);
    }

    /// What the store holds of a key, in the terms of this process.
    pub(super) async fn read(&self, slot: &Slot) -> Result<Option<Stored>, StoreError> {
        let loaded = self.store.load(slot.key()).await;
        self.note_store(StoreTask::Read, &loaded);
        let now = self.clock.now();
        Ok(loaded?.map(|versioned| normalized(versioned, slot.provider(), &*self.clock, now)))
    }
}

/// Ends a flight for all who wait, also when it panics.
struct Landing {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    sender: watch::Sender<Option<FlightResult>>,
    landed: bool,
}

impl Landing {
    fn land(mut self, result: FlightResult) {
        self.landed = true;
        self.end(result);
    }

    fn end(&self, result: FlightResult) {
        {
            let mut state = self.slot.lock();
            state.busy().flight = None;
            self.shared.schedule_next(&self.slot, &mut state);
            state.settle(self.slot.live().as_deref());
        }
        self.sender.send_replace(Some(result));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.landed {
            self.end(Err(super::lost_flight().with_key(self.slot.key())));
        }
    }
}

/// Whether the issuer is to be asked, and from what to start.
enum Ready {
    Ask(Base),
    Done(FlightResult),
}

/// From what a request starts.
struct Base {
    stored: Option<Stored>,
    turn: Turn,
    _permit: OwnedSemaphorePermit,
}

/// How this flight stands towards other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It has the lease.
    Leased,
    /// The store gives no lease, or none is needed.
    Uncoordinated,
    /// The store cannot even be read.
    Blind,
}

impl Flight {
    async fn run(mut self, landing: Landing, permit: Option<OwnedSemaphorePermit>) {
        let ready = tokio::time::timeout(FLIGHT_TIMEOUT, self.prepare(permit)).await;
        let (result, turn) = match ready {
            Ok(Ready::Done(result)) => (result, Turn::Uncoordinated),
            Ok(Ready::Ask(base)) => {
                let turn = base.turn;
                (self.ask(base).await, turn)
            }
            // It may have the lease by now.
            Err(_) => (Err(self.out_of_time()), Turn::Leased),
        };
        landing.land(result);
        if turn == Turn::Leased {
            let released = self.shared.store.release_lease(self.slot.key(), &self.holder).await;
            self.shared.note_store(StoreTask::Lease, &released);
        }
        self.keep_saving().await;
    }

    fn out_of_time(&self) -> Error {
        Error::new(Code::Unavailable, "its turn to ask the issuer did not come in time")
            .with_key(self.slot.key())
            .with_next("the issuer is slow, or another process is asking; try again")
            .with_retry_after(Duration::from_secs(1))
    }

    /// Everything before the request: it may be given up at any point, nothing is spent yet.
    async fn prepare(&mut self, permit: Option<OwnedSemaphorePermit>) -> Ready {
        if self.keep() == Keep::InMemory {
            let permit = self.permit(permit).await;
            return Ready::Ask(Base { stored: None, turn: Turn::Uncoordinated, _permit: permit });
        }
        let first = self.shared.read(&self.slot).await;
        if let (Trigger::ByHand, Ok(Some(stored))) = (self.start.trigger, &first) {
            self.start.above = self.start.above.max(stored.record.generation);
        }
        if let Some(result) = first.as_ref().ok().and_then(|stored| self.consider(stored.as_ref())) {
            return Ready::Done(result);
        }
        let permit = self.permit(permit).await;
        match self.take_turn().await {
            Ok(Ok(stored)) => Ready::Ask(Base { stored, turn: Turn::Leased, _permit: permit }),
            Ok(Err(result)) => Ready::Done(result),
            Err(error) => match self.go_on_alone(&error, first) {
                Ok((stored, turn)) => Ready::Ask(Base { stored, turn, _permit: permit }),
                Err(failed) => Ready::Done(failed),
            },
        }
    }

    async fn permit(&self, permit: Option<OwnedSemaphorePermit>) -> OwnedSemaphorePermit {
        match permit {
            Some(permit) => permit,
            None => match Arc::clone(&self.provider().permits).acquire_owned().await {
                Ok(permit) => permit,
                // Nobody closes the semaphore; a flight without a permit would only wait for ever.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Takes the lease; while another process has it, looks whether that one has brought what is wanted.
    async fn take_turn(&mut self) -> Result<Result<Option<Stored>, FlightResult>, StoreError> {
        loop {
            let outcome = self.shared.store.acquire_lease(self.slot.key(), &self.holder, self.lease_ttl()).await;
            self.shared.note_store(StoreTask::Lease, &outcome);
            let wait = match outcome? {
                LeaseOutcome::Acquired => None,
                LeaseOutcome::Held(left) => Some(left.min(POLL).mul_f32(0.5 + fastrand::f32() / 2.0)),
            };
            // Also under the lease: whoever had it before may have done the work.
            let stored = self.shared.read(&self.slot).await;
            let brought = stored.as_ref().ok().and_then(|stored| self.consider(stored.as_ref()));
            match (wait, brought) {
                (None, Some(result)) => {
                    let released = self.shared.store.release_lease(self.slot.key(), &self.holder).await;
                    self.shared.note_store(StoreTask::Lease, &released);
                    return Ok(Err(result));
                }
                (None, None) => return stored.map(Ok),
                (Some(_), Some(result)) => return Ok(Err(result)),
                (Some(wait), None) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// What to do when the store gives no lease: what cannot spend a refresh token goes on without, the rest holds out
    /// while the present token lives, and without knowing the newest refresh token it does not ask at all.
    fn go_on_alone(
        &self,
        error: &StoreError,
        stored: Result<Option<Stored>, StoreError>,
    ) -> Result<(Option<Stored>, Turn), FlightResult> {
        let alive = self.slot.live().is_some_and(|live| !live.expires_at().is_reached(self.shared.clock.now()));
        let newest_is_known = stored.is_ok() || self.slot.lock().unsaved().is_some();
        if !self.provider().source.rotates() || (newest_is_known && !alive) {
            return Ok(match stored {
                Ok(stored) => (stored, Turn::Uncoordinated),
                Err(_) => (None, Turn::Blind),
            });
        }
        let fault = FetchError::new(Fault::Unavailable, format!("the refresh token cannot be used safely: {error}"))
            .with_next("mend the store; tokens go on by themselves then");
        Err(Err(self.remember(&fault, None)))
    }

    /// Whether what the store holds ends this flight without a request: with a token that serves, or with a failure in
    /// force.
    fn consider(&self, stored: Option<&Stored>) -> Option<FlightResult> {
        let stored = stored?;
        let now = self.shared.clock.now();
        let mut state = self.slot.lock();
        let above = self.start.above.max(state.obsolete());
        if let Some(token) = stored.record.token.as_ref().filter(|token| token.generation() > above)
            && matches!(classify(Some(token), now, Duration::ZERO), Phase::Fresh | Phase::Due)
        {
            self.slot.publish(&mut state, token, stored.record.failure.clone(), Some(stored.version), now);
            drop(state);
            self.shared.emit(Event::Loaded {
                key: self.slot.key().clone(),
                generation: token.generation(),
                expires_in: remaining(token, now),
            });
            return Some(Ok(Arc::clone(token)));
        }
        let failure = stored.record.failure.as_ref()?;
        if self.start.trigger == Trigger::ByHand || Gate::after(Some(failure), now) == Gate::Open {
            return None;
        }
        state.busy().failure = Some(failure.clone());
        state.version = stored.version.0;
        Some(Err(declined(self.slot.key(), failure, now)))
    }

    /// Asks the issuer, and keeps whatever comes of it.
    async fn ask(&mut self, base: Base) -> FlightResult {
        let mut stored = base.stored;
        let mut refresh_token = self.newest_refresh_token(stored.as_ref());
        let mut asked_at = self.last_asked(stored.as_ref());
        if base.turn == Turn::Blind {
            // Another process, or this one before a restart, may have asked just now.
            asked_at = asked_at.or(Some(self.shared.clock.now()));
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let sent = self.floor(asked_at).await;
            asked_at = Some(sent);
            self.slot.lock().busy().asked_at = asked_at;
            let fault = match self.fetch(refresh_token.as_ref(), base.turn).await {
                Ok(fetched) => return self.arrive(fetched, stored.as_ref(), refresh_token, sent, base.turn).await,
                Err(fault) => fault,
            };
            if attempts < MAX_ATTEMPTS && matches!(fault.fault, Fault::LoginRequired | Fault::RefreshTokenRefused) {
                // Somebody else may have rotated it, in spite of the lease or without one.
                if let Ok(Some(again)) = self.shared.read(&self.slot).await
                    && again.record.refresh_token.is_some()
                    && again.record.refresh_token != refresh_token
                {
                    if let Some(result) = self.consider(Some(&again)) {
                        return result;
                    }
                    refresh_token.clone_from(&again.record.refresh_token);
                    stored = Some(again);
                    continue;
                }
                if fault.fault == Fault::RefreshTokenRefused && refresh_token.take().is_some() {
                    continue;
                }
            }
            let error = self.remember(&fault, stored.as_ref());
            let kept = fault.rotated.clone().or(refresh_token);
            self.save_failure(stored.as_ref(), kept, sent, fault.rotated.is_some()).await;
            return Err(error);
        }
    }

    /// Waits until the issuer may be asked for this key again.
    async fn floor(&self, asked_at: Option<Moment>) -> Moment {
        loop {
            let now = self.shared.clock.now();
            let wait = asked_at.map_or(Duration::ZERO, |asked_at| REQUEST_FLOOR.saturating_sub(now.since(asked_at)));
            if wait.is_zero() {
                return now;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One request, with the lease kept alive while it is under way.
    async fn fetch(&self, refresh_token: Option<&Secret>, turn: Turn) -> Result<Fetched, FetchError> {
        let source = &self.provider().source;
        let limit = self.provider().policy.timeout;
        let asking = source.fetch(Ask { key: self.slot.key(), refresh_token });
        // A source that panics fails like one that answers nonsense: remembered, backed off, asked again.
        let asking = AssertUnwindSafe(asking).catch_unwind().map(|answer| {
            answer.unwrap_or_else(|_| {
                let what = format!("the source of {} panicked", source.issuer());
                Err(FetchError::new(Fault::Unavailable, what).with_next("the log says where"))
            })
        });
        let request = tokio::time::timeout(limit, asking);
        let renewing = async {
            loop {
                tokio::time::sleep(self.lease_ttl() / 3).await;
                if turn == Turn::Leased {
                    let ttl = self.lease_ttl();
                    let renewed = self.shared.store.renew_lease(self.slot.key(), &self.holder, ttl).await;
                    self.shared.note_store(StoreTask::Lease, &renewed);
                }
            }
        };
        let answer = tokio::select! {
            answer = request => answer,
            () = renewing => return Err(FetchError::new(Fault::Unavailable, "the request broke off")),
        };
        answer.unwrap_or_else(|_| {
            let what = format!("{} did not answer within {} s", source.issuer(), limit.as_secs_f32());
            Err(FetchError::new(Fault::Unavailable, what))
        })
    }

    /// Keeps, saves and publishes what the issuer answered.
    async fn arrive(
        &self,
        fetched: Fetched,
        stored: Option<&Stored>,
        refresh_token: Option<Secret>,
        sent: Moment,
        turn: Turn,
    ) -> FlightResult {
        let now = self.shared.clock.now();
        let mut generation = 1 + self.last_generation(stored);
        if turn == Turn::Blind && generation == 1 {
            // The store may know of many. No count has come as far as the seconds since 1970, so none is repeated.
            generation = u64::try_from(now.wall_ms / 1000).unwrap_or(1);
        }
        let record = match accept(fetched, refresh_token, generation, sent, self.provider(), &*self.shared.clock) {
            Ok(record) => record,
            Err(fault) => {
                let error = self.remember(&fault, stored);
                let rotated = fault.rotated.is_some();
                self.save_failure(stored, fault.rotated.clone(), sent, rotated).await;
                return Err(error);
            }
        };
        let (record, version) = self.save(record, stored.map(|stored| stored.version)).await;
        let Some(token) = record.token.clone() else {
            return Err(super::lost_flight().with_key(self.slot.key()));
        };
        {
            let mut state = self.slot.lock();
            self.slot.publish(&mut state, &token, None, version, self.shared.clock.now());
        }
        self.shared.emit(Event::Obtained {
            key: self.slot.key().clone(),
            generation: token.generation(),
            expires_in: remaining(&token, now),
            took: now.since(sent),
        });
        Ok(token)
    }

    /// Saves a record with a new token. What cannot be saved is noted in the slot and comes back all the same; when
    /// another holder has overtaken this one, what comes back is theirs.
    async fn save(&self, mut record: Record, mut expected: Option<Version>) -> (Arc<Record>, Option<Version>) {
        if self.keep() == Keep::InMemory {
            return (Arc::new(record), None);
        }
        let error = loop {
            let saved = self.shared.store.save(self.slot.key(), &record, expected).await;
            self.shared.note_store(StoreTask::Save, &saved);
            match saved {
                Ok(SaveOutcome::Saved(version)) => {
                    if let Some(busy) = self.slot.lock().busy_if_any() {
                        busy.unsaved = None;
                    }
                    return (Arc::new(record), Some(version));
                }
                Err(error) => break error,
                // Cleared by somebody, a failure noted by a holder whose lease has ended, or overtaken.
                Ok(SaveOutcome::Conflict) => match self.shared.read(&self.slot).await {
                    Ok(Some(theirs))
                        if theirs.record.generation >= record.generation && theirs.record.token.is_some() =>
                    {
                        return (Arc::new(theirs.record), Some(theirs.version));
                    }
                    Ok(theirs) => {
                        let generation = theirs.as_ref().map_or(0, |theirs| theirs.record.generation + 1);
                        let generation = generation.max(record.generation);
                        record = record.with_generation(generation);
                        expected = theirs.map(|theirs| theirs.version);
                    }
                    Err(error) => break error,
                },
            }
        };
        let record = Arc::new(record);
        self.slot.lock().busy().unsaved = Some(Arc::clone(&record));
        self.shared.emit(Event::Unsaved { key: self.slot.key().clone(), what: error.to_string() });
        (record, None)
    }

    /// Saves what could not be saved, if anything, until it is, or there is something newer, or the manager stops.
    async fn keep_saving(&self) {
        match self.slot.lock().busy_if_any() {
            Some(busy) if busy.unsaved.is_some() && !busy.saving => busy.saving = true,
            _ => return,
        }
        self.save_until_done().await;
        if let Some(busy) = self.slot.lock().busy_if_any() {
            busy.saving = false;
        }
    }

    async fn save_until_done(&self) {
        let mut finishing = self.shared.finishing.subscribe();
        let mut wait = Duration::from_secs(1);
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Whoever stops the manager tries for the last time.
                _ = finishing.wait_for(|finishing| *finishing) => return,
            }
            let in_flight = self.slot.lock().flight().is_some();
            if !in_flight && save_again(&self.shared, &self.slot).await {
                return;
            }
            wait = (wait * 2).min(MAX_SAVE_WAIT);
        }
    }

    /// Remembers a failure for all who ask from now on, and says when the issuer is asked again.
    fn remember(&self, fault: &FetchError, stored: Option<&Stored>) -> Error {
        let now = self.shared.clock.now();
        let live = self.slot.live();
        let mut state = self.slot.lock();
        let before = state.failure().cloned().or_else(|| stored?.record.failure.clone());
        let alive = live.is_some_and(|live| !live.expires_at().is_reached(now));
        let failure = failure_after(before.as_ref(), fault, if alive { Present::Alive } else { Present::Over }, now);
        state.busy().failure = Some(failure.clone());
        drop(state);
        if failure.kind == FailureKind::RateLimited {
            self.provider().hold_all(&failure);
        }
        self.shared.emit(Event::Failed {
            key: self.slot.key().clone(),
            kind: failure.kind,
            what: failure.what.clone(),
            count: failure.count,
            retry_in: (!failure.retry_at.is_never()).then(|| failure.retry_at.remaining(now)),
        });
        declined(self.slot.key(), &failure, now)
    }

    /// Saves the failure in force, so that other processes leave the issuer alone too. Without a new refresh token
    /// nothing is lost if this does not succeed.
    async fn save_failure(&self, stored: Option<&Stored>, refresh_token: Option<Secret>, asked: Moment, rotated: bool) {
        if self.keep() == Keep::InMemory {
            return;
        }
        let failure = self.slot.lock().failure().cloned();
        let obsolete = self.slot.lock().obsolete();
        let before = stored.map(|stored| &stored.record);
        let record = Record {
            generation: self.last_generation(stored),
            fingerprint: self.provider().fingerprint.clone(),
            // A token that was rejected here must not be found good by the next start.
            token: before.and_then(|record| record.token.clone()).filter(|token| token.generation() > obsolete),
            refresh_in: before.and_then(|record| record.refresh_in),
            jitter: before.map_or(0.0, |record| record.jitter),
            refresh_token,
            asked_at: Some(asked),
            failure,
            boot_id: self.shared.clock.boot_id().into(),
        };
        if rotated {
            self.save_rotated(record, stored.map(|stored| stored.version)).await;
            return;
        }
        let saved = self.shared.store.save(self.slot.key(), &record, stored.map(|stored| stored.version)).await;
        self.shared.note_store(StoreTask::Save, &saved);
        if let Ok(SaveOutcome::Saved(version)) = saved {
            self.slot.lock().version = version.0;
        }
    }

    /// Saves a new refresh token that came without a token of use, by all means that a token is saved by.
    async fn save_rotated(&self, record: Record, expected: Option<Version>) {
        let generation = record.generation + 1;
        let (_, version) = self.save(record.with_generation(generation), expected).await;
        if let Some(version) = version {
            self.slot.lock().version = version.0;
        }
    }

    fn newest_refresh_token(&self, stored: Option<&Stored>) -> Option<Secret> {
        let stored_generation = stored.map_or(0, |stored| stored.record.generation);
        match self.slot.lock().unsaved() {
            Some(unsaved) if unsaved.generation > stored_generation => unsaved.refresh_token.clone(),
            _ => stored.and_then(|stored| stored.record.refresh_token.clone()),
        }
    }

    fn last_asked(&self, stored: Option<&Stored>) -> Option<Moment> {
        let live = self.slot.live().map(|live| live.sent_at());
        let own = self.slot.lock().asked_at();
        let others = stored.and_then(|stored| stored.record.asked_at);
        [live, own, others].into_iter().flatten().max_by_key(|moment| moment.boot_ms)
    }

    fn last_generation(&self, stored: Option<&Stored>) -> u64 {
        let live = self.slot.live().map_or(0, |live| live.generation());
        let state = self.slot.lock();
        let unsaved = state.unsaved().map_or(0, |record| record.generation);
        let stored = stored.map_or(0, |stored| stored.record.generation);
        live.max(state.obsolete()).max(unsaved).max(stored)
    }

    fn provider(&self) -> &ProviderRuntime {
        self.slot.provider()
    }

    fn keep(&self) -> Keep {
        self.provider().source.keep()
    }

    /// Longer than a request can take, so that a lease ends only when its holder is gone.
    fn lease_ttl(&self) -> Duration {
        self.provider().policy.timeout + LEASE_MARGIN
    }
}

/// Saves what could not be saved before; whether there is nothing left to save.
pub(super) async fn save_again(shared: &Shared, slot: &Slot) -> bool {
    let Some(record) = slot.lock().unsaved().cloned() else { return true };
    let Ok(theirs) = shared.read(slot).await else { return false };
    let overtaken = theirs.as_ref().is_some_and(|theirs| theirs.record.generation >= record.generation);
    let mut version = None;
    if !overtaken {
        let expected = theirs.map(|theirs| theirs.version);
        let saved = shared.store.save(slot.key(), &record, expected).await;
        shared.note_store(StoreTask::Save, &saved);
        let Ok(SaveOutcome::Saved(written)) = saved else { return false };
        version = Some(written);
        shared.emit(Event::Saved { key: slot.key().clone() });
    }
    let mut state = slot.lock();
    if let Some(version) = version {
        state.version = version.0;
    }
    // Something newer may have come to be saved meanwhile.
    if state.unsaved().is_some_and(|unsaved| !Arc::ptr_eq(unsaved, &record)) {
        return false;
    }
    state.busy().unsaved = None;
    state.settle(slot.live().as_deref());
    true
}

/// Clears the token and the failure of a key in the store. The refresh token and the generation stay.
pub(super) async fn clear_stored(shared: &Shared, slot: &Slot) -> Result<(), StoreError> {
    if let Some(busy) = slot.lock().busy_if_any()
        && let Some(unsaved) = &busy.unsaved
    {
        busy.unsaved = Some(Arc::new(Record { token: None, failure: None, ..Record::clone(unsaved) }));
    }
    if slot.provider().source.keep() == Keep::InMemory {
        return Ok(());
    }
    loop {
        let Some(stored) = shared.read(slot).await? else { return Ok(()) };
        let record = Record { token: None, failure: None, ..stored.record };
        let saved = shared.store.save(slot.key(), &record, Some(stored.version)).await;
        shared.note_store(StoreTask::Save, &saved);
        if let SaveOutcome::Saved(version) = saved? {
            slot.lock().version = version.0;
            return Ok(());
        }
    }
}

/// The failure in force after one more.
fn failure_after(before: Option<&Failure>, fault: &FetchError, present: Present, now: Moment) -> Failure {
    let kind = match fault.fault {
        Fault::Unavailable => FailureKind::Unavailable,
        Fault::RateLimited => FailureKind::RateLimited,
        Fault::Refused => FailureKind::Refused,
        Fault::RefreshTokenRefused | Fault::LoginRequired => FailureKind::LoginRequired,
    };
    // An outage before a refusal is no reason to probe it less often.
    let same = before.filter(|before| is_transient(before.kind) == is_transient(kind));
    let count = before.map_or(0, |before| before.count).saturating_add(1);
    let step = same.map_or(1, |_| count);
    let delay = backoff::delay(kind, step, present, fault.retry_after, fastrand::f32());
    Failure {
        kind,
        what: fault.what.clone(),
        next: fault.next.clone(),
        count,
        since: before.map_or(now, |before| before.since),
        retry_at: delay.map_or(Moment::NEVER, |delay| now.plus(delay)),
    }
}

fn is_transient(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Unavailable | FailureKind::RateLimited)
}

fn remaining(token: &IssuedToken, now: Moment) -> Option<Duration> {
    (!token.expires_at().is_never()).then(|| token.expires_at().remaining(now))
}

/// How long a flight may wait before it asks.
const FLIGHT_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests of one flight: with the stored refresh token, with one that somebody else rotated, with the password.
const MAX_ATTEMPTS: u32 = 3;
/// By how much a lease outlives the longest request.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How often a flight looks whether another process has brought the token.
const POLL: Duration = Duration::from_millis(50);
/// The longest wait between two attempts to save.
const MAX_SAVE_WAIT: Duration = Duration::from_secs(60);
