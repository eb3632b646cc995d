//! W: several services, each with its token in a database.

mod diagnosis;
mod rows;
mod service;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::Offset;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokenkeep::Clock as _;
use tokenkeep::clock::SystemClock;
use tokenkeep_sandbox::{Client, Sandbox};

use crate::support::Example;

/// What is planted as a secret begins so.
const PLANTED: &str = "planted-";
const HOUR: u64 = 3600;

/// The example with both services at the sandbox, whose tokens live as long as they should.
async fn whodis() -> Example {
    let client = |id: &str, hours| Client::new(id, "planted-secret").life(Duration::from_hours(hours));
    let builder = Sandbox::builder().client(client("genesys", 24)).client(client("graph", 1));
    let sandbox = builder.start().await.unwrap();
    let token_url = sandbox.token_url();
    let variables = [
        ("WHODIS_SEAL_KEY", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="),
        ("GENESYS_TOKEN_URL", &*token_url),
        ("GENESYS_CLIENT_ID", "genesys"),
        ("GENESYS_CLIENT_SECRET", "planted-secret"),
        ("MICROSOFT_TOKEN_URL", &*token_url),
        ("MICROSOFT_CLIENT_ID", "graph"),
        ("MICROSOFT_CLIENT_SECRET", "planted-secret"),
    ];
    let mut example = Example::new("whodis", sandbox, &variables);
    let store = format!("sqlite:{}", example.path("tokens.db").display());
    example.set("WHODIS_DATABASE_URL", &store);
    example
}

/// So many seconds from now, to the second.
fn in_seconds(left: i64) -> Timestamp {
    Timestamp::from_second(SystemClock::new().now().wall_ms / 1000 + left).unwrap()
}

/// Without an offset, in UTC.
fn naive(time: Timestamp) -> String {
    Offset::UTC.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// With an offset of so many hours.
fn with_offset(time: Timestamp, hours: i8) -> String {
    format!("{}{hours:+03}:00", Offset::constant(hours).to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S"))
}

/// The database of the old system, with these ends of its services' tokens.
async fn old_rows(example: &Example, rows: &[(&str, String)]) {
    let mut connection = database(example, "whodis.db").await;
    let rows: Vec<_> = rows.iter().map(|(name, end)| format!("('{name}', '{PLANTED}old-{name}', '{end}')")).collect();
    let statements = format!(
        "DROP TABLE IF EXISTS tokens; CREATE TABLE tokens (service TEXT, access_token TEXT, expires_at TEXT);
         INSERT INTO tokens VALUES {}",
        rows.join(", ")
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn database(example: &Example, name: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(example.path(name)).create_if_missing(true);
    options.connect().await.unwrap()
}

fn old(service: &str) -> String {
    format!("{PLANTED}old-{service}")
}
