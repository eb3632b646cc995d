//! From providers, a store and a clock to a manager.

use std::collections::HashMap;
use std::fmt;
#[cfg(feature = "config")]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Semaphore, broadcast, watch};

use super::claims::MAX_CLAIMED;
use super::guarded_store::GuardedStore;
use super::meters::StoreMeters;
use super::provider::ProviderRuntime;
use super::scheduler::Scheduler;
use super::slots::Slots;
use super::source_settings::SourceSettings;
use super::sync::{ArcSwap, Mutex, TaskTracker};
use super::{Shared, StoreTask, TokenManager};
use crate::clock::{Clock, SystemClock};
#[cfg(feature = "config")]
use crate::config::{self, Config};
use crate::environment::overrides::Overrides;
use crate::environment::{Environment, Prefixed, ProcessEnvironment, is_variable_name};
use crate::error::{Code, Error};
use crate::key::check_provider_name;
use crate::provider::Provider;
#[cfg(feature = "stores")]
use crate::seal::SealKey;
use crate::source::{Maker, TokenSource};
use crate::store::{Holder, MemoryStore, Store};
#[cfg(feature = "stores")]
use crate::store::{MAKE_A_KEY, ReopeningStore, SERVERS_NEED_KEYS, StoreUrl};

/// Puts a manager together.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::TokenManager;
///
/// let manager = TokenManager::builder()
///     .config_text("[providers.billing]\ngrant = \"static\"\ntoken = { env = \"API_KEY\" }")
///     .environment(|name: &str| (name == "API_KEY").then(|| "an-api-key".to_owned()))
///     .build()
///     .await?;
/// assert_eq!(manager.token("billing").await?.expose_secret(), "an-api-key");
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct ManagerBuilder {
    clock: Option<Arc<dyn Clock>>,
    store: StoreChoice,
    #[cfg(feature = "stores")]
    seal_keys: Vec<SealKey>,
    providers: Vec<Provider>,
    sources: Vec<(Box<str>, Arc<dyn TokenSource>, SourceSettings)>,
    #[cfg(feature = "config")]
    unread: Option<Unread>,
    environment: Option<Arc<dyn Environment>>,
    env_prefix: Option<String>,
}

/// A configuration that is still to be read.
#[cfg(feature = "config")]
enum Unread {
    File(PathBuf),
    Text(String),
}

#[derive(Default)]
enum StoreChoice {
    /// None was named, and so it is in memory.
    #[default]
    None,
    #[cfg(feature = "stores")]
    Url(StoreUrl),
    Open(Arc<dyn Store>),
}

