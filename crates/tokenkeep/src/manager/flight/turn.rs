//! Before the request: whose turn it is, and whether one is needed at all.
//!
//! Nothing is spent here, so it may be given up at any point.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::{Flight, Trigger, remaining};
use crate::event::Event;
use crate::expiry::{Gate, Phase, classify};
use crate::manager::record::Stored;
use crate::manager::slot::FlightResult;
use crate::manager::{StoreTask, declined};
use crate::source::{Fault, FetchError, Keep};
use crate::store::{LeaseOutcome, StoreError};

/// Whether the issuer is to be asked, and from what to start.
pub(super) enum Ready {
    Ask(Box<Base>),
    Done(FlightResult),
}

/// From what a request starts.
pub(super) struct Base {
    pub(super) stored: Option<Stored>,
    pub(super) turn: Turn,
    _permit: OwnedSemaphorePermit,
}

/// How this flight stands towards other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has the lease.
    Leased,
    /// The store gives no lease, or none is needed.
    Uncoordinated,
    /// The store cannot even be read.
    Blind,
}

impl Flight {
    /// Everything before the request: it may be given up at any point, nothing is spent yet.
    pub(super) async fn prepare(&mut self, permit: Option<OwnedSemaphorePermit>) -> Ready {
        if self.keep() == Keep::InMemory {
            let permit = self.permit(permit).await;
            return Ready::Ask(Box::new(Base { stored: None, turn: Turn::Uncoordinated, _permit: permit }));
        }
        let first = self.shared.read(&self.slot).await;
        if let (Trigger::ByHand, Ok(Some(stored))) = (self.start.trigger, &first) {
            self.start.above = self.start.above.max(stored.record.generation);
        }
        if let Some(result) = first.as_ref().ok().and_then(|stored| self.consider(stored.as_ref())) {
            return Ready::Done(result);
        }
        let permit = self.permit(permit).await;
        // The issuer may have set a limit while this flight waited.
        let now = self.shared.clock.now();
        if let (Some(hold), Trigger::Caller | Trigger::Ahead) = (self.provider().hold(now), self.start.trigger) {
            return Ready::Done(Err(declined(self.slot.key(), &hold, now)));
        }
        match self.take_turn().await {
            Ok(Ok(stored)) => Ready::Ask(Box::new(Base { stored, turn: Turn::Leased, _permit: permit })),
            Ok(Err(result)) => Ready::Done(result),
            Err(error) => match self.go_on_alone(&error, first) {
                Ok((stored, turn)) => Ready::Ask(Box::new(Base { stored, turn, _permit: permit })),
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
    pub(super) fn consider(&self, stored: Option<&Stored>) -> Option<FlightResult> {
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
}

/// How often a flight looks whether another process has brought the token.
const POLL: Duration = Duration::from_millis(50);
