//! `postgres://…` — records in a database, shared by any number of machines.
//!
//! The hard problem is a caller that stops half-way while it holds a lock on which all others wait. So each call is one
//! message that the server runs as one transaction to its commit, compare included, whether anybody waits for the answer
//! or not. `sql` says how it is made, and why nothing is prepared.
//!
//! Another is an answer that is lost with its connection: nobody knows whether it was done. A write of a record is sent
//! again, and finds out, since no two sealed records look the same; a request of a budget may be counted twice then, which is
//! never one too many at the issuer.

mod connections;
mod fault;
mod notices;
mod schema;
mod sql;
mod url;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use self::connections::{Attempt, Connections};
use self::fault::{Fault, FaultKind};
use self::notices::{CHANNEL, Notices};
use self::sql::Value::{Null, Number, Text, Time};
use super::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use crate::budget::{Budget, Spending};
use crate::clock::{Clock, Moment};
use crate::credentials::Credentials;
use crate::key::Key;

pub use self::url::PostgresUrl;

/// Keeps records, credentials, leases and budgets in a PostgreSQL database (12 or later), for any number of machines.
/// Leases and budgets go by the server's clock. It seals nothing: see [`SealedStore`](super::SealedStore).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::store::{PostgresStore, PostgresUrl, Store};
///
/// # const URL: &str = "postgres://tokenkeep:a-password@127.0.0.1:1/tokens";
/// let url = PostgresUrl::parse(URL)?; // the same on each machine
/// match PostgresStore::open(&url, clock()).await {
///     Ok(store) => drop(store.save(&key("graph"), &record(1), None).await?), // seen by all of them
///     Err(error) => assert!(!error.to_string().contains("a-password")),
/// }
/// # Ok(())
/// # }
/// ```
pub struct PostgresStore {
    label: Box<str>,
    connections: Arc<Connections>,
    notices: Notices,
    /// The tables that this store was opened on are not there any more.
    is_gone: AtomicBool,
}

