//! The request, and what becomes of its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tracing::warn;

use super::route::Route;
use super::turn::{Base, Sight};
use super::{FLIGHT_TIMEOUT, Flight, remaining};
use crate::clock::Moment;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::expiry::{CLOCK_SLACK, REQUEST_FLOOR, missed_life};
use crate::failure::{Failure, FailureKind};
use crate::manager::account::no_credentials;
use crate::manager::backoff::{self, Present};
use crate::manager::record::{Stored, accept};
use crate::manager::slot::FlightResult;
use crate::manager::ways::{FIRST, Way};
use crate::manager::{StoreTask, declined};
use crate::provider::Accounts;
use crate::secret::Secret;
use crate::source::{Ask, Fault, FetchError, Fetched};

impl Flight {
    /// Asks the issuer, and keeps whatever comes of it.
    pub(super) async fn ask(&mut self, base: Base) -> FlightResult {
        let mut stored = base.stored;
        let mut refresh_token = self.newest_refresh_token(stored.as_ref());
        let mut asked_at = self.last_asked(stored.as_ref());
        if base.sight == Sight::Blind {
            // Another process, or this one before a restart, may have asked just now.
            asked_at = asked_at.or(Some(self.shared.clock.now()));
        }
        let mut route = self.route();
        let mut attempts = 0;
        let mut turns = 1;
        loop {
            attempts += 1;
            let waited = self.floor(asked_at.filter(|_| route.keeps_floor(&self.provider.ways))).await;
            if !self.is_still_its_turn(stored.as_ref(), waited).await {
                turns += 1;
                if turns > MAX_TURNS {
                    return Err(self.out_of_time());
                }
                // In a box, because a flight is as large as the largest of what it may wait for.
                stored = match Box::pin(self.take_turn_again(stored)).await {
                    Ok(newest) => newest,
                    Err(result) => return result,
                };
                refresh_token = self.newest_refresh_token(stored.as_ref());
                asked_at = self.last_asked(stored.as_ref());
                attempts -= 1;
                continue;
            }
            if let Some(result) = Box::pin(self.identify_and_spend(stored.as_ref())).await {
                return result;
            }
            let sent = self.shared.clock.now();
            asked_at = Some(sent);
            self.slot.lock().busy().asked_at = asked_at;
            // Only the first way has a login that outlives the token.
            let login = refresh_token.as_ref().filter(|_| route.way == FIRST);
            let fault = match self.fetch(route.way, login).await {
                Ok(fetched) => {
                    return self.arrive(&route, fetched, stored.as_ref(), refresh_token, sent, base.sight).await;
                }
                Err(fault) => fault,
            };
            let login_refused = matches!(fault.fault, Fault::LoginRequired | Fault::RefreshTokenRefused);
            if route.way == FIRST && attempts < MAX_ATTEMPTS && login_refused {
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
            let rotated = fault.rotated.clone().filter(|_| route.way == FIRST);
            refresh_token = rotated.clone().or(refresh_token);
            let was_rotated = route.note_failure(fault, rotated.is_some(), &self.provider.ways, self.slot.key(), sent);
            if route.go_on() {
                continue;
            }
            let fault = route.into_fault();
            let error = self.remember(&fault, stored.as_ref());
            self.save_failure(stored.as_ref(), refresh_token, sent, was_rotated).await;
            return Err(error);
        }
    }

    fn route(&self) -> Route {
        let now = self.shared.clock.now();
        Route::new(self.provider.ways.order(self.slot.key(), self.start.choice, now))
    }

    /// Finds out as whom to ask, and counts the request against the budget; how the flight ends if it may not be made.
    async fn identify_and_spend(&mut self, stored: Option<&Stored>) -> Option<FlightResult> {
        let identity = match self.shared.identity(self.slot.key(), &self.provider).await {
            Ok(identity) => identity,
            Err(error) => {
                let what = format!("the account's credentials cannot be read: {error}");
                return Some(Err(self.remember(&FetchError::new(Fault::Unavailable, what), stored)));
            }
        };
        if identity.credentials.is_none() && self.provider.accounts() == Accounts::Stored {
            self.slot.lock().busy().kept = false;
            return Some(Err(no_credentials(self.slot.key())));
        }
        self.identity = Some(identity);
        let exhausted = self.shared.spend(&self.provider).await.err()?;
        Some(Err(declined(self.slot.key(), &exhausted, self.shared.clock.now())))
    }

    /// Whether the lease is still this process's and the record still the newest: it may have stood still for longer
    /// than its lease, or saved an earlier record meanwhile, and must not spend an old refresh token then, nor ask
    /// for what another process has got by now. Not worth a write to the store if no refresh token can be lost and
    /// the lease was taken just now.
    async fn is_still_its_turn(&self, stored: Option<&Stored>, waited: bool) -> bool {
        if !self.leased || !(waited || self.provider().source().rotates()) {
            return true;
        }
        let renewed = self.shared.store.renew_lease(self.slot.key(), self.holder(), self.lease_ttl()).await;
        self.shared.note_store(StoreTask::Lease, &renewed);
        let newest = self.slot.lock().version;
        renewed == Ok(true) && stored.map_or(0, |stored| stored.version.0) >= newest
    }

    /// Waits for this flight's turn once more; then what the store holds, or what it held when it can no longer be read.
    async fn take_turn_again(&mut self, before: Option<Stored>) -> Result<Option<Stored>, FlightResult> {
        let known = self.slot.lock().version;
        let newest = match tokio::time::timeout(FLIGHT_TIMEOUT, self.take_turn()).await {
            Ok(Ok(newest)) => newest?,
            Ok(Err(error)) => return self.go_on_alone(&error).await.map(|(newest, _)| newest.or(before)),
            Err(_) => {
                // It may have the lease by now.
                self.leased = true;
                return Err(Err(self.out_of_time()));
            }
        };
        let version = newest.as_ref().map_or(0, |newest| newest.version.0);
        let mut state = self.slot.lock();
        if state.version == known {
            // Under the lease, an older record than the known one is no late view: somebody put it there by hand.
            state.version = version;
        }
        drop(state);
        Ok(newest)
    }

    /// Waits until the issuer may be asked for this key again; whether there was need to wait.
    async fn floor(&self, asked_at: Option<Moment>) -> bool {
        let now = self.shared.clock.now();
        let wait = asked_at.map_or(Duration::ZERO, |asked_at| REQUEST_FLOOR.saturating_sub(now.since(asked_at)));
        if !wait.is_zero() {
            tokio::time::sleep(wait + CLOCK_SLACK).await;
        }
        !wait.is_zero()
    }

    /// One request, with the lease kept alive while it is under way.
    async fn fetch(&self, way: Way, refresh_token: Option<&Secret>) -> Result<Fetched, FetchError> {
        let source = self.provider.ways.source(way);
        let limit = self.provider().policy().timeout;
        let credentials = self.identity.as_ref().and_then(|identity| identity.credentials.as_ref());
        let asking = source.fetch(Ask { key: self.slot.key(), refresh_token, credentials });
        // A source that panics fails like one that answers nonsense: remembered, backed off, asked again.
        let asking = AssertUnwindSafe(asking).catch_unwind().map(|answer| {
            answer.unwrap_or_else(|_| {
                let what = format!("the source of {} panicked", source.issuer());
                Err(FetchError::new(Fault::Unavailable, what).with_next("the log says where"))
            })
        });
        let request = tokio::time::timeout(limit, asking);
        let answer = tokio::select! {
            answer = request => answer,
            () = self.keep_lease() => return Err(FetchError::new(Fault::Unavailable, "the request broke off")),
        };
        answer.unwrap_or_else(|_| {
            let what = format!("{} did not answer within {} s", source.issuer(), limit.as_secs_f32());
            Err(FetchError::new(Fault::Unavailable, what))
        })
    }

    /// Keeps, saves and publishes what the issuer answered.
    async fn arrive(
        &self,
        route: &Route,
        mut fetched: Fetched,
        stored: Option<&Stored>,
        refresh_token: Option<Secret>,
        sent: Moment,
        sight: Sight,
    ) -> FlightResult {
        let now = self.shared.clock.now();
        let mut generation = self.last_generation(stored).saturating_add(1);
        if sight == Sight::Blind && generation == 1 {
            // The store may know of many. No count has come as far as the seconds since 1970, so none is repeated.
            generation = u64::try_from(now.wall_ms / 1000).unwrap_or(1);
        }
        let login = refresh_token.clone();
        if route.way == FIRST {
            self.provider.ways.first_works(self.slot.key());
        } else {
            fetched.refresh_token = None;
        }
        let identity = self.identity();
        let accepted = accept(fetched, refresh_token, generation, sent, &self.provider, &identity, &*self.shared.clock);
        let record = match accepted {
            Ok(record) => record,
            Err(fault) => {
                let error = self.remember(&fault, stored);
                self.save_failure(stored, fault.rotated.clone().or(login), sent, fault.rotated.is_some()).await;
                return Err(error);
            }
        };
        if stored.is_some_and(|stored| stored.foreign) {
            warn!(key = %self.slot.key(), "the record in the store is of another configuration and is replaced");
        }
        let (record, version) = self.save(record, stored.map(|stored| stored.version)).await;
        let Some(token) = record.token.clone() else { return Err(self.outdated()) };
        if route.way != FIRST
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
        let live = self.slot.live();
        let mut state = self.slot.lock();
        let before = state.failure().cloned().or_else(|| stored?.record.failure.clone());
        let present =
            live.filter(|live| live.serves(now)).map_or(Present::Over, |live| Present::Alive(live.serves_for(now)));
        let failure = failure_after(before.as_ref(), fault, present, now);
        if !self.is_current() {
            return declined(self.slot.key(), &failure, now);
        }
        state.busy().failure = Some(failure.clone());
        drop(state);
        if failure.kind == FailureKind::RateLimited && !self.provider.ways.has_fallback() {
            self.provider().hold_all(&failure, now);
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

    /// Whether the provider is still configured as it was when the flight began.
    fn is_current(&self) -> bool {
        Arc::ptr_eq(&self.slot.provider(), &self.provider)
    }

    /// The answer to those who wait for a token that is no longer the right one.
    fn outdated(&self) -> Error {
        Error::new(Code::Unavailable, "the configuration or the credentials were changed while the token was obtained")
            .with_key(self.slot.key())
            .with_retry_after(REQUEST_FLOOR)
    }

    fn newest_refresh_token(&self, stored: Option<&Stored>) -> Option<Secret> {
        let stored_generation = stored.map_or(0, |stored| stored.record.generation);
        match self.slot.lock().unsaved() {
            Some(unsaved) if unsaved.generation >= stored_generation => unsaved.refresh_token.clone(),
            _ => stored.and_then(|stored| stored.record.refresh_token.clone()),
        }
    }

    fn last_asked(&self, stored: Option<&Stored>) -> Option<Moment> {
        let live = self.slot.live().map(|live| live.sent_at());
        let own = self.slot.lock().asked_at();
        let others = stored.and_then(|stored| stored.record.asked_at);
        [live, own, others].into_iter().flatten().max_by_key(|moment| moment.boot_ms)
    }

    pub(super) fn last_generation(&self, stored: Option<&Stored>) -> u64 {
        let live = self.slot.live().map_or(0, |live| live.generation());
        let state = self.slot.lock();
        let unsaved = state.unsaved().map_or(0, |record| record.generation);
        let stored = stored.map_or(0, |stored| stored.record.generation);
        live.max(state.obsolete()).max(unsaved).max(stored)
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

/// How often a flight may lose its turn before it gives up.
const MAX_TURNS: u32 = 4;
/// Requests of one flight: with the stored refresh token, with one that somebody else rotated, with the password.
const MAX_ATTEMPTS: u32 = 3;
