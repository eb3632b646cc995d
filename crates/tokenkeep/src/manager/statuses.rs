//! What an operator may know of each key, from what is in memory and what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::provider::ProviderRuntime;
use super::record::{Stored, normalized};
use super::slot::{Slot, State};
use super::{PAGE, Shared, StoreTask, TokenManager};
use crate::clock::Moment;
use crate::key::Key;
use crate::provider::Accounts;
use crate::status::{Facts, Obstacle, Status, Warning};
use crate::store::{StoreError, Versioned};

impl TokenManager {
    /// The status of the keys of which a token or a failure is in memory, and for which `is_wanted` says so: in the order
    /// of their keys, the first `limit`. Asks neither store nor issuer, so it is quick and misses keys that are idle.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert!(manager.statuses_in_memory(|_| true, 100).is_empty()); // nobody has asked for a token yet
    /// manager.token("graph").await?;
    /// let statuses = manager.statuses_in_memory(|key| key.provider() == "graph", 100);
    /// assert_eq!(statuses.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn statuses_in_memory(&self, is_wanted: impl Fn(&Key) -> bool, limit: usize) -> Vec<Status> {
        let mut first: BTreeMap<Key, Arc<Slot>> = BTreeMap::new();
        self.shared.slots.for_each(|slot| {
            if is_wanted(slot.key()) && !is_cold(slot) {
                first.insert(slot.key().clone(), Arc::clone(slot));
                if first.len() > limit {
                    first.pop_last();
                }
            }
        });
        let of = |(key, slot): (&Key, &Arc<Slot>)| self.shared.status_of(key, &slot.provider(), Some(slot), None, None);
        first.iter().map(of).collect()
    }

    /// The status of one key, if a token or a failure of it is in memory. Asks neither store nor issuer, and takes the same
    /// time however many keys there are.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = "graph".parse()?;
    /// assert!(manager.status_in_memory(&graph).is_none()); // nobody has asked for a token yet
    /// manager.token("graph").await?;
    /// assert!(manager.status_in_memory(&graph).is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn status_in_memory(&self, key: &Key) -> Option<Status> {
        let slot = self.shared.slots.find(key.as_str()).filter(|slot| !is_cold(slot))?;
        Some(self.shared.status_of(key, &slot.provider(), Some(&slot), None, None))
    }

    /// Whether a key is known to be there without a look into the store: it names a provider, or an account of one that
    /// had a token, or for which the issuer was asked, since it is in memory. Takes the same time however many keys there
    /// are.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert!(manager.knows(&"graph".parse()?));
    /// assert!(!manager.knows(&"bluestakes:123".parse()?)); // it has no credentials
    /// # Ok(())
    /// # }
    /// ```
    pub fn knows(&self, key: &Key) -> bool {
        let has_slot = || self.shared.slots.find(key.as_str()).is_some_and(|slot| slot.is_known());
        self.has_provider(key.provider()) && (key.account() == Key::DEFAULT_ACCOUNT || has_slot())
    }
}

impl Shared {
    pub(super) async fn status(&self, slot: &Slot) -> Status {
        let provider = slot.provider();
        if !is_cold(slot) {
            return self.status_of(slot.key(), &provider, Some(slot), None, None);
        }
        let read = self.read(slot, &provider).await;
        let obstacle = self.obstacle_of(slot.key(), &provider, &read).await;
        self.status_of(slot.key(), &provider, Some(slot), read.ok().flatten().as_ref(), obstacle)
    }

    /// What stands in the way of a token: whether its record could be read is known, and its credentials are looked for.
    pub(super) async fn obstacle_of<T>(
        &self,
        key: &Key,
        provider: &ProviderRuntime,
        read: &Result<T, StoreError>,
    ) -> Option<Obstacle> {
        if read.is_err() {
            return Some(Obstacle::Unreadable);
        }
        if provider.accounts() != Accounts::Stored {
            return None;
        }
        match self.identity(key, provider).await {
            Ok(identity) => identity.credentials.is_none().then_some(Obstacle::NoCredentials),
            Err(_) => Some(Obstacle::Unreadable),
        }
    }

    /// The status of a key from what is in memory and what is stored; what is in memory is newer.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, facts are of any")]
    fn status_of(
        &self,
        key: &Key,
        provider: &ProviderRuntime,
        slot: Option<&Slot>,
        stored: Option<&Stored>,
        obstacle: Option<Obstacle>,
    ) -> Status {
        self.facts_of(key, provider, slot, stored, obstacle, |facts| facts.into_status())
    }

    /// What a status is made from.
    pub(super) fn facts_of<T>(
        &self,
        key: &Key,
        provider: &ProviderRuntime,
        slot: Option<&Slot>,
        stored: Option<&Stored>,
        obstacle: Option<Obstacle>,
        make: impl FnOnce(Facts<'_>) -> T,
    ) -> T {
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
            obstacle,
            now,
            warnings: {
                let lately = state.as_deref().and_then(State::lately);
                let lately = lately.into_iter().flat_map(|lately| lately.warnings(now));
                self.warnings(key, provider, state.as_deref(), now).into_iter().chain(lately).collect()
            },
        };
        make(facts)
    }

    /// Reads on until there are enough or no more: stored keys whose provider is not configured have no status.
    pub(super) async fn statuses(&self, after: Option<&Key>, limit: usize) -> Vec<Status> {
        let mut expected = self.expected(after);
        let mut statuses = Vec::new();
        let mut from = after.cloned();
        while statuses.len() < limit {
            let stretch = self.stretch(from.as_ref(), &mut expected).await;
            for (key, candidate) in stretch.candidates {
                statuses.extend(self.status_if_any(&key, candidate).await);
            }
            match stretch.until {
                Some(until) => from = Some(until),
                None => break,
            }
        }
        statuses.truncate(limit);
        statuses
    }