impl ManagerBuilder {
    /// Adds a provider.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokenkeep::provider::{Grant, Provider};
    /// use tokenkeep::{Secret, TokenManager};
    ///
    /// let grant = Grant::Static { token: Secret::new("an-api-key") };
    /// let manager = TokenManager::builder().provider(Provider::new("billing", grant)?).build().await?;
    /// assert_eq!(manager.token("billing").await?.expose_secret(), "an-api-key");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Adds providers.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::provider::{Grant, Provider};
    /// # use tokenkeep::{Secret, TokenManager};
    /// let provider = |name| Provider::new(name, Grant::Static { token: Secret::new("an-api-key") });
    /// let manager = TokenManager::builder().providers([provider("billing")?, provider("maps")?]).build().await?;
    /// assert_eq!(manager.providers(), ["billing", "maps"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn providers(mut self, providers: impl IntoIterator<Item = Provider>) -> Self {
        self.providers.extend(providers);
        self
    }

    /// Takes over what a configuration file says of providers, the store and the keys that seal it. A store that it
    /// names takes the place of one that was chosen before.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{TokenManager, config};
    /// # let sandbox = issuer().await?;
    /// # let toml = configuration(&sandbox);
    /// let mut config = config::parse(&toml, "tokenkeep.toml", "/etc".as_ref(), &environment).await?;
    /// config.providers.retain(|provider| provider.name() == "graph"); // a program may change what it read
    /// let manager = TokenManager::builder().config(config).build().await?;
    /// assert_eq!(manager.providers(), ["graph"]);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "config")]
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.providers.extend(config.providers);
        self.seal_keys.extend(config.seal_keys);
        match config.store {
            Some(url) => self.store_url(url),
            None => self,
        }
    }

    /// Reads this configuration file when the manager is built, with [`ManagerBuilder::environment`] for its variables.
    /// What is wrong with it is in that error, all of it, each fault at its place; what should be changed is logged.
    ///
    /// A store that the program chose stays. Of several files and texts only the last is read.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokenkeep.toml");
    /// std::fs::write(&path, "[providers.billing]\ngrant = \"statik\"\n")?;
    /// let error = TokenManager::builder().config_file(&path).build().await.unwrap_err();
    /// assert!(error.to_string().contains("tokenkeep.toml:2:9")); // and what to write there
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "config")]
    #[must_use]
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.unread = Some(Unread::File(path.into()));
        self
    }

    /// As [`ManagerBuilder::config_file`], but this is what would stand in the file; relative paths in it are taken
    /// from the folder that the program runs in.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// # let sandbox = issuer().await?;
    /// # let token_url = sandbox.token_url();
    /// let toml = format!(r#"
    ///     [providers.graph]
    ///     grant = "client_credentials"
    ///     token_url = "{token_url}"
    ///     client_id = "reports"
    ///     client_secret = {{ env = "GRAPH_CLIENT_SECRET" }}
    /// "#);
    /// let manager = TokenManager::builder().config_text(toml).environment(environment).build().await?;
    /// assert!(manager.token("graph").await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "config")]
    #[must_use]
    pub fn config_text(mut self, toml: impl Into<String>) -> Self {
        self.unread = Some(Unread::Text(toml.into()));
        self
    }

    /// Looks variables up here instead of in the environment of this process.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// # let sandbox = issuer().await?;
    /// # let toml = configuration(&sandbox);
    /// use std::collections::HashMap;
    ///
    /// let variables = [("GRAPH_CLIENT_SECRET", "reports-secret"), ("EMERGENCY_TOKEN", "an-emergency-token")];
    /// let environment: HashMap<_, _> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    /// let manager = TokenManager::builder().config_text(toml).environment(environment).build().await?;
    /// assert!(manager.token("graph").await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn environment(mut self, environment: impl Environment + 'static) -> Self {
        self.environment = Some(Arc::new(environment));
        self
    }

    /// Takes variables that begin with this prefix, e.g. `MYAPP_`, and no others: those that the configuration names,
    /// and four that hold for all providers, whatever is configured for each.
    ///
    /// | variable, after the prefix | says |
    /// |---|---|
    /// | `TOKEN_REFRESH_INTERVAL_MINUTES` | renew tokens that are so old, and before they end; see [`crate::expiry::Refresh::Every`] |
    /// | `TOKEN_ENABLE_PERIODIC_REFRESH` | `false`: renew a token only when somebody asks and it is over; `true`: also ahead of that |
    /// | `TOKEN_MAX_FAILURES_BEFORE_FALLBACK` | use the fallbacks after so many failures in a row, from 1 |
    /// | `TOKEN_ENABLE_FALLBACK` | `false`: never use fallbacks |
    ///
    /// One that is not set, or is empty, changes nothing. Without a prefix (the default, unlike an empty one) these four
    /// are not read.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// # let toml = "[providers.billing]\ngrant = \"static\"\ntoken = { env = \"KEY\" }";
    /// let environment = |name: &str| match name {
    ///     "MYAPP_KEY" => Some("an-api-key".to_owned()), // what the configuration calls { env = "KEY" }
    ///     "MYAPP_TOKEN_ENABLE_FALLBACK" => Some("perhaps".to_owned()),
    ///     _ => None,
    /// };
    /// let builder = TokenManager::builder().config_text(toml).environment(environment).env_prefix("MYAPP_");
    /// let error = builder.build().await.unwrap_err();
    /// assert!(error.to_string().contains("MYAPP_TOKEN_ENABLE_FALLBACK"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.env_prefix = Some(prefix.into());
        self
    }

    /// Adds a provider whose tokens come from a source of your own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use tokenkeep::fingerprint::Fingerprint;
    /// use tokenkeep::source::{Ask, FetchError, Fetched, TokenSource};
    /// use tokenkeep::{Secret, SourceSettings, TokenManager};
    ///
    /// #[derive(Debug)]
    /// struct Vault;
    ///
    /// #[async_trait::async_trait]
    /// impl TokenSource for Vault {
    ///     async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
    ///         let token = Secret::new(format!("token-of-{}", ask.key.account()));
    ///         Ok(Fetched::new(token).expiring_in(std::time::Duration::from_mins(10)))
    ///     }
    ///     fn issuer(&self) -> &str {
    ///         "vault"
    ///     }
    ///     fn fingerprint(&self) -> Fingerprint {
    ///         Fingerprint::of([("source", "vault")])
    ///     }
    /// }
    ///
    /// let builder = TokenManager::builder().source("vault", Arc::new(Vault), SourceSettings::default());
    /// let manager = builder.build().await?;
    /// assert_eq!(manager.token("vault").await?.expose_secret(), "token-of-default");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn source(mut self, name: &str, source: Arc<dyn TokenSource>, settings: SourceSettings) -> Self {
        self.sources.push((name.into(), source, settings));
        self
    }

    /// Keeps records in the store at this URL. Without one they are kept in memory.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::TokenManager;
    /// use tokenkeep::store::StoreUrl;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokens.db");
    /// let store = StoreUrl::parse(&format!("sqlite:{}", path.display()))?;
    /// let manager = TokenManager::builder().store_url(store).build().await?;
    /// assert!(path.exists()); // the key that it makes for itself lies beside it
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "stores")]
    #[must_use]
    pub fn store_url(mut self, url: StoreUrl) -> Self {
        self.store = StoreChoice::Url(url);
        self
    }

    /// Adds keys for the store at the URL: the first of all seals, each opens. Without one the store makes its own, in
    /// a file beside it. A store in memory is not sealed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{TokenManager, store::StoreUrl};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokens.db");
    /// # let store = StoreUrl::parse(&format!("sqlite:{}", path.display()))?;
    /// use tokenkeep::seal::SealKey;
    ///
    /// let (key, text) = SealKey::generate()?; // once; keep the text where secrets are kept
    /// let manager = TokenManager::builder().store_url(store).seal_keys([key]).build().await?;
    /// assert_eq!(manager.store_trouble(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "stores")]
    #[must_use]
    pub fn seal_keys(mut self, keys: impl IntoIterator<Item = SealKey>) -> Self {
        self.seal_keys.extend(keys);
        self
    }

    /// Keeps records in this store as it is; wrap it in a [`crate::store::SealedStore`] to have them sealed.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = issuer().await?;
    /// # let builder = || TokenManager::builder().config_text(configuration(&sandbox)).environment(environment);
    /// use std::sync::Arc;
    /// use tokenkeep::TokenManager;
    /// use tokenkeep::clock::SystemClock;
    /// use tokenkeep::store::MemoryStore;
    ///
    /// // Two managers of one configuration that share their tokens, as two processes do with a store on disk.
    /// let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    /// let (one, other) = (builder().store(store.clone()).build().await?, builder().store(store).build().await?);
    /// let token = one.token("graph").await?;
    /// assert_eq!(token.expose_secret(), other.token("graph").await?.expose_secret());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = StoreChoice::Open(store);
        self
    }

    /// Tells the time by this clock instead of the system's.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use tokenkeep::{Clock, Moment, TokenManager};
    ///
    /// /// A test's clock: it stands still.
    /// #[derive(Debug)]
    /// struct Stopped(Moment);
    ///
    /// impl Clock for Stopped {
    ///     fn now(&self) -> Moment {
    ///         self.0
    ///     }
    ///     fn boot_id(&self) -> &str {
    ///         "test"
    ///     }
    /// }
    ///
    /// let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// let manager = TokenManager::builder().clock(Arc::new(Stopped(noon))).build().await?;
    /// # assert!(!manager.is_running());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Opens the store and makes the manager. Spawns nothing, asks no issuer.
    ///
    /// A store that cannot be opened is no error: tokens go on from memory, log and status say so, and it is opened as
    /// soon as it can be; see [`TokenManager::store_trouble`]. Where none is named, neither by the program nor by its
    /// configuration, tokens are kept in memory.
    ///
    /// `invalid_request` if a name is no name or stands twice, if the configuration or a variable is wrong, if there are
    /// `seal_keys` for a store of the program's own or none for one on a server, or if no store is named though a
    /// provider's refresh token is replaced by each use: the next start would have one that is spent.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Code, TokenManager, config};
    /// let error = TokenManager::builder().config_text("[providers.billing]").build().await.unwrap_err();
    /// assert_eq!(error.code(), Code::InvalidRequest);
    /// assert!(error.to_string().contains("grant"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn build(mut self) -> Result<TokenManager, Error> {
        #[cfg_attr(not(feature = "config"), expect(unused_variables, reason = "only a configuration names variables"))]
        let (environment, overrides) = self.read_environment()?;
        #[cfg(feature = "config")]
        self.read_config(&*environment).await?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        #[cfg(feature = "stores")]
        if matches!(self.store, StoreChoice::Open(_)) && !self.seal_keys.is_empty() {
            let what = "seal_keys are for a store at a URL, and this program brings a store of its own";
            return Err(Error::new(Code::InvalidRequest, what)
                .with_next("leave them out, and wrap the store in a SealedStore if it is to be sealed"));
        }
        #[cfg(feature = "stores")]
        if matches!(&self.store, StoreChoice::Url(url) if url.is_on_server()) && self.seal_keys.is_empty() {
            return Err(Error::new(Code::InvalidRequest, SERVERS_NEED_KEYS).with_next(MAKE_A_KEY));
        }
        let store_is_named = !matches!(self.store, StoreChoice::None);
        let store: Arc<dyn Store> = match self.store {
            StoreChoice::None => Arc::new(MemoryStore::new(Arc::clone(&clock))),
            StoreChoice::Open(store) => store,
            #[cfg(feature = "stores")]
            StoreChoice::Url(url) => Arc::new(ReopeningStore::new(url, self.seal_keys, Arc::clone(&clock))),
        };
        let sources = Maker::new(&clock);
        let mut providers = HashMap::new();
        let configured =
            self.providers.iter().map(|provider| ProviderRuntime::of_config(provider, &sources, &overrides));
        let own = self.sources.into_iter().map(|(name, source, settings)| settings.provider(name, source, &overrides));
        for runtime in configured.chain(own) {
            check_provider_name(&runtime.name)
                .map_err(|error| Error::new(Code::InvalidRequest, format!("provider {:?}: {error}", runtime.name)))?;
            runtime.check_store(store_is_named)?;
            let name = runtime.name.clone();
            if providers.insert(name.clone(), Arc::new(runtime)).is_some() {
                return Err(Error::new(Code::InvalidRequest, format!("provider {name:?} is there twice")));
            }
        }
        // Closed from the start, so that it can be waited for at any time, by several; that keeps no task out.
        let tasks = TaskTracker::new();
        tasks.close();
        let store_meters = Arc::new(StoreMeters::default());
        let store = Arc::new(GuardedStore::new(store, Arc::clone(&clock), Arc::clone(&store_meters)));
        let shared = Shared {
            clock,
            store,
            store_meters,
            store_is_named,
            claims: AtomicBool::new(false),
            claims_fail: AtomicBool::new(false),
            claimed: Arc::new(Semaphore::new(MAX_CLAIMED)),
            providers: ArcSwap::from_pointee(providers),
            sources,
            overrides,
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

    /// The environment that variables are looked up in, and what it says of all providers.
    fn read_environment(&mut self) -> Result<(Arc<dyn Environment>, Overrides), Error> {
        let all = self.environment.take().unwrap_or_else(|| Arc::new(ProcessEnvironment));
        match &self.env_prefix {
            None => Ok((all, Overrides::default())),
            Some(prefix) if prefix.is_empty() || is_variable_name(prefix) => {
                if !prefix.is_empty() && !prefix.ends_with('_') {
                    tracing::warn!("the prefix {prefix} does not end in '_': variables are named {prefix}TENANT");
                }
                let overrides = Overrides::read(prefix, &*all)?;
                Ok((Arc::new(Prefixed::new(prefix, all)), overrides))
            }
            Some(prefix) => {
                let what = format!("no environment variable can begin with {prefix:?}");
                Err(Error::new(Code::InvalidRequest, what).with_next("use a prefix such as MYAPP_"))
            }
        }
    }

    /// Reads the configuration that is still to be read.
    #[cfg(feature = "config")]
    async fn read_config(&mut self, environment: &dyn Environment) -> Result<(), Error> {
        let config = match self.unread.take() {
            None => return Ok(()),
            Some(Unread::File(path)) => config::load(&path, environment).await?,
            Some(Unread::Text(text)) => config::parse(&text, "configuration", "".as_ref(), environment).await?,
        };
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let chosen = std::mem::take(&mut self.store);
        *self = std::mem::take(self).config(config);
        if !matches!(chosen, StoreChoice::None) {
            self.store = chosen;
        }
        Ok(())
    }
}

// What it was given can be secret.
impl fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let configured = self.providers.iter().map(Provider::name);
        let own = self.sources.iter().map(|(name, ..)| &**name);
        let providers: Vec<_> = configured.chain(own).collect();
        f.debug_struct("ManagerBuilder").field("providers", &providers).finish_non_exhaustive()
    }
}

impl From<crate::key::InvalidKey> for Error {
    fn from(error: crate::key::InvalidKey) -> Self {
        Self::new(Code::InvalidRequest, error.to_string())
    }
}

/// Events that a receiver may fall behind.
const EVENTS: usize = 1024;
