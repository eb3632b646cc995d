//! From providers, a store and a clock to a manager.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, watch};
use tokio_util::task::TaskTracker;

use super::provider::ProviderRuntime;
use super::scheduler::Scheduler;
use super::slots::Slots;
use super::{Accounts, Shared, TokenManager};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::expiry::Policy;
use crate::key::check_provider_name;
use crate::provider::{ApiSettings, Provider};
use crate::source::http::HttpClient;
use crate::source::{TokenSource, from_provider};
use crate::store::{self, Holder, MemoryStore, Store, StoreUrl};

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
    providers: Vec<Provider>,
    sources: Vec<(String, Arc<dyn TokenSource>, Policy, Accounts)>,
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

    /// Takes over what a configuration file says of providers and the store.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.providers.extend(config.providers);
        match config.store {
            Some(url) => self.store_url(url),
            None => self,
        }
    }

    /// Adds a provider whose tokens come from a source of your own.
    #[must_use]
    pub fn source(mut self, name: &str, source: Arc<dyn TokenSource>, policy: Policy, accounts: Accounts) -> Self {
        self.sources.push((name.to_owned(), source, policy, accounts));
        self
    }

    /// Keeps records in the store at this URL. Without one they are kept in memory.
    #[must_use]
    pub fn store_url(mut self, url: StoreUrl) -> Self {
        self.store = StoreChoice::Url(url);
        self
    }

    /// Keeps records in this store.
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
    /// `invalid_request` if a name is no name or stands twice, `unavailable` if the store cannot be opened.
    pub async fn build(self) -> Result<TokenManager, Error> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let store = match self.store {
            StoreChoice::Memory => Arc::new(MemoryStore::new(Arc::clone(&clock))),
            StoreChoice::Open(store) => store,
            StoreChoice::Url(url) => store::open(&url, &clock).await.map_err(|error| {
                Error::new(Code::Unavailable, error.to_string()).with_next("mend it, or configure another store")
            })?,
        };
        let http = HttpClient::new(Arc::clone(&clock));
        let mut providers = HashMap::new();
        let configured = self.providers.into_iter().map(|provider| {
            let source = from_provider(&provider, &http);
            (provider.name().to_owned(), source, provider.policy, Accounts::Default, provider.api)
        });
        let own = self
            .sources
            .into_iter()
            .map(|(name, source, policy, accounts)| (name, source, policy, accounts, ApiSettings::default()));
        for (name, source, policy, accounts, api) in configured.chain(own) {
            check_provider_name(&name)
                .map_err(|error| Error::new(Code::InvalidRequest, format!("provider {name:?}: {error}")))?;
            let runtime = ProviderRuntime::new(name.as_str().into(), source, policy, accounts).with_api(api);
            if providers.insert(runtime.name.clone(), Arc::new(runtime)).is_some() {
                return Err(Error::new(Code::InvalidRequest, format!("provider {name:?} is there twice")));
            }
        }
        // Closed from the start, so that it can be waited for at any time, by several; that keeps no task out.
        let tasks = TaskTracker::new();
        tasks.close();
        let shared = Shared {
            clock,
            store,
            providers,
            slots: Slots::new(),
            scheduler: Scheduler::default(),
            tasks,
            holder: Holder::unique(),
            events: broadcast::channel(EVENTS).0,
            store_trouble: Mutex::default(),
            finishing: watch::channel(0).0,
        };
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