    /// The keys that are in memory, and those of providers that were never used.
    fn expected(&self, after: Option<&Key>) -> BTreeMap<Key, Candidate> {
        let mut expected: BTreeMap<Key, Candidate> = BTreeMap::new();
        self.slots.for_each(|slot| {
            if after.is_none_or(|after| slot.key() > after) {
                expected.entry(slot.key().clone()).or_default().slot = Some(Arc::clone(slot));
            }
        });
        for name in self.providers.load().keys() {
            if let Some(key) = Key::parse(name).ok().filter(|key| after.is_none_or(|after| key > after)) {
                expected.entry(key).or_default();
            }
        }
        expected
    }

    /// A page of records, with all else that there is between its first key and its last.
    async fn stretch(&self, from: Option<&Key>, expected: &mut BTreeMap<Key, Candidate>) -> Stretch {
        let page = self.store.page(from, PAGE).await;
        self.note_store(StoreTask::Read, &page);
        // A store that fails hides only what is not in memory.
        let page = page.unwrap_or_default();
        // A store may give less than was asked for: only nothing is the end.
        let until = page.last().map(|(key, _)| key.clone());
        let mut candidates: BTreeMap<Key, Candidate> = BTreeMap::new();
        while let Some(next) = expected.first_entry()
            && until.as_ref().is_none_or(|until| next.key() <= until)
        {
            let (key, candidate) = next.remove_entry();
            candidates.insert(key, candidate);
        }
        for (key, record) in page {
            candidates.entry(key).or_default().record = Some(record);
        }
        match self.accounts_between(from, until.as_ref()).await {
            Ok(accounts) => {
                for key in accounts {
                    candidates.entry(key).or_default().credentials = Credentials::Known;
                }
            }
            Err(_) => candidates.values_mut().for_each(|candidate| candidate.credentials = Credentials::Unsure),
        }
        Stretch { candidates, until }
    }

    async fn accounts_between(&self, from: Option<&Key>, until: Option<&Key>) -> Result<Vec<Key>, StoreError> {
        let providers = self.providers.load_full();
        if providers.values().all(|provider| provider.accounts() != Accounts::Stored) {
            return Ok(Vec::new());
        }
        let mut accounts: Vec<Key> = Vec::new();
        loop {
            let page = self.store.accounts(accounts.last().or(from), PAGE).await?;
            let last = page.is_empty();
            accounts.extend(page);
            let is_beyond = accounts.last().is_some_and(|key| until.is_some_and(|until| key > until));
            if last || is_beyond {
                accounts.retain(|key| until.is_none_or(|until| key <= until));
                return Ok(accounts);
            }
        }
    }

    /// The status of a key that may be one; of an account of which nothing is left there is none.
    async fn status_if_any(&self, key: &Key, candidate: Candidate) -> Option<Status> {
        let provider = self.provider_of(key).ok()?;
        let slot = candidate.slot.as_deref();
        if slot.is_some_and(|slot| !is_cold(slot)) {
            return Some(self.status_of(key, &provider, slot, None, None));
        }
        let loaded = match candidate.record {
            Some(record) => Ok(Some(record)),
            None if self.is_store_failing() => Err(None),
            // A page leaves out what cannot be read.
            None => self.store.load(key).await.map_err(|error| Some(Warning::StoreFailing { what: error.to_string() })),
        };
        let is_unsaved = slot.is_some_and(|slot| slot.lock().unsaved().is_some());
        let has_credentials = provider.accounts() != Accounts::Stored || candidate.credentials != Credentials::Missing;
        let (stored, obstacle, trouble) = match loaded {
            Ok(found) => {
                let now = self.clock.now();
                let stored = found.map(|found| normalized(found, &provider, None, &*self.clock, now));
                if !has_credentials && !is_unsaved && stored.as_ref().is_none_or(is_empty) {
                    return None;
                }
                (stored, (!has_credentials).then_some(Obstacle::NoCredentials), None)
            }
            Err(trouble) => (None, Some(Obstacle::Unreadable), trouble),
        };
        let mut status = self.status_of(key, &provider, slot, stored.as_ref(), obstacle);
        let is_said = status.warnings.iter().any(|warning| matches!(warning, Warning::StoreFailing { .. }));
        status.warnings.extend(trouble.filter(|_| !is_said));
        Some(status)
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

/// What is known of a key before its status is made.
#[derive(Default)]
struct Candidate {
    slot: Option<Arc<Slot>>,
    record: Option<Versioned>,
    credentials: Credentials,
}

/// Whether the store has credentials of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Credentials {
    #[default]
    Missing,
    Known,
    /// The store does not say.
    Unsure,
}

/// Keys in a row.
struct Stretch {
    candidates: BTreeMap<Key, Candidate>,
    /// Its last key, if there may be more.
    until: Option<Key>,
}

/// Whether what is in memory says nothing of a key's token.
pub(super) fn is_cold(slot: &Slot) -> bool {
    slot.live().is_none() && slot.lock().failure().is_none()
}

/// Whether nothing is left of a login.
fn is_empty(stored: &Stored) -> bool {
    let record = &stored.record;
    record.token.is_none() && record.failure.is_none() && record.refresh_token.is_none()
}
