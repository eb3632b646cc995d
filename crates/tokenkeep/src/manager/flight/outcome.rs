//! What becomes of an answer: a token for all who wait, or a failure that is remembered.

use tracing::warn;

use super::request::Attempt;
use super::{Flight, remaining};
use crate::clock::Moment;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::expiry::{REQUEST_FLOOR, missed_life};
use crate::failure::{Failure, FailureKind};
use crate::manager::backoff::{self, Present};
use crate::manager::declined;
use crate::manager::record::Stored;
use crate::manager::slot::FlightResult;
use crate::manager::ways::FIRST;
use crate::source::{Fault, FetchError};
use crate::store::Record;

impl Flight {
    /// Saves and publishes a new token.
    pub(super) async fn arrive(&self, attempt: &mut Attempt, record: Record, sent: Moment) -> FlightResult {
        let now = self.shared.clock.now();
        let stored = attempt.stored.as_ref();
        if stored.is_some_and(|stored| stored.foreign) {
            warn!(key = %self.slot.key(), "the record in the store is of another configuration and is replaced");
        }
        let (record, version) = self.save(record, stored.map(|stored| stored.version)).await;
        // It is part of the record, saved or not.
        attempt.rotated = false;
        let Some(token) = record.token.clone() else { return Err(self.outdated()) };
        if attempt.route.way != FIRST
            && let Some(outage) = self.provider.ways.bypassed(self.slot.key())
        {
            self.shared.emit(Event::FallbackUsed { key: self.slot.key().clone(), what: outage.what });
        }
        {
            let mut state = self.slot.lock();
            if !self.is_current() {
                return Err(self.outdated());
            }
            self.slot.publish(&mut state, &token, None, version, self.shared.clock.now());
        }
        self.shared.emit(Event::Obtained {
            key: self.slot.key().clone(),
            generation: token.generation(),
            expires_in: remaining(&token, now),
            took: now.since(sent),
        });
        if let Some(life) = token.life()
            && let Some(expected) = missed_life(life, self.provider().policy())
        {
            self.shared.emit(Event::UnusualLife { key: self.slot.key().clone(), expected, life });
        }
        Ok(token)
    }

    /// Remembers a failure for all who ask from now on, and says when the issuer is asked again.
    pub(super) fn remember(&self, fault: &FetchError, stored: Option<&Stored>) -> Error {
        let now = self.shared.clock.now();
        let failure = self.next_failure(fault, stored, now);
        let frequent = {
            let mut state = self.slot.lock();
            if !self.is_current() {
                return declined(self.slot.key(), &failure, now);
            }
            state.busy().failure = Some(failure.clone());
            state.lately_mut().note_failure(now)
        };
        if failure.kind == FailureKind::RateLimited && !self.provider.ways.has_fallback() {
            self.provider().hold_all(&failure, now);
        }
        self.shared.emit(Event::Failed {
            key: self.slot.key().clone(),
            kind: failure.kind,
            what: failure.what.clone(),
            count: failure.count,
            since: failure.since.to_system_time(),
            retry_in: (!failure.retry_at.is_never()).then(|| failure.retry_at.remaining(now)),
        });
        if let Some(within) = frequent {
            self.shared.emit(Event::FrequentFailures { key: self.slot.key().clone(), within });
        }
        declined(self.slot.key(), &failure, now)
    }

    /// A failure that is told and not remembered.
    pub(super) fn told(&self, fault: &FetchError, stored: Option<&Stored>) -> Error {
        let now = self.shared.clock.now();
        declined(self.slot.key(), &self.next_failure(fault, stored, now), now)
    }

    fn next_failure(&self, fault: &FetchError, stored: Option<&Stored>, now: Moment) -> Failure {
        // What nobody uses here may not be in memory.
        let live = self.slot.live().or_else(|| stored?.record.token.clone()).filter(|live| live.serves(now));
        let present = live.map_or(Present::Over, |live| Present::Alive(live.serves_for(now)));
        let before = self.slot.lock().failure().cloned().or_else(|| stored?.record.failure.clone());
        failure_after(before.as_ref(), fault, present, now)
    }

    /// Whether what this flight brings is still what its key's provider would: only when it is renewed may have changed.
    pub(super) fn is_current(&self) -> bool {
        let present = self.slot.provider();
        !present.is_removed && present.fingerprint.is_same_token(&self.provider.fingerprint)
    }

    /// Whether the account still has the credentials that were used.
    pub(super) async fn is_same_account(&self) -> bool {
        let present = self.shared.identity(self.slot.key(), &self.provider).await;
        // What cannot be read was not changed by anybody just now.
        present.map_or(true, |present| present.fingerprint.is_same_token(&self.identity().fingerprint))
    }

    /// The answer to those who wait for a token that is no longer the right one.
    pub(super) fn outdated(&self) -> Error {
        Error::new(Code::Unavailable, "the configuration or the credentials were changed while the token was obtained")
            .with_key(self.slot.key())
            .with_retry_after(REQUEST_FLOOR)
    }
}

/// The failure in force after one more.
fn failure_after(before: Option<&Failure>, fault: &FetchError, present: Present, now: Moment) -> Failure {
    let kind = failure_kind(fault.fault);
    // An outage before a refusal is no reason to probe it less often.
    let same = before.filter(|before| is_transient(before.kind) == is_transient(kind));
    let count = before.map_or(0, |before| before.count).saturating_add(1);
    let step = same.map_or(1, |_| count);
    let delay = backoff::delay(kind, step, present, fault.retry_after, fastrand::f32());
    Failure {
        kind,
        what: shortened(&fault.what),
        next: fault.next.clone(),
        count,
        since: before.map_or(now, |before| before.since),
        retry_at: delay.map_or(Moment::NEVER, |delay| now.plus(delay)),
    }
}

/// What will be done about it.
pub(super) fn failure_kind(fault: Fault) -> FailureKind {
    match fault {
        Fault::Unavailable => FailureKind::Unavailable,
        Fault::RateLimited => FailureKind::RateLimited,
        Fault::Refused => FailureKind::Refused,
        Fault::RefreshTokenRefused | Fault::LoginRequired => FailureKind::LoginRequired,
    }
}

/// What a source says goes to every caller and into the store.
fn shortened(what: &str) -> String {
    match what.char_indices().nth(LONGEST_WHAT) {
        Some((end, _)) => format!("{}…", &what[..end]),
        None => what.to_owned(),
    }
}

/// In characters; the sources of this crate stay well below.
const LONGEST_WHAT: usize = 1000;

fn is_transient(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Unavailable | FailureKind::RateLimited)
}
