//! What a manager knows of one key.
//!
//! The token itself is read without a lock. Everything else is behind a mutex that is held for a few instructions and
//! never across an await. Most keys are idle most of the time, so what only a busy or troubled key needs is boxed and
//! goes away when it is no longer needed.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::lately::Lately;
use super::provider::ProviderRuntime;
use super::sync::{ArcSwap, ArcSwapOption, AtomicU32, Mutex, MutexGuard};
use crate::clock::Moment;
use crate::error::Error;
use crate::expiry::{Gate, IN_USE_LIVES, Phase, classify};
use crate::failure::Failure;
use crate::key::Key;
use crate::store::{Record, Version};
use crate::token::{IssuedToken, Token};

pub(crate) struct Slot {
    key: Key,
    provider: ArcSwap<ProviderRuntime>,
    live: ArcSwapOption<IssuedToken>,
    /// The second, on the boot clock, in which somebody asked last; 0: nobody did.
    used_at: AtomicU32,
    /// The second, on the boot clock, in which the scheduler looks at this slot; 0: not at all. Written under the lock.
    wakes_at: AtomicU32,
    state: Mutex<State>,
}

/// What is known of a key beside its token.
#[derive(Default)]
pub(crate) struct State {
    /// The store's version that the token was read from or written as.
    pub(crate) version: u64,
    busy: Option<Box<Busy>>,
}

/// What only a busy or troubled key needs.
#[derive(Default)]
pub(crate) struct Busy {
    /// The flight that is under way.
    pub(crate) flight: Option<FlightReceiver>,
    /// The failure in force.
    pub(crate) failure: Option<Failure>,
    /// When the issuer was last asked, if that is not the token's own time.
    pub(crate) asked_at: Option<Moment>,
    /// Tokens up to this generation were rejected or cleared and do not count.
    pub(crate) obsolete: u64,
    /// The store does not know yet that the last token was rejected.
    pub(crate) rejected: bool,
    /// When the store was last looked at for something better than the failure in force.
    pub(crate) looked_at: Option<Moment>,
    /// A record that could not be saved yet. It may hold the only copy of a rotated refresh token.
    pub(crate) unsaved: Option<Arc<Record>>,
    /// Some flight's task goes on trying to save it.
    pub(crate) saving: bool,
    /// The store knows it, and it is to be renewed whether anybody asks or not.
    pub(crate) kept: bool,
    /// What went wrong, though it may be over.
    pub(crate) lately: Option<Box<Lately>>,
    /// Whom to tell of new tokens.
    pub(crate) subscribers: Option<watch::Sender<Option<Token>>>,
}

/// What a flight came to, for all who wait for it.
pub(crate) type FlightResult = Result<Arc<IssuedToken>, Error>;
pub(crate) type FlightReceiver = watch::Receiver<Option<FlightResult>>;

