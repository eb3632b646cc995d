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
mod lease;
mod memory;
#[cfg(feature = "stores")]
mod open;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "stores")]
mod private;
mod record;
mod record_json;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "stores")]
mod reopening;
#[cfg(feature = "stores")]
mod sealed;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::budget::{Budget, Spending};
use crate::clock::Moment;
use crate::credentials::Credentials;
use crate::key::Key;

#[cfg(feature = "stores")]
pub use file::FileStore;
pub use lease::{Holder, LeaseOutcome};
pub use memory::MemoryStore;
#[cfg(feature = "stores")]
pub(crate) use open::{MAKE_A_KEY, SERVERS_NEED_KEYS};
#[cfg(feature = "stores")]
pub use open::{StoreUrl, open, open_sealed};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresUrl};
pub use record::{Record, SaveOutcome, Version, Versioned};
pub use record_json::InvalidRecord;
#[cfg(feature = "redis")]
pub use redis::{RedisStore, RedisUrl};
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
/// | `changed` | being asked earlier than that |
/// | `claim_due` | `refresh = always` shared among processes; without it each process keeps all such keys in memory |
/// | `page` | statuses of keys that are not in memory, clean-up, `refresh = always` after a start |
/// | `page_ended` | clean-up that looks at nothing but what is over |
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{FileStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// let store = FileStore::open(path, clock()).await?;
    /// assert_eq!(store.label(), format!("file:{}", path.display()));
    /// # Ok(())
    /// # }
    /// ```
    fn label(&self) -> &str;

    /// The record of a key with its version. One that is there and cannot be read is an error: whoever took it for absent
    /// would write over it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// assert!(store.load(&key("graph")).await?.is_none());
    /// let _saved = store.save(&key("graph"), &record(1), None).await?;
    /// let found = store.load(&key("graph")).await?.ok_or("nothing")?;
    /// assert_eq!(found.record.generation, 1);
    /// assert!(store.load(&key("graph:7")).await?.is_none()); // another account is another key
    /// # Ok(())
    /// # }
    /// ```
    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError>;

    /// Writes a record if the key's version is still `expected` (`None`: if there is no record), and makes it the
    /// newest version of all keys. When this returns `Saved`, the record survives a kill of this process. An error leaves
    /// open whether it was written.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{SaveOutcome, Store, Version};
    /// # let (store, _clock) = memory();
    ///
    /// let first = store.save(&key("graph"), &record(1), None).await?;
    /// assert_eq!(first, SaveOutcome::Saved(Version(1)));
    /// // Two processes have read this version, and both write the next record: one of them is late.
    /// let (one, other) = (record(2), record(2));
    /// assert_eq!(store.save(&key("graph"), &one, Some(Version(1))).await?, SaveOutcome::Saved(Version(2)));
    /// assert_eq!(store.save(&key("graph"), &other, Some(Version(1))).await?, SaveOutcome::Conflict);
    /// # Ok(())
    /// # }
    /// ```
    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError>;

    /// Records in the order of their keys, which is that of the bytes, at most `limit`, from the first key after `after`.
    /// If there are fewer than `limit`, no more follow: those that cannot be read are left out and made up for.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// # for name in ["graph:1", "graph:2", "graph:3"] {
    /// #     let _saved = store.save(&key(name), &record(1), None).await?;
    /// # }
    /// let first = store.page(None, 2).await?; // of graph:1, graph:2 and graph:3
    /// let second = store.page(first.last().map(|(key, _)| key), 2).await?;
    /// assert_eq!(first.len(), 2);
    /// assert_eq!(second.len(), 1); // less than 2: there are no more
    /// assert_eq!(second[0].0, key("graph:3"));
    /// # Ok(())
    /// # }
    /// ```
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError>;

    /// As [`page`](Self::page), but of those records alone whose token has ended by this moment on the wall clock, found
    /// without a look at the others. Whoever goes by it looks at the record too.
    ///
    /// `None`, which is the default: this store has no index of what ends when.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Clock, store::Store};
    /// # let (store, clock) = memory();
    ///
    /// let page = match store.page_ended(clock.now(), None, 100).await? {
    ///     Some(page) => page,
    ///     None => store.page(None, 100).await?, // all of them
    /// };
    /// # assert!(page.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    async fn page_ended(
        &self,
        by: Moment,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Option<Vec<(Key, Versioned)>>, StoreError> {
        let _ = (by, after, limit);
        Ok(None)
    }

    /// Records that [`page`](Self::page) leaves out because they cannot be read: what they are called there, and why.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{FileStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// let store = FileStore::open(path, clock()).await?;
    /// let _saved = store.save(&key("graph"), &record(1), None).await?;
    /// std::fs::write(path.join(".tokenkeep/graph.json"), r#"{"form": 999}"#)?; // by a later version
    /// assert!(store.page(None, 10).await?.is_empty());
    /// for (name, why) in store.unreadable().await? {
    ///     println!("{name}: {why}");
    /// }
    /// assert_eq!(store.unreadable().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(Vec::new())
    }

    /// Keys that were written after `since`, at most `limit` in the order of their versions, each with its version.
    /// [`Version::ZERO`] lies before all; a key written twice is named once, with its newest version. If there are fewer
    /// than `limit`, no more follow.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{Store, Version};
    /// # let (store, _clock) = memory();
    ///
    /// for (name, expected) in [("graph", None), ("bluestakes", None), ("graph", Some(Version(1)))] {
    ///     let _saved = store.save(&key(name), &record(1), expected).await?;
    /// }
    /// let changes = store.changes(Version(1), 10).await?; // by whoever has seen the first
    /// assert_eq!(changes, [(key("bluestakes"), Version(2)), (key("graph"), Version(3))]);
    /// # Ok(())
    /// # }
    /// ```
    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError>;

    /// The newest version of all keys.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// let seen = store.newest_version().await?;
    /// let _saved = store.save(&key("graph"), &record(1), None).await?;
    /// assert!(store.newest_version().await? > seen); // so it is worth asking for changes
    /// # Ok(())
    /// # }
    /// ```
    async fn newest_version(&self) -> Result<Version, StoreError>;

    /// Comes back when another process has perhaps written something, so that it is worth asking for changes now. It may do
    /// so late, in vain or, as it does by default, never: whoever waits asks once in a while in any case.
    ///
    /// One waits at a time. What happens while nobody waits is told to the next who does, also if that call is dropped
    /// before it comes back.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{Store, Version};
    /// # let (store, _clock) = memory();
    ///
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    ///
    /// # let looks = [Duration::from_millis(5)];
    /// # let seen = store.newest_version().await?;
    /// # for second in looks {
    /// let _noticed = timeout(second, store.changed()).await; // one process has this store: nobody tells it anything
    /// let changes = store.changes(seen, 100).await?; // so it looks by itself
    /// # assert!(_noticed.is_err() && changes.is_empty());
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    /// Takes keys whose [`Record::due_at`] has come, for as long as `hold`: at most `limit`, those first that are due
    /// the longest. No other call gives them meanwhile; each is due again after that, so that nothing is lost with a
    /// process that dies, unless it is saved: then it is due when the saved record says. A claim changes no version, and
    /// wants no lease: it says who looks after a key, not who may ask the issuer. Of no key with `limit` 0.
    ///
    /// `None`, which is the default: this store keeps no order of what is due.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Clock, store::Store};
    /// # let (store, clock) = memory();
    ///
    /// use std::time::Duration;
    /// use tokenkeep::store::Record;
    ///
    /// let hold = Duration::from_mins(1);
    /// let due = Record { due_at: Some(clock.now()), ..record(1) };
    /// let _saved = store.save(&key("graph:7"), &due, None).await?;
    /// assert_eq!(store.claim_due(100, hold).await?, Some(vec![key("graph:7")]));
    /// assert_eq!(store.claim_due(100, hold).await?, Some(vec![])); // somebody has it
    /// clock.advance(hold);
    /// assert_eq!(store.claim_due(100, hold).await?, Some(vec![key("graph:7")])); // and has not seen to it
    /// # Ok(())
    /// # }
    /// ```
    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        let _ = (limit, hold);
        Ok(None)
    }

    /// Takes the lease of a key for `ttl`, unless somebody else has it. A holder that takes it again keeps it for
    /// `ttl` from now. Exactly one of any number of simultaneous calls by different holders gets it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{Holder, LeaseOutcome, Store};
    /// # let (store, clock) = memory();
    ///
    /// use std::time::Duration;
    ///
    /// let (one, other, ttl) = (Holder::unique(), Holder::unique(), Duration::from_secs(30));
    /// assert_eq!(store.acquire_lease(&key("graph"), &one, ttl).await?, LeaseOutcome::Acquired);
    /// clock.advance(Duration::from_secs(10));
    /// assert_eq!(store.acquire_lease(&key("graph"), &other, ttl).await?, LeaseOutcome::Held(Duration::from_secs(20)));
    /// clock.advance(Duration::from_secs(20)); // one was killed
    /// assert_eq!(store.acquire_lease(&key("graph"), &other, ttl).await?, LeaseOutcome::Acquired);
    /// # Ok(())
    /// # }
    /// ```
    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError>;

    /// Extends the lease to `ttl` from now; `false` if it has ended or is somebody else's.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{Holder, Store};
    /// # let (store, clock) = memory();
    ///
    /// # use std::time::Duration;
    /// # let (one, ttl) = (Holder::unique(), Duration::from_secs(30));
    /// let _acquired = store.acquire_lease(&key("graph"), &one, ttl).await?;
    /// clock.advance(Duration::from_secs(20));
    /// assert!(store.renew_lease(&key("graph"), &one, ttl).await?); // the issuer takes its time
    /// clock.advance(Duration::from_secs(40));
    /// assert!(!store.renew_lease(&key("graph"), &one, ttl).await?); // stood still for too long
    /// # Ok(())
    /// # }
    /// ```
    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError>;

    /// Ends the lease if it is `holder`'s; nothing happens otherwise.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{Holder, LeaseOutcome, Store};
    /// # let (store, _clock) = memory();
    ///
    /// # use std::time::Duration;
    /// # let (one, other, ttl) = (Holder::unique(), Holder::unique(), Duration::from_secs(30));
    /// let _acquired = store.acquire_lease(&key("graph"), &one, ttl).await?;
    /// store.release_lease(&key("graph"), &other).await?; // not its own: nothing happens
    /// assert!(matches!(store.acquire_lease(&key("graph"), &other, ttl).await?, LeaseOutcome::Held(_)));
    /// store.release_lease(&key("graph"), &one).await?;
    /// assert_eq!(store.acquire_lease(&key("graph"), &other, ttl).await?, LeaseOutcome::Acquired);
    /// # Ok(())
    /// # }
    /// ```
    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError>;

    /// Whether it takes credentials of accounts. One that does not may have some still, which can be read and removed.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{FileStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let (graph, ann) = (key("bluestakes:123"), password("ann-secret"));
    /// let store = FileStore::open(folder.path(), clock()).await?.without_credentials();
    /// assert!(!store.keeps_credentials());
    /// assert!(store.save_credentials(&graph, &ann).await.is_err());
    /// assert!(!store.remove_credentials(&graph).await?); // but there might have been some
    /// # Ok(())
    /// # }
    /// ```
    fn keeps_credentials(&self) -> bool {
        false
    }

    /// The credentials of an account.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// assert_eq!(store.credentials(&key("bluestakes:123")).await?, None);
    /// store.save_credentials(&key("bluestakes:123"), &password("ann-secret")).await?;
    /// assert_eq!(store.credentials(&key("bluestakes:123")).await?, Some(password("ann-secret")));
    /// # Ok(())
    /// # }
    /// ```
    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        let _ = key;
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Writes the credentials of an account in place of those before; they survive as records do.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// store.save_credentials(&key("bluestakes:123"), &password("ann-secret")).await?;
    /// store.save_credentials(&key("bluestakes:123"), &password("the-next-one")).await?; // whatever was there
    /// assert_eq!(store.credentials(&key("bluestakes:123")).await?, Some(password("the-next-one")));
    /// # Ok(())
    /// # }
    /// ```
    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        let _ = (key, credentials);
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Writes credentials in place of `before`, unless the account has others by now, or none; whether it did.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// # let bluestakes = key("bluestakes:123");
    /// store.save_credentials(&bluestakes, &password("given-meanwhile")).await?;
    /// let (before, after) = (password("as-it-was-read"), password("the-same-sealed-anew"));
    /// assert!(!store.replace_credentials(&bluestakes, &before, &after).await?);
    /// assert_eq!(store.credentials(&bluestakes).await?, Some(password("given-meanwhile")));
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// store.save_credentials(&key("bluestakes:123"), &password("ann-secret")).await?;
    /// assert!(store.remove_credentials(&key("bluestakes:123")).await?);
    /// assert!(!store.remove_credentials(&key("bluestakes:123")).await?); // there are none any more
    /// # Ok(())
    /// # }
    /// ```
    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        let _ = key;
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Keys that have credentials, in the order of their bytes, at most `limit`, from the first after `after`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, _clock) = memory();
    ///
    /// for name in ["bluestakes:2", "bluestakes:1", "bluestakes:3"] {
    ///     store.save_credentials(&key(name), &password("ann-secret")).await?;
    /// }
    /// assert_eq!(store.accounts(None, 2).await?, [key("bluestakes:1"), key("bluestakes:2")]);
    /// assert_eq!(store.accounts(Some(&key("bluestakes:2")), 2).await?, [key("bluestakes:3")]);
    /// # Ok(())
    /// # }
    /// ```
    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let _ = (after, limit);
        Err(unsupported(self.label(), "keeps no credentials of accounts"))
    }

    /// Counts one request of the budget of this name, unless as many as it allows were counted within its window. Of
    /// any number of simultaneous calls no more than that are allowed, and what was counted survives as records do. The
    /// name can be any text.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::Store;
    /// # let (store, clock) = memory();
    ///
    /// use std::time::Duration;
    /// use tokenkeep::budget::{Budget, Spending};
    ///
    /// let budget = Budget::parse("1/1m")?;
    /// assert_eq!(store.spend("graph", budget).await?, Spending::Counted);
    /// clock.advance(Duration::from_secs(45));
    /// assert_eq!(store.spend("graph", budget).await?, Spending::Exhausted(Duration::from_secs(15)));
    /// clock.advance(Duration::from_secs(15));
    /// assert_eq!(store.spend("graph", budget).await?, Spending::Counted);
    /// # Ok(())
    /// # }
    /// ```
    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        let _ = (name, budget);
        Err(unsupported(self.label(), "counts no budgets"))
    }

    /// Takes what was replaced or removed out of the files, as far as others who have them open are not in the way. It is
    /// asked for when records were sealed that were plain before.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{SqliteStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = SqliteStore::open(&folder.path().join("tokens.db"), clock()).await?;
    /// store.save_credentials(&key("bluestakes:123"), &password("ann-secret")).await?;
    /// store.remove_credentials(&key("bluestakes:123")).await?;
    /// assert!(is_in_files(folder.path(), "ann-secret")); // in a log, or where a page is free
    /// store.purge().await?;
    /// assert!(!is_in_files(folder.path(), "ann-secret"));
    /// # Ok(())
    /// # }
    /// ```
    async fn purge(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether what is open is what a new store at the same place would open. One whose file was deleted or replaced is
    /// opened anew by those who own it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{SqliteStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokens.db");
    /// let store = SqliteStore::open(&path, clock()).await?;
    /// assert!(store.is_in_place());
    /// std::fs::remove_file(&path)?; // by somebody who tidies up
    /// assert!(!store.is_in_place());
    /// # Ok(())
    /// # }
    /// ```
    fn is_in_place(&self) -> bool {
        true
    }

    /// Finishes what is under way and lets go of files and connections, if it has any. Later calls may fail.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{SqliteStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokens.db");
    /// let store = SqliteStore::open(&path, clock()).await?;
    /// let _saved = store.save(&key("graph"), &record(1), None).await?;
    /// store.close().await;
    /// assert_eq!(std::fs::read_dir(folder.path())?.count(), 1); // no log is left beside the file
    /// assert!(store.load(&key("graph")).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    async fn close(&self) {}
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
    ///
    /// ```
    /// # use tokenkeep::store::StoreError;
    /// let full = StoreError::new("sqlite:/var/lib/tokens.db", "the disk is full");
    /// let busy = StoreError { busy: true, ..full.clone() }; // nothing is wrong with it
    /// assert!(!full.busy && busy.busy);
    /// ```
    pub fn new(store: &str, what: impl Into<String>) -> Self {
        Self { store: store.into(), what: what.into(), busy: false }
    }
}

fn unsupported(label: &str, what: &str) -> StoreError {
    StoreError::new(label, format!("this store {what}; use another"))
}
