//! Before the request: whose turn it is, and whether one is needed at all.
//!
//! Nothing is spent here, so it may be given up at any point.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::{Flight, Trigger, remaining};
use crate::error::Error;
use crate::event::Event;
use crate::expiry::{Gate, Phase, classify};
use crate::manager::record::Stored;
use crate::manager::slot::FlightResult;
use crate::manager::sync::time;
use crate::manager::{StoreTask, declined, watch_store};
use crate::source::turn::Turn;
use crate::source::{Fault, FetchError, Keep};
use crate::store::{LeaseOutcome, Record, StoreError};

/// Whether the issuer is to be asked, and from what to start.
pub(super) enum Ready {
    Ask(Box<Base>),
    Done(FlightResult),
}

/// From what a request starts.
pub(super) struct Base {
    pub(super) stored: Option<Stored>,
    pub(super) sight: Sight,
    _permit: OwnedSemaphorePermit,
}

/// What is known of what other processes did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// The record was read.
    Clear,
    /// The store cannot be read.
    Blind,
}

impl Flight {
    /// Everything before the request: it may be given up at any point, nothing is spent yet.
    pub(super) async fn prepare(&mut self, permit: Option<OwnedSemaphorePermit>) -> Ready {
        if self.keep() == Keep::InMemory {
            let permit = self.permit(permit).await;
            return Ready::Ask(Box::new(Base { stored: None, sight: Sight::Clear, _permit: permit }));
        }
        let first = self.shared.read(&self.slot, &self.provider).await;
        if let (Trigger::ByHand, Ok(Some(stored))) = (self.start.trigger, &first) {
            self.start.above = self.start.above.max(stored.record.generation);
        }
        if let Some(result) = first.ok().and_then(|stored| self.consider(stored.as_ref())) {
            return Ready::Done(result);
        }
        if self.start.trigger == Trigger::Look {
            if let Some(error) = self.still_declined() {
                return Ready::Done(Err(error));
            }
            // What stood in the way is over by now.
            self.start.trigger = Trigger::Caller;
        }
        let permit = self.permit(permit).await;
        // The issuer may have set a limit while this flight waited.
        let now = self.shared.clock.now();
        if let (Some(hold), Trigger::Caller | Trigger::Ahead) = (self.provider().hold(now), self.start.trigger) {
            return Ready::Done(Err(declined(self.slot.key(), &hold, now)));
        }
        let ready = match self.take_turn().await {
            Ok(Ok(stored)) => Ok((stored, Sight::Clear)),
            Ok(Err(result)) => Err(result),
            Err(error) => self.go_on_alone(&error).await,
        };
        match ready {
            Ok((stored, sight)) => Ready::Ask(Box::new(Base { stored, sight, _permit: permit })),
            Err(result) => Ready::Done(result),
        }
    }

    /// The failure in force here, when a look into the store has found nothing better.
    fn still_declined(&self) -> Option<Error> {
        let now = self.shared.clock.now();
        let failure = self.slot.lock().obstacle(self.provider(), now)?;
        Some(declined(self.slot.key(), &failure, now))
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
    pub(super) async fn take_turn(&mut self) -> Result<Result<Option<Stored>, FlightResult>, StoreError> {
        let meters = Arc::clone(&self.provider.meters);
        let (mut wait, mut pause) = (None, FIRST_POLL);
        loop {
            (self.leased, self.turn) = (false, None);
            let begun = self.shared.clock.now();
            let outcome = self.shared.store.acquire_lease(self.slot.key(), self.holder(), self.lease_ttl()).await;
            self.shared.note_store(StoreTask::Lease, &outcome);
            let outcome = outcome?;
            self.leased = outcome == LeaseOutcome::Acquired;
            let mut looks = match outcome {
                LeaseOutcome::Acquired => 1,
                LeaseOutcome::Held(_) => LOOKS_PER_TRY,
            };
            if self.leased {
                self.turn = Some(Turn::new(Arc::clone(&self.shared.clock), begun.plus(self.lease_ttl())));
            } else {
                wait.get_or_insert_with(|| meters.lease_waits.begin());
            }
            // Also under the lease: whoever had it before may have done the work.
            loop {
                let stored = self.shared.read(&self.slot, &self.provider).await?;
                if let Some(result) = self.consider(stored.as_ref()) {
                    return Ok(Err(result));
                }
                if self.leased {
                    return Ok(Ok(stored));
                }
                time::sleep(pause.mul_f32(0.5 + fastrand::f32() / 2.0)).await;
                pause = (pause * 2).min(POLL);
                looks -= 1;
                if looks == 0 {
                    break;
                }
            }
        }
    }

    /// What to do when the store gives no lease, or gives one and cannot be read: what spends nothing that a person
    /// would have to replace goes on. The rest holds out while the present token can be handed out, and without
    /// knowing the newest refresh token it does not ask at all.
    pub(super) async fn go_on_alone(&self, error: &StoreError) -> Result<(Option<Stored>, Sight), FlightResult> {
        let stored = self.shared.read(&self.slot, &self.provider).await;
        let fingerprint = self.identity().fingerprint;
        let is_own = |unsaved: &Arc<Record>| unsaved.fingerprint.is_same_login(&fingerprint);
        let newest_is_known = stored.is_ok() || self.slot.lock().unsaved().is_some_and(is_own);
        let now = self.shared.clock.now();
        let kept = stored.as_ref().ok().and_then(|stored| stored.as_ref()?.record.token.as_ref());
        let serves = self.slot.serves(now) || kept.is_some_and(|token| token.serves(now));
        // A store that is busy will answer soon; others may use it, and the refresh token in it, at this moment.
        let safe = newest_is_known && !serves && !error.busy;
        if !self.provider().source().rotates() || safe {
            return Ok(match stored {
                Ok(stored) => (stored, Sight::Clear),
                Err(_) => (None, Sight::Blind),
            });
        }
        let what = "the refresh token cannot be used safely: the store does not work";
        let fault =
            FetchError::new(Fault::Unavailable, what).with_next("mend the store; tokens go on by themselves then");
        Err(Err(self.remember(&fault, None)))
    }

    /// Whether what the store holds ends this flight without a request: with a token that serves, or with a failure in
    /// force. A token that was cleared or rejected elsewhere is not handed out from here on, whatever this flight brings.
    pub(super) fn consider(&self, stored: Option<&Stored>) -> Option<FlightResult> {
        let stored = stored?;
        self.give_up_what_is_gone(stored);
        let now = self.shared.clock.now();
        let mut state = self.slot.lock();
        if !self.is_current() {
            return Some(Err(self.outdated()));
        }
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
        // It is not noted as known here: the record may say more than that.
        state.busy().failure = Some(failure.clone());
        Some(Err(declined(self.slot.key(), failure, now)))
    }

    fn give_up_what_is_gone(&self, stored: &Stored) {
        let is_gone = {
            let mut state = self.slot.lock();
            self.is_current() && watch_store::withdraw_if_gone(&self.shared, &self.slot, &mut state, stored)
        };
        if is_gone {
            self.shared.emit(Event::Cleared { key: self.slot.key().clone() });
        }
    }
}

/// The first pause before a flight looks whether another process has brought the token: many issuers answer that soon.
const FIRST_POLL: Duration = Duration::from_millis(5);
/// How often, at least, it looks from then on.
const POLL: Duration = Duration::from_millis(50);
/// Looks between two tries to take a lease that somebody has: reading disturbs nobody, taking one writes.
const LOOKS_PER_TRY: u32 = 5;
