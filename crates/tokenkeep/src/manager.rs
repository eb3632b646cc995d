//! All keys: hands out their tokens, and has them obtained when it must.
//!
//! The hard problem is that everybody asks at once and anybody may leave at any moment. So a caller never asks the
//! issuer itself: it either finds a good token ([`slot`], without a lock), or joins the one [`flight`] of its key,
//! which runs as a task of the manager and ends for all who wait at the same time. What a caller finds is decided by
//! the pure functions of [`crate::expiry`]; [`scheduler`] starts flights ahead of time for keys that are in use.

mod backoff;
mod build;
mod flight;
mod provider;
mod record;
mod scheduler;
mod slot;
mod slots;
mod watch_store;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio_util::task::TaskTracker;

use self::flight::{Start, Trigger};
use self::provider::ProviderRuntime;
use self::record::{Stored, normalized};
use self::scheduler::Scheduler;
use self::slot::{FlightReceiver, Slot, State};
use self::slots::Slots;
use crate::clock::{Clock, Moment};
use crate::error::{Code, Error};
use crate::event::Event;
use crate::expiry::{Decision, Phase, classify, decide};
use crate::failure::{Failure, FailureKind};
use crate::key::Key;
use crate::source::Keep;
use crate::status::{Facts, Status, Warning, token_warnings};
use crate::store::{Holder, Store, StoreError};
use crate::subscriber::Subscriber;
use crate::token::{IssuedToken, Token};

pub use build::ManagerBuilder;

/// Obtains, keeps, renews and hands out the tokens of any number of keys. Cheap to clone; all clones are one manager.
///
/// Making one spawns nothing. Without [`TokenManager::start`] it works on demand: a token is obtained or renewed when
/// somebody asks and there is none good. Started, it also renews the tokens of keys in use ahead of their end.
/// Call [`TokenManager::stop`] or [`TokenManager::close`] before the program ends: a request that is under way can bring
/// a refresh token that must be saved.
#[derive(Clone)]
pub struct TokenManager {
    shared: Arc<Shared>,
}

/// The token of one key. Cheap to clone, and the fastest way to ask often.
#[derive(Clone)]
pub struct TokenHandle {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The token must live at least so long.
    pub min_valid: Duration,
    /// Waits at most so long for one.
    pub max_wait: Duration,
}

impl Default for Demand {
    fn default() -> Self {
        Self { min_valid: Duration::ZERO, max_wait: Duration::from_secs(30) }
    }
}

/// A token, and what is not as it should be though there is one.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The token.
    pub token: Token,
    /// What is not as it should be.
    pub warnings: Vec<Warning>,
}

/// Whose tokens a source can obtain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    /// Those of [`Key::DEFAULT_ACCOUNT`] only.
    Default,
    /// Those of whatever account a key names; the source knows who that is.
    Any,
}

impl TokenManager {
    /// Starts to put a manager together.
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::default()
    }

    /// The handle of a key; `unknown_key` if there is no such provider or account.
    pub fn handle(&self, key: &str) -> Result<TokenHandle, Error> {
        let slot = self.shared.slot(key)?;
        Ok(TokenHandle { shared: Arc::clone(&self.shared), slot })
    }

    /// A good token of a key; see [`TokenHandle::token`].
    pub async fn token(&self, key: &str) -> Result<Token, Error> {
        match self.shared.slots.fresh(key, self.shared.clock.now()) {
            Some(token) => Ok(token),
            None => self.handle(key)?.token().await,
        }
    }

    /// Starts the background work on this runtime: renewal ahead of time, recovery by itself, and noticing what other
    /// processes did to a shared store. Does nothing if it runs.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(&self) {
        self.shared.scheduler.start(&self.shared);
    }

    /// Ends the background work, waits for flights that are under way, and tries once more to save what could not be
    /// saved. Tokens can still be had afterwards.
    ///
    /// The error says that some token is not saved; it names the keys.
    pub async fn stop(&self) -> Result<(), Error> {
        self.shared.scheduler.stop().await;
        self.shared.finish().await
    }

    /// Stops, and closes the store: what a program does before it ends. The store is of no use afterwards.
    pub async fn close(&self) -> Result<(), Error> {
        let stopped = self.stop().await;
        self.shared.store.close().await;
        stopped
    }

    /// Whether the background work runs.
    pub fn is_running(&self) -> bool {
        self.shared.scheduler.is_running()
    }

    /// What happens to tokens from now on. A receiver that falls behind by more than a thousand events misses the
    /// oldest; nobody waits for it.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// The status of all keys that this manager or its store knows, in the order of their keys, at most `limit` from
    /// the first after `after`; fewer only when there are no more. Providers whose key was never used are named too.
    pub async fn statuses(&self, after: Option<&Key>, limit: usize) -> Vec<Status> {
        for (name, provider) in &self.shared.providers {
            if provider.source.keep() == Keep::InMemory {
                // Had for nothing; if not, the status says why.
                self.token(name).await.ok();
            }
        }
        self.shared.statuses(after, limit).await
    }

    /// The names of the configured providers, sorted.
    pub fn providers(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.shared.providers.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// What the store does not do, if it does not do its work.
    pub fn store_trouble(&self) -> Option<String> {
        self.shared.store_trouble()
    }

    /// How many keys are in memory.
    pub fn keys_in_memory(&self) -> usize {
        self.shared.slots.len()
    }
}

