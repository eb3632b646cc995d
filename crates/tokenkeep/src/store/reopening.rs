//! A store that may not be there now: opened when it is wanted, and opened anew when its file is not the one it was.
//!
//! A program that hands out tokens must not depend on a disk that is full or a folder that is not mounted yet. So that
//! a store cannot be opened is an error of each call, as any other trouble is, and ends by itself.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, StoreUrl, Version, Versioned, open};
use crate::budget::{Budget, Spending};
use crate::clock::{Clock, Moment};
use crate::credentials::Credentials;
use crate::key::Key;
use crate::seal::SealKey;

/// The store at a URL, whether it can be opened now or not.
#[derive(Debug)]
pub(crate) struct ReopeningStore {
    url: StoreUrl,
    seal_keys: Vec<SealKey>,
    clock: Arc<dyn Clock>,
    label: Box<str>,
    present: RwLock<Option<Arc<dyn Store>>>,
    /// Held while the store is being opened: the last attempt that failed, and when it was made.
    last_failure: Mutex<Option<(StoreError, Moment)>>,
}

impl ReopeningStore {
    /// Opens nothing yet.
    pub(crate) fn new(url: StoreUrl, seal_keys: Vec<SealKey>, clock: Arc<dyn Clock>) -> Self {
        let label = url.to_string().into();
        let (present, last_failure) = (RwLock::default(), Mutex::default());
        Self { url, seal_keys, clock, label, present, last_failure }
    }

    /// The open store; opens it if need be, at most once in [`RETRY`].
    async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        if let Some(present) = self.present() {
            return Ok(present);
        }
        let mut last_failure = self.last_failure.lock().await;
        if let Some(present) = self.present() {
            return Ok(present);
        }
        let now = self.clock.now();
        if let Some((error, _)) = last_failure.as_ref().filter(|(_, at)| now.since(*at) < RETRY) {
            return Err(error.clone());
        }
        match open(&self.url, &self.seal_keys, &self.clock).await {
            Ok(opened) => {
                *last_failure = None;
                self.set_present(Some(Arc::clone(&opened)));
                Ok(opened)
            }
            Err(error) => {
                *last_failure = Some((error.clone(), self.clock.now()));
                Err(error)
            }
        }
    }

    /// The same as after an error, for the looks that are taken once a second: reading a file that was deleted never
    /// fails, and as long as somebody has it open its log is in the way of the next one.
    async fn check_present(&self) {
        if let Some(present) = self.present() {
            self.check(present).await;
        }
    }

    /// Lets go of a store whose file is another one now; the next call opens that.
    async fn check(&self, store: Arc<dyn Store>) {
        if !store.is_in_place() && self.present().is_some_and(|present| Arc::ptr_eq(&present, &store)) {
            self.set_present(None);
            store.close().await;
        }
    }

    fn present(&self) -> Option<Arc<dyn Store>> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_present(&self, store: Option<Arc<dyn Store>>) {
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = store;
    }
}

/// Has the open store do it.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        let store = $self.store().await?;
        let outcome = store.$method($($argument),*).await;
        if outcome.is_err() {
            $self.check(store).await;
        }
        outcome
    }};
}

#[async_trait]
impl Store for ReopeningStore {
    fn label(&self) -> &str {
        &self.label
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        delegate!(self.load(key))
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        delegate!(self.save(key, record, expected))
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        delegate!(self.page(after, limit))
    }

    async fn page_ended(
        &self,
        by: Moment,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Option<Vec<(Key, Versioned)>>, StoreError> {
        delegate!(self.page_ended(by, after, limit))
    }

    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        delegate!(self.unreadable())
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        self.check_present().await;
        delegate!(self.changes(since, limit))
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        self.check_present().await;
        delegate!(self.newest_version())
    }

    async fn changed(&self) {
        match self.present() {
            Some(present) => present.changed().await,
            None => std::future::pending().await,
        }
    }

    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        delegate!(self.claim_due(limit, hold))
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        delegate!(self.acquire_lease(key, holder, ttl))
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        delegate!(self.renew_lease(key, holder, ttl))
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        delegate!(self.release_lease(key, holder))
    }

    fn keeps_credentials(&self) -> bool {
        // One that cannot be opened now says so when it is given some.
        self.present().is_none_or(|store| store.keeps_credentials())
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        delegate!(self.credentials(key))
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        delegate!(self.save_credentials(key, credentials))
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        delegate!(self.replace_credentials(key, before, after))
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        delegate!(self.remove_credentials(key))
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        delegate!(self.accounts(after, limit))
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        delegate!(self.spend(name, budget))
    }

    async fn purge(&self) -> Result<(), StoreError> {
        delegate!(self.purge())
    }

    fn is_in_place(&self) -> bool {
        true
    }

    async fn close(&self) {
        if let Some(present) = self.present() {
            present.close().await;
        }
    }
}

/// How long a store that could not be opened is left alone.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(all(test, unix, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_file_that_was_deleted_is_noticed_by_looking_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.db");
        let store = ReopeningStore::new(StoreUrl::Sqlite(file.clone()), Vec::new(), Arc::new(SystemClock::new()));
        store.newest_version().await.unwrap();
        for look in ["the newest version", "changes"] {
            // Its log and index stay behind, as after `rm tokens.db`.
            std::fs::remove_file(&file).unwrap();
            match look {
                "changes" => drop(store.changes(Version::ZERO, 10).await.unwrap()),
                _ => drop(store.newest_version().await.unwrap()),
            }
            assert!(file.exists(), "{look}: the file that is gone is still looked at");
        }
    }
}
