//! Renews keys that nobody uses here, and that are to be renewed all the same, together with all others who share the
//! store.
//!
//! The hard problem is a fleet of which each member sees to all keys: each has them all in memory, and all begin with
//! them at the same moment. So a store that can ([`Store::claim_due`](crate::store::Store::claim_due)) keeps when each
//! key is due, and gives what is due to one member, for as long as [`HOLD`]. A claim is no more than a hint whom a key is
//! left to: whoever has it reads the record and decides again, and asks the issuer by a flight like any other, under the
//! key's lease. A key in use is planned by each member that uses it, claimed or not.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::flight::{Start, Trigger};
use super::provider::{MAX_FLIGHTS, ProviderRuntime};
use super::record::{due_unasked, normalized};
use super::{PAGE, Shared, StoreTask};
use crate::clock::Moment;
use crate::expiry::Gate;
use crate::key::Key;
use crate::provider::Accounts;
use crate::source::Keep;
use crate::store::{Record, SaveOutcome, StoreError, Version, Versioned};

/// Claims what is due again and again, each member at moments of its own.
pub(super) async fn run(shared: Weak<Shared>, stop: CancellationToken) {
    let mut pause = INTERVAL;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause.mul_f32(0.5 + fastrand::f32())) => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        let claimed = tokio::select! {
            () = stop.cancelled() => return,
            claimed = shared.claim_batch(&stop) => claimed,
        };
        pause = match claimed {
            Ok(Rest::Some) => SHORT_INTERVAL,
            Ok(Rest::None) | Err(_) => INTERVAL,
        };
    }
}

/// Whether more is due than was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    None,
    Some,
}

impl Shared {
    /// Whether the keys of this provider are renewed though nobody uses them, by whoever claims them.
    pub(super) fn is_claimed(&self, provider: &ProviderRuntime) -> bool {
        provider.policy().refresh.is_always()
            && provider.accounts() != Accounts::Default
            && provider.source().keep() != Keep::InMemory
            && self.claims.load(Ordering::Relaxed)
    }

    /// Finds out whether the store gives what is due; whether it does.
    pub(super) async fn try_claims(&self) -> Result<bool, StoreError> {
        let claims = self.store.claim_due(0, HOLD).await.map(|claimed| claimed.is_some());
        self.note_claim(&claims);
        self.claims.store(claims.clone().unwrap_or_default(), Ordering::Relaxed);
        claims
    }

    /// Without anything to claim nothing is written, which says nothing of a disk that is full: unless it was a claim that
    /// failed.
    fn note_claim<T>(&self, claimed: &Result<T, StoreError>) {
        if self.claims_fail.swap(claimed.is_err(), Ordering::Relaxed) || claimed.is_err() {
            self.note_store(StoreTask::Lease, claimed);
        }
    }

    /// Saves a record with the moment at which its key is due.
    pub(super) async fn save_dated(
        &self,
        key: &Key,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<SaveOutcome, StoreError> {
        let due_at = match self.provider_of(key) {
            Ok(provider) => due_unasked(record, &provider, self.clock.now()),
            Err(_) => record.due_at,
        };
        if record.due_at == due_at {
            return self.store.save(key, record, expected).await;
        }
        self.store.save(key, &Record { due_at, ..record.clone() }, expected).await
    }

    /// When a stored key is due by what is configured now; a key that is not configured stays as it is.
    pub(super) fn due_of(&self, key: &Key, stored: &Versioned, now: Moment) -> Option<Moment> {
        match self.provider_of(key) {
            Ok(provider) => {
                due_unasked(&normalized(stored.clone(), &provider, None, &*self.clock, now).record, &provider, now)
            }
            Err(_) => stored.record.due_at,
        }
    }

    /// Goes through all records, slowly, and gives those their due moment that have none or another one: what was written
    /// before there were such moments, or when the key's provider was configured otherwise.
    pub(super) async fn date_all(&self) -> Result<(), StoreError> {
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.page(after.as_ref(), PAGE).await;
            self.note_store(StoreTask::Read, &page);
            let page = page?;
            for (key, stored) in &page {
                let due_at = self.due_of(key, stored, self.clock.now());
                self.date(key, stored, due_at).await?;
            }
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            tokio::time::sleep(PAGE_PAUSE.mul_f32(0.5 + fastrand::f32())).await;
        }
    }

    /// Writes down when a key is due, if that is not what its record says. Who has written the record meanwhile knew it.
    pub(super) async fn date(&self, key: &Key, stored: &Versioned, due_at: Option<Moment>) -> Result<(), StoreError> {
        if is_same_due(stored.record.due_at, due_at, self.clock.now()) {
            return Ok(());
        }
        let record = Record { due_at, ..stored.record.clone() };
        self.store.save(key, &record, Some(stored.version)).await.map(drop)
    }