impl TokenHandle {
    /// The key.
    pub fn key(&self) -> &Key {
        self.slot.key()
    }

    /// A token that can be used now; obtains one if there is none.
    ///
    /// A good token costs neither a lock nor an allocation. Otherwise the call waits, with all others, for the one
    /// flight of this key. Cancel safe: dropping the future stops nothing.
    #[inline]
    pub async fn token(&self) -> Result<Token, Error> {
        match self.current() {
            Some(token) => Ok(token),
            None => Box::pin(self.obtain(Demand::default())).await.map(|answer| answer.token),
        }
    }

    /// The present token, if it is good and need not be renewed. Never waits, asks nobody.
    #[inline]
    pub fn current(&self) -> Option<Token> {
        let now = self.shared.clock.now();
        if let Some(token) = self.slot.fresh(now) {
            return Some(token);
        }
        if self.shared.scheduler.is_running() {
            return None;
        }
        // Nobody renews it ahead, so there is nothing to be done for one that is due.
        let live = self.slot.live().filter(|live| live.serves(now))?;
        self.slot.touch(Some(&live), now);
        Some(Token::new(live, now))
    }

    /// A token that meets a demand, with warnings. Cancel safe.
    ///
    /// `invalid_request` if the issuer's tokens do not live as long as `min_valid`; nothing is requested then.
    /// `unavailable` if there is none within `max_wait`: it goes on being obtained all the same.
    pub async fn get(&self, demand: Demand) -> Result<Answer, Error> {
        Box::pin(self.obtain(demand)).await
    }

    /// Obtains a new token now, whatever the present one is like, and passes over a back-off or a refusal. If it
    /// fails, the present token stays. Cancel safe.
    pub async fn refresh(&self) -> Result<Token, Error> {
        let above = {
            let state = self.slot.lock();
            self.slot.live().map_or(0, |live| live.generation()).max(state.obsolete())
        };
        let under_way = self.slot.lock().flight().cloned();
        if let Some(flight) = under_way {
            // It may have been for less, e.g. to read the store, or turned away by what this call passes over.
            match landed(flight).await {
                Ok(issued) if issued.generation() > above => return Ok(Token::new(issued, self.shared.clock.now())),
                Ok(_) | Err(_) => {}
            }
        }
        let flight = {
            let mut state = self.slot.lock();
            let start = Start { above, trigger: Trigger::ByHand };
            state.flight().cloned().unwrap_or_else(|| self.shared.launch(&self.slot, &mut state, start, None))
        };
        landed(flight).await.map(|issued| Token::new(issued, self.shared.clock.now()))
    }

    /// Says that a resource server refused this token. If it is still the present one it is never handed out again
    /// and a new one is obtained; else nothing happens, so a thousand callers with the same 401 cause one refresh.
    pub fn reject(&self, token: &Token) {
        self.reject_generation(token.generation());
    }

