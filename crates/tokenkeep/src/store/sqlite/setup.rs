//! Opens connections, and brings the file to the schema that this program knows.
//!
//! The hard problem is that many processes do this at the same moment to a file that is not there yet. So whoever has
//! to change something looks again inside an immediate transaction, and does all of it there. Only the switch to
//! write-ahead logging cannot be done in a transaction, and fails at once instead of waiting for others: it is tried
//! again. A file of another program or of a later schema is recognised before anything is written.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection, SqlitePool};

use super::fault::Fault;

/// The one connection that writes, to a file that has the present schema.
pub(super) async fn open_writer(path: &Path) -> Result<SqlitePool, Fault> {
    let writer = pool(1).connect_with(options(path)).await?;
    let outcome = set_up(&writer).await;
    if outcome.is_err() {
        writer.close().await;
    }
    outcome.map(|()| writer)
}

/// Connections that cannot write, opened as they are needed.
pub(super) fn open_readers(path: &Path) -> SqlitePool {
    pool(READERS).connect_lazy_with(options(path).read_only(true))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        // What was replaced or cleared is overwritten: a spent token does not linger in the free pages of the file.
        .pragma("secure_delete", "ON")
        // Statements are constant, but what is bound to them is secret; nothing of either belongs in a log.
        .disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // A connection to a file does not age: without these times the pool needs no task of its own.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn set_up(writer: &SqlitePool) -> Result<(), Fault> {
    let mut connection = writer.acquire().await?;
    let trying = async {
        loop {
            match try_set_up(&mut connection).await {
                Err(fault) if fault.is_busy => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(2..=30))).await;
                }
                outcome => return outcome,
            }
        }
    };
    // Each try can itself wait for the busy timeout.
    tokio::time::timeout(OPEN_TIMEOUT, trying).await.unwrap_or_else(|_| {
        Err(Fault::new("another program keeps the file locked; end it, e.g. an open sqlite3 shell"))
    })
}

async fn try_set_up(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let version = inspect(connection).await?;
    // Nothing is written by this where it is on already.
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await?;
    if mode != "wal" {
        return Err(Fault::new("the file system cannot share memory between processes (as for WAL); use a local disk"));
    }
    if version < MIGRATIONS.len() {
        migrate(connection).await?;
        if version > 0
            && let Err(error) = purge(connection).await
        {
            tracing::debug!(what = Fault::from(error).what, "the log keeps what was there before the migration");
        }
    }
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let version = inspect(&mut transaction).await?;
    for &migration in &MIGRATIONS[version..] {
        sqlx::raw_sql(migration).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Moves the log into the file, where what was replaced is overwritten, and empties it; those who are reading at this
/// moment are not disturbed, and what they see stays in it.
pub(super) async fn purge(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(connection).await.map(drop)
}

/// The schema's version; an error if it is no file for this program.
async fn inspect(connection: &mut SqliteConnection) -> Result<usize, Fault> {
    let row = sqlx::query(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), \
                (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await?;
    let (application, version, objects): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    match (application, usize::try_from(version)) {
        (APPLICATION_ID, Ok(version)) if version <= MIGRATIONS.len() => Ok(version),
        (APPLICATION_ID, _) => Err(Fault::new(format!(
            "the file has schema {version} of a later tokenkeep, and this one knows up to {}; use the later one",
            MIGRATIONS.len()
        ))),
        (0, Ok(0)) if objects == 0 => Ok(0),
        _ => Err(Fault::new("the file belongs to another program; name another")),
    }
}

/// Each brings the file from the version that is its index to the next, which it writes down itself.
const MIGRATIONS: [&str; 2] = [include_str!("0001_init.sql"), include_str!("0002_accounts_and_budgets.sql")];
/// As the first migration writes it.
const APPLICATION_ID: i64 = 0x746f_6b6b;

/// How long a statement waits while another process writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for its turn among the calls of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// How long opening may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
