//! The requests of a flight, one after the other, until one brings a token or none is left to make.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::outcome::failure_kind;
use super::route::Route;
use super::turn::{Base, Sight};
use super::{FLIGHT_TIMEOUT, Flight, LEASE_MARGIN};
use crate::clock::Moment;
use crate::clock::stopwatch::Stopwatch;
use crate::expiry::{CLOCK_SLACK, REQUEST_FLOOR};
use crate::failure::Failure;
use crate::manager::account::{UNREADABLE, no_credentials};
use crate::manager::declined;
use crate::manager::record::{Stored, accept};
use crate::manager::slot::FlightResult;
use crate::manager::sync::time;
use crate::manager::ways::{Choice, FIRST, Way};
use crate::provider::Accounts;
use crate::secret::Secret;
use crate::source::turn::Turn;
use crate::source::{Ask, Fault, FetchError, Fetched};
use crate::store::Record;

/// What a flight works with from one request to the next.
pub(super) struct Attempt {
    pub(super) stored: Option<Stored>,
    pub(super) sight: Sight,
    pub(super) route: Route,
    /// The login that the next request of the first way is made with.
    pub(super) login: Login,
    /// When the issuer was last asked.
    pub(super) asked_at: Option<Moment>,
    /// `login` came with an answer that was of no other use, and is not saved yet.
    pub(super) rotated: bool,
    /// The last refresh token that was refused: it is not sent again.
    refused: Option<Secret>,
    /// How often the first way was taken.
    requests: u32,
    turns: u32,
}

/// A refresh token, and how sure it is.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// The newest that is known when the request is made.
    Newest,
    /// This one, or none.
    Known(Option<Secret>),
}

impl Login {
    pub(super) fn token(&self) -> Option<&Secret> {
        match self {
            Self::Newest => None,
            Self::Known(token) => token.as_ref(),
        }
    }
}

/// What comes before a request.
enum Cleared {
    Send,
    /// Somebody else had a turn meanwhile.
    TurnLost,
    /// This way is closed; another may be open.
    Closed(Failure),
    End(FlightResult),
}

impl Flight {
    /// Asks the issuer, and keeps whatever comes of it.
    pub(super) async fn ask(&mut self, base: Base) -> FlightResult {
        let now = self.shared.clock.now();
        let order = self.provider.ways.order(self.slot.key(), self.start.choice, now);
        let mut asked_at = self.last_asked(base.stored.as_ref());
        if base.sight == Sight::Blind {
            // Another process, or this one before a restart, may have asked just now.
            asked_at = asked_at.or(Some(now));
        }
        let (stored, sight, route) = (base.stored, base.sight, Route::new(order));
        let mut attempt = Attempt {
            stored,
            sight,
            route,
            login: Login::Newest,
            asked_at,
            rotated: false,
            refused: None,
            requests: 0,
            turns: 1,
        };
        let result = self.ask_each_way(&mut attempt).await;
        if attempt.rotated
            // The flight ended on another way than by what the issuer said: what it gave must not be lost for that.
            && let Some(token) = self.save_failure(&attempt, true).await
        {
            return Ok(token);
        }
        result
    }