    /// As [`TokenHandle::reject`], for a caller that has only the generation.
    pub fn reject_generation(&self, generation: u64) {
        let mut state = self.slot.lock();
        let current = match self.slot.live() {
            Some(live) => live.generation() == generation,
            // What the store has is not known here; if it is this one, it will not count.
            None => generation > state.obsolete() && generation < u64::MAX,
        };
        if current {
            self.slot.withdraw(&mut state);
            let busy = state.busy();
            busy.obsolete = busy.obsolete.max(generation);
            busy.rejected = true;
            self.shared.wake_soon(&self.slot, &mut state);
            drop(state);
            self.shared.emit(Event::Rejected { key: self.key().clone(), generation });
        }
    }

    /// Forgets the token and the failure in force, here and in the store; the next who asks has a new token obtained.
    /// The refresh token stays: it is the login. The generations go on counting. Cancel safe.
    pub async fn clear(&self) -> Result<(), Error> {
        self.shared.clear(&self.slot).await
    }

    /// The state of this key. A key that is not in memory is looked up in the store; if its tokens are kept in memory
    /// only, it is obtained.
    pub async fn status(&self) -> Status {
        if self.slot.provider().source.keep() == Keep::InMemory {
            // Had for nothing; if not, the status says why.
            self.token().await.ok();
        }
        self.shared.status(&self.slot).await
    }

    /// The present token at once, if there is one, and each new one. While somebody subscribes, the key counts as in
    /// use.
    pub fn subscribe(&self) -> Subscriber {
        let now = self.shared.clock.now();
        let mut state = self.slot.lock();
        let present = self.slot.live().map(|live| Token::new(live, now));
        let subscribers = state.busy().subscribers.get_or_insert_with(|| watch::channel(present).0);
        let tokens = subscribers.subscribe();
        self.shared.wake_soon(&self.slot, &mut state);
        Subscriber::new(tokens, Arc::clone(&self.shared.clock))
    }

    async fn obtain(&self, demand: Demand) -> Result<Answer, Error> {
        let waiting = self.wait_for(demand.min_valid);
        tokio::time::timeout(demand.max_wait, waiting).await.unwrap_or_else(|_| {
            Err(Error::new(Code::Unavailable, format!("no token within {} s", demand.max_wait.as_secs_f32()))
                .with_key(self.key())
                .with_next("it goes on being obtained; try again, or allow a longer max_wait")
                .with_retry_after(Duration::from_secs(1)))
        })
    }

    async fn wait_for(&self, min_valid: Duration) -> Result<Answer, Error> {
        // Once for what the store has, once for what the issuer gives, once for a token that was rejected meanwhile.
        for _ in 0..MAX_FLIGHTS_OF_A_CALL {
            match self.step(min_valid)? {
                Step::HandOut(answer) => return Ok(answer),
                Step::Wait(flight) => {
                    let issued = landed(flight).await?;
                    self.check_life(&issued, min_valid)?;
                }
            }
        }
        match self.step(min_valid)? {
            Step::HandOut(answer) => Ok(answer),
            Step::Wait(_) if min_valid.is_zero() => {
                Err(Error::new(Code::Unavailable, "tokens are obtained, but are refused or over at once")
                    .with_key(self.key())
                    .with_next("look whether the API accepts them, and at the life that the issuer gives")
                    .with_retry_after(Duration::from_secs(1)))
            }
            Step::Wait(_) => Err(Error::new(
                Code::InvalidRequest,
                format!("min_valid is {} s, and new tokens come with less", min_valid.as_secs_f32()),
            )
            .with_key(self.key())
            .with_next("ask for less")),
        }
    }

