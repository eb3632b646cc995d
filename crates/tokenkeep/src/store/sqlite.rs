//! `sqlite:PATH` — records in one file, shared by the processes of one machine.
//!
//! The hard problem is a caller that stops half-way: dropped, or never polled again, while it holds the write lock on
//! which every other process waits. So each write is one statement, compare included, that runs to its commit on the
//! connection's own thread. An [immediate transaction](https://www.sqlite.org/lang_transaction.html) of several
//! statements would be as atomic, but would keep the lock from one `await` to the next. The version is the row id:
//! `AUTOINCREMENT` numbers all writes to the table in the transaction of the write, and never gives a number twice.
//!
//! A row that cannot be read, because a person or another program has written it, is an error for those who want that
//! key, and is left out where many are asked for.

mod account;
mod budget;
mod fault;
mod file;
mod row;
mod setup;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::{Executor as _, Sqlite, SqlitePool};

use self::fault::Fault;
use self::row::Unreadable;
use super::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use crate::budget::{Budget, Spending};
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::key::Key;

/// Keeps records, credentials and budgets in a `SQLite` file, for any number of processes of one machine. It seals
/// nothing: see [`SealedStore`](super::SealedStore).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tokens.db");
/// use tokenkeep::store::{SqliteStore, Store};
///
/// // Two processes, or one and its next start.
/// let (one, other) = (SqliteStore::open(&path, clock()).await?, SqliteStore::open(&path, clock()).await?);
/// let _saved = one.save(&key("graph"), &record(1), None).await?;
/// assert!(other.load(&key("graph")).await?.is_some());
/// # Ok(())
/// # }
/// ```
pub struct SqliteStore {
    label: Box<str>,
    clock: Arc<dyn Clock>,
    writer: SqlitePool,
    readers: SqlitePool,
    path: PathBuf,
    identity: Option<file::Identity>,
}

impl SqliteStore {
    /// Opens a file, or makes it with the folders that it lies in, readable by their owner alone. Leases end by this
    /// clock. A file of another program, of a later version of this one, or a damaged one is an error and stays as
    /// it is; so is a symbolic link.
    ///
    /// Any number of processes may open the same file at the same moment, also when it is not there yet.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{SqliteStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokens.db");
    /// std::fs::write(&path, "notes of somebody")?;
    /// let error = SqliteStore::open(&path, clock()).await.unwrap_err();
    /// assert_eq!(&*error.store, format!("sqlite:{}", path.display()));
    /// assert_eq!(std::fs::read_to_string(&path)?, "notes of somebody");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let label: Box<str> = format!("sqlite:{}", path.display()).into();
        match open_pools(path).await {
            Ok((writer, readers)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                Ok(Self { label, clock, writer, readers, identity: file::identity(&path), path })
            }
            Err(fault) => Err(StoreError { store: label, what: fault.what, busy: fault.is_busy }),
        }
    }

    /// The connection for writing; nobody else in this process has it meanwhile.
    async fn writer(&self, durability: Durability) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        let mut connection = self.writer.acquire().await?;
        connection.execute(durability.pragma()).await?;
        Ok(connection)
    }

    /// The name of this boot and the time on its clock. On a machine whose boots have no names it is the wall clock's:
    /// there, one that is set back makes leases longer.
    fn lease_time(&self) -> (String, i64) {
        let (boot_id, now) = (self.clock.boot_id().to_owned(), self.clock.now());
        let now_ms = if boot_id.is_empty() { now.wall_ms } else { now.boot_ms };
        (boot_id, now_ms)
    }

    fn error(&self, fault: impl Into<Fault>) -> StoreError {
        let fault = fault.into();
        StoreError { store: self.label.clone(), what: fault.what, busy: fault.is_busy }
    }

    /// Whether the file that is open is still the one that others find under its name. Writing into one that was
    /// deleted would look well and be lost.
    fn check_place(&self) -> Result<(), StoreError> {
        if self.identity == file::identity(&self.path) {
            return Ok(());
        }
        Err(self.error(Fault::new("the file was deleted or replaced while it was open")))
    }

    fn unreadable(&self, key: &str, Unreadable(column): Unreadable) -> StoreError {
        self.error(Fault::new(format!("the record of '{key}' cannot be read: see its column {column}")))
    }
}