    async fn ask_each_way(&mut self, attempt: &mut Attempt) -> FlightResult {
        loop {
            let keeps_floor = attempt.route.keeps_floor(&self.provider.ways);
            let waited = self.floor(attempt.asked_at.filter(|_| keeps_floor)).await;
            // In boxes, because a flight is as large as the largest of what it may wait for.
            match Box::pin(self.clear_to_send(attempt, waited)).await {
                Cleared::Send => {}
                Cleared::TurnLost => {
                    if let Err(result) = Box::pin(self.take_turn_again(attempt)).await {
                        return result;
                    }
                    continue;
                }
                Cleared::Closed(failure) => {
                    let fault = closed(&failure, self.shared.clock.now());
                    if self.note_fault(attempt, fault) {
                        continue;
                    }
                    return Err(declined(self.slot.key(), &failure, self.shared.clock.now()));
                }
                Cleared::End(result) => return result,
            }
            let sent = self.shared.clock.now();
            attempt.asked_at = Some(sent);
            attempt.requests += u32::from(attempt.route.way == FIRST);
            self.slot.lock().busy().asked_at = Some(sent);
            let way = attempt.route.way;
            // Only the first way has a login that outlives the token.
            let stopwatch = Stopwatch::start();
            let answer = self.fetch(way, attempt.login.token().filter(|_| way == FIRST)).await;
            if self.turn.as_ref().is_some_and(Turn::was_missed) {
                if let Err(result) = Box::pin(self.take_turn_again(attempt)).await {
                    return result;
                }
                continue;
            }
            let took = stopwatch.read();
            let answer = answer.and_then(|fetched| self.accept(attempt, fetched, sent));
            self.provider.meters.asked(took, answer.as_ref().err().map(|fault| failure_kind(fault.fault)));
            let fault = match answer {
                Ok(record) => return self.arrive(attempt, record, sent).await,
                Err(fault) => fault,
            };
            let login_refused = matches!(fault.fault, Fault::LoginRequired | Fault::RefreshTokenRefused);
            if way == FIRST && attempt.requests < MAX_REQUESTS && login_refused {
                match self.another_login(attempt, &fault).await {
                    Some(Ok(())) => continue,
                    Some(Err(result)) => return result,
                    None => {}
                }
            }
            if !self.note_fault(attempt, fault) {
                return self.fail(attempt).await;
            }
        }
    }

    /// Finds out as whom to ask and with which login, counts the request against the budget, and makes sure in the end
    /// that it is still this flight's turn.
    async fn clear_to_send(&mut self, attempt: &mut Attempt, waited: bool) -> Cleared {
        let Ok(identity) = self.shared.identity(self.slot.key(), &self.provider).await else {
            let fault = FetchError::new(Fault::Unavailable, format!("{UNREADABLE}: the store does not work"));
            return Cleared::End(Err(self.remember(&fault, attempt.stored.as_ref())));
        };
        if identity.credentials.is_none() && self.provider.accounts() == Accounts::Stored {
            let mut state = self.slot.lock();
            self.slot.withdraw(&mut state);
            state.busy().kept = false;
            return Cleared::End(Err(no_credentials(self.slot.key())));
        }
        if attempt.stored.as_ref().is_some_and(|stored| !stored.record.fingerprint.is_same_token(&identity.fingerprint))
        {
            // The record was read with other credentials than these.
            return Cleared::TurnLost;
        }
        self.identity = Some(identity);
        if matches!(attempt.login, Login::Newest) {
            attempt.login = Login::Known(self.newest_refresh_token(attempt.stored.as_ref()));
        }
        if self.provider.ways.is_first_issuer(attempt.route.way)
            && let Err(exhausted) = self.shared.spend(&self.provider).await
        {
            return Cleared::Closed(exhausted);
        }
        let took_time =
            waited || self.provider.settings.budget.is_some() || self.provider.accounts() == Accounts::Stored;
        if self.is_still_its_turn(attempt.stored.as_ref(), took_time).await { Cleared::Send } else { Cleared::TurnLost }
    }

    /// Makes a record of an answer, if it is good for one. A rotated refresh token comes back either way.
    fn accept(&self, attempt: &Attempt, mut fetched: Fetched, sent: Moment) -> Result<Record, FetchError> {
        let is_first = attempt.route.way == FIRST;
        if !is_first {
            fetched.refresh_token = None;
        }
        let mut generation = self.last_generation(attempt.stored.as_ref()).saturating_add(1);
        if attempt.sight == Sight::Blind && generation == 1 {
            // The store may know of many. No count has come as far as the seconds since 1970, so none is repeated.
            generation = u64::try_from(self.shared.clock.now().wall_ms / 1000).unwrap_or(1);
        }
        let login = attempt.login.token().cloned();
        let identity = self.identity();
        let record = accept(fetched, login, generation, sent, &self.provider, &identity, &*self.shared.clock)?;
        if is_first {
            self.provider.ways.first_works(self.slot.key());
        }
        Ok(record)
    }

