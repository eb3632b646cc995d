//! All keys: hands out their tokens, and has them obtained when it must.
//!
//! The hard problem is that everybody asks at once and anybody may leave at any moment. So a caller never asks the
//! issuer itself: it either finds a good token ([`slot`], without a lock), or joins the one [`flight`] of its key,
//! which runs as a task of the manager and ends for all who wait at the same time. What a caller finds is decided by
//! the pure functions of [`crate::expiry`], in [`handle`]; [`scheduler`] starts flights ahead of time for keys that are
//! in use.

mod account;
mod backoff;
mod build;
mod claims;
mod cleanup;
mod demand;
mod diagnose;
mod flight;
mod guarded_store;
mod handle;
mod import;
mod keep_always;
mod lately;
mod meters;
#[cfg(test)]
mod model;
mod provider;
mod record;
mod reload;
mod scheduler;
mod slot;
mod slots;
mod source_settings;
mod spending;
mod statuses;
mod store_trouble;
mod sync;
mod trial;
mod watch_store;
mod ways;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, watch};

use self::meters::StoreMeters;
use self::provider::ProviderRuntime;
use self::reload::Providers;
use self::scheduler::Scheduler;
use self::slot::Slot;
use self::slots::Slots;
use self::store_trouble::StoreTrouble;
use self::sync::{ArcSwap, Mutex, TaskTracker};
use crate::clock::{Clock, Moment};
use crate::environment::overrides::Overrides;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::failure::{Failure, FailureKind};
use crate::key::Key;
use crate::provider::Accounts;
use crate::source::{Keep, Maker};
use crate::status::Status;
use crate::store::{Holder, Store};
use crate::token::Token;

pub(crate) use store_trouble::StoreTask;

pub use build::ManagerBuilder;
pub use cleanup::{CLEANUP_GRACE, CLEANUP_INTERVAL};
pub use demand::{Answer, Demand};
pub use handle::TokenHandle;
pub use import::Imported;
pub use reload::Reloaded;
pub use source_settings::SourceSettings;
pub use trial::{Trial, TrialLife, TrialToken};

/// Obtains, keeps, renews and hands out the tokens of any number of keys. Cheap to clone; all clones are one manager.
///
/// Making one spawns nothing. Without [`TokenManager::start`] it works on demand: a token is obtained or renewed when
/// somebody asks and there is none good. Started, it also renews the tokens of keys in use ahead of their end.
/// Call [`TokenManager::stop`] or [`TokenManager::close`] before the program ends: a request that is under way can bring
/// a refresh token that must be saved.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// use tokenkeep::TokenManager;
///
/// async fn names(tokens: TokenManager) -> Result<String, tokenkeep::Error> {
///     let token = tokens.token("graph").await?; // a token that is good now, whoever asked for it first
///     Ok(format!("{} {}", token.token_type(), token.generation()))
/// }
/// let (one, other) = tokio::join!(names(manager.clone()), names(manager.clone()));
/// assert_eq!((one?.as_str(), other?.as_str()), ("Bearer 1", "Bearer 1"));
/// assert_eq!(sandbox.counters_of("reports").token_requests, 1);
/// manager.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenManager {
    shared: Arc<Shared>,
}