    /// Claims as much as can be seen to, and has it seen to.
    async fn claim_batch(self: &Arc<Self>, stop: &CancellationToken) -> Result<Rest, StoreError> {
        if !self.providers.load().values().any(|provider| self.is_claimed(provider)) {
            return Ok(Rest::None);
        }
        let wanted = self.claimed.available_permits().min(BATCH);
        if wanted == 0 {
            return Ok(Rest::Some);
        }
        let claimed = self.store.claim_due(wanted, HOLD).await;
        self.note_claim(&claimed);
        let keys = claimed?.unwrap_or_default();
        let rest = if keys.len() < wanted { Rest::None } else { Rest::Some };
        for key in keys {
            let Ok(place) = Arc::clone(&self.claimed).try_acquire_owned() else { break };
            let (shared, stop) = (Arc::clone(self), stop.clone());
            self.tasks.spawn(async move { shared.see_to_claimed(key, place, stop).await });
        }
        Ok(rest)
    }

    /// Decides anew what is to be done for a claimed key: time has passed, and others may have seen to it. What fails is
    /// due again by itself.
    async fn see_to_claimed(self: Arc<Self>, key: Key, _place: OwnedSemaphorePermit, stop: CancellationToken) {
        let Ok(Some(stored)) = self.store.load(&key).await else { return };
        let now = self.clock.now();
        let Ok(provider) = self.provider_of(&key) else {
            // Perhaps others have it configured already, or still have, and claim it the next time.
            if stored.record.due_at.is_none_or(|due| due.plus(UNKNOWN_GRACE).wall_ms <= now.wall_ms) {
                self.date(&key, &stored, None).await.ok();
            }
            return;
        };
        let mut due_at = self.due_of(&key, &stored, now);
        if due_at.is_some() && provider.accounts() == Accounts::Stored {
            match self.store.credentials(&key).await {
                // Whoever gives some writes the record, too.
                Ok(None) => due_at = None,
                Ok(Some(_)) => {}
                Err(_) => return,
            }
        }
        if due_at.is_some_and(|due| due.is_reached(now)) {
            self.renew_claimed(&key, stored.record.generation, &provider, stop).await;
        } else {
            self.date(&key, &stored, due_at).await.ok();
        }
    }

    async fn renew_claimed(
        self: &Arc<Self>,
        key: &Key,
        above: u64,
        provider: &Arc<ProviderRuntime>,
        stop: CancellationToken,
    ) {
        if provider.gate(self.clock.now()) != Gate::Open {
            return;
        }
        // One slow issuer takes the places of the others' keys no longer than this.
        let permit = tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PATIENCE) => return,
            permit = Arc::clone(&provider.permits).acquire_owned() => permit.ok(),
        };
        let Ok(slot) = self.slot(key.as_str()) else { return };
        let mut flight = {
            let mut state = slot.lock();
            // What could not be saved is newer than what the store says.
            if state.flight().is_some() || state.unsaved().is_some() {
                self.wake_soon(&slot, &mut state);
                return;
            }
            let above = slot.live().map_or(above, |live| live.generation().max(above));
            self.launch(&slot, &mut state, Start::new(above, Trigger::Ahead), permit)
        };
        flight.wait_for(Option::is_some).await.ok();
        // Nobody asked for it, so it need not stay in memory.
        self.wake_soon(&slot, &mut slot.lock());
    }
}

/// Whether two moments are the same to whoever waits for them: both have come, or both come then.
fn is_same_due(one: Option<Moment>, other: Option<Moment>, now: Moment) -> bool {
    // By the wall clock alone: another boot may have written it.
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            one.wall_ms.max(other.wall_ms) <= now.wall_ms || one.wall_ms.abs_diff(other.wall_ms) <= SAME_MS
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// How long a claimed key is left to the one who claimed it: longer than a flight takes but in the worst of cases, in
/// which the lease decides.
pub(super) const HOLD: Duration = Duration::from_mins(1);
/// From one claim to the next, half of it more or less.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same while more is due than could be claimed.
const SHORT_INTERVAL: Duration = Duration::from_millis(100);
/// Claimed at once.
const BATCH: usize = 100;
/// Claimed keys that are seen to at the same time, of all providers together.
pub(super) const MAX_CLAIMED: usize = 4 * MAX_FLIGHTS;
/// How long a claimed key waits while as many requests to its issuer are under way as may be.
const PATIENCE: Duration = Duration::from_secs(5);
/// After so long a due key that is not configured is taken for one that is configured nowhere.
const UNKNOWN_GRACE: Duration = Duration::from_mins(10);
/// From one page of records to the next, half of it more or less.
const PAGE_PAUSE: Duration = Duration::from_millis(250);
/// A smaller difference is none.
const SAME_MS: u64 = 1_000;