    /// Decides what this caller gets now, and starts a flight if one is needed.
    fn step(&self, min_valid: Duration) -> Result<Step, Error> {
        let now = self.shared.clock.now();
        let mut state = self.slot.lock();
        let live = self.slot.live();
        self.slot.touch(live.as_deref(), now);
        let phase = classify(live.as_deref(), now, min_valid);
        let provider = self.slot.provider();
        let decision = decide(phase, state.gate(provider, now));
        if let (Decision::HandOut | Decision::HandOutAndRefresh, Some(live)) = (decision, &live) {
            if decision == Decision::HandOutAndRefresh && self.shared.scheduler.is_running() {
                self.shared.launch_ahead(&self.slot, &mut state);
            }
            return Ok(Step::HandOut(self.shared.answer(&self.slot, &state, live, now)));
        }
        if let Some(live) = &live {
            self.check_life(live, min_valid)?;
        }
        // Whoever asks while a flight is under way shares its answer, also a probe's after a refusal.
        if let Some(flight) = state.flight() {
            return Ok(Step::Wait(flight.clone()));
        }
        let above = live.as_ref().map_or(0, |live| live.generation());
        if decision == Decision::Decline
            && let Some(failure) = state.obstacle(provider, now)
        {
            if !self.shared.may_look(&mut state, now) {
                return Err(declined(self.key(), &failure, now));
            }
            let start = Start { above, trigger: Trigger::Look };
            return Ok(Step::Wait(self.shared.launch(&self.slot, &mut state, start, None)));
        }
        if let (Phase::MustWait | Phase::Expired, Some(live)) = (phase, &live) {
            self.shared.emit(Event::Expired { key: self.key().clone(), generation: live.generation() });
        }
        Ok(Step::Wait(self.shared.launch(&self.slot, &mut state, Start { above, trigger: Trigger::Caller }, None)))
    }

    /// No request helps a caller who needs more life than the issuer ever gives.
    fn check_life(&self, issued: &IssuedToken, min_valid: Duration) -> Result<(), Error> {
        match issued.life() {
            Some(life) if min_valid > Duration::ZERO && life <= min_valid => Err(Error::new(
                Code::InvalidRequest,
                format!("min_valid is {} s, but the issuer's tokens live {} s", min_valid.as_secs(), life.as_secs()),
            )
            .with_key(self.key())
            .with_next("ask for less")),
            _ => Ok(()),
        }
    }
}

/// What a caller gets now.
enum Step {
    HandOut(Answer),
    Wait(FlightReceiver),
}

/// What all handles, flights and background tasks of a manager have in common.
pub(crate) struct Shared {
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    providers: HashMap<Box<str>, Arc<ProviderRuntime>>,
    slots: Slots,
    scheduler: Scheduler,
    tasks: TaskTracker,
    events: broadcast::Sender<Event>,
    /// Who this manager is to the other users of its store.
    holder: Holder,
    store_trouble: Mutex<Option<(StoreTask, String)>>,
    /// How many calls of [`TokenManager::stop`] wait: what goes on trying to save ends then.
    finishing: watch::Sender<u32>,
}

impl Shared {
    fn slot(self: &Arc<Self>, text: &str) -> Result<Arc<Slot>, Error> {
        if let Some(slot) = self.slots.find(text) {
            return Ok(slot);
        }
        let key = Key::parse(text).map_err(|error| {
            Error::new(Code::InvalidRequest, format!("{:?} is not a key: {error}", shortened(text)))
                .with_next("a key is provider or provider:account")
        })?;
        let provider = self.provider_of(&key)?;
        let slot = self.slots.find_or_insert(Slot::new(key, provider, self.clock.now()));
        self.schedule_next(&slot, &mut slot.lock());
        Ok(slot)
    }

    /// Whether a caller who is turned away may have the store looked at first: a manager that was not started does not
    /// notice by itself that another process has overcome the failure.
    fn may_look(&self, state: &mut State, now: Moment) -> bool {
        let busy = state.busy();
        let looked = busy.looked_at.is_some_and(|looked| now.since(looked) < LOOK_INTERVAL);
        if self.scheduler.is_running() || looked {
            return false;
        }
        busy.looked_at = Some(now);
        true
    }

    fn provider_of(&self, key: &Key) -> Result<Arc<ProviderRuntime>, Error> {
        let Some(provider) = self.providers.get(key.provider()) else {
            let mut names: Vec<_> = self.providers.keys().map(|name| &**name).collect();
            names.sort_unstable();
            let next = if names.is_empty() {
                "no provider is configured: add [providers.NAME]".to_owned()
            } else {
                names.truncate(20);
                format!("configured are: {}", names.join(", "))
            };
            return Err(Error::new(Code::UnknownKey, "there is no such provider").with_key(key).with_next(next));
        };
        if provider.accounts == Accounts::Default && key.account() != Key::DEFAULT_ACCOUNT {
            return Err(Error::new(Code::UnknownKey, "this provider has no such account")
                .with_key(key)
                .with_next(format!("use {}", key.provider())));
        }
        Ok(Arc::clone(provider))
    }

