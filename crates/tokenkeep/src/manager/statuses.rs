//! What an operator may know of each key, from what is in memory and what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::provider::ProviderRuntime;
use super::record::{Stored, normalized};
use super::slot::{Slot, State};
use super::{PAGE, Shared, StoreTask};
use crate::clock::Moment;
use crate::key::Key;
use crate::status::{Facts, Status, Warning};

impl Shared {
    pub(super) async fn status(&self, slot: &Slot) -> Status {
        let cold = slot.live().is_none() && slot.lock().failure().is_none();
        let stored = if cold { self.read(slot, &slot.provider()).await.ok().flatten() } else { None };
        self.status_of(slot.key(), &slot.provider(), Some(slot), stored.as_ref())
    }

    /// The status of a key from what is in memory and what is stored; what is in memory is newer.
    fn status_of(&self, key: &Key, provider: &ProviderRuntime, slot: Option<&Slot>, stored: Option<&Stored>) -> Status {
        let now = self.clock.now();
        let state = slot.map(Slot::lock);
        let obsolete = state.as_ref().map_or(0, |state| state.obsolete());
        let stored = stored.map(|stored| &stored.record);
        let stored_token = stored.and_then(|record| record.token.clone());
        let live = slot.and_then(Slot::live).or(stored_token.filter(|token| token.generation() > obsolete));
        let own = state.as_ref().and_then(|state| state.failure().cloned());
        let hold = || provider.hold(now).filter(|_| live.is_none()).as_deref().cloned();
        let failure = own.or_else(|| stored?.failure.clone()).or_else(hold);
        let last = stored.map_or(obsolete, |record| record.generation.max(obsolete));
        let facts = Facts {
            key,
            issuer: provider.source().issuer(),
            policy: provider.policy(),
            token: live.as_deref(),
            generation: live.as_ref().map_or(last, |live| live.generation()),
            failure: failure.as_ref(),
            now,
            warnings: self.warnings(key, provider, state.as_deref(), now),
        };
        facts.into_status()
    }

    /// Reads on until there are enough or no more: stored keys whose provider is not configured have no status.
    pub(super) async fn statuses(&self, after: Option<&Key>, limit: usize) -> Vec<Status> {
        let mut in_memory = BTreeMap::new();
        self.slots.for_each(|slot| {
            if after.is_none_or(|after| slot.key() > after) {
                in_memory.insert(slot.key().clone(), Some(Arc::clone(slot)));
            }
        });
        for name in self.providers.load().keys() {
            if let Some(key) = Key::parse(name).ok().filter(|key| after.is_none_or(|after| key > after)) {
                in_memory.entry(key).or_insert(None);
            }
        }
        let mut statuses = BTreeMap::new();
        let mut from = after.cloned();
        while statuses.len() < limit {
            let page = self.store.page(from.as_ref(), PAGE).await;
            self.note_store(StoreTask::Read, &page);
            // A store that fails hides only what is not in memory.
            let page = page.unwrap_or_default();
            let last = page.len() < PAGE;
            from = page.last().map(|(key, _)| key.clone()).or(from);
            for (key, stored) in page {
                let slot = in_memory.remove(&key).flatten();
                if let Ok(provider) = self.provider_of(&key) {
                    let stored = normalized(stored, &provider, None, &*self.clock, self.clock.now());
                    let cold =
                        slot.as_ref().is_none_or(|slot| slot.live().is_none() && slot.lock().failure().is_none());
                    let status = self.status_of(&key, &provider, slot.as_deref(), cold.then_some(&stored));
                    statuses.insert(key, status);
                }
            }
            if last {
                break;
            }
        }
        for (key, slot) in in_memory {
            if let Ok(provider) = self.provider_of(&key) {
                let status = self.status_of(&key, &provider, slot.as_deref(), None);
                statuses.insert(key, status);
            }
        }
        statuses.into_values().take(limit).collect()
    }

    /// What is not as it should be, beside the token itself.
    pub(super) fn warnings(
        &self,
        key: &Key,
        provider: &ProviderRuntime,
        state: Option<&State>,
        now: Moment,
    ) -> Vec<Warning> {
        let fallback = provider.ways.bypassed(key);
        let fallback =
            fallback.map(|outage| Warning::OnFallback { lasting: now.since(outage.since), what: outage.what });
        let unsaved = state.and_then(|state| state.unsaved()).map(|_| Warning::Unsaved);
        let failing = self.store_trouble_of(key).map(|what| Warning::StoreFailing { what });
        fallback.into_iter().chain(unsaved).chain(failing).collect()
    }
}