    /// After a refresh token was refused: somebody else may have rotated it, in spite of the lease or without one, or
    /// there are other credentials to log in with. `None` if there is nothing else to try.
    async fn another_login(&mut self, attempt: &mut Attempt, fault: &FetchError) -> Option<Result<(), FlightResult>> {
        let had_login = attempt.login.token().is_some();
        attempt.refused = attempt.login.token().cloned().or(attempt.refused.take());
        if let Ok(Some(again)) = self.shared.read(&self.slot, &self.provider).await
            && again.record.refresh_token.is_some()
            && again.record.refresh_token != attempt.refused
        {
            if let Some(result) = self.consider(Some(&again)) {
                return Some(Err(result));
            }
            attempt.login = Login::Known(again.record.refresh_token.clone());
            attempt.rotated = false;
            attempt.stored = Some(again);
            return Some(Ok(()));
        }
        if fault.fault == Fault::RefreshTokenRefused && had_login {
            attempt.login = Login::Known(None);
            attempt.rotated = false;
            return Some(Ok(()));
        }
        None
    }

    /// Notes how the present way failed; whether there is another to take.
    fn note_fault(&self, attempt: &mut Attempt, fault: FetchError) -> bool {
        if let (FIRST, Some(rotated)) = (attempt.route.way, &fault.rotated) {
            attempt.login = Login::Known(Some(rotated.clone()));
            attempt.rotated = true;
        }
        let known = self.slot.lock().failure().map(|failure| failure.count);
        let stored = || attempt.stored.as_ref()?.record.failure.as_ref().map(|failure| failure.count);
        let before = known.or_else(stored).unwrap_or(0);
        let now = self.shared.clock.now();
        attempt.route.note_failure(fault, &self.provider.ways, self.slot.key(), before, now);
        attempt.route.go_on()
    }

    /// Ends the flight with what all ways said, or with a token that another process has brought meanwhile.
    async fn fail(&self, attempt: &mut Attempt) -> FlightResult {
        let fault = attempt.route.fault();
        if self.start.choice == Choice::FallbackOnly {
            // What a person tried says nothing of the way that is taken by itself.
            return Err(self.told(&fault, attempt.stored.as_ref()));
        }
        if !self.is_same_account().await {
            return Err(self.outdated());
        }
        let error = self.remember(&fault, attempt.stored.as_ref());
        let rotated = std::mem::take(&mut attempt.rotated);
        self.save_failure(attempt, rotated).await.ok_or(error)
    }

    /// Whether the lease is still this process's and the record still the newest: it may have stood still for longer
    /// than its lease, or saved an earlier record meanwhile, and must not spend an old refresh token then, nor ask
    /// for what another process has got by now. Not worth a write to the store if no refresh token can be lost and
    /// the lease was taken just now.
    async fn is_still_its_turn(&self, stored: Option<&Stored>, waited: bool) -> bool {
        if !self.leased || !(waited || self.provider().source().rotates()) {
            return true;
        }
        let begun = self.shared.clock.now();
        let renewed = self.renew_lease().await;
        // Read so late that the lease may end before the request does: this process stood still meanwhile.
        let is_late = self.shared.clock.now().since(begun) > LEASE_MARGIN;
        let newest = self.slot.lock().version;
        // A store in trouble says nothing of whose turn it is; what spends nothing goes on.
        let is_leased = renewed.map_or(!self.provider().source().rotates(), |is_leased| is_leased && !is_late);
        is_leased && stored.map_or(0, |stored| stored.version.0) >= newest
    }