    fn answer(&self, slot: &Slot, state: &State, live: &Arc<IssuedToken>, now: Moment) -> Answer {
        let mut warnings = self.warnings(Some(state));
        warnings.extend(token_warnings(Some(live), state.failure(), &slot.provider().policy, now));
        Answer { token: Token::new(Arc::clone(live), now), warnings }
    }

    fn warnings(&self, state: Option<&State>) -> Vec<Warning> {
        let unsaved = state.and_then(|state| state.unsaved()).map(|_| Warning::Unsaved);
        let failing = self.store_trouble().map(|what| Warning::StoreFailing { what });
        unsaved.into_iter().chain(failing).collect()
    }

    async fn clear(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), Error> {
        {
            let mut state = slot.lock();
            slot.withdraw(&mut state);
            state.busy().failure = None;
        }
        self.emit(Event::Cleared { key: slot.key().clone() });
        // On a task of its own, so that a caller who leaves does not leave the store half-told.
        let (shared, own) = (Arc::clone(self), Arc::clone(slot));
        let cleared = self.tasks.spawn(async move { flight::clear_stored(&shared, &own).await });
        let outcome = cleared.await.map_err(|_| lost_flight().with_key(slot.key()))?;
        self.wake_soon(slot, &mut slot.lock());
        outcome.map_err(|error| {
            Error::new(Code::Unavailable, format!("cleared here, but not in the store: {error}"))
                .with_key(slot.key())
                .with_next("clear it again when the store works")
                .with_retry_after(Duration::from_secs(5))
        })
    }

    async fn status(&self, slot: &Slot) -> Status {
        let cold = slot.live().is_none() && slot.lock().failure().is_none();
        let stored = if cold { self.read(slot).await.ok().flatten() } else { None };
        self.status_of(slot.key(), slot.provider(), Some(slot), stored.as_ref())
    }

    /// The status of a key from what is in memory and what is stored; what is in memory is newer.
    fn status_of(&self, key: &Key, provider: &ProviderRuntime, slot: Option<&Slot>, stored: Option<&Stored>) -> Status {
        let now = self.clock.now();
        let state = slot.map(Slot::lock);
        let obsolete = state.as_ref().map_or(0, |state| state.obsolete());
        let stored = stored.map(|stored| &stored.record);
        let stored_token = stored.and_then(|record| record.token.clone());
        let live = slot.and_then(Slot::live).or(stored_token.filter(|token| token.generation() > obsolete));
        let own = state.as_ref().and_then(|state| state.failure().cloned());
        let hold = || provider.hold(now).filter(|_| live.is_none()).as_deref().cloned();
        let failure = own.or_else(|| stored?.failure.clone()).or_else(hold);
        let last = stored.map_or(obsolete, |record| record.generation.max(obsolete));
        let facts = Facts {
            key,
            issuer: provider.source.issuer(),
            policy: &provider.policy,
            token: live.as_deref(),
            generation: live.as_ref().map_or(last, |live| live.generation()),
            failure: failure.as_ref(),
            now,
            warnings: self.warnings(state.as_deref()),
        };
        facts.into_status()
    }

    /// Reads on until there are enough or no more: stored keys whose provider is not configured have no status.
    async fn statuses(&self, after: Option<&Key>, limit: usize) -> Vec<Status> {
        let mut in_memory = BTreeMap::new();
        self.slots.for_each(|slot| {
            if after.is_none_or(|after| slot.key() > after) {
                in_memory.insert(slot.key().clone(), Some(Arc::clone(slot)));
            }
        });
        for name in self.providers.keys() {
            if let Some(key) = Key::parse(name).ok().filter(|key| after.is_none_or(|after| key > after)) {
                in_memory.entry(key).or_insert(None);
            }
        }
        let mut statuses = BTreeMap::new();
        let mut from = after.cloned();
        while statuses.len() < limit {
            let page = self.store.page(from.as_ref(), PAGE).await;
            self.note_store(StoreTask::Read, &page);
            // A store that fails hides only what is not in memory.
            let page = page.unwrap_or_default();
            let last = page.len() < PAGE;
            from = page.last().map(|(key, _)| key.clone()).or(from);
            for (key, stored) in page {
                let slot = in_memory.remove(&key).flatten();
                if let Ok(provider) = self.provider_of(&key) {
                    let stored = normalized(stored, &provider, &*self.clock, self.clock.now());
                    let cold =
                        slot.as_ref().is_none_or(|slot| slot.live().is_none() && slot.lock().failure().is_none());
                    let status = self.status_of(&key, &provider, slot.as_deref(), cold.then_some(&stored));
                    statuses.insert(key, status);
                }
            }
            if last {
                break;
            }
        }
        for (key, slot) in in_memory {
            if let Ok(provider) = self.provider_of(&key) {
                let status = self.status_of(&key, &provider, slot.as_deref(), None);
                statuses.insert(key, status);
            }
        }
        statuses.into_values().take(limit).collect()
    }

