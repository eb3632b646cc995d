//! A configured way to get tokens: what a table `[providers.NAME]` says, in types that cannot be half-right.

#[cfg(feature = "url")]
mod address;
#[cfg(feature = "url")]
mod api;
mod api_settings;
#[cfg(feature = "grants")]
mod endpoint;
mod grant;
mod header;
#[cfg(feature = "config")]
pub(crate) mod login;

use std::time::Duration;

use crate::budget::Budget;
use crate::expiry::Policy;
use crate::key::{InvalidKey, check_provider_name};

#[cfg(feature = "grants")]
pub(crate) use self::address::is_loopback;
#[cfg(feature = "url")]
pub use self::address::{InvalidUrl, TokenUrl, Transport};
#[cfg(feature = "url")]
pub use self::api::{ApiBase, InvalidPath};
pub use self::api_settings::ApiSettings;
#[cfg(feature = "grants")]
pub use self::endpoint::{ClientAuth, ResourceOwner, TokenEndpointSettings};
pub use self::grant::Grant;
#[cfg(feature = "config")]
pub(crate) use self::header::is_of_connection;
pub use self::header::{InvalidHeader, OwnHeader, TokenHeader};
#[cfg(feature = "config")]
pub use self::login::LoginSettings;

/// A configured way to get tokens.
///
/// ```
/// use tokenkeep::provider::{Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
/// use tokenkeep::Secret;
///
/// let token_url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
/// let endpoint = TokenEndpointSettings::new(token_url, "reports")
///     .with_client_secret(Secret::new("reports-secret"))
///     .with_scope(["reports.read"])
///     .with_extra("audience", "https://api.example.com");
/// let graph = Provider::new("graph", Grant::ClientCredentials(endpoint))?; // for `ManagerBuilder::provider`
/// assert_eq!(graph.max_failures, 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Provider {
    name: Box<str>,
    /// How tokens are asked for.
    pub grant: Grant,
    /// Whose tokens they are.
    pub accounts: Accounts,
    /// When they are renewed.
    pub policy: Policy,
    /// The API that they are for.
    pub api: ApiSettings,
    /// How many requests the issuer allows, all keys, processes and restarts together.
    pub budget: Option<Budget>,
    /// Further ways to ask, in their order, for when the first fails.
    pub fallbacks: Vec<Grant>,
    /// After how many failures in a row of the first way the others are used; at least 1.
    pub max_failures: u32,
}

/// Whose tokens a provider obtains.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// use tokenkeep::Code;
///
/// // One account, so that a key has no second part:
/// assert_eq!(manager.handle("graph:123").unwrap_err().code(), Code::UnknownKey);
/// // `accounts = "stored"`:
/// assert!(manager.handle("bluestakes:123").is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    /// Those of [`crate::Key::DEFAULT_ACCOUNT`] only.
    Default,
    /// Those of the accounts whose credentials the store has.
    Stored,
    /// Those of whatever account a key names; the source knows who that is.
    Any,
}

impl Provider {
    /// A provider with the default policy, one account, and an API that nothing is known of. Its name is checked as
    /// [`crate::Key::parse`] does.
    ///
    /// ```
    /// # use tokenkeep::provider::{Accounts, Grant, Provider};
    /// # use tokenkeep::Secret;
    /// # let grant = Grant::Static { token: Secret::new("an-api-key") };
    /// assert!(Provider::new("bill/ing", grant.clone()).is_err());
    /// assert_eq!(Provider::new("billing", grant)?.accounts, Accounts::Default);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(name: &str, grant: Grant) -> Result<Self, InvalidKey> {
        check_provider_name(name)?;
        Ok(Self {
            name: name.into(),
            grant,
            accounts: Accounts::Default,
            policy: Policy::default(),
            api: ApiSettings::default(),
            budget: None,
            fallbacks: Vec::new(),
            max_failures: DEFAULT_MAX_FAILURES,
        })
    }

    /// The same with another policy.
    ///
    /// ```
    /// # use tokenkeep::provider::{Accounts, Grant, Provider};
    /// # use tokenkeep::Secret;
    /// # let grant = Grant::Static { token: Secret::new("an-api-key") };
    /// use tokenkeep::expiry::{Policy, Refresh};
    ///
    /// let policy = Policy { refresh: Refresh::OnDemand, ..Policy::default() };
    /// let billing = Provider::new("billing", grant)?.with_policy(policy);
    /// assert_eq!(billing.policy.refresh, Refresh::OnDemand);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same for this API.
    ///
    /// ```
    /// # use tokenkeep::provider::{Accounts, Grant, Provider};
    /// # use tokenkeep::Secret;
    /// # let grant = Grant::Static { token: Secret::new("an-api-key") };
    /// use tokenkeep::provider::{ApiBase, ApiSettings, Transport};
    ///
    /// let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
    /// let billing = Provider::new("billing", grant)?.with_api(ApiSettings::default().with_base(base));
    /// assert!(billing.api.base.is_some());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_api(mut self, api: ApiSettings) -> Self {
        self.api = api;
        self
    }

    /// Its name, the first part of its keys.
    ///
    /// ```
    /// # use tokenkeep::provider::{Accounts, Grant, Provider};
    /// # use tokenkeep::Secret;
    /// # let grant = Grant::Static { token: Secret::new("an-api-key") };
    /// assert_eq!(Provider::new("billing", grant)?.name(), "billing");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// After how many failures in a row of the first way the fallbacks are used, unless configured.
pub const DEFAULT_MAX_FAILURES: u32 = 1;
/// The longest time that one request to an issuer may be given.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(25);