impl TokenManager {
    /// Starts to put a manager together.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// let manager = TokenManager::builder().build().await?; // of no providers: a configuration or code names them
    /// assert!(manager.providers().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::default()
    }

    /// The handle of a key; `unknown_key` if there is no such provider or account, `invalid_request` if it is no key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// let account = manager.handle("bluestakes:123")?; // asks nobody: whether it has credentials is not looked at yet
    /// let error = manager.handle("grahp").unwrap_err();
    /// assert_eq!(error.code(), tokenkeep::Code::UnknownKey);
    /// # Ok(())
    /// # }
    /// ```
    pub fn handle(&self, key: &str) -> Result<TokenHandle, Error> {
        let slot = self.shared.slot(key)?;
        Ok(TokenHandle::new(Arc::clone(&self.shared), slot))
    }

    /// A good token of a key. Fails as [`TokenManager::handle`] and [`TokenHandle::token`] do.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let token = manager.token("graph").await?;
    /// let request = http::Request::get("https://api.example.com/").header("authorization", token.authorization());
    /// # request.body(())?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn token(&self, key: &str) -> Result<Token, Error> {
        match self.shared.slots.fresh(key, self.shared.clock.now()) {
            Some(token) => Ok(token),
            None => self.handle(key)?.token().await,
        }
    }

    /// Starts the background work on this runtime: renewal ahead of time, recovery by itself, noticing what other
    /// processes did to a shared store, and a clean-up every [`CLEANUP_INTERVAL`]. Does nothing if it runs.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// manager.start();
    /// manager.start(); // does nothing
    /// assert!(manager.is_running());
    /// # manager.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(&self) {
        if !self.is_running() {
            tracing::info!(store = self.shared.store.label(), "tokens are kept in this store");
        }
        self.shared.scheduler.start(&self.shared);
    }

    /// Ends the background work, waits for flights that are under way, and tries once more to save what could not be
    /// saved. Tokens can still be had afterwards.
    ///
    /// The error says that some token is not saved; it names the keys.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// manager.start();
    /// let _token = manager.token("graph").await?;
    /// manager.stop().await?; // renews nothing ahead any more, and all that was obtained is saved
    /// assert!(manager.token("graph").await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stop(&self) -> Result<(), Error> {
        self.shared.scheduler.stop().await;
        self.shared.finish().await
    }

    /// Stops, and closes the store: what a program does before it ends. The store is of no use afterwards.
    /// The error is that of [`TokenManager::stop`]; the store is closed all the same.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// manager.start();
    /// if let Err(error) = manager.close().await {
    ///     eprintln!("{error}"); // names the keys whose token is lost, and says what to do
    /// }
    /// assert!(!manager.is_running());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) -> Result<(), Error> {
        let stopped = self.stop().await;
        self.shared.store.close().await;
        stopped
    }

    /// Whether the background work runs.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert!(!manager.is_running()); // building it spawned nothing
    /// manager.start();
    /// assert!(manager.is_running());
    /// # manager.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_running(&self) -> bool {
        self.shared.scheduler.is_running()
    }

    /// What happens to tokens from now on. A receiver that falls behind by more than a thousand events misses the
    /// oldest; nobody waits for it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::Event;
    ///
    /// let mut events = manager.events();
    /// manager.token("graph").await?;
    /// assert!(matches!(events.recv().await?, Event::Obtained { key, generation: 1, .. } if key.as_str() == "graph"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// The status of all keys that this manager or its store knows, in the order of their keys, at most `limit` from
    /// the first after `after`; fewer only when there are no more. A provider that needs no account in the store is
    /// there even if its token was never asked for.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let first = manager.statuses(None, 1).await;
    /// let next = manager.statuses(first.last().map(|status| &status.key), 1).await; // the next page
    /// let keys = first.iter().chain(&next).map(|status| status.key.as_str());
    /// assert_eq!(keys.collect::<Vec<_>>(), ["cloud", "graph"]); // bluestakes has no account yet
    /// # Ok(())
    /// # }
    /// ```
    pub async fn statuses(&self, after: Option<&Key>, limit: usize) -> Vec<Status> {
        for (name, provider) in self.shared.providers.load_full().iter() {
            if provider.source().keep() == Keep::InMemory
                && let Ok(handle) = self.handle(name)
            {
                handle.have_for_nothing().await;
            }
        }
        self.shared.statuses(after, limit).await
    }

    /// The names of the configured providers, sorted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert_eq!(manager.providers(), ["bluestakes", "cloud", "graph"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn providers(&self) -> Vec<String> {
        let mut names: Vec<_> = self.shared.providers.load().keys().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    /// The time by the clock of this manager.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Moment, TokenManager};
    /// # #[derive(Debug)]
    /// # struct Stopped(Moment);
    /// # impl tokenkeep::Clock for Stopped {
    /// #     fn now(&self) -> Moment {
    /// #         self.0
    /// #     }
    /// #     fn boot_id(&self) -> &str {
    /// #         "test"
    /// #     }
    /// # }
    /// let noon = Moment { wall_ms: 1_900_000_000_000, boot_ms: 0 };
    /// let manager = TokenManager::builder().clock(std::sync::Arc::new(Stopped(noon))).build().await?;
    /// assert_eq!(manager.now(), noon);
    /// # Ok(())
    /// # }
    /// ```
    pub fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// Whether a provider of this name is configured.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert!(manager.has_provider("graph") && !manager.has_provider("grahp"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn has_provider(&self, name: &str) -> bool {
        self.shared.providers.load().contains_key(name)
    }

    /// The same as an error: `unknown_key`, which names what is configured, if there is no such provider;
    /// `invalid_request` if none can have this name.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert!(manager.check_provider("graph").is_ok());
    /// let error = manager.check_provider("grahp").unwrap_err();
    /// assert_eq!(error.code(), tokenkeep::Code::UnknownKey);
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_provider(&self, name: &str) -> Result<(), Error> {
        let key = parsed(name)?;
        if self.has_provider(name) { Ok(()) } else { Err(self.shared.unknown_provider(&key)) }
    }

    /// What the store does not do, if it does not do its work, or what is wrong with a record in it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{TokenManager, store::StoreUrl};
    /// let store = StoreUrl::parse("sqlite:/dev/null/tokens.db")?; // where no file can be
    /// let manager = TokenManager::builder().store_url(store).build().await?; // is no error: tokens go on from memory
    /// assert!(manager.store_trouble().is_some_and(|what| what.contains("/dev/null")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn store_trouble(&self) -> Option<String> {
        self.shared.store_trouble()
    }

    /// Whether the store as a whole does not do its work; a record that alone cannot be read does not count.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{TokenManager, store::StoreUrl};
    /// let store = StoreUrl::parse("sqlite:/dev/null/tokens.db")?; // where no file can be
    /// let manager = TokenManager::builder().store_url(store).build().await?;
    /// assert!(manager.is_store_failing());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_store_failing(&self) -> bool {
        self.shared.is_store_failing()
    }

    /// How many keys are in memory.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert_eq!(manager.keys_in_memory(), 0);
    /// let _graph = manager.handle("graph")?;
    /// assert_eq!(manager.keys_in_memory(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn keys_in_memory(&self) -> usize {
        self.shared.slots.len()
    }
}

