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

mod outcome;
mod request;
mod route;
mod saving;
mod turn;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};

use self::turn::{Ready, Sight};
use super::account::Identity;
use super::meters::Entered;
use super::provider::ProviderRuntime;
use super::record::{Stored, normalized};
use super::slot::{FlightReceiver, FlightResult, Slot, State};
use super::store_trouble::Part;
use super::sync::time;
use super::ways::Choice;
use super::{Shared, StoreTask};
use crate::clock::Moment;
use crate::error::{Code, Error};
use crate::source::Keep;
use crate::source::turn::Turn;
use crate::store::{Holder, SaveOutcome, StoreError};
use crate::token::IssuedToken;

pub(super) use self::saving::{Clear, clear_stored, forget_rejected, save_again};

/// Why a flight starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Somebody needs a token.
    Caller,
    /// A token in use nears its end.
    Ahead,
    /// A person wants a new one: no stored token and no back-off stands in the way.
    ByHand,
    /// The failure in force may be overcome by what another process did: the store is looked at, and nobody is asked as
    /// long as it is in force.
    Look,
}

/// What a flight is to bring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// A token of a greater generation than this.
    pub(super) above: u64,
    /// Why.
    pub(super) trigger: Trigger,
    /// By which ways.
    pub(super) choice: Choice,
}

impl Start {
    pub(super) fn new(above: u64, trigger: Trigger) -> Self {
        Self { above, trigger, choice: Choice::AsConfigured }
    }
}

struct Flight {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    /// As it was configured when the flight began.
    provider: Arc<ProviderRuntime>,
    /// As whom the issuer is asked, once that is known.
    identity: Option<Identity>,
    start: Start,
    leased: bool,
    /// As long as the lease is sure.
    turn: Option<Turn>,
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
        let provider = slot.provider();
        let under_way = provider.meters.flights.enter();
        let landing =
            Landing { shared: Arc::clone(self), slot: Arc::clone(slot), sender, landed: false, _under_way: under_way };
        let (shared, slot) = (Arc::clone(self), Arc::clone(slot));
        let flight = Flight { shared, provider, slot, identity: None, start, leased: false, turn: None };
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
        self.launch(slot, state, Start::new(above, Trigger::Ahead), permit);
    }

    /// What the store holds of a key, in the terms of this provider.
    pub(super) async fn read(&self, slot: &Slot, provider: &ProviderRuntime) -> Result<Option<Stored>, StoreError> {
        Ok(match self.look(slot, provider).await? {
            Some(Seen { stored, is_unclaimed: true }) => Some(self.claim(slot, stored).await),
            seen => seen.map(|seen| seen.stored),
        })
    }

    /// The same for somebody who looks on: nothing is written.
    pub(super) async fn look(&self, slot: &Slot, provider: &ProviderRuntime) -> Result<Option<Seen>, StoreError> {
        let loaded = self.store.load(slot.key()).await;
        self.note_read(slot.key(), Part::Record, &loaded).await;
        let Some(versioned) = loaded? else { return Ok(None) };
        // After the record: whoever changes credentials clears the record last.
        let identity = self.identity(slot.key(), provider).await?;
        let unclaimed = versioned.record.fingerprint.is_any_token() && versioned.record.token.is_some();
        let had_login = versioned.record.refresh_token.is_some();
        let now = self.clock.now();
        let stored = normalized(versioned, provider, Some(&identity.fingerprint), &*self.clock, now);
        // A login of another configuration is not for this one to drop.
        let is_unclaimed =
            unclaimed && stored.record.token.is_some() && stored.record.refresh_token.is_some() == had_login;
        Ok(Some(Seen { stored, is_unclaimed }))
    }

    /// Writes down that a token which another program left is this configuration's, so that it is no other's later.
    /// If that fails, the next look tries again.
    async fn claim(&self, slot: &Slot, stored: Stored) -> Stored {
        match self.save_dated(slot.key(), &stored.record, Some(stored.version)).await {
            Ok(SaveOutcome::Saved(version)) => Stored { version, ..stored },
            Ok(SaveOutcome::Conflict) | Err(_) => stored,
        }
    }
}

