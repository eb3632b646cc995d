//! `memory:` — records of one process, gone with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use crate::budget::{Budget, Spending, Window};
use crate::clock::{Clock, Moment};
use crate::credentials::Credentials;
use crate::key::Key;

/// Keeps records, credentials and budgets in memory: those of one process, gone with it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use tokenkeep::store::{MemoryStore, Store};
///
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock()));
/// let other = Arc::clone(&store); // two managers that share it share their tokens
/// let _saved = store.save(&key("graph"), &record(1), None).await?;
/// assert!(other.load(&key("graph")).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    newest: u64,
    records: BTreeMap<Key, Versioned>,
    by_version: BTreeMap<Version, Key>,
    leases: HashMap<Key, Lease>,
    credentials: BTreeMap<Key, Credentials>,
    spent: HashMap<Box<str>, Window>,
    due: Due,
}

/// Ends by the boot clock alone: nobody reads it after this process, and a wall clock that is set is no time that passed.
#[derive(Debug)]
struct Lease {
    holder: Holder,
    end_ms: i64,
}

/// Which keys are due when, by the boot clock for the same reason.
#[derive(Debug, Default)]
struct Due {
    in_order: BTreeSet<(i64, Key)>,
    at: HashMap<Key, i64>,
}

impl Due {
    fn set(&mut self, key: &Key, at_ms: Option<i64>) {
        if let Some(before) = self.at.remove(key) {
            self.in_order.remove(&(before, key.clone()));
        }
        if let Some(at_ms) = at_ms {
            self.at.insert(key.clone(), at_ms);
            self.in_order.insert((at_ms, key.clone()));
        }
    }

    fn claim(&mut self, limit: usize, hold: Duration, now: Moment) -> Vec<Key> {
        let due = self.in_order.iter().take_while(|(at_ms, _)| *at_ms <= now.boot_ms);
        let claimed: Vec<_> = due.take(limit).map(|(_, key)| key.clone()).collect();
        for key in &claimed {
            self.set(key, Some(now.plus(hold).boot_ms));
        }
        claimed
    }
}

impl Lease {
    fn new(holder: Holder, ttl: Duration, now: Moment) -> Self {
        Self { holder, end_ms: now.plus(ttl).boot_ms }
    }

    fn is_over(&self, now: Moment) -> bool {
        now.boot_ms >= self.end_ms
    }

    fn left(&self, now: Moment) -> Duration {
        Duration::from_millis(u64::try_from(self.end_ms.saturating_sub(now.boot_ms)).unwrap_or(0))
    }
}

impl MemoryStore {
    /// An empty store; leases end by this clock's boot time.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{MemoryStore, Store, Version};
    /// let store = MemoryStore::new(clock());
    /// assert_eq!(store.newest_version().await?, Version::ZERO);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // A panic cannot leave the state half-changed: every change is made of calls that do not panic.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn label(&self) -> &'static str {
        "memory:"
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        Ok(self.with_state(|state| state.records.get(key).cloned()))
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        Ok(self.with_state(|state| {
            let present = state.records.get(key).map(|versioned| versioned.version);
            if present != expected {
                return SaveOutcome::Conflict;
            }
            state.newest += 1;
            let version = Version(state.newest);
            if let Some(replaced) = present {
                state.by_version.remove(&replaced);
            }
            state.by_version.insert(version, key.clone());
            state.due.set(key, record.due_at.map(|at| at.boot_ms));
            state.records.insert(key.clone(), Versioned { version, record: record.clone() });
            SaveOutcome::Saved(version)
        }))
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with_state(|state| {
            let records = state.records.range::<Key, _>((from, Bound::Unbounded));
            records.take(limit).map(|(key, versioned)| (key.clone(), versioned.clone())).collect()
        }))
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        Ok(self.with_state(|state| {
            let later = state.by_version.range((Bound::Excluded(since), Bound::Unbounded));
            later.take(limit).map(|(version, key)| (key.clone(), *version)).collect()
        }))
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        Ok(self.with_state(|state| Version(state.newest)))
    }

    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        let now = self.clock.now();
        Ok(Some(self.with_state(|state| state.due.claim(limit, hold, now))))
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        let now = self.clock.now();
        Ok(self.with_state(|state| match state.leases.get(key) {
            Some(lease) if lease.holder != *holder && !lease.is_over(now) => LeaseOutcome::Held(lease.left(now)),
            _ => {
                state.leases.insert(key.clone(), Lease::new(holder.clone(), ttl, now));
                LeaseOutcome::Acquired
            }
        }))
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        let now = self.clock.now();
        Ok(self.with_state(|state| match state.leases.get_mut(key) {
            Some(lease) if lease.holder == *holder && !lease.is_over(now) => {
                *lease = Lease::new(holder.clone(), ttl, now);
                true
            }
            _ => false,
        }))
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        self.with_state(|state| {
            if state.leases.get(key).is_some_and(|lease| lease.holder == *holder) {
                state.leases.remove(key);
            }
        });
        Ok(())
    }

    fn keeps_credentials(&self) -> bool {
        true
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        Ok(self.with_state(|state| state.credentials.get(key).cloned()))
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        self.with_state(|state| state.credentials.insert(key.clone(), credentials.clone()));
        Ok(())
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        Ok(self.with_state(|state| match state.credentials.get_mut(key) {
            Some(present) if present == before => {
                present.clone_from(after);
                true
            }
            _ => false,
        }))
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.with_state(|state| state.credentials.remove(key).is_some()))
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with_state(|state| {
            let accounts = state.credentials.range::<Key, _>((from, Bound::Unbounded));
            accounts.take(limit).map(|(key, _)| key.clone()).collect()
        }))
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        let now = self.clock.now();
        Ok(self.with_state(|state| state.spent.entry(name.into()).or_default().spend(budget, now)))
    }
}
