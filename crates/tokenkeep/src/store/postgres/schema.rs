//! Brings the tables to the schema that this program knows.
//!
//! The hard problem is a fleet whose members are replaced one by one: old programs work beside tables of a later one, and
//! many new ones start at once. So the tables say two numbers: which schema they have, and which one a program must know to use
//! them. A change that only adds leaves the second as it is, and older programs go on: they name every column that they
//! read or write. Any other change raises it, and each write of a record compares it in its own statement, so that also
//! a program that is running then writes no more. Whoever has to change something looks again under a lock.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tokio::time::timeout;

use super::connections::Connections;
use super::fault::{Fault, FaultKind};
use super::sql::in_schema;

/// Makes the tables, or what they lack.
pub(super) async fn set_up(connections: &Arc<Connections>) -> Result<(), Fault> {
    match connections.ask(STATE, &[]).await {
        Ok((rows, _)) => {
            if inspect(rows.first())? >= MIGRATIONS.len() {
                return Ok(());
            }
        }
        Err(Fault { kind: FaultKind::NoTables, .. }) => {}
        Err(fault) => return Err(fault),
    }
    let migrating = async {
        let mut connection = connections.connect().await?;
        let done = migrate(&mut connection, &connections.url().schema).await;
        connection.close().await.ok();
        done
    };
    let limit = std::time::Duration::from_secs(MIGRATION_SECONDS + 5);
    timeout(limit, migrating).await.unwrap_or_else(|_| Err(Fault::busy("the tables were not made in time")))
}

/// What makes the tables, for those who may where a program may not.
pub(super) fn script(schema: &str) -> String {
    let migrations: String = MIGRATIONS.iter().map(|migration| in_schema(migration, schema)).collect();
    format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\";\n\n{migrations}")
}

/// What a later tokenkeep says that needs more than this one knows.
pub(super) fn too_new(needs: i64) -> Fault {
    Fault::new(format!(
        "a later tokenkeep has changed the tables so that schema {needs} must be known, and this one knows up to {}; use \
         the later one",
        MIGRATIONS.len()
    ))
}

async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<(), Fault> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let limits =
        format!("SET LOCAL statement_timeout = '{MIGRATION_SECONDS}s'; SET LOCAL client_min_messages = warning");
    transaction.execute(AssertSqlSafe(limits)).await?;
    // Others wait here until it is done, and then find it so.
    transaction.execute(AssertSqlSafe(format!("SELECT pg_advisory_xact_lock({LOCK})"))).await?;
    let found = sqlx::raw_sql(AssertSqlSafe(format!(
        "SELECT to_regnamespace('\"{schema}\"') IS NOT NULL AS has_schema, \
                to_regclass('\"{schema}\".state') IS NOT NULL AS has_state"
    )));
    let found = found.fetch_one(&mut *transaction).await?;
    let has = |column: &str| found.try_get::<bool, _>(column);
    // Asked for before it is made, since whether it is there is not what the right to make it depends on.
    if !has("has_schema")? {
        transaction.execute(AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).await.map_err(not_made)?;
    }
    let mut version = 0;
    if has("has_state")? {
        let state = sqlx::raw_sql(AssertSqlSafe(in_schema(STATE, schema))).fetch_optional(&mut *transaction).await?;
        version = inspect(state.as_ref())?;
    }
    // Whoever wants to read waits behind one that waits to change: no longer than they can bear.
    transaction.execute(AssertSqlSafe(format!("SET LOCAL lock_timeout = '{PATIENCE_MS}ms'"))).await?;
    for migration in MIGRATIONS.iter().skip(version) {
        sqlx::raw_sql(AssertSqlSafe(in_schema(migration, schema)))
            .execute(&mut *transaction)
            .await
            .map_err(not_made)?;
    }
    transaction.commit().await?;
    Ok(())
}

fn not_made(error: sqlx::Error) -> Fault {
    match Fault::from(error) {
        Fault { kind: FaultKind::Busy, .. } => Fault::busy(
            "the tables have to be changed, and somebody is reading them for long, e.g. a backup; it is tried again",
        ),
        Fault { what, kind } if what.contains("permission denied") || what.contains("must be owner") => Fault {
            what: format!(
                "the user may not make the tables: {what}; have them made by one who may, from what `tokenkeep store sql` \
                 prints"
            ),
            kind,
        },
        fault => fault,
    }
}

/// The schema that the tables have; an error if this program must not use it.
fn inspect(state: Option<&PgRow>) -> Result<usize, Fault> {
    let state = state.ok_or_else(|| Fault::new("the table 'state' is empty; restore a copy"))?;
    let number = |column| state.try_get::<i64, _>(column).map_err(Fault::from);
    let needs = number("needs")?;
    if usize::try_from(needs).is_ok_and(|needs| needs <= MIGRATIONS.len()) {
        Ok(usize::try_from(number("schema")?).unwrap_or(0))
    } else {
        Err(too_new(needs))
    }
}

const STATE: &str = "SELECT schema::bigint AS schema, needs::bigint AS needs FROM tokenkeep.state";

/// Each brings the tables from the schema that is its index to the next, which it writes down itself.
const MIGRATIONS: [&str; KNOWN as usize] =
    [include_str!("0001_init.sql"), include_str!("0002_due.sql"), include_str!("0003_expiry.sql")];
/// The schema that this program knows, as statements compare it.
pub(super) const KNOWN: u32 = 3;
/// Locks migrations of any schema of a database against each other.
const LOCK: i64 = 0x746f_6b65_6e6b_6565;
const MIGRATION_SECONDS: u64 = 60;
/// How long a migration waits for others to let go of a table, while all who come after wait for it: well below the
/// shortest time that a manager gives a call.
const PATIENCE_MS: u64 = 500;