async fn open_pools(path: &Path) -> Result<(SqlitePool, SqlitePool), Fault> {
    // SQLite takes some relative names for something else than a file: `:memory:`, `file:…`.
    let path = std::path::absolute(path).map_err(|error| Fault::new(format!("is no path: {error}")))?;
    let prepared = path.clone();
    tokio::task::spawn_blocking(move || file::prepare(&prepared))
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
        .map_err(Fault::new)?;
    let writer = setup::open_writer(&path).await?;
    Ok((writer, setup::open_readers(&path)))
}

#[async_trait]
impl Store for SqliteStore {
    fn label(&self) -> &str {
        &self.label
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let query = sqlx::query("SELECT * FROM records WHERE key = ?").bind(key.as_str());
        let row = query.fetch_optional(&self.readers).await.map_err(|error| self.error(error))?;
        let found = row.as_ref().map(row::decode).transpose();
        Ok(found.map_err(|unreadable| self.unreadable(key.as_str(), unreadable))?.map(|(_, versioned)| versioned))
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        self.check_place()?;
        let saved = async {
            let mut connection = self.writer(Durability::PowerCut).await?;
            row::save(key, record, expected).execute(&mut *connection).await
        };
        let saved = saved.await.map_err(|error| self.error(error))?;
        Ok(match saved.rows_affected() {
            0 => SaveOutcome::Conflict,
            _ => SaveOutcome::Saved(Version(saved.last_insert_rowid().cast_unsigned())),
        })
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let mut page = Vec::new();
        let mut after = after.map_or("", Key::as_str).to_owned();
        // Rows that are left out are made up for: a page that is not full is the last one.
        while page.len() < limit {
            let wanted = limit - page.len();
            let query = sqlx::query("SELECT * FROM records WHERE key > ? ORDER BY key LIMIT ?");
            let query = query.bind(after.as_str()).bind(i64::try_from(wanted).unwrap_or(i64::MAX));
            let rows = query.fetch_all(&self.readers).await.map_err(|error| self.error(error))?;
            for row in &rows {
                after = row::column(row, "key").map_err(|unreadable| self.unreadable("?", unreadable))?;
                match row::decode(row) {
                    Ok(found) => page.push(found),
                    Err(Unreadable(column)) => {
                        tracing::warn!(store = %self.label, key = after, column, "a record cannot be read and is left out");
                    }
                }
            }
            if rows.len() < wanted {
                break;
            }
        }
        Ok(page)
    }

    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut unreadable = Vec::new();
        let mut rows = sqlx::query("SELECT * FROM records ORDER BY key").fetch(&self.readers);
        while let Some(row) = rows.try_next().await.map_err(|error| self.error(error))? {
            if let Err(Unreadable(column)) = row::decode(&row) {
                let name = row::column(&row, "key").unwrap_or("?");
                unreadable.push((name.to_owned(), format!("see its column {column}")));
            }
        }
        Ok(unreadable)
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        let mut changes = Vec::new();
        let mut since = i64::try_from(since.0).unwrap_or(i64::MAX);
        while changes.len() < limit {
            let wanted = limit - changes.len();
            let query = sqlx::query("SELECT version, key FROM records WHERE version > ? ORDER BY version LIMIT ?");
            let query = query.bind(since).bind(i64::try_from(wanted).unwrap_or(i64::MAX));
            let rows = query.fetch_all(&self.readers).await.map_err(|error| self.error(error))?;
            for row in &rows {
                let version = row::version(row).map_err(|unreadable| self.unreadable("?", unreadable))?;
                since = version.0.cast_signed();
                // What is no key names nothing that somebody could have asked for; `page` says so in the log.
                changes.extend(row::key(row).ok().map(|key| (key, version)));
            }
            if rows.len() < wanted {
                break;
            }
        }
        Ok(changes)
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'records'), 0)",
        );
        let newest = query.fetch_one(&self.readers).await.map_err(|error| self.error(error))?;
        Ok(Version(newest.cast_unsigned()))
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        self.check_place()?;
        let outcome = async {
            let mut connection = self.writer(Durability::Kill).await?;
            let (boot_id, now) = self.lease_time();
            let taken = sqlx::query(ACQUIRE)
                .bind(key.as_str())
                .bind(holder.as_str())
                .bind(boot_id)
                .bind(now.saturating_add(millis(ttl)))
                .bind(now)
                .execute(&mut *connection)
                .await?;
            if taken.rows_affected() > 0 {
                return Ok(LeaseOutcome::Acquired);
            }
            let query = sqlx::query_scalar("SELECT end_ms FROM leases WHERE key = ?").bind(key.as_str());
            // Released in between: then there is nothing to wait for.
            let end = query.fetch_optional(&mut *connection).await?.unwrap_or(now);
            Ok(LeaseOutcome::Held(Duration::from_millis(u64::try_from(end.saturating_sub(now)).unwrap_or(0))))
        };
        outcome.await.map_err(|error: sqlx::Error| self.error(error))
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        let renewed = async {
            let mut connection = self.writer(Durability::Kill).await?;
            let (boot_id, now) = self.lease_time();
            sqlx::query(RENEW)
                .bind(key.as_str())
                .bind(holder.as_str())
                .bind(boot_id)
                .bind(now.saturating_add(millis(ttl)))
                .bind(now)
                .execute(&mut *connection)
                .await
        };
        Ok(renewed.await.map_err(|error| self.error(error))?.rows_affected() > 0)
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        let released = async {
            let mut connection = self.writer(Durability::Kill).await?;
            let query = sqlx::query("DELETE FROM leases WHERE key = ? AND holder = ?");
            query.bind(key.as_str()).bind(holder.as_str()).execute(&mut *connection).await
        };
        released.await.map_err(|error| self.error(error))?;
        Ok(())
    }

    fn keeps_credentials(&self) -> bool {
        true
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        let found = account::load(key).fetch_optional(&self.readers).await.map_err(|error| self.error(error))?;
        let read = found.as_ref().map(account::decode).transpose();
        read.map_err(|_| self.error(Fault::new(format!("the credentials of '{key}' cannot be read; give them again"))))
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        self.check_place()?;
        let saved = async {
            let mut connection = self.writer(Durability::PowerCut).await?;
            account::save(key, credentials).execute(&mut *connection).await
        };
        saved.await.map(drop).map_err(|error| self.error(error))
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        self.check_place()?;
        let replaced = async {
            let mut connection = self.writer(Durability::PowerCut).await?;
            account::replace(key, before, after).execute(&mut *connection).await
        };
        Ok(replaced.await.map_err(|error| self.error(error))?.rows_affected() > 0)
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        self.check_place()?;
        let removed = async {
            let mut connection = self.writer(Durability::PowerCut).await?;
            account::remove(key).execute(&mut *connection).await
        };
        Ok(removed.await.map_err(|error| self.error(error))?.rows_affected() > 0)
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let rows = account::page(after, limit).fetch_all(&self.readers).await.map_err(|error| self.error(error))?;
        let keys = rows.iter().map(row::key).collect::<Result<_, _>>();
        keys.map_err(|unreadable| self.unreadable("?", unreadable))
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        self.check_place()?;
        let spending = async {
            let mut connection = self.writer(Durability::PowerCut).await?;
            budget::spend(&mut connection, name, budget, self.clock.boot_id(), self.clock.now()).await
        };
        spending.await.map_err(|error| self.error(error))
    }

    async fn purge(&self) -> Result<(), StoreError> {
        let purged = async { setup::purge(&mut *self.writer.acquire().await?).await };
        purged.await.map_err(|error| self.error(error))
    }

    fn is_in_place(&self) -> bool {
        self.check_place().is_ok()
    }

    async fn close(&self) {
        // The last connection to a file moves the log into it and removes it; a reader could not.
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("label", &self.label).finish_non_exhaustive()
    }
}

/// What a write outlives. In write-ahead logging both outlive the process.
#[derive(Debug, Clone, Copy)]
enum Durability {
    /// The process. For leases: they end with the boot anyway.
    Kill,
    /// The machine, at the price of an `fsync`. For records: the last refresh token of a login may be in it, and is
    /// worth nothing to the issuer once it was rotated, so one lost write is a lost login.
    PowerCut,
}

impl Durability {
    fn pragma(self) -> &'static str {
        match self {
            Self::Kill => "PRAGMA synchronous = NORMAL",
            Self::PowerCut => "PRAGMA synchronous = FULL",
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

const ACQUIRE: &str = "
    INSERT INTO leases (key, holder, boot_id, end_ms) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, boot_id = excluded.boot_id, end_ms = excluded.end_ms
    WHERE leases.holder = excluded.holder OR leases.boot_id <> excluded.boot_id OR leases.end_ms <= ?5";

const RENEW: &str = "
    UPDATE leases SET end_ms = ?4 WHERE key = ?1 AND holder = ?2 AND boot_id = ?3 AND end_ms > ?5";