/// What a look into the store shows.
pub(super) struct Seen {
    pub(super) stored: Stored,
    /// Its token was left by another program, and nobody has written down yet whose it is.
    is_unclaimed: bool,
}

/// Ends a flight for all who wait, also when it panics.
struct Landing {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    sender: watch::Sender<Option<FlightResult>>,
    landed: bool,
    _under_way: Entered,
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
            state.settle(self.slot.live().as_deref(), self.shared.clock.now());
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

impl Flight {
    async fn run(mut self, landing: Landing, permit: Option<OwnedSemaphorePermit>) {
        let ready = time::timeout(FLIGHT_TIMEOUT, self.prepare(permit)).await;
        let mut is_blind = false;
        let result = match ready {
            Ok(Ready::Done(result)) => result,
            Ok(Ready::Ask(base)) => {
                is_blind = base.sight == Sight::Blind;
                self.ask(*base).await
            }
            // It may have the lease by now.
            Err(_) => {
                self.leased = true;
                Err(self.out_of_time())
            }
        };
        // While a refresh token is in memory only, no other process may use the one before: the lease is kept, for
        // this process's next flight too, and ends by itself. Of what spends none, whoever cannot even read the record
        // keeps nothing from those who can.
        let unsaved = self.slot.lock().unsaved().is_some();
        let is_kept = unsaved && (self.provider().source().rotates() || !is_blind);
        if self.leased && !is_kept {
            self.release().await;
            self.leased = false;
        }
        landing.land(result);
        if unsaved {
            self.under_lease(self.keep_saving()).await;
        }
    }

    /// Before the flight ends, so that this process's next one cannot lose its lease to a late release. A store that
    /// hesitates is not waited for: leases end by themselves.
    async fn release(&self) {
        let released = self.shared.store.release_lease(self.slot.key(), self.holder());
        if let Ok(released) = time::timeout(RELEASE_TIMEOUT, released).await {
            self.shared.note_store(StoreTask::Lease, &released);
        }
    }

    /// Does it, with the lease kept alive meanwhile.
    async fn under_lease<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.keep_lease() => match never {},
        }
    }

    /// Extends the lease again and again; never ends.
    async fn keep_lease(&self) -> Infallible {
        loop {
            time::sleep(self.lease_ttl() / 3).await;
            if self.leased {
                self.renew_lease().await.ok();
            }
        }
    }

    /// Whether the lease is still this process's.
    async fn renew_lease(&self) -> Result<bool, StoreError> {
        let begun = self.shared.clock.now();
        let renewed = self.shared.store.renew_lease(self.slot.key(), self.holder(), self.lease_ttl()).await;
        self.shared.note_store(StoreTask::Lease, &renewed);
        match (&self.turn, &renewed) {
            (Some(turn), Ok(true)) => turn.extend(begun.plus(self.lease_ttl())),
            (Some(turn), Ok(false)) => turn.end(),
            (None, _) | (_, Err(_)) => {}
        }
        renewed
    }

    fn out_of_time(&self) -> Error {
        Error::new(Code::Unavailable, "its turn to ask the issuer did not come in time")
            .with_key(self.slot.key())
            .with_next("the issuer is slow, or another process is asking; try again")
            .with_retry_after(Duration::from_secs(1))
    }

    fn identity(&self) -> Identity {
        let configured = || Identity { credentials: None, fingerprint: self.provider.fingerprint.clone() };
        self.identity.clone().unwrap_or_else(configured)
    }

    fn provider(&self) -> &ProviderRuntime {
        &self.provider
    }

    /// All flights of a manager are one holder: for a key there is only one of them at a time.
    fn holder(&self) -> &Holder {
        &self.shared.holder
    }

    fn keep(&self) -> Keep {
        self.provider().source().keep()
    }

    /// Longer than a request can take, so that a lease ends only when its holder is gone.
    fn lease_ttl(&self) -> Duration {
        self.provider().policy().timeout.saturating_add(LEASE_MARGIN)
    }
}

fn remaining(token: &IssuedToken, now: Moment) -> Option<Duration> {
    (!token.expires_at().is_never()).then(|| token.expires_at().remaining(now))
}

/// How long a flight may wait before it asks.
const FLIGHT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the store may take to end a lease.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// By how much a lease outlives the longest request.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
