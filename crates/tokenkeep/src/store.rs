//! Where records are kept, and how processes that share them take turns.
//!
//! The hard problem is a holder that was stopped and comes back: it must not overwrite what happened meanwhile, nor
//! end a lease that is no longer its own. So a write names the version that it replaces and a lease names its holder,
//! and a store compares both in one atomic step. `contract` holds the laws that every store passes unchanged; with the
//! feature `store-contract` they are there for stores of your own, too.
//!
//! A store of your own keeps, for each key, a version and the text that [`Record::expose_json`] gives, and a table of
//! leases; `examples/own_store` does it in a page. [`SealedStore`] seals what it keeps, and
//! [`ManagerBuilder::store`](crate::ManagerBuilder::store) takes it.

#[cfg(any(test, feature = "store-contract"))]
pub mod contract;
#[cfg(feature = "stores")]
mod file;
mod memory;
#[cfg(feature = "stores")]
mod open;
#[cfg(feature = "stores")]
mod private;
mod record_json;
#[cfg(feature = "stores")]
mod reopening;
#[cfg(feature = "stores")]
mod sealed;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::budget::{Budget, Spending};
use crate::clock::Moment;
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::secret::Secret;
use crate::token::IssuedToken;

#[cfg(feature = "stores")]
pub use file::FileStore;
pub use memory::MemoryStore;
#[cfg(feature = "stores")]
pub use open::{StoreUrl, open, open_sealed};
pub use record_json::InvalidRecord;
#[cfg(feature = "stores")]
pub(crate) use reopening::ReopeningStore;
#[cfg(feature = "stores")]
pub use sealed::{Resealed, SealedStore, WhenUnopenable};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// Keeps records and leases, and, if it can, credentials of accounts and what was spent of budgets. All methods may be
/// called from many tasks at once, and dropping a call half-way leaves either everything of it done or nothing.
///
/// A manager drops a call that takes longer than 10 s, or 2 s for a while after one that did, and goes on as after an
/// error; so it does when a call panics. It cannot drop one that blocks its thread.
///
/// What the methods are for, to see which of them matter to you:
///
/// | methods | for |
/// |---|---|
/// | `load`, `save` | tokens that outlive a start, and each flight: it reads before it asks and saves before anybody has the answer |
/// | the three of leases | one request where many processes share the store, and refresh tokens that are sent once |
/// | `newest_version`, `changes` | what other processes did; asked once a second, so they must be cheap |
/// | `page` | statuses of keys that are not in memory, clean-up, `refresh = always` after a start |
/// | those of credentials | [`Accounts::Stored`](crate::Accounts::Stored); together, or none of them |
/// | `spend` | budgets over processes and restarts; without it each process counts for itself, and says so |
///
/// Versions, leases and budgets are decided where all processes meet: in a database by one statement or transaction,
/// with its own clock for leases. A method has a default where that is the truth about a store without it.
///
/// ```
/// use tokenkeep::store::{Holder, LeaseOutcome, MemoryStore, SaveOutcome, Store};
/// # use std::{sync::Arc, time::Duration};
/// # use tokenkeep::{Key, clock::SystemClock, store::{Record, StoreError}};
/// # async fn example(record: Record, key: Key) -> Result<(), StoreError> {
///
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// let holder = Holder::unique();
/// let LeaseOutcome::Acquired = store.acquire_lease(&key, &holder, Duration::from_secs(30)).await? else {
///     return Ok(()); // somebody else is at it
/// };
/// let expected = store.load(&key).await?.map(|stored| stored.version);
/// match store.save(&key, &record, expected).await? {
///     SaveOutcome::Saved(version) => println!("{version:?} is the newest of all keys"),
///     SaveOutcome::Conflict => println!("somebody came in between, and the record is theirs"),
/// }
/// store.release_lease(&key, &holder).await
/// # }
/// ```
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// What it is and where, for messages: e.g. `sqlite:/var/lib/tokenkeep/tokenkeep.db`. Never a password.
    fn label(&self) -> &str;

    /// The record of a key with its version.
    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError>;

    /// Writes a record if the key's version is still `expected` (`None`: if there is no record), and makes it the
    /// newest version of all keys. When this returns `Saved`, the record survives a kill of this process.
    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError>;

    /// Records in the order of their keys, at most `limit`, from the first key after `after`.
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError>;

    /// Records that [`page`](Self::page) leaves out because they cannot be read: what they are called there, and why.
    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(Vec::new())
    }

    /// Keys that were written after `since`, at most `limit` in the order of their versions, each with its version.
    /// [`Version::ZERO`] lies before all; a key written twice is named once, with its newest version.
    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError>;

    /// The newest version of all keys.
    async fn newest_version(&self) -> Result<Version, StoreError>;

    /// Takes the lease of a key for `ttl`, unless somebody else has it. A holder that takes it again keeps it for
    /// `ttl` from now. Exactly one of any number of simultaneous calls by different holders gets it.
    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError>;

    /// Extends the lease to `ttl` from now; `false` if it has ended or is somebody else's.
    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError>;

    /// Ends the lease if it is `holder`'s; nothing happens otherwise.
    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError>;

    /// Whether it takes credentials of accounts. One that does not may have some still, which can be read and removed.
    fn keeps_credentials(&self) -> bool {
        false
    }

    /// The credentials of an account.
    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        let _ = key;
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Writes the credentials of an account in place of those before; they survive as records do.
    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        let _ = (key, credentials);
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Writes credentials in place of `before`, unless the account has others by now; whether it did.
    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        let _ = (key, before, after);
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Forgets the credentials of an account; whether there were any.
    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        let _ = key;
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Keys that have credentials, in their order, at most `limit`, from the first after `after`.
    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let _ = (after, limit);
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Counts one request of the budget of this name, unless as many as it allows were counted within its window. Of
    /// any number of simultaneous calls no more than that are allowed, and what was counted survives as records do.
    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        let _ = (name, budget);
        Err(unsupported(self.label(), "counts no budgets"))
    }

    /// Takes what was replaced or removed out of the files, as far as others who have them open are not in the way.
    async fn purge(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether what is open is what a new store at the same place would open. One whose file was deleted or replaced is
    /// opened anew by those who own it.
    fn is_in_place(&self) -> bool {
        true
    }

    /// Finishes what is under way and lets go of files and connections, if it has any.
    async fn close(&self) {}
}

