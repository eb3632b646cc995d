use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::budget::{Budget, Spending};
use tokenkeep::store::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use tokenkeep::{Credentials, Key};

/// A store that fails when told to, and that can be looked into.
#[derive(Debug)]
pub(crate) struct UnreliableStore {
    inner: Mutex<Arc<dyn Store>>,
    loads: AtomicUsize,
    trouble: Mutex<Trouble>,
    pub(crate) panic_once: AtomicBool,
    on_save: Mutex<Option<Hook>>,
    last_holder: Mutex<Option<Holder>>,
}

type HookFn = Box<dyn Fn(&Record) + Send>;

pub(crate) struct Hook(HookFn);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

/// Calls `hook` with each record that is to be saved.
pub(crate) fn store_hook(store: &UnreliableStore, hook: impl Fn(&Record) + Send + 'static) {
    *store.on_save.lock().unwrap() = Some(Hook(Box::new(hook)));
}

/// What a store does not do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Trouble {
    #[default]
    None,
    /// Reads, but neither writes nor gives leases: a full disk.
    Full,
    /// Gives leases, but saves nothing.
    NoSaves,
    /// Gives leases, but renews none.
    NoRenewals,
    /// Reads, and is written by somebody else.
    Busy,
    /// Nothing.
    Gone,
}

impl UnreliableStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner: Mutex::new(inner),
            loads: AtomicUsize::new(0),
            trouble: Mutex::default(),
            panic_once: AtomicBool::new(false),
            on_save: Mutex::default(),
            last_holder: Mutex::default(),
        }
    }

    /// From now on another store has this one's place, as when a file is restored from a copy.
    pub(crate) fn replace(&self, inner: Arc<dyn Store>) {
        *self.inner.lock().unwrap() = inner;
    }

    fn inner(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.lock().unwrap())
    }

    pub(crate) fn set(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    pub(crate) fn trouble(&self) -> Trouble {
        *self.trouble.lock().unwrap()
    }

    pub(crate) async fn record(&self, key: &str) -> Option<Record> {
        self.inner().load(&Key::parse(key).unwrap()).await.unwrap().map(|versioned| versioned.record)
    }

    /// Ends a lease, as if its holder had stood still for too long.
    pub(crate) async fn end_lease(&self, key: &str) {
        let holder = self.last_holder.lock().unwrap().clone().expect("nobody has taken a lease");
        self.inner().release_lease(&Key::parse(key).unwrap(), &holder).await.unwrap();
    }

    /// How often a record was read.
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }

    fn fail_if(&self, troubles: &[Trouble]) -> Result<(), StoreError> {
        if troubles.contains(&self.trouble.lock().unwrap()) {
            let busy = *self.trouble.lock().unwrap() == Trouble::Busy;
            return Err(StoreError { store: "test:".into(), what: "no space left on device".into(), busy });
        }
        Ok(())
    }
}

#[async_trait]
impl Store for UnreliableStore {
    fn label(&self) -> &'static str {
        "test:"
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        // Virtual time does not pass in a loop that never waits: without this it would hang instead of failing.
        assert!(self.loads.fetch_add(1, Ordering::Relaxed) < 1_000_000, "the store is read without end");
        self.fail_if(&[Trouble::Gone])?;
        self.inner().load(key).await
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves])?;
        if let Some(Hook(hook)) = &*self.on_save.lock().unwrap() {
            hook(record);
        }
        self.inner().save(key, record, expected).await
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.fail_if(&[Trouble::Gone])?;
        self.inner().page(after, limit).await
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        assert!(!self.panic_once.swap(false, Ordering::SeqCst), "a store that panics, as the test wants");
        self.fail_if(&[Trouble::Gone])?;
        self.inner().changes(since, limit).await
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        self.fail_if(&[Trouble::Gone])?;
        self.inner().newest_version().await
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy])?;
        let outcome = self.inner().acquire_lease(key, holder, ttl).await;
        if outcome == Ok(LeaseOutcome::Acquired) {
            *self.last_holder.lock().unwrap() = Some(holder.clone());
        }
        outcome
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoRenewals])?;
        self.inner().renew_lease(key, holder, ttl).await
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy])?;
        self.inner().release_lease(key, holder).await
    }

    fn keeps_credentials(&self) -> bool {
        self.inner().keeps_credentials()
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        self.fail_if(&[Trouble::Gone])?;
        self.inner().credentials(key).await
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves])?;
        self.inner().save_credentials(key, credentials).await
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves])?;
        self.inner().replace_credentials(key, before, after).await
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves])?;
        self.inner().remove_credentials(key).await
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.fail_if(&[Trouble::Gone])?;
        self.inner().accounts(after, limit).await
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        // No store answers before others have had a turn.
        tokio::task::yield_now().await;
        self.fail_if(&[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves])?;
        self.inner().spend(name, budget).await
    }

    async fn close(&self) {
        self.inner().close().await;
    }
}
