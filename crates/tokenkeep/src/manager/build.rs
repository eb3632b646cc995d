//! From providers, a store and a clock to a manager.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use super::provider::{ProviderRuntime, Settings};
use super::scheduler::Scheduler;
use super::slots::Slots;
use super::sync::{ArcSwap, Mutex, TaskTracker};
use super::ways::Ways;
use super::{Shared, StoreTask, TokenManager};
use crate::budget::Budget;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::expiry::Policy;
use crate::key::check_provider_name;
use crate::provider::{Accounts, ApiSettings, DEFAULT_MAX_FAILURES, Provider};
use crate::seal::SealKey;
use crate::source::TokenSource;
use crate::source::http::HttpClient;
use crate::store::{Holder, MemoryStore, ReopeningStore, Store, StoreUrl};

/// How a source of your own is used; as a provider is configured.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// When its tokens are renewed.
    pub policy: Policy,
    /// Whose tokens it can obtain.
    pub accounts: Accounts,
    /// The API that they are for.
    pub api: ApiSettings,
    /// How many requests the issuer allows.
    pub budget: Option<Budget>,
    /// Further sources, for when it fails.
    pub fallbacks: Vec<Arc<dyn TokenSource>>,
    /// After how many failures in a row they are used; at least 1.
    pub max_failures: u32,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            accounts: Accounts::Default,
            api: ApiSettings::default(),
            budget: None,
            fallbacks: Vec::new(),
            max_failures: DEFAULT_MAX_FAILURES,
        }
    }
}

impl SourceSettings {
    /// The default but for the policy.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The default but for the accounts.
    #[must_use]
    pub fn with_accounts(self, accounts: Accounts) -> Self {
        Self { accounts, ..self }
    }
}

/// Puts a manager together.
///
/// ```
/// # use tokenkeep::{TokenManager, provider::{Grant, Provider}, Secret};
/// # async fn example() -> Result<(), tokenkeep::Error> {
/// let grant = Grant::Static { token: Secret::new("an-api-key") };
/// let manager = TokenManager::builder().provider(Provider::new("billing", grant)?).build().await?;
/// let token = manager.token("billing").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ManagerBuilder {
    clock: Option<Arc<dyn Clock>>,
    store: StoreChoice,
    seal_keys: Vec<SealKey>,
    providers: Vec<Provider>,
    sources: Vec<ProviderRuntime>,
}

#[derive(Debug, Default)]
enum StoreChoice {
    #[default]
    Memory,
    Url(StoreUrl),
    Open(Arc<dyn Store>),
}

impl ManagerBuilder {
    /// Adds a provider.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Adds providers.
    #[must_use]
    pub fn providers(mut self, providers: impl IntoIterator<Item = Provider>) -> Self {
        self.providers.extend(providers);
        self
    }

    /// Takes over what a configuration file says of providers, the store and the keys that seal it.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.providers.extend(config.providers);
        self.seal_keys.extend(config.seal_keys);
        match config.store {
            Some(url) => self.store_url(url),
            None => self,
        }
    }

    /// Adds a provider whose tokens come from a source of your own.
    #[must_use]
    pub fn source(mut self, name: &str, source: Arc<dyn TokenSource>, settings: SourceSettings) -> Self {
        let SourceSettings { policy, accounts, api, budget, fallbacks, max_failures } = settings;
        let ways = Ways::new(source, fallbacks, max_failures);
        self.sources.push(ProviderRuntime::new(name.into(), ways, Settings { policy, accounts, api, budget }));
        self
    }

    /// Keeps records in the store at this URL. Without one they are kept in memory.
    #[must_use]
    pub fn store_url(mut self, url: StoreUrl) -> Self {
        self.store = StoreChoice::Url(url);
        self
    }

    /// Adds keys for the store at the URL: the first of all seals, each opens. Without one the store makes its own, in
    /// a file beside it. A store in memory is not sealed.
    #[must_use]
    pub fn seal_keys(mut self, keys: impl IntoIterator<Item = SealKey>) -> Self {
        self.seal_keys.extend(keys);
        self
    }

    /// Keeps records in this store as it is; wrap it in a [`crate::store::SealedStore`] to have them sealed.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = StoreChoice::Open(store);
        self
    }

    /// Tells the time by this clock instead of the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Opens the store and makes the manager. Spawns nothing, asks no issuer.
    ///
    /// A store that cannot be opened is no error: tokens go on from memory, log and status say so, and it is opened as
    /// soon as it can be; see [`TokenManager::store_trouble`]. `invalid_request` if a name is no name or stands twice.
    pub async fn build(self) -> Result<TokenManager, Error> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let store: Arc<dyn Store> = match self.store {
            StoreChoice::Memory => Arc::new(MemoryStore::new(Arc::clone(&clock))),
            StoreChoice::Open(store) => store,
            StoreChoice::Url(url) => Arc::new(ReopeningStore::new(url, self.seal_keys, Arc::clone(&clock))),
        };
        let http = HttpClient::new(Arc::clone(&clock));
        let mut providers = HashMap::new();
        let configured = self.providers.iter().map(|provider| ProviderRuntime::of_config(provider, &http));
        for runtime in configured.chain(self.sources) {
            check_provider_name(&runtime.name)
                .map_err(|error| Error::new(Code::InvalidRequest, format!("provider {:?}: {error}", runtime.name)))?;
            let name = runtime.name.clone();
            if providers.insert(name.clone(), Arc::new(runtime)).is_some() {
                return Err(Error::new(Code::InvalidRequest, format!("provider {name:?} is there twice")));
            }
        }
        // Closed from the start, so that it can be waited for at any time, by several; that keeps no task out.
        let tasks = TaskTracker::new();
        tasks.close();
        let shared = Shared {
            clock,
            store,
            providers: ArcSwap::from_pointee(providers),
            http,
            slots: Slots::new(),
            scheduler: Scheduler::default(),
            tasks,
            holder: Holder::unique(),
            events: broadcast::channel(EVENTS).0,
            store_trouble: Mutex::default(),
            finishing: watch::channel(0).0,
        };
        let first_look = shared.store.newest_version().await;
        shared.note_store(StoreTask::Read, &first_look);
        Ok(TokenManager { shared: Arc::new(shared) })
    }
}

impl From<crate::key::InvalidKey> for Error {
    fn from(error: crate::key::InvalidKey) -> Self {
        Self::new(Code::InvalidRequest, error.to_string())
    }
}

/// Events that a receiver may fall behind.
const EVENTS: usize = 1024;