/// What a store keeps of a key.
#[derive(Debug, Clone)]
pub struct Record {
    /// Counts the tokens of this key; goes on counting when a token is cleared.
    pub generation: u64,
    /// What shaped the token.
    pub fingerprint: Fingerprint,
    /// The token, if there is one.
    pub token: Option<Arc<IssuedToken>>,
    /// After how long the issuer advised to renew it.
    pub refresh_in: Option<Duration>,
    /// This token's draw, 0 to 1, by which its renewal is moved earlier.
    pub jitter: f32,
    /// The newest refresh token.
    pub refresh_token: Option<Secret>,
    /// When the issuer was last asked.
    pub asked_at: Option<Moment>,
    /// The failure in force.
    pub failure: Option<Failure>,
    /// Under which boot the moments' boot times were written; see [`crate::Clock::boot_id`].
    pub boot_id: Box<str>,
}

impl Record {
    /// The same record, counted as another generation.
    #[must_use]
    pub(crate) fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self.token = self.token.map(|token| Arc::new(token.with_generation(generation)));
        self
    }
}

/// Orders all writes to a store, over all keys: a later write has a greater version, also after a restart. One counter
/// for the whole store, which is incremented in the same atomic step in which the record is written.
///
/// ```
/// # use tokenkeep::store::Version;
/// assert!(Version(7) > Version::ZERO);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub u64);

impl Version {
    /// Before all writes.
    pub const ZERO: Self = Self(0);
}

/// A record and the version that a write has to name to replace it.
#[derive(Debug, Clone)]
pub struct Versioned {
    /// Its version.
    pub version: Version,
    /// The record.
    pub record: Record,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum SaveOutcome {
    /// Written, as this version.
    Saved(Version),
    /// Not written: the key's version is not the expected one.
    Conflict,
}

/// What became of an attempt to take a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum LeaseOutcome {
    /// It is the caller's now.
    Acquired,
    /// Somebody else has it, for at most so long if not renewed.
    Held(Duration),
}

/// Who holds a lease: one for each manager, with all its flights, over all processes. So one holder has leases of many
/// keys at once, and for each key there is one flight.
///
/// ```
/// # use tokenkeep::store::Holder;
/// assert_ne!(Holder::unique(), Holder::unique());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder(Box<str>);

impl Holder {
    /// A name that nobody else has.
    pub fn unique() -> Self {
        Self(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)).into())
    }

    /// The name as stores write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A store that cannot do its work now. It says what happened and where; it holds no record's content. Tokens go on
/// from memory, and the manager tries again.
///
/// ```
/// # use tokenkeep::store::StoreError;
/// let down = StoreError::new("postgres://db.example/tokens", "the connection was refused");
/// assert_eq!(down.to_string(), "postgres://db.example/tokens: the connection was refused");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{store}: {what}")]
pub struct StoreError {
    /// The store's label.
    pub store: Box<str>,
    /// What happened, in a lowercase fragment.
    pub what: String,
    /// Somebody else is at work on it: it is well, and will answer later.
    pub busy: bool,
}

impl StoreError {
    /// A store that does not work; `store` is its label.
    pub fn new(store: &str, what: impl Into<String>) -> Self {
        Self { store: store.into(), what: what.into(), busy: false }
    }
}

fn unsupported(label: &str, what: &str) -> StoreError {
    StoreError::new(label, format!("this store {what}; use another"))
}
