//! The store that a manager was given, held to an answer: what hangs or panics is an error of that call.
//!
//! A manager does not choose its store, and a flight that waits for one for ever, or dies of one, takes the answer of
//! an issuer with it. An error instead is what the manager knows how to go on from. Once a call was not answered, or took
//! long to fail, those after it have less time for a while, so that a flight, which makes several, still ends in time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::poll_immediate;

use super::meters::StoreMeters;
use super::sync::time;
use crate::budget::{Budget, Spending};
use crate::clock::stopwatch::Stopwatch;
use crate::clock::{Clock, Moment};
use crate::credentials::Credentials;
use crate::key::Key;
use crate::store::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};

/// A store of which each call ends.
#[derive(Debug)]
pub(super) struct GuardedStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    label: Box<str>,
    /// Until when, on the boot clock, calls have less time.
    hurried_until_ms: AtomicI64,
    meters: Arc<StoreMeters>,
}

impl GuardedStore {
    pub(super) fn new(inner: Arc<dyn Store>, clock: Arc<dyn Clock>, meters: Arc<StoreMeters>) -> Self {
        let label = unless_it_panics(|| inner.label().into(), NO_LABEL.into());
        Self { inner, clock, label, hurried_until_ms: AtomicI64::new(i64::MIN), meters }
    }

    /// What the call gives, and how long that took.
    async fn measure<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let stopwatch = Stopwatch::start();
        let outcome = self.guard(call).await;
        self.meters.called(operation, stopwatch.read(), &outcome);
        outcome
    }

    /// What the call gives, or that it gave nothing. One that is cut off may be done or not, as after a kill.
    async fn guard<T>(&self, call: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
        let mut call = pin!(AssertUnwindSafe(call).catch_unwind());
        // What has its answer at hand needs no timer, nor a runtime that has some.
        let outcome = if let Some(outcome) = poll_immediate(&mut call).await {
            outcome
        } else {
            let (limit, begun) = (self.limit(), self.clock.now());
            let Ok(outcome) = time::timeout(limit, call).await else { return Err(self.unanswered(limit)) };
            if !matches!(outcome, Ok(Ok(_))) && self.clock.now().since(begun) >= HURRIED_LIMIT {
                self.hurry();
            }
            outcome
        };
        outcome.unwrap_or_else(|_| Err(StoreError::new(&self.label, "the store panicked; the log says where")))
    }

    fn limit(&self) -> Duration {
        let now = self.clock.now().boot_ms;
        if now < self.hurried_until_ms.load(Ordering::Relaxed) { HURRIED_LIMIT } else { LIMIT }
    }

    fn unanswered(&self, limit: Duration) -> StoreError {
        if limit == LIMIT {
            self.hurry();
        }
        let what = format!("the store did not answer within {} s", limit.as_secs());
        // Nobody knows what it did, nor what others do with it at this moment.
        StoreError { busy: true, ..StoreError::new(&self.label, what) }
    }

    fn hurry(&self) {
        let Moment { boot_ms, .. } = self.clock.now().plus(HURRY);
        self.hurried_until_ms.store(boot_ms, Ordering::Relaxed);
    }
}

/// Has the store do it, within its time.
macro_rules! guarded {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        $self.measure(stringify!($method), async { $self.inner.$method($($argument),*).await }).await
    };
}

#[async_trait]
impl Store for GuardedStore {
    fn label(&self) -> &str {
        &self.label
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        guarded!(self.load(key))
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        guarded!(self.save(key, record, expected))
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        guarded!(self.page(after, limit))
    }

    async fn page_ended(
        &self,
        by: Moment,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Option<Vec<(Key, Versioned)>>, StoreError> {
        guarded!(self.page_ended(by, after, limit))
    }

    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        guarded!(self.unreadable())
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        guarded!(self.changes(since, limit))
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        guarded!(self.newest_version())
    }

    async fn changed(&self) {
        // To wait long is what it is for. One that panics tells nothing any more.
        if AssertUnwindSafe(self.inner.changed()).catch_unwind().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        guarded!(self.claim_due(limit, hold))
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        guarded!(self.acquire_lease(key, holder, ttl))
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        guarded!(self.renew_lease(key, holder, ttl))
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        guarded!(self.release_lease(key, holder))
    }

    fn keeps_credentials(&self) -> bool {
        unless_it_panics(|| self.inner.keeps_credentials(), false)
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        guarded!(self.credentials(key))
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        guarded!(self.save_credentials(key, credentials))
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        guarded!(self.replace_credentials(key, before, after))
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        guarded!(self.remove_credentials(key))
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        guarded!(self.accounts(after, limit))
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        guarded!(self.spend(name, budget))
    }

    async fn purge(&self) -> Result<(), StoreError> {
        guarded!(self.purge())
    }

    fn is_in_place(&self) -> bool {
        unless_it_panics(|| self.inner.is_in_place(), true)
    }

    async fn close(&self) {
        let closing = async {
            self.inner.close().await;
            Ok(())
        };
        if let Err(error) = self.guard(closing).await {
            tracing::warn!(%error, "the store was not closed");
        }
    }
}

fn unless_it_panics<T>(asked: impl FnOnce() -> T, otherwise: T) -> T {
    catch_unwind(AssertUnwindSafe(asked)).unwrap_or(otherwise)
}

/// What a store is called that does not say it.
const NO_LABEL: &str = "a store without a label";
/// How long a call may take; longer than the stores of this crate wait for other processes.
const LIMIT: Duration = Duration::from_secs(10);
/// How long one may take after another was not answered, or took so long to fail.
const HURRIED_LIMIT: Duration = Duration::from_secs(2);
/// How long that stays so.
const HURRY: Duration = Duration::from_secs(30);