    async fn finish(&self) -> Result<(), Error> {
        self.finishing.send_modify(|finishing| *finishing += 1);
        self.tasks.wait().await;
        self.finishing.send_modify(|finishing| *finishing -= 1);
        let mut unsaved = Vec::new();
        self.slots.for_each(|slot| {
            if slot.lock().unsaved().is_some() {
                unsaved.push(Arc::clone(slot));
            }
        });
        let mut lost = Vec::new();
        for slot in unsaved {
            if !flight::save_again(self, &slot).await {
                lost.push(slot.key().to_string());
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::Internal, format!("not saved: the tokens of {}", lost.join(", ")))
            .with_next("a rotated refresh token among them is lost: mend the store and log in again"))
    }

    pub(crate) fn emit(&self, event: Event) {
        event.log();
        // Nobody listening is the normal case.
        self.events.send(event).ok();
    }

    pub(crate) fn store_trouble(&self) -> Option<String> {
        let trouble = self.store_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_ref().map(|(_, what)| what.clone())
    }

    /// Remembers whether the store works, and says so when that changes. What failed is well again when it, or more
    /// than it, succeeds: a full disk still reads.
    pub(crate) fn note_store<T>(&self, task: StoreTask, outcome: &Result<T, StoreError>) {
        let news = {
            let mut trouble = self.store_trouble.lock().unwrap_or_else(PoisonError::into_inner);
            let known = trouble.as_ref().map(|(failed, _)| *failed);
            match (outcome, known) {
                (Ok(_), Some(failed)) if task >= failed => {
                    *trouble = None;
                    Some(Event::StoreRecovered)
                }
                (Ok(_), _) => None,
                (Err(error), known) => {
                    *trouble = Some((known.map_or(task, |failed| failed.max(task)), error.to_string()));
                    known.is_none().then(|| Event::StoreFailed { what: error.to_string() })
                }
            }
        };
        if let Some(event) = news {
            self.emit(event);
        }
    }
}

/// What a store is asked to do, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StoreTask {
    Read,
    Lease,
    Save,
}

impl fmt::Debug for TokenManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenManager")
            .field("store", &self.shared.store.label())
            .field("providers", &self.providers())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHandle({})", self.key())
    }
}

/// Waits for a flight to end.
async fn landed(mut flight: FlightReceiver) -> Result<Arc<IssuedToken>, Error> {
    match flight.wait_for(Option::is_some).await {
        Ok(result) => result.clone().unwrap_or_else(|| Err(lost_flight())),
        Err(_) => Err(lost_flight()),
    }
}

fn lost_flight() -> Error {
    Error::new(Code::Internal, "the attempt to obtain a token broke off").with_next("try again; the log says why")
}

/// The error of a caller for whom the issuer is not asked.
fn declined(key: &Key, failure: &Failure, now: Moment) -> Error {
    let code = match failure.kind {
        FailureKind::Unavailable | FailureKind::RateLimited => Code::Unavailable,
        FailureKind::Refused => Code::Refused,
        FailureKind::LoginRequired => Code::LoginRequired,
    };
    let mut error = Error::new(code, failure.what.clone()).with_key(key);
    if code == Code::Unavailable {
        error = error.with_retry_after(failure.retry_at.remaining(now).max(Duration::from_secs(1)));
    }
    match &failure.next {
        Some(next) => error.with_next(next.clone()),
        None => error,
    }
}

/// How many flights a call may wait for.
const MAX_FLIGHTS_OF_A_CALL: u32 = 3;
/// How often the store is looked at for callers who are turned away.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Stored records that are read at once for a list.
const PAGE: usize = 500;

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
