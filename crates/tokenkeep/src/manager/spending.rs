//! Counts each request against its provider's budget, for all who share the store.

use super::provider::ProviderRuntime;
use super::{Shared, StoreTask};
use crate::budget::Spending;
use crate::failure::{Failure, FailureKind};

impl Shared {
    /// Counts one request. If the budget is spent, the failure that holds all keys of the provider from now on, unless it
    /// has other ways.
    pub(super) async fn spend(&self, provider: &ProviderRuntime) -> Result<(), Failure> {
        let Some(budget) = provider.settings.budget else { return Ok(()) };
        // What this process counted holds too, and is counted before the store is asked: while that does not work, it
        // is all there is, and others are at it at the same moment.
        let mut spending = provider.spend_here(budget, self.clock.now());
        if spending == Spending::Counted {
            let counted = self.store.spend(&provider.name, budget.as_counted()).await;
            self.note_store(StoreTask::Lease, &counted);
            spending = counted.unwrap_or(Spending::Counted);
            if spending != Spending::Counted {
                provider.give_back_here();
            }
            if let Spending::Exhausted(wait) = spending {
                provider.meters.spent_until(self.clock.now().plus(wait));
            }
        }
        let Spending::Exhausted(wait) = spending else { return Ok(()) };
        let now = self.clock.now();
        let exhausted = Failure {
            kind: FailureKind::RateLimited,
            what: format!("the budget of {budget} to {} is spent", provider.source().issuer()),
            next: None,
            count: 1,
            since: now,
            retry_at: now.plus(wait),
        };
        if !provider.ways.has_fallback() {
            provider.hold_all(&exhausted, now);
        }
        Err(exhausted)
    }
}
