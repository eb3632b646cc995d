//! How a source of the program's own is used.

use std::sync::Arc;

use super::provider::{ProviderRuntime, Settings};
use super::ways::Ways;
use crate::budget::Budget;
use crate::environment::overrides::Overrides;
use crate::expiry::Policy;
use crate::provider::{Accounts, ApiSettings, DEFAULT_MAX_FAILURES};
use crate::source::TokenSource;

/// How a source of your own is used; as a provider is configured.
///
/// ```
/// use tokenkeep::SourceSettings;
/// use tokenkeep::budget::Budget;
/// use tokenkeep::provider::Accounts;
///
/// let settings = SourceSettings::default().with_accounts(Accounts::Any).with_budget(Budget::parse("10/1m")?);
/// assert_eq!(settings.max_failures, 1);
/// # Ok::<_, tokenkeep::budget::InvalidBudget>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
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

impl SourceSettings {
    /// The same with another policy.
    ///
    /// ```
    /// # use tokenkeep::SourceSettings;
    /// use tokenkeep::expiry::{Policy, Refresh};
    ///
    /// let policy = Policy { refresh: Refresh::Always, ..Policy::default() };
    /// let settings = SourceSettings::default().with_policy(policy);
    /// assert_eq!(settings.policy.refresh, Refresh::Always);
    /// ```
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same for other accounts.
    ///
    /// ```
    /// # use tokenkeep::SourceSettings;
    /// # use tokenkeep::provider::Accounts;
    /// let settings = SourceSettings::default().with_accounts(Accounts::Any); // vault, vault:ann, vault:bob…
    /// assert_eq!(settings.accounts, Accounts::Any);
    /// ```
    #[must_use]
    pub fn with_accounts(mut self, accounts: Accounts) -> Self {
        self.accounts = accounts;
        self
    }

    /// The same for this API.
    ///
    /// ```
    /// # use tokenkeep::SourceSettings;
    /// use tokenkeep::provider::{ApiBase, ApiSettings, Transport};
    ///
    /// let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
    /// let settings = SourceSettings::default().with_api(ApiSettings::default().with_base(base));
    /// assert!(settings.api.base.is_some());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_api(mut self, api: ApiSettings) -> Self {
        self.api = api;
        self
    }

    /// The same with a limit on requests.
    ///
    /// ```
    /// # use tokenkeep::SourceSettings;
    /// use tokenkeep::budget::Budget;
    ///
    /// let settings = SourceSettings::default().with_budget(Budget::parse("10/1m")?);
    /// assert_eq!(settings.budget.map(Budget::requests), Some(10));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The same with one more source, used after those before it.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tokenkeep::SourceSettings;
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// # use tokenkeep::source::{Ask, Fault, FetchError, Fetched, TokenSource};
    /// # #[derive(Debug)]
    /// # struct Backup;
    /// # #[async_trait::async_trait]
    /// # impl TokenSource for Backup {
    /// #     async fn fetch(&self, _: Ask<'_>) -> Result<Fetched, FetchError> {
    /// #         Err(FetchError::new(Fault::Unavailable, "there is no backup"))
    /// #     }
    /// #     fn issuer(&self) -> &str {
    /// #         "backup"
    /// #     }
    /// #     fn fingerprint(&self) -> Fingerprint {
    /// #         Fingerprint::of([("source", "backup")])
    /// #     }
    /// # }
    ///
    /// let settings = SourceSettings::default().with_fallback(Arc::new(Backup)); // a `TokenSource`, as the first is
    /// assert_eq!(settings.fallbacks.len(), 1);
    /// ```
    #[must_use]
    pub fn with_fallback(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.fallbacks.push(source);
        self
    }

    /// The same, with the fallbacks used after so many failures in a row; at least 1.
    ///
    /// ```
    /// # use tokenkeep::SourceSettings;
    /// let settings = SourceSettings::default().with_max_failures(3); // a hiccup is not worth a fallback
    /// assert_eq!(settings.max_failures, 3);
    /// ```
    #[must_use]
    pub fn with_max_failures(mut self, max_failures: u32) -> Self {
        self.max_failures = max_failures;
        self
    }

    pub(super) fn provider(
        self,
        name: Box<str>,
        source: Arc<dyn TokenSource>,
        overrides: &Overrides,
    ) -> ProviderRuntime {
        let Self { policy, accounts, api, budget, fallbacks, max_failures } = self;
        let ways = Ways::new(source, overrides.fallbacks(fallbacks), overrides.max_failures(max_failures));
        ProviderRuntime::new(
            name,
            ways,
            Settings { policy: overrides.policy(&policy), accounts, api: Arc::new(api), budget },
        )
    }
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
