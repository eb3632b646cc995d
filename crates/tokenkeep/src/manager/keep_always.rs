//! Brings those keys into memory that are renewed though nobody asks for them; from there on the scheduler sees to them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::provider::ProviderRuntime;
use super::{PAGE, Shared, StoreTask};
use crate::key::Key;
use crate::provider::Accounts;
use crate::store::StoreError;

/// Tries until it is done: the store may not work at first.
pub(super) async fn run(shared: Weak<Shared>, stop: CancellationToken) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let trying = async {
            let found = shared.find_always_kept().await;
            if found.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            found
        };
        tokio::select! {
            () = stop.cancelled() => return,
            found = trying => if found.is_ok() { return },
        }
    }
}

impl Shared {
    /// Looks for them again, if the background work runs.
    pub(super) fn find_kept_soon(self: &Arc<Self>) {
        self.scheduler.spawn(|stop| run(Arc::downgrade(self), stop));
    }

    /// The keys of providers that have but one, and all that the store knows, unless it gives them when they are due.
    async fn find_always_kept(self: &Arc<Self>) -> Result<(), StoreError> {
        let providers = self.providers.load_full();
        let always: Vec<_> = providers.values().filter(|provider| provider.policy().refresh.is_always()).collect();
        if always.is_empty() {
            return Ok(());
        }
        for provider in &always {
            if provider.accounts() == Accounts::Default {
                self.keep(&provider.name);
            }
        }
        if self.try_claims().await? {
            let some_are_claimed = always.iter().any(|provider| self.is_claimed(provider));
            return if some_are_claimed { self.date_all().await } else { Ok(()) };
        }
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.page(after.as_ref(), PAGE).await;
            self.note_store(StoreTask::Read, &page);
            let page = page?;
            for (key, _) in &page {
                self.keep_if_always(key);
            }
            match page.last() {
                Some((last, _)) => after = Some(last.clone()),
                None => return Ok(()),
            }
        }
    }

    /// Brings a key that the store knows into memory, if it is renewed though nobody asks.
    pub(super) fn keep_if_always(self: &Arc<Self>, key: &Key) {
        if self.provider_of(key).is_ok_and(|provider| self.is_kept(&provider)) {
            self.keep(key.as_str());
        }
    }

    /// Whether all keys of a provider are kept in memory, used or not.
    pub(super) fn is_kept(&self, provider: &ProviderRuntime) -> bool {
        provider.policy().refresh.is_always() && !self.is_claimed(provider)
    }

    fn keep(self: &Arc<Self>, key: &str) {
        if let Ok(slot) = self.slot(key) {
            let mut state = slot.lock();
            if slot.live().is_none() {
                state.busy().kept = true;
            }
            self.wake_soon(&slot, &mut state);
        }
    }
}

const RETRY: Duration = Duration::from_secs(5);
