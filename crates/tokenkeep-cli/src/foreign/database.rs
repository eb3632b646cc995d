//! Rows of a table in a database, which is only read.
//!
//! The database itself makes texts of what is there, whatever the types of the columns: so a time with an offset comes
//! with it, one without comes without, and a number stays one.

use std::path::Path;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ColumnIndex, ConnectOptions as _, Connection as _, Decode, Type};
use tokenkeep::store::PostgresUrl;
use tokenkeep::{Code, Error};
use url::Url;
use zeroize::Zeroizing;

use super::columns::{Columns, Wanted};
use super::source::{Row, unreadable};
use crate::exit::Failure;

/// Reads a table of a file of `SQLite`.
pub(super) async fn sqlite(path: &Path, wanted: &Wanted) -> Result<Vec<Row>, Failure> {
    let broken = |error: sqlx::Error| unreadable(path, &in_words(&error));
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut connection = options.connect().await.map_err(broken)?;
    let table = wanted.table.as_deref().unwrap_or(TABLE);
    let named = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(table);
    let there: Vec<String> = named.fetch_all(&mut connection).await.map_err(broken)?;
    let columns = find(wanted, table, &there)?;
    let statement = select(&columns, &quoted(table), |column| format!("CAST({column} AS TEXT)"));
    let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(&mut connection).await.map_err(broken)?;
    let rows: Result<_, _> = rows.iter().map(|row: &SqliteRow| read(row)).collect();
    connection.close().await.ok();
    rows.map_err(broken)
}

/// Reads a table of a PostgreSQL database, in one transaction that cannot write.
pub(super) async fn postgres(url: &str, wanted: &Wanted) -> Result<Vec<Row>, Failure> {
    let (options, label) = address(url)?;
    let broken = |error: sqlx::Error| away(&label, &in_words(&error));
    let mut connection = options.connect().await.map_err(broken)?;
    for statement in ["BEGIN READ ONLY", "SET LOCAL TIME ZONE 'UTC'", "SET LOCAL datestyle = 'ISO, YMD'"] {
        sqlx::raw_sql(statement).execute(&mut connection).await.map_err(broken)?;
    }
    let table = wanted.table.as_deref().unwrap_or(TABLE);
    let quoted_table = table.split('.').map(quoted).collect::<Vec<_>>().join(".");
    let named = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped \
         ORDER BY attnum",
    );
    let there: Vec<String> = named.bind(&quoted_table).fetch_all(&mut connection).await.map_err(broken)?;
    let columns = find(wanted, table, &there)?;
    let statement = select(&columns, &quoted_table, |column| format!("{column}::text"));
    let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(&mut connection).await.map_err(broken)?;
    let rows: Result<_, _> = rows.iter().map(|row: &PgRow| read(row)).collect();
    connection.close().await.ok();
    rows.map_err(broken)
}

/// How to connect, and what the place is called. A URL is judged as that of a store is, and as strictly: beyond this machine
/// a server must show who it is, unless `sslmode` says otherwise.
fn address(text: &str) -> Result<(PgConnectOptions, String), Failure> {
    let wrong = |what: String| Failure::usage(what, "see docs/import.md for what the URL of a source can say");
    let label = PostgresUrl::parse(text).map_err(wrong)?.to_string();
    let mut url = Url::parse(text).map_err(|_| wrong("postgres: is not a URL".into()))?;
    let options: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    if let Some((name, _)) = options.iter().find(|(name, _)| !OPTIONS.contains(&&**name)) {
        return Err(wrong(format!("postgres: {name} is for stores; a source has a --table")));
    }
    let says = |wanted: &str| options.iter().any(|(name, _)| name == wanted);
    let is_near = url.host_str().is_some_and(|host| {
        matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.starts_with("%2F") || host.starts_with("%2f")
    });
    if !says("sslmode") && (says("sslrootcert") || !is_near) {
        url.query_pairs_mut().append_pair("sslmode", "verify-full");
    }
    let options: PgConnectOptions =
        url.as_str().parse().map_err(|_| wrong("postgres: the URL cannot be used".into()))?;
    Ok((options.statement_cache_capacity(0).disable_statement_logging(), label))
}

fn find(wanted: &Wanted, table: &str, there: &[String]) -> Result<Columns<String>, Failure> {
    if there.is_empty() {
        return Err(Failure::usage(format!("there is no table {table}"), "name it with --table"));
    }
    let next = format!("name one with --key, --token, --expires or --refresh-token: {}", there.join(", "));
    let find = |name: &str| there.iter().find(|column| *column == name).cloned();
    wanted.find(find, &format!("the table {table} has"), &next)
}

fn select(columns: &Columns<String>, table: &str, text: impl Fn(&str) -> String) -> String {
    let text = |column: &String| text(&quoted(column));
    let refresh_token = columns.refresh_token.as_ref().map_or_else(|| "NULL".to_owned(), text);
    let (key, token, expires) = (text(&columns.key), text(&columns.token), text(&columns.expires));
    format!("SELECT {key}, {token}, {expires}, {refresh_token} FROM {table}")
}

fn read<'r, R>(row: &'r R) -> Result<Row, sqlx::Error>
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(Row {
        name: row.try_get(0)?,
        token: row.try_get::<Option<String>, _>(1)?.map(Zeroizing::new),
        expires: row.try_get(2)?,
        refresh_token: row.try_get::<Option<String>, _>(3)?.map(Zeroizing::new),
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a database said. Our statements hold nothing of what is stored.
fn in_words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS failed: {error}; see sslmode and sslrootcert"),
        sqlx::Error::ColumnDecode { .. } => "a text in it is not UTF-8".to_owned(),
        _ => "it does not answer as expected".to_owned(),
    }
}

fn away(label: &str, what: &str) -> Failure {
    let error = Error::new(Code::Unavailable, format!("cannot read {label}: {what}"));
    Failure::Error(error.with_next("check the URL, and that its user may read the table"))
}

/// The table, unless another one is named.
const TABLE: &str = "tokens";
/// What the URL of a source can say behind the question mark.
const OPTIONS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"];