impl PostgresStore {
    /// Connects, and makes the tables if they are not there, or what they lack. Any number of processes may do so at the
    /// same moment. Tables that a later version of this program has changed so that this one would misread them are an
    /// error, and stay as they are. By this clock connections grow old.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{PostgresStore, PostgresUrl};
    /// let url = PostgresUrl::parse("postgres://tokenkeep:a-password@127.0.0.1:1/tokens")?;
    /// let error = PostgresStore::open(&url, clock()).await.unwrap_err();
    /// assert_eq!(error.to_string(), "postgres://127.0.0.1:1/tokens: cannot be reached: nobody listens there");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(url: &PostgresUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let label: Box<str> = url.to_string().into();
        let connections = Arc::new(Connections::new(url.clone(), clock));
        if let Err(fault) = schema::set_up(&connections).await {
            return Err(error(&label, fault));
        }
        let notices = Notices::new(Arc::clone(&connections), label.clone());
        Ok(Self { label, connections, notices, is_gone: AtomicBool::new(false) })
    }

    /// The statements that make the tables in the schema of a URL, for databases in which a program may not do so itself.
    ///
    /// ```
    /// use tokenkeep::store::{PostgresStore, PostgresUrl};
    ///
    /// let url = PostgresUrl::parse("postgres://tokenkeep@db.example/tokens?schema=billing")?;
    /// assert!(PostgresStore::sql(&url).contains("CREATE TABLE \"billing\".records"));
    /// # Ok::<(), String>(())
    /// ```
    pub fn sql(url: &PostgresUrl) -> String {
        schema::script(&url.schema)
    }

    async fn ask(&self, template: &str, values: &[sql::Value<'_>]) -> Result<(Vec<PgRow>, Attempt), StoreError> {
        self.connections.ask(template, values).await.map_err(|fault| self.error(fault))
    }

    async fn rows(&self, template: &str, values: &[sql::Value<'_>]) -> Result<Vec<PgRow>, StoreError> {
        self.ask(template, values).await.map(|(rows, _)| rows)
    }

    /// The answer to what always has one: a statement's last row.
    async fn row(&self, template: &str, values: &[sql::Value<'_>]) -> Result<PgRow, StoreError> {
        let row = self.rows(template, values).await?.pop();
        row.ok_or_else(|| self.error(Fault::new("the table 'state' is empty; restore a copy")))
    }

    fn error(&self, fault: Fault) -> StoreError {
        if fault.kind == FaultKind::NoTables {
            self.is_gone.store(true, Ordering::Relaxed);
        }
        error(&self.label, fault)
    }

    fn column<'r, T>(&self, row: &'r PgRow, name: &str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        row.try_get(name).map_err(|error| self.error(error.into()))
    }

    fn decode(&self, row: &PgRow) -> Result<Result<(Key, Versioned), Unreadable>, StoreError> {
        let name: String = self.column(row, "key")?;
        let version = Version(self.column::<i64>(row, "version")?.cast_unsigned());
        let read = Record::from_json(self.column(row, "record")?);
        let key = Key::parse(&name).ok().filter(|key| key.as_str() == name);
        Ok(match (key, read) {
            (Some(key), Ok(record)) => Ok((key, Versioned { version, record })),
            (None, _) => Err(Unreadable { name, why: "its key is none".to_owned() }),
            (_, Err(why)) => Err(Unreadable { name, why: why.to_string() }),
        })
    }

    /// A page of what a statement finds: behind the key `$1`, at most `$2` of them, and ended by `$3` if it asks for that.
    async fn page_of(
        &self,
        statement: &str,
        after: Option<&Key>,
        limit: usize,
        by: Option<Moment>,
    ) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let mut page = Vec::new();
        let mut after = after.map_or("", Key::as_str).to_owned();
        // Rows that are left out are made up for: a page that is not full is the last one.
        while page.len() < limit {
            let wanted = limit - page.len();
            let by = by.map(|by| Time(Some(by.wall_ms)));
            let values: Vec<_> = [Text(&after), Number(count(wanted))].into_iter().chain(by).collect();
            let rows = self.rows(statement, &values).await?;
            for row in &rows {
                after = self.column(row, "key")?;
                match self.decode(row)? {
                    Ok(found) => page.push(found),
                    Err(Unreadable { name, why }) => {
                        tracing::warn!(store = %self.label, key = name, why, "a record cannot be read and is left out");
                    }
                }
            }
            if rows.len() < wanted {
                break;
            }
        }
        Ok(page)
    }

    /// What was found of one's own write after an answer was lost.
    async fn saved_before(&self, key: &Key, record: &str) -> Result<SaveOutcome, StoreError> {
        let rows = self.rows(SAVED_BEFORE, &[Text(key.as_str()), Text(record)]).await?;
        let Some(row) = rows.last() else { return Ok(SaveOutcome::Conflict) };
        Ok(SaveOutcome::Saved(Version(self.column::<i64>(row, "version")?.cast_unsigned())))
    }

    /// An error if the tables need more by now than this program knows.
    fn check_needs(&self, row: &PgRow) -> Result<(), StoreError> {
        let needs: i64 = self.column(row, "needs")?;
        if needs > schema::KNOWN.into() { Err(self.error(schema::too_new(needs))) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn label(&self) -> &str {
        &self.label
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let rows = self.rows(LOAD, &[Text(key.as_str())]).await?;
        let Some(row) = rows.last() else { return Ok(None) };
        match self.decode(row)? {
            Ok((_, found)) => Ok(Some(found)),
            Err(Unreadable { why, .. }) => {
                Err(self.error(Fault::new(format!("the record of '{key}' cannot be read: {why}"))))
            }
        }
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        let (json, payload) = (record.expose_json(), self.notices.payload());
        let ends = record.token.as_deref().map(|token| Some(token.expires_at()).filter(|end| !end.is_never()));
        let values = [
            Text(key.as_str()),
            Text(&json),
            Number(record.generation.cast_signed()),
            ends.map_or(Null, |end| Time(end.map(|end| end.wall_ms))),
            record.failure.as_ref().map_or(Null, |failure| Text(failure.kind.as_str())),
            Number(schema::KNOWN.into()),
            Text(CHANNEL),
            Text(&payload),
            // No record has a version that does not fit.
            expected.map_or(Null, |version| Number(i64::try_from(version.0).unwrap_or(-1))),
            record.due_at.map_or(Null, |at| Time(Some(at.wall_ms))),
        ];
        let statement = if expected.is_some() { SAVE_OVER } else { SAVE_FIRST };
        let (rows, attempt) = self.ask(statement, &values).await?;
        if let Some(row) = rows.last() {
            return Ok(SaveOutcome::Saved(Version(self.column::<i64>(row, "version")?.cast_unsigned())));
        }
        self.check_needs(&self.row(NEWEST, &[]).await?)?;
        match attempt {
            Attempt::First => Ok(SaveOutcome::Conflict),
            Attempt::Second => self.saved_before(key, &json).await,
        }
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.page_of(PAGE, after, limit, None).await
    }

    async fn page_ended(
        &self,
        by: Moment,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Option<Vec<(Key, Versioned)>>, StoreError> {
        self.page_of(PAGE_ENDED, after, limit, Some(by)).await.map(Some)
    }

    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        let (mut unreadable, mut after) = (Vec::new(), String::new());
        loop {
            let rows = self.rows(PAGE, &[Text(&after), Number(BATCH)]).await?;
            let Some(last) = rows.last() else { return Ok(unreadable) };
            after = self.column(last, "key")?;
            for row in &rows {
                unreadable.extend(self.decode(row)?.err().map(|Unreadable { name, why }| (name, why)));
            }
        }
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        let mut changes = Vec::new();
        let mut since = i64::try_from(since.0).unwrap_or(i64::MAX);
        while changes.len() < limit {
            let wanted = limit - changes.len();
            let rows = self.rows(CHANGES, &[Number(since), Number(count(wanted))]).await?;
            for row in &rows {
                since = self.column(row, "version")?;
                // What is no key names nothing that somebody could have asked for; `page` says so in the log.
                let key = Key::parse(self.column(row, "key")?).ok();
                changes.extend(key.map(|key| (key, Version(since.cast_unsigned()))));
            }
            if rows.len() < wanted {
                break;
            }
        }
        Ok(changes)
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        let row = self.row(NEWEST, &[]).await?;
        self.check_needs(&row)?;
        Ok(Version(self.column::<i64>(&row, "version")?.cast_unsigned()))
    }

    async fn changed(&self) {
        self.notices.changed().await;
    }

    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        if limit == 0 {
            return Ok(Some(Vec::new()));
        }
        let rows = self.rows(CLAIM, &[Number(count(limit)), Number(millis(hold))]).await?;
        let keys = rows.iter().map(|row| self.column::<&str>(row, "key"));
        // What is no key has nobody who could renew it; `page` says so in the log.
        let keys = keys.filter_map(|name| name.map(|name| Key::parse(name).ok()).transpose());
        keys.collect::<Result<_, _>>().map(Some)
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        let known = schema::KNOWN.into();
        let values = [Text(key.as_str()), Text(holder.as_str()), Number(millis(ttl)), Number(known)];
        let row = self.row(ACQUIRE, &values).await?;
        // Those who can save what a login brings use it meanwhile.
        self.check_needs(&row).map_err(|error| StoreError { busy: true, ..error })?;
        match (self.column(&row, "is_ours")?, self.column(&row, "left_ms")?) {
            (Some(true), _) => Ok(LeaseOutcome::Acquired),
            (_, Some(left)) => Ok(LeaseOutcome::Held(duration(left))),
            // Released in between: then there is nothing to wait for.
            (_, None) => Ok(LeaseOutcome::Held(Duration::ZERO)),
        }
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        let values = [Text(key.as_str()), Text(holder.as_str()), Number(millis(ttl))];
        self.rows(RENEW, &values).await.map(|rows| !rows.is_empty())
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        self.rows(RELEASE, &[Text(key.as_str()), Text(holder.as_str())]).await.map(drop)
    }

    fn keeps_credentials(&self) -> bool {
        true
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        let rows = self.rows(CREDENTIALS, &[Text(key.as_str())]).await?;
        let Some(row) = rows.last() else { return Ok(None) };
        let read = Credentials::from_json(self.column(row, "json")?);
        read.map(Some)
            .map_err(|_| self.error(Fault::new(format!("the credentials of '{key}' cannot be read; give them again"))))
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        let json = credentials.expose_json();
        self.rows(SAVE_CREDENTIALS, &[Text(key.as_str()), Text(&json)]).await.map(drop)
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        let (before, after) = (before.expose_json(), after.expose_json());
        let values = [Text(key.as_str()), Text(&before), Text(&after)];
        let (rows, attempt) = self.ask(REPLACE_CREDENTIALS, &values).await?;
        if !rows.is_empty() || attempt == Attempt::First {
            return Ok(!rows.is_empty());
        }
        let found = self.rows(CREDENTIALS, &values[..1]).await?;
        let found = found.last().map(|row| self.column::<&str>(row, "json")).transpose()?;
        Ok(found == Some(after.as_str()))
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        self.rows(REMOVE_CREDENTIALS, &[Text(key.as_str())]).await.map(|rows| !rows.is_empty())
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let values = [Text(after.map_or("", Key::as_str)), Number(count(limit))];
        let rows = self.rows(ACCOUNTS, &values).await?;
        let keys = rows.iter().map(|row| {
            let name: &str = self.column(row, "key")?;
            Key::parse(name).map_err(|_| self.error(Fault::new("the table 'credentials' has a row that is no key's")))
        });
        keys.collect()
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        let values = [Text(name), Number(millis(budget.window())), Number(budget.requests().into())];
        let row = self.row(SPEND, &values).await?;
        if self.column(&row, "is_counted")? {
            return Ok(Spending::Counted);
        }
        let left: Option<i64> = self.column(&row, "left_ms")?;
        Ok(Spending::Exhausted(duration(left.unwrap_or(0)).min(budget.window())))
    }

    fn is_in_place(&self) -> bool {
        !self.is_gone.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        self.notices.close().await;
        self.connections.close().await;
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("label", &self.label).finish_non_exhaustive()
    }
}

/// A row that holds no record of a key: what it is called, and why.
struct Unreadable {
    name: String,
    why: String,
}

fn error(label: &str, fault: Fault) -> StoreError {
    // A failover passes, and others use what is there meanwhile.
    let busy = matches!(fault.kind, FaultKind::Busy | FaultKind::ReadOnly);
    StoreError { store: label.into(), what: fault.what, busy }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(MAX_MS, |ms| ms.min(MAX_MS))
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Longer than anything is held; a hundred years.
const MAX_MS: i64 = 100 * 366 * 24 * 3_600 * 1_000;
/// Records that are read at once.
const BATCH: i64 = 500;

const LOAD: &str = "SELECT key, version, record FROM tokenkeep.records WHERE key = $1";

/// The counter is raised once it is sure that there is something to write, and its row is locked last of all, for as
/// short as can be. Rows of a common table expression are taken as they are when the counter's row has to be read again
/// after another's write; those of a subquery would be looked for anew.
const SAVE_FIRST: &str = "
    WITH free AS MATERIALIZED (
        SELECT 1 AS one WHERE NOT EXISTS (SELECT FROM tokenkeep.records WHERE key = $1)
    ), next AS (
        UPDATE tokenkeep.state SET version = state.version + 1 FROM free WHERE state.needs <= $6 RETURNING state.version
    ), saved AS (
        INSERT INTO tokenkeep.records (key, version, record, generation, expires_at, failure, saved_at, due_at)
        SELECT $1, next.version, $2, $3, $4, $5, clock_timestamp(), $10 FROM next
        ON CONFLICT (key) DO NOTHING RETURNING version
    )
    SELECT version, pg_notify($7, $8)::text FROM saved";

const SAVE_OVER: &str = "
    WITH mine AS MATERIALIZED (
        SELECT key FROM tokenkeep.records WHERE key = $1 AND version = $9 FOR UPDATE
    ), next AS (
        UPDATE tokenkeep.state SET version = state.version + 1 FROM mine WHERE state.needs <= $6 RETURNING state.version
    ), saved AS (
        UPDATE tokenkeep.records
        SET version = next.version, record = $2, generation = $3, expires_at = $4, failure = $5,
            saved_at = clock_timestamp(), due_at = $10
        FROM next WHERE records.key = $1 RETURNING records.version
    )
    SELECT version, pg_notify($7, $8)::text FROM saved";

const SAVED_BEFORE: &str = "SELECT version FROM tokenkeep.records WHERE key = $1 AND record = $2";

const PAGE: &str = "SELECT key, version, record FROM tokenkeep.records WHERE key > $1 ORDER BY key LIMIT $2";

const PAGE_ENDED: &str = "
    SELECT key, version, record FROM tokenkeep.records WHERE key > $1 AND expires_at <= $3 ORDER BY key LIMIT $2";

const CHANGES: &str = "SELECT key, version FROM tokenkeep.records WHERE version > $1 ORDER BY version LIMIT $2";

const NEWEST: &str = "SELECT version, needs::bigint AS needs FROM tokenkeep.state";

/// The time is that of the statement, which an index can be searched for, as it cannot for one that goes on meanwhile.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT key, due_at FROM tokenkeep.records WHERE due_at <= statement_timestamp()
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE tokenkeep.records SET due_at = statement_timestamp() + $2 * interval '1 millisecond'
        FROM due WHERE records.key = due.key RETURNING due.key, due.due_at AS since
    )
    SELECT key FROM claimed ORDER BY since";

/// The second statement sees what the first one met.
const ACQUIRE: &str = "
    INSERT INTO tokenkeep.leases (key, holder, ends_at)
    SELECT $1, $2, clock_timestamp() + $3 * interval '1 millisecond' FROM tokenkeep.state WHERE state.needs <= $4
    ON CONFLICT (key) DO UPDATE
    SET holder = excluded.holder, ends_at = clock_timestamp() + $3 * interval '1 millisecond'
    WHERE leases.holder = excluded.holder OR leases.ends_at <= clock_timestamp();
    SELECT state.needs::bigint AS needs, leases.holder = $2 AS is_ours,
        ceil(extract(epoch FROM leases.ends_at - clock_timestamp()) * 1000)::bigint AS left_ms
    FROM tokenkeep.state LEFT JOIN tokenkeep.leases ON leases.key = $1";

const RENEW: &str = "
    UPDATE tokenkeep.leases SET ends_at = clock_timestamp() + $3 * interval '1 millisecond'
    WHERE key = $1 AND holder = $2 AND ends_at > clock_timestamp() RETURNING key";

// Callers may wait for it, and nobody for the disk: if the server forgets it by a crash, the lease ends by itself.
const RELEASE: &str = "
    SELECT set_config('synchronous_commit', 'off', true);
    DELETE FROM tokenkeep.leases WHERE key = $1 AND holder = $2";

const CREDENTIALS: &str = "SELECT json FROM tokenkeep.credentials WHERE key = $1";

const SAVE_CREDENTIALS: &str = "
    INSERT INTO tokenkeep.credentials (key, json, saved_at) VALUES ($1, $2, clock_timestamp())
    ON CONFLICT (key) DO UPDATE SET json = excluded.json, saved_at = excluded.saved_at";

const REPLACE_CREDENTIALS: &str = "
    UPDATE tokenkeep.credentials SET json = $3, saved_at = clock_timestamp() WHERE key = $1 AND json = $2 RETURNING key";

const REMOVE_CREDENTIALS: &str = "DELETE FROM tokenkeep.credentials WHERE key = $1 RETURNING key";

const ACCOUNTS: &str = "SELECT key FROM tokenkeep.credentials WHERE key > $1 ORDER BY key LIMIT $2";

/// Those who spend of one budget do so one after the other; which time it is, is asked once it is their turn. What lies
/// more than a window ahead was counted before the server's clock was set back.
const SPEND: &str = "
    SELECT pg_advisory_xact_lock(hashtextextended('tokenkeep.spendings ' || $1, 0));
    WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at, $2 * interval '1 millisecond' AS length)
    DELETE FROM tokenkeep.spendings USING now
    WHERE budget = $1 AND NOT (spendings.at > now.at - now.length AND spendings.at < now.at + now.length);
    WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at),
    counted AS (
        INSERT INTO tokenkeep.spendings (budget, at) SELECT $1, now.at FROM now
        WHERE (SELECT count(*) FROM tokenkeep.spendings WHERE budget = $1) < $3 RETURNING at
    ), in_the_way AS (
        SELECT at FROM tokenkeep.spendings WHERE budget = $1 ORDER BY at DESC LIMIT 1 OFFSET $3 - 1
    )
    SELECT EXISTS (SELECT FROM counted) AS is_counted,
        (SELECT ceil(extract(epoch FROM in_the_way.at - now.at) * 1000)::bigint + $2 FROM in_the_way, now) AS left_ms";