/// What all handles, flights and background tasks of a manager have in common.
pub(crate) struct Shared {
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    store_meters: Arc<StoreMeters>,
    /// Whether somebody chose it.
    store_is_named: bool,
    /// Whether the store says what is due; see [`claims`].
    claims: AtomicBool,
    claims_fail: AtomicBool,
    /// Places for claimed keys that are seen to.
    claimed: Arc<Semaphore>,
    providers: ArcSwap<Providers>,
    sources: Maker,
    overrides: Overrides,
    slots: Slots,
    scheduler: Scheduler,
    tasks: TaskTracker,
    events: broadcast::Sender<Event>,
    /// Who this manager is to the other users of its store.
    holder: Holder,
    store_trouble: Mutex<StoreTrouble>,
    /// How many calls of [`TokenManager::stop`] wait: what goes on trying to save ends then.
    finishing: watch::Sender<u32>,
}

impl Shared {
    fn slot(self: &Arc<Self>, text: &str) -> Result<Arc<Slot>, Error> {
        if let Some(slot) = self.slots.find(text) {
            return if slot.provider().is_removed { Err(self.unknown_provider(slot.key())) } else { Ok(slot) };
        }
        let key = parsed(text)?;
        let provider = self.provider_of(&key)?;
        let slot = self.slots.find_or_insert(Slot::new(key, provider));
        // The configuration may have changed just before the slot was there to be seen.
        self.adopt(&slot);
        self.schedule_next(&slot, &mut slot.lock());
        Ok(slot)
    }

    fn provider_of(&self, key: &Key) -> Result<Arc<ProviderRuntime>, Error> {
        let provider = self.providers.load().get(key.provider()).cloned();
        let provider = provider.ok_or_else(|| self.unknown_provider(key))?;
        if provider.accounts() == Accounts::Default && key.account() != Key::DEFAULT_ACCOUNT {
            return Err(Error::new(Code::UnknownKey, "this provider has no such account")
                .with_key(key)
                .with_next(format!("use {}", key.provider())));
        }
        Ok(provider)
    }

    async fn clear(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), Error> {
        let provider = slot.provider();
        if provider.is_removed {
            return Err(self.unknown_provider(slot.key()));
        }
        provider.ways.first_works(slot.key());
        {
            let mut state = slot.lock();
            slot.withdraw(&mut state);
            let busy = state.busy();
            busy.failure = None;
            busy.looked_at = None;
        }
        // On a task of its own, so that a caller who leaves does not leave the store half-told.
        let (shared, own) = (Arc::clone(self), Arc::clone(slot));
        let cleared = self.tasks.spawn(async move { flight::clear_stored(&shared, &own, flight::Clear::Token).await });
        let outcome = cleared.await.map_err(|_| lost_flight().with_key(slot.key()))?;
        // Anybody can name an account of which there is nothing.
        if slot.key().account() == Key::DEFAULT_ACCOUNT || slot.is_known() {
            self.emit(Event::Cleared { key: slot.key().clone() });
        }
        self.wake_soon(slot, &mut slot.lock());
        outcome.map_err(|_| {
            Error::new(Code::Unavailable, "cleared here, but not in the store, which does not work")
                .with_key(slot.key())
                .with_next("clear it again when the store works")
                .with_retry_after(Duration::from_secs(5))
        })
    }

    async fn finish(self: &Arc<Self>) -> Result<(), Error> {
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
        let mut loses_a_login = false;
        for slot in unsaved {
            if !flight::save_again(self, &slot).await {
                lost.push(slot.key().to_string());
                loses_a_login |= slot.lock().unsaved().is_some_and(|record| record.refresh_token.is_some());
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        let next = if loses_a_login {
            "a rotated refresh token among them is lost: mend the store and log in again"
        } else {
            "mend the store; until then each process that needs them asks the issuer itself"
        };
        Err(Error::new(Code::Internal, format!("not saved: the tokens of {}", lost.join(", "))).with_next(next))
    }

    pub(crate) fn emit(&self, event: Event) {
        event.log();
        // Nobody listening is the normal case.
        self.events.send(event).ok();
    }
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

/// Stored records that are read at once.
const PAGE: usize = 500;

fn parsed(key: &str) -> Result<Key, Error> {
    Key::parse(key).map_err(|error| Error::invalid_key(key, &error))
}