    /// Waits for this flight's turn once more, and starts from what the store holds then, or from what it held when it
    /// can no longer be read.
    async fn take_turn_again(&mut self, attempt: &mut Attempt) -> Result<(), FlightResult> {
        attempt.turns += 1;
        if attempt.turns > MAX_TURNS {
            return Err(Err(self.out_of_time()));
        }
        let known = self.slot.lock().version;
        let newest = match time::timeout(FLIGHT_TIMEOUT, self.take_turn()).await {
            Ok(Ok(newest)) => newest?,
            Ok(Err(error)) => self.go_on_alone(&error).await?.0.or_else(|| attempt.stored.take()),
            Err(_) => {
                // It may have the lease by now.
                self.leased = true;
                return Err(Err(self.out_of_time()));
            }
        };
        let version = newest.as_ref().map_or(0, |newest| newest.version.0);
        {
            let mut state = self.slot.lock();
            if state.version == known && version < known {
                // Under the lease, an older record than the known one is no late view: somebody put it there by hand.
                state.version = version;
            }
        }
        attempt.stored = newest;
        attempt.asked_at = self.last_asked(attempt.stored.as_ref());
        if !attempt.rotated {
            attempt.login = Login::Newest;
        }
        Ok(())
    }

    /// Waits until the issuer may be asked for this key again; whether there was need to wait.
    async fn floor(&self, asked_at: Option<Moment>) -> bool {
        let now = self.shared.clock.now();
        let wait = asked_at.map_or(Duration::ZERO, |asked_at| REQUEST_FLOOR.saturating_sub(now.since(asked_at)));
        if !wait.is_zero() {
            time::sleep(wait + CLOCK_SLACK).await;
        }
        !wait.is_zero()
    }

    /// One request, with the lease kept alive while it is under way.
    async fn fetch(&self, way: Way, refresh_token: Option<&Secret>) -> Result<Fetched, FetchError> {
        let source = self.provider.ways.source(way);
        let limit = self.provider().policy().timeout;
        let credentials = self.identity.as_ref().and_then(|identity| identity.credentials.as_ref());
        let ask = Ask::new(self.slot.key()).with_refresh_token(refresh_token).with_credentials(credentials);
        let asking = source.fetch(ask.with_turn(self.turn.as_ref()));
        // A source that panics fails like one that answers nonsense: remembered, backed off, asked again.
        let asking = AssertUnwindSafe(asking).catch_unwind().map(|answer| {
            answer.unwrap_or_else(|_| {
                let what = format!("the source of {} panicked", source.issuer());
                Err(FetchError::new(Fault::Unavailable, what).with_next("the log says where"))
            })
        });
        let begun = self.shared.clock.now();
        let mut asking = pin!(asking);
        let request = async {
            match time::timeout(limit, &mut asking).await {
                // The timer was late: this process stood still, and the answer may have come meanwhile, unread.
                Err(_) if self.shared.clock.now().since(begun) > limit.saturating_add(STOOD_STILL) => {
                    time::timeout(STOOD_STILL, asking).await
                }
                answer => answer,
            }
        };
        self.under_lease(request).await.unwrap_or_else(|_| {
            let what = format!("{} did not answer within {} s", source.issuer(), limit.as_secs_f32());
            Err(FetchError::new(Fault::Unavailable, what))
        })
    }

    fn newest_refresh_token(&self, stored: Option<&Stored>) -> Option<Secret> {
        let stored_generation = stored.map_or(0, |stored| stored.record.generation);
        let fingerprint = self.identity().fingerprint;
        // What could not be saved may be of other credentials or another configuration.
        match self.slot.lock().unsaved().filter(|unsaved| unsaved.fingerprint.is_same_login(&fingerprint)) {
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

/// A way that is closed for a while, as the failure of it.
fn closed(failure: &Failure, now: Moment) -> FetchError {
    FetchError::new(Fault::RateLimited, failure.what.clone()).with_retry_after(failure.retry_at.remaining(now))
}

/// By how much a timer is late only in a process that was stopped or suspended; and how long such a one has to read
/// what came meanwhile.
const STOOD_STILL: Duration = Duration::from_secs(1);
/// How often a flight may lose its turn before it gives up.
const MAX_TURNS: u32 = 4;
/// Requests of one flight by the first way: with the stored refresh token, with one that somebody else rotated, with the
/// password.
const MAX_REQUESTS: u32 = 3;
