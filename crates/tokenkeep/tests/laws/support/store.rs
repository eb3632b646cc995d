use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::budget::{Budget, Spending};
use tokenkeep::store::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use tokenkeep::{Credentials, Key};
use tokio::sync::Notify;

/// A store that fails when told to, and that can be looked into.
#[derive(Debug)]
pub(crate) struct UnreliableStore {
    inner: Mutex<Arc<dyn Store>>,
    loads: AtomicUsize,
    looks: AtomicUsize,
    trouble: Mutex<Trouble>,
    on_save: Mutex<Option<Hook>>,
    last_holder: Mutex<Option<Holder>>,
    notice: Notify,
    claims: AtomicBool,
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
    /// Renews a lease, and says so when the next notice comes.
    LateRenewals,
    /// Reads, and is written by somebody else.
    Busy,
    /// Nothing.
    Gone,
    /// Gives less of a page than was asked for.
    ShortPages,
    /// Reads as always, after so long.
    SlowLoads(Duration),
    /// Saves as always, after so long.
    SlowSaves(Duration),
    /// Nothing, and says so after so long.
    Silent(Duration),
    /// Never comes back from the method of this name.
    Hangs(&'static str),
    /// Panics in the method of this name.
    Panics(&'static str),
    /// An error of the method of this name.
    Fails(&'static str),
}

impl UnreliableStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner: Mutex::new(inner),
            loads: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            trouble: Mutex::default(),
            on_save: Mutex::default(),
            last_holder: Mutex::default(),
            notice: Notify::new(),
            claims: AtomicBool::new(true),
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

    /// From now on it does not say what is due, as stores of one machine do not.
    pub(crate) fn end_claims(&self) {
        self.claims.store(false, Ordering::Relaxed);
    }

    /// Tells whoever waits for it that something was written.
    pub(crate) fn notify(&self) {
        self.notice.notify_one();
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

    /// How often it was asked for changes.
    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    fn page_limit(&self, limit: usize) -> usize {
        if self.trouble() == Trouble::ShortPages { limit.min(10) } else { limit }
    }

    async fn enter(&self, method: &str, failing: &[Trouble]) -> Result<(), StoreError> {
        match self.trouble() {
            Trouble::Hangs(hanging) if hanging == method => std::future::pending().await,
            Trouble::Panics(panicking) if panicking == method => panic!("a store that panics, as the test wants"),
            Trouble::SlowLoads(by) if method == "load" => tokio::time::sleep(by).await,
            Trouble::SlowSaves(by) if method == "save" => tokio::time::sleep(by).await,
            Trouble::Silent(by) => {
                tokio::time::sleep(by).await;
                let what = format!("did not answer within {} s", by.as_secs());
                return Err(StoreError { store: "test:".into(), what, busy: true });
            }
            trouble
                if failing.contains(&trouble) || matches!(trouble, Trouble::Fails(failing) if failing == method) =>
            {
                let busy = trouble == Trouble::Busy;
                return Err(StoreError { store: "test:".into(), what: "no space left on device".into(), busy });
            }
            _ => {}
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
        self.enter("load", &[Trouble::Gone]).await?;
        self.inner().load(key).await
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        self.enter("save", &[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves]).await?;
        if let Some(Hook(hook)) = &*self.on_save.lock().unwrap() {
            hook(record);
        }
        self.inner().save(key, record, expected).await
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.enter("page", &[Trouble::Gone]).await?;
        self.inner().page(after, self.page_limit(limit)).await
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.enter("changes", &[Trouble::Gone]).await?;
        self.inner().changes(since, limit).await
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        self.enter("newest_version", &[Trouble::Gone]).await?;
        self.inner().newest_version().await
    }

    async fn changed(&self) {
        self.enter("changed", &[]).await.ok();
        self.notice.notified().await;
    }

    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        // One that does not claim knows it without looking.
        if !self.claims.load(Ordering::Relaxed) {
            return Ok(None);
        }
        // Where nothing is taken, nothing is written.
        let failing = [Trouble::Gone, Trouble::Full, Trouble::Busy];
        self.enter("claim_due", if limit == 0 { &failing[..1] } else { &failing }).await?;
        self.inner().claim_due(limit, hold).await
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        self.enter("acquire_lease", &[Trouble::Gone, Trouble::Full, Trouble::Busy]).await?;
        let outcome = self.inner().acquire_lease(key, holder, ttl).await;
        if outcome == Ok(LeaseOutcome::Acquired) {
            *self.last_holder.lock().unwrap() = Some(holder.clone());
        }
        outcome
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        self.enter("renew_lease", &[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoRenewals]).await?;
        let renewed = self.inner().renew_lease(key, holder, ttl).await;
        if self.trouble() == Trouble::LateRenewals {
            self.notice.notified().await;
        }
        renewed
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        self.enter("release_lease", &[Trouble::Gone, Trouble::Full, Trouble::Busy]).await?;
        self.inner().release_lease(key, holder).await
    }

    fn keeps_credentials(&self) -> bool {
        self.inner().keeps_credentials()
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        self.enter("credentials", &[Trouble::Gone]).await?;
        self.inner().credentials(key).await
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        self.enter("save_credentials", &[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves]).await?;
        self.inner().save_credentials(key, credentials).await
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        self.enter("replace_credentials", &[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves]).await?;
        self.inner().replace_credentials(key, before, after).await
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        self.enter("remove_credentials", &[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves]).await?;
        self.inner().remove_credentials(key).await
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.enter("accounts", &[Trouble::Gone]).await?;
        self.inner().accounts(after, self.page_limit(limit)).await
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        // No store answers before others have had a turn.
        tokio::task::yield_now().await;
        self.enter("spend", &[Trouble::Gone, Trouble::Full, Trouble::Busy, Trouble::NoSaves]).await?;
        self.inner().spend(name, budget).await
    }

    async fn close(&self) {
        self.enter("close", &[]).await.unwrap();
        self.inner().close().await;
    }
}
