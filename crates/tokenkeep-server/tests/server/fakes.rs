//! A clock that stands still, a source that always answers, a store that never does.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::source::{Ask, Fault, FetchError, Fetched, TokenSource};
use tokenkeep::store::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use tokenkeep::{Clock, Key, Moment, Secret};

use crate::secrets;

/// Stands at 2030-03-17T17:46:40Z until it is moved.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        let passed = self.0.load(Ordering::SeqCst);
        Moment { wall_ms: 1_900_000_000_000 + passed, boot_ms: 1_000_000 + passed }
    }

    fn boot_id(&self) -> &'static str {
        "test"
    }
}

/// Gives every account a token of an hour.
#[derive(Debug)]
pub(crate) struct Vendor;

#[async_trait]
impl TokenSource for Vendor {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        Ok(Fetched::new(Secret::new(secrets::VENDOR_TOKEN))
            .with_scope("read write")
            .expiring_in(Duration::from_hours(1))
            .with_refresh_token(Secret::new(secrets::REFRESH_TOKEN)))
    }

    fn issuer(&self) -> &'static str {
        "vendor.example"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("source", "vendor")])
    }
}

/// Gives every account a token of its own, of an hour, and another one each time: `planted-ACCOUNT-COUNT` and as many
/// bytes as are wanted.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) requests: AtomicUsize,
    pub(crate) padding: usize,
}

#[async_trait]
impl TokenSource for Counting {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let count = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let token = format!("planted-{}-{count}{}", ask.key.account(), "x".repeat(self.padding));
        Ok(Fetched::new(Secret::new(token)).expiring_in(Duration::from_hours(1)))
    }

    fn issuer(&self) -> &'static str {
        "counting.example"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("source", "counting")])
    }
}

/// Refuses every account.
#[derive(Debug)]
pub(crate) struct Refusing;

#[async_trait]
impl TokenSource for Refusing {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        Err(FetchError::new(Fault::Refused, "refusing.example does not know this account"))
    }

    fn issuer(&self) -> &'static str {
        "refusing.example"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("source", "refusing")])
    }
}

/// Panics in the middle of a request as soon as it is armed: a status names the issuer.
#[derive(Debug, Default)]
pub(crate) struct Panicking {
    pub(crate) armed: AtomicBool,
}

#[async_trait]
impl TokenSource for Panicking {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        Vendor.fetch(ask).await
    }

    fn issuer(&self) -> &'static str {
        assert!(!self.armed.load(Ordering::SeqCst), "{}", secrets::IN_A_PANIC);
        "panicking.example"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("source", "panicking")])
    }
}

/// Fails whatever it is asked for.
#[derive(Debug)]
pub(crate) struct BrokenStore;

impl BrokenStore {
    fn fail<T>() -> Result<T, StoreError> {
        Err(StoreError { store: "broken:".into(), what: "disk on fire".to_owned(), busy: false })
    }
}

#[async_trait]
impl Store for BrokenStore {
    fn label(&self) -> &'static str {
        "broken:"
    }

    async fn load(&self, _: &Key) -> Result<Option<Versioned>, StoreError> {
        Self::fail()
    }

    async fn save(&self, _: &Key, _: &Record, _: Option<Version>) -> Result<SaveOutcome, StoreError> {
        Self::fail()
    }

    async fn page(&self, _: Option<&Key>, _: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        Self::fail()
    }

    async fn changes(&self, _: Version, _: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        Self::fail()
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        Self::fail()
    }

    async fn acquire_lease(&self, _: &Key, _: &Holder, _: Duration) -> Result<LeaseOutcome, StoreError> {
        Self::fail()
    }

    async fn renew_lease(&self, _: &Key, _: &Holder, _: Duration) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn release_lease(&self, _: &Key, _: &Holder) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn close(&self) {}
}
