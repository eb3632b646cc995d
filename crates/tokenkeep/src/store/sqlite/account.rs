//! The credentials of an account as a row, and back.

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::row::{self, Unreadable};
use crate::credentials::Credentials;
use crate::key::Key;

pub(super) fn load(key: &Key) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query("SELECT json FROM credentials WHERE key = ?").bind(key.as_str())
}

pub(super) fn decode(row: &SqliteRow) -> Result<Credentials, Unreadable> {
    Credentials::from_json(row::column(row, "json")?).map_err(|_| Unreadable("json"))
}

pub(super) fn save(key: &Key, credentials: &Credentials) -> Query<'static, Sqlite, SqliteArguments> {
    let query = sqlx::query("INSERT OR REPLACE INTO credentials (key, json) VALUES (?, ?)");
    query.bind(key.as_str()).bind(credentials.expose_json().as_str())
}

pub(super) fn replace(key: &Key, before: &Credentials, after: &Credentials) -> Query<'static, Sqlite, SqliteArguments> {
    let query = sqlx::query("UPDATE credentials SET json = ?3 WHERE key = ?1 AND json = ?2");
    query.bind(key.as_str()).bind(before.expose_json().as_str()).bind(after.expose_json().as_str())
}

pub(super) fn remove(key: &Key) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query("DELETE FROM credentials WHERE key = ?").bind(key.as_str())
}

pub(super) fn page(after: Option<&Key>, limit: usize) -> Query<'static, Sqlite, SqliteArguments> {
    let query = sqlx::query("SELECT key FROM credentials WHERE key > ? ORDER BY key LIMIT ?");
    query.bind(after.map_or("", Key::as_str)).bind(i64::try_from(limit).unwrap_or(i64::MAX))
}
