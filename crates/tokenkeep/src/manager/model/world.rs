//! An issuer, a store and a manager whose every step somebody else may come before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use shuttle::future::JoinHandle;

use crate::clock::{Clock, Moment};
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::manager::{Demand, SourceSettings, TokenHandle, TokenManager};
use crate::secret::Secret;
use crate::source::{Ask, Expiry, Fault, FetchError, Fetched, TokenSource};
use crate::store::{Holder, LeaseOutcome, MemoryStore, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use crate::token::Token;

#[derive(Clone)]
pub(super) struct World {
    pub(super) manager: TokenManager,
    pub(super) issuer: Arc<Issuer>,
    pub(super) store: Arc<SteppedStore>,
    /// The text of each generation that anybody had.
    texts: Arc<Mutex<BTreeMap<u64, String>>>,
}

/// A manager of the key `graph`, of which nobody has a token yet.
pub(super) async fn world() -> World {
    world_of(Issuer::default()).await
}

/// The same, where each answer spends a refresh token and brings the next.
pub(super) async fn rotating_world() -> World {
    world_of(Issuer { rotates: true, ..Issuer::default() }).await
}

async fn world_of(issuer: Issuer) -> World {
    let issuer = Arc::new(issuer);
    let store =
        Arc::new(SteppedStore { inner: MemoryStore::new(Arc::new(StoppedClock)), saves_to_fail: AtomicUsize::new(0) });
    let manager = manager(&issuer, &store).await;
    World { manager, issuer, store, texts: Arc::default() }
}

async fn manager(issuer: &Arc<Issuer>, store: &Arc<SteppedStore>) -> TokenManager {
    TokenManager::builder()
        .clock(Arc::new(StoppedClock))
        .store(Arc::clone(store) as Arc<dyn Store>)
        .source("graph", Arc::clone(issuer) as Arc<dyn TokenSource>, SourceSettings::default())
        .build()
        .await
        .unwrap()
}

impl World {
    /// The same key in another process.
    pub(super) async fn another_process(&self) -> Self {
        Self { manager: manager(&self.issuer, &self.store).await, ..self.clone() }
    }

    pub(super) fn graph(&self) -> TokenHandle {
        self.manager.handle("graph").unwrap()
    }

    /// A good token, of which everybody must have the same text.
    pub(super) async fn token(&self) -> Token {
        self.seen(self.manager.token("graph").await.unwrap())
    }

    /// The token that is had at once, if there is one.
    pub(super) fn current(&self) -> Option<Token> {
        self.graph().current().map(|token| self.seen(token))
    }

    pub(super) async fn refresh(&self) -> Token {
        self.seen(self.graph().refresh().await.unwrap())
    }

    /// The lowest generation that is handed out in any way from now on.
    pub(super) async fn lowest_from_now_on(&self) -> u64 {
        let present = self.current().map(|token| token.generation());
        let got = self.graph().get(Demand::default()).await.unwrap();
        let got = self.seen(got.token).generation();
        present.unwrap_or(got).min(got).min(self.token().await.generation())
    }

    /// Notes that somebody has this token.
    pub(super) fn seen(&self, token: Token) -> Token {
        let mut texts = self.texts.lock().unwrap();
        let text = texts.entry(token.generation()).or_insert_with(|| token.expose_secret().to_owned());
        assert_eq!(text, token.expose_secret(), "generation {} is two tokens", token.generation());
        token
    }

    /// Somebody who acts at the same time as everybody else.
    pub(super) fn spawn<F, T>(&self, act: impl FnOnce(Self) -> F) -> JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        shuttle::future::spawn(act(self.clone()))
    }

    /// Somebody who wants a token, and whose generation it is.
    pub(super) fn caller(&self) -> JoinHandle<u64> {
        self.spawn(|world| async move { world.token().await.generation() })
    }

    /// Waits until nothing is under way any more.
    pub(super) async fn rest(&self) {
        self.manager.shared.tasks.wait().await;
        assert!(self.manager.shared.slots.find("graph").is_none_or(|slot| slot.lock().flight().is_none()));
    }
}

/// Issues the tokens `token-1`, `token-2` and so on.
#[derive(Debug, Default)]
pub(super) struct Issuer {
    pub(super) fails: AtomicBool,
    requests: AtomicU64,
    rotates: bool,
    /// How many refresh tokens were spent.
    spent: AtomicU64,
}

impl Issuer {
    pub(super) fn count(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn answer(&self, ask: &Ask<'_>) -> Result<Fetched, FetchError> {
        let count = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if self.fails.load(Ordering::Relaxed) {
            return Err(FetchError::new(Fault::Unavailable, format!("the issuer has failed {count} times")));
        }
        let mut refresh_token = None;
        if self.rotates {
            let newest = self.spent.fetch_add(1, Ordering::Relaxed);
            let sent = ask.refresh_token.map_or("refresh-0", Secret::expose_secret);
            assert_eq!(sent, format!("refresh-{newest}"), "not the newest refresh token");
            refresh_token = Some(Secret::new(format!("refresh-{}", newest + 1)));
        }
        Ok(Fetched {
            access_token: Secret::new(format!("token-{count}")),
            token_type: "Bearer".into(),
            scope: None,
            expiry: Expiry::In(Duration::from_hours(1)),
            refresh_in: None,
            refresh_token,
        })
    }
}

#[async_trait]
impl TokenSource for Issuer {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        step();
        let answer = self.answer(&ask);
        step();
        answer
    }

    fn issuer(&self) -> &'static str {
        "issuer.example"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("issuer", "model")])
    }

    fn rotates(&self) -> bool {
        self.rotates
    }
}

/// Records in memory, with a step before and after each use, that can fail to be saved.
#[derive(Debug)]
pub(super) struct SteppedStore {
    inner: MemoryStore,
    /// So many saves fail, from the next on.
    pub(super) saves_to_fail: AtomicUsize,
}

impl SteppedStore {
    /// What it has at this moment.
    pub(super) async fn record(&self) -> Option<Record> {
        Some(self.inner.load(&Key::parse("graph").unwrap()).await.unwrap()?.record)
    }
}

#[async_trait]
impl Store for SteppedStore {
    fn label(&self) -> &'static str {
        "model:"
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        with_steps(self.inner.load(key)).await
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        let left = self.saves_to_fail.load(Ordering::Relaxed);
        if left > 0 {
            self.saves_to_fail.store(left - 1, Ordering::Relaxed);
            let what = "the disk is full".to_owned();
            return with_steps(async { Err(StoreError { store: self.label().into(), what, busy: false }) }).await;
        }
        with_steps(self.inner.save(key, record, expected)).await
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        with_steps(self.inner.page(after, limit)).await
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        with_steps(self.inner.changes(since, limit)).await
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        with_steps(self.inner.newest_version()).await
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        with_steps(self.inner.acquire_lease(key, holder, ttl)).await
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        with_steps(self.inner.renew_lease(key, holder, ttl)).await
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        with_steps(self.inner.release_lease(key, holder)).await
    }

    async fn close(&self) {}
}

/// No law here depends on how late it is.
#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Moment {
        Moment { wall_ms: 1_800_000_000_000, boot_ms: 7_200_000 }
    }

    fn boot_id(&self) -> &'static str {
        "model-boot"
    }
}

async fn with_steps<T>(used: impl Future<Output = T>) -> T {
    step();
    let outcome = used.await;
    step();
    outcome
}

/// Lets somebody else go on here, if the schedule has it so.
fn step() {
    shuttle::thread::sleep(Duration::ZERO);
}
