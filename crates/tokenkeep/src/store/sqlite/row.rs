//! A record as a row, and back.

use std::sync::Arc;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Row as _, Sqlite, Type};

use crate::clock::Moment;
use crate::failure::{Failure, FailureKind};
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::secret::Secret;
use crate::store::{Record, Version, Versioned};
use crate::token::{IssuedToken, TokenKind};

/// The statement that writes a record if the key's version is `expected`. It changes one row or none.
pub(super) fn save(key: &Key, record: &Record, expected: Option<Version>) -> Query<'static, Sqlite, SqliteArguments> {
    let token = record.token.as_deref();
    let sent = token.map(IssuedToken::sent_at);
    let expires = token.map(IssuedToken::expires_at).filter(|end| !end.is_never());
    let failure = record.failure.as_ref();
    let since = failure.map(|failure| failure.since);
    let retry = failure.map(|failure| failure.retry_at).filter(|at| !at.is_never());
    sqlx::query(SAVE)
        .bind(key.as_str())
        .bind(record.generation.cast_signed())
        .bind(record.fingerprint.as_str())
        .bind(token.map(|token| token.access_token().expose_secret()))
        .bind(token.map(|token| &*token.kind().token_type))
        .bind(token.and_then(|token| token.kind().scope.as_deref()))
        .bind(sent.map(|at| at.wall_ms))
        .bind(sent.map(|at| at.boot_ms))
        .bind(expires.map(|at| at.wall_ms))
        .bind(expires.map(|at| at.boot_ms))
        .bind(record.refresh_in.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
        .bind(record.jitter)
        .bind(record.refresh_token.as_ref().map(Secret::expose_secret))
        .bind(record.asked_at.map(|at| at.wall_ms))
        .bind(record.asked_at.map(|at| at.boot_ms))
        .bind(failure.map(|failure| failure.kind.as_str()))
        .bind(failure.map(|failure| failure.what.as_str()))
        .bind(failure.and_then(|failure| failure.next.as_deref()))
        .bind(failure.map(|failure| failure.count))
        .bind(since.map(|at| at.wall_ms))
        .bind(since.map(|at| at.boot_ms))
        .bind(retry.map(|at| at.wall_ms))
        .bind(retry.map(|at| at.boot_ms))
        .bind(&*record.boot_id)
        .bind(expected.map(|version| version.0.cast_signed()))
}

/// The row that replaces another gets a new row id: its version.
const SAVE: &str = "
    INSERT OR REPLACE INTO records (
        key, generation, fingerprint, access_token, token_type, scope, sent_wall, sent_boot, expires_wall, expires_boot,
        refresh_in_ms, jitter, refresh_token, asked_wall, asked_boot, failure_kind, failure_what, failure_next,
        failure_count, failure_since_wall, failure_since_boot, failure_retry_wall, failure_retry_boot, boot_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24
    WHERE (SELECT version FROM records WHERE key = ?1) IS ?25";

/// Reads a row of all columns.
pub(super) fn decode(row: &SqliteRow) -> Result<(Key, Versioned), Unreadable> {
    let record = Record {
        generation: column::<i64>(row, "generation")?.cast_unsigned(),
        fingerprint: Fingerprint::from_stored(column::<String>(row, "fingerprint")?),
        token: token(row)?.map(Arc::new),
        refresh_in: refresh_in(row)?,
        jitter: column(row, "jitter")?,
        refresh_token: optional::<&str>(row, "refresh_token")?.map(Secret::new),
        asked_at: moment(row, "asked_wall", "asked_boot")?,
        failure: failure(row)?,
        due_at: None,
        boot_id: column::<&str>(row, "boot_id")?.into(),
    };
    Ok((key(row)?, Versioned { version: version(row)?, record }))
}

/// Which column of a row holds what this program does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// Reads the key's column.
pub(super) fn key(row: &SqliteRow) -> Result<Key, Unreadable> {
    let text: &str = column(row, "key")?;
    // A key in another form than its own would be found by nobody.
    Key::parse(text).ok().filter(|key| key.as_str() == text).ok_or(Unreadable("key"))
}

/// Reads the version's column.
pub(super) fn version(row: &SqliteRow) -> Result<Version, Unreadable> {
    Ok(Version(column::<i64>(row, "version")?.cast_unsigned()))
}

/// Reads a column that has a value.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, Unreadable>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    // Asked for a plain number or text, sqlx takes NULL for zero or nothing.
    optional(row, name)?.ok_or(Unreadable(name))
}

fn optional<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<Option<T>, Unreadable>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(name).map_err(|_| Unreadable(name))
}

fn token(row: &SqliteRow) -> Result<Option<IssuedToken>, Unreadable> {
    let Some(access_token) = optional::<&str>(row, "access_token")? else { return Ok(None) };
    let kind = TokenKind {
        token_type: column::<&str>(row, "token_type")?.into(),
        scope: optional::<&str>(row, "scope")?.map(Into::into),
    };
    let generation = column::<i64>(row, "generation")?.cast_unsigned();
    let sent = moment(row, "sent_wall", "sent_boot")?.ok_or(Unreadable("sent_wall"))?;
    let expires = moment(row, "expires_wall", "expires_boot")?.unwrap_or(Moment::NEVER);
    Ok(Some(IssuedToken::new(Secret::new(access_token), Arc::new(kind), generation, sent, expires)))
}

fn failure(row: &SqliteRow) -> Result<Option<Failure>, Unreadable> {
    let Some(kind) = optional::<&str>(row, "failure_kind")? else { return Ok(None) };
    Ok(Some(Failure {
        kind: FailureKind::parse(kind).ok_or(Unreadable("failure_kind"))?,
        what: column(row, "failure_what")?,
        next: optional(row, "failure_next")?,
        count: column(row, "failure_count")?,
        since: moment(row, "failure_since_wall", "failure_since_boot")?.ok_or(Unreadable("failure_since_wall"))?,
        retry_at: moment(row, "failure_retry_wall", "failure_retry_boot")?.unwrap_or(Moment::NEVER),
    }))
}

fn refresh_in(row: &SqliteRow) -> Result<Option<Duration>, Unreadable> {
    let ms: Option<i64> = optional(row, "refresh_in_ms")?;
    ms.map(|ms| u64::try_from(ms).map(Duration::from_millis).map_err(|_| Unreadable("refresh_in_ms"))).transpose()
}

fn moment(row: &SqliteRow, wall: &'static str, boot: &'static str) -> Result<Option<Moment>, Unreadable> {
    match (optional(row, wall)?, optional(row, boot)?) {
        (Some(wall_ms), Some(boot_ms)) => Ok(Some(Moment { wall_ms, boot_ms })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Unreadable(boot)),
        (None, Some(_)) => Err(Unreadable(wall)),
    }
}