impl Slot {
    pub(crate) fn new(key: Key, provider: Arc<ProviderRuntime>) -> Self {
        Self {
            key,
            provider: ArcSwap::new(provider),
            live: ArcSwapOption::empty(),
            used_at: AtomicU32::new(0),
            wakes_at: AtomicU32::new(0),
            state: Mutex::default(),
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The provider as it is configured now.
    pub(crate) fn provider(&self) -> Arc<ProviderRuntime> {
        self.provider.load_full()
    }

    /// Goes over to the provider as it is configured from now on.
    pub(crate) fn set_provider(&self, _: &mut State, provider: Arc<ProviderRuntime>) {
        self.provider.store(provider);
    }

    /// Puts the same token, under another policy, in place of the present one.
    pub(crate) fn replace_live(&self, _: &mut State, token: IssuedToken) {
        self.live.store(Some(Arc::new(token)));
    }

    /// The token, for somebody who asks, if it is good and nothing is to be done: the path that almost every call takes.
    #[inline]
    pub(crate) fn fresh(&self, now: Moment) -> Option<Token> {
        let live = self.live.load();
        let issued = live.as_ref().filter(|issued| classify(Some(issued), now, Duration::ZERO) == Phase::Fresh)?;
        self.touch(now);
        Some(Token::new(issued.share(), now))
    }

    /// Whether there is a token that can be handed out.
    pub(crate) fn serves(&self, now: Moment) -> bool {
        self.live.load().as_ref().is_some_and(|live| live.serves(now))
    }

    /// Notes that somebody asked; whether nobody had in this second. Writes no more often, so that readers do not fight
    /// for the cache line.
    #[inline]
    pub(crate) fn touch(&self, now: Moment) -> bool {
        let second = seconds(now);
        let is_first = self.used_at.load(Ordering::Relaxed) != second;
        if is_first {
            self.used_at.store(second, Ordering::Relaxed);
        }
        is_first
    }

    pub(crate) fn wakes_at(&self) -> u32 {
        self.wakes_at.load(Ordering::Relaxed)
    }

    /// Notes in which second the scheduler looks at this slot.
    pub(crate) fn set_wakes_at(&self, _: &mut State, second: u32) {
        self.wakes_at.store(second, Ordering::Relaxed);
    }

    /// Whether something came of the key, or was kept: anybody can name one of which nothing is.
    pub(crate) fn is_known(&self) -> bool {
        let state = self.lock();
        self.live().is_some() || state.version > 0 || state.obsolete() > 0 || state.asked_at().is_some()
    }

    pub(crate) fn live(&self) -> Option<Arc<IssuedToken>> {
        self.live.load_full()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a fault of ours in one call; the others go on with what is there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this the present token, unless it was rejected meanwhile, and tells the subscribers.
    /// `failure` is what the store remembers beside the token, e.g. that renewing it fails.
    pub(crate) fn publish(
        &self,
        state: &mut State,
        issued: &Arc<IssuedToken>,
        failure: Option<Failure>,
        version: Option<Version>,
        now: Moment,
    ) {
        if let Some(version) = version {
            state.version = version.0;
        }
        if failure.is_some() || state.failure().is_some() {
            state.busy().failure = failure;
        }
        if issued.generation() <= state.obsolete() {
            return;
        }
        self.live.store(Some(Arc::clone(issued)));
        if let Some(busy) = &mut state.busy {
            busy.asked_at = None;
            busy.rejected = false;
            if let Some(subscribers) = &busy.subscribers {
                subscribers.send_replace(Some(Token::new(Arc::clone(issued), now)));
            }
        }
    }

    /// Takes the present token out of memory; in the store it counts as before.
    pub(crate) fn set_aside(&self, state: &mut State) {
        self.live.store(None);
        if let Some(subscribers) = state.busy_if_any().and_then(|busy| busy.subscribers.as_ref()) {
            subscribers.send_replace(None);
        }
    }

    /// Takes the present token away, so that nobody is handed it again.
    pub(crate) fn withdraw(&self, state: &mut State) {
        if let Some(live) = self.live.swap(None) {
            let busy = state.busy();
            busy.obsolete = busy.obsolete.max(live.generation());
            let later = busy.asked_at.filter(|asked| asked.boot_ms > live.sent_at().boot_ms);
            busy.asked_at = later.or(Some(live.sent_at()));
            if let Some(subscribers) = &busy.subscribers {
                subscribers.send_replace(None);
            }
        }
    }

    /// Whether this key is worth renewing ahead: somebody subscribed to it, or asked for it within its last lives.
    pub(crate) fn is_in_use(&self, state: &State, now: Moment) -> bool {
        if state.has_subscribers() {
            return true;
        }
        let used_at = self.used_at.load(Ordering::Relaxed);
        let life = self.live.load().as_ref().and_then(|live| live.life()).unwrap_or(IN_USE_WITHOUT_TOKEN);
        let idle = Duration::from_secs(seconds(now).saturating_sub(used_at).into());
        used_at > 0 && idle <= life.saturating_mul(IN_USE_LIVES)
    }
}

impl State {
    /// The part that only a busy key has, made if it is not there.
    pub(crate) fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// The part that only a busy key has, if it is there.
    pub(crate) fn busy_if_any(&mut self) -> Option<&mut Busy> {
        self.busy.as_deref_mut()
    }

    pub(crate) fn flight(&self) -> Option<&FlightReceiver> {
        self.busy.as_ref()?.flight.as_ref()
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.busy.as_ref()?.failure.as_ref()
    }

    pub(crate) fn lately(&self) -> Option<&Lately> {
        self.busy.as_ref()?.lately.as_deref()
    }

    /// The same to note something in.
    pub(crate) fn lately_mut(&mut self) -> &mut Lately {
        self.busy().lately.get_or_insert_default()
    }

    pub(crate) fn asked_at(&self) -> Option<Moment> {
        self.busy.as_ref()?.asked_at
    }

    pub(crate) fn obsolete(&self) -> u64 {
        self.busy.as_ref().map_or(0, |busy| busy.obsolete)
    }

    pub(crate) fn unsaved(&self) -> Option<&Arc<Record>> {
        self.busy.as_ref()?.unsaved.as_ref()
    }

    pub(crate) fn is_rejected(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.rejected)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.kept)
    }

    pub(crate) fn has_subscribers(&self) -> bool {
        let subscribers = self.busy.as_ref().and_then(|busy| busy.subscribers.as_ref());
        subscribers.is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Whether the issuer may be asked for this key.
    pub(crate) fn gate(&self, provider: &ProviderRuntime, now: Moment) -> Gate {
        match Gate::after(self.failure(), now) {
            Gate::Open => provider.gate(now),
            closed => closed,
        }
    }

    /// The failure that closes the gate, if it is closed.
    pub(crate) fn obstacle(&self, provider: &ProviderRuntime, now: Moment) -> Option<Failure> {
        match Gate::after(self.failure(), now) {
            Gate::Open => provider.hold(now).as_deref().cloned(),
            Gate::BackingOff(_) | Gate::Refused(_) => self.failure().cloned(),
        }
    }

    /// Gives back what is no longer needed.
    pub(crate) fn settle(&mut self, live: Option<&IssuedToken>, now: Moment) {
        let Some(busy) = &mut self.busy else { return };
        if busy.subscribers.as_ref().is_some_and(|sender| sender.receiver_count() == 0) {
            busy.subscribers = None;
        }
        if busy.lately.as_ref().is_some_and(|lately| lately.is_over(now)) {
            busy.lately = None;
        }
        let calm = busy.flight.is_none()
            && busy.lately.is_none()
            && busy.failure.is_none()
            && busy.unsaved.is_none()
            && busy.subscribers.is_none()
            && live.is_some_and(|live| live.generation() > busy.obsolete);
        if calm {
            self.busy = None;
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({})", self.key)
    }
}

/// Seconds on the boot clock, as small as they can be kept.
pub(crate) fn seconds(now: Moment) -> u32 {
    u32::try_from(now.boot_ms / 1000).unwrap_or(if now.boot_ms < 0 { 0 } else { u32::MAX })
}

/// What counts as a life of a key without a token.
const IN_USE_WITHOUT_TOKEN: Duration = Duration::from_mins(1);
