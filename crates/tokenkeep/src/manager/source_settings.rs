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
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same for other accounts.
    #[must_use]
    pub fn with_accounts(mut self, accounts: Accounts) -> Self {
        self.accounts = accounts;
        self
    }

    /// The same for this API.
    #[must_use]
    pub fn with_api(mut self, api: ApiSettings) -> Self {
        self.api = api;
        self
    }

    /// The same with a limit on requests.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The same with one more source, used after those before it.
    #[must_use]
    pub fn with_fallback(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.fallbacks.push(source);
        self
    }

    /// The same, with the fallbacks used after so many failures in a row; at least 1.
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
        ProviderRuntime::new(name, ways, Settings { policy: overrides.policy(&policy), accounts, api, budget })
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
