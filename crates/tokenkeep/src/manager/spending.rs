//! Counts each request against its provider's budget, for all who share the store.

use super::provider::ProviderRuntime;
use super::{Shared, StoreTask};
use crate::budget::Spending;
use crate::failure::{Failure, FailureKind};

impl Shared {
    /// Counts one request. If the budget is spent, the failure that holds all keys of the provider from now on.
    pub(super) async fn spend(&self, provider: &ProviderRuntime) -> Result<(), Failure> {
        let Some(budget) = provider.settings.budget else { return Ok(()) };
        let spending = self.store.spend(&provider.name, budget).await;
        self.note_store(StoreTask::Lease, &spending);
        let now = self.clock.now();
        // What is counted here holds when the store does not count for all.
        let here = provider.spend_here(budget, now);
        let Spending::Exhausted(wait) = spending.unwrap_or(here) else { return Ok(()) };
        let exhausted = Failure {
            kind: FailureKind::RateLimited,
            what: format!("the budget of {budget} to {} is spent", provider.source().issuer()),
            next: None,
            count: 1,
            since: now,
            retry_at: now.plus(wait),
        };
        provider.hold_all(&exhausted, now);
        Err(exhausted)
    }
}
