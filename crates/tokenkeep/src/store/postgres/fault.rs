//! From what a server or a connection says to words that say what to do.

use std::{fmt, io};

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// Why it was not done.
#[derive(Debug)]
pub(super) struct Fault {
    /// What happened, in a lowercase fragment without any record's content.
    pub(super) what: String,
    pub(super) kind: FaultKind,
}

/// What a fault says of the connection, the tables, and the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Others are in the way, or the server is on its way up: trying again helps.
    Busy,
    /// The connection is gone, and with it perhaps all that are as old.
    Lost,
    /// Another server has to be found under the same name.
    ReadOnly,
    /// The tables are not there, or not there any more.
    NoTables,
    Other,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), kind: FaultKind::Other }
    }

    pub(super) fn busy(what: impl Into<String>) -> Self {
        Self { what: what.into(), kind: FaultKind::Busy }
    }

    /// What became of opening a connection.
    pub(super) fn of_connecting(error: sqlx::Error) -> Self {
        match error {
            // As the TLS library hands on what it finds wrong.
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => of_tls(&error),
            sqlx::Error::Io(error) => of_no_way(&in_words(&error)),
            sqlx::Error::Tls(error) => of_tls(&*error),
            // Nothing was read in answer to the question for TLS.
            sqlx::Error::Protocol(text) if text.contains("SSLRequest: 0x00") => of_no_way(CLOSED),
            // A certificate that does not fit its key, say. Texts of a server are in `Database`.
            sqlx::Error::Configuration(error) => Self::new(format!("TLS cannot be set up: {error}")),
            other => other.into(),
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => of_server(&*error),
            sqlx::Error::Io(error) => {
                Self { what: format!("the connection was lost: {}", in_words(&error)), kind: FaultKind::Lost }
            }
            // What it read may be in the text.
            sqlx::Error::Protocol(_) => {
                Self { what: "what answers does not speak as PostgreSQL does".into(), kind: FaultKind::Lost }
            }
            _ => Self::new("PostgreSQL did not answer as expected"),
        }
    }
}

fn of_no_way(why: &str) -> Fault {
    Fault { what: format!("cannot be reached: {why}"), kind: FaultKind::Lost }
}

fn of_tls(error: &dyn fmt::Display) -> Fault {
    Fault::new(format!("TLS failed: {error}; see sslmode and sslrootcert in the URL"))
}

/// The server's own message is shown only where it can hold nothing of a statement: statements have values in them.
fn of_server(error: &dyn DatabaseError) -> Fault {
    let code = error.code().unwrap_or_default();
    let (kind, what) = match &*code {
        "28P01" | "28000" => (
            FaultKind::Other,
            "the user or the password is wrong, or the server takes no such connection (pg_hba.conf)".into(),
        ),
        "3D000" => (FaultKind::Other, "there is no such database on this server; make it".into()),
        "42501" => (FaultKind::Other, format!("{} (see docs/stores.md for the rights it needs)", error.message())),
        "42P01" | "3F000" => (
            FaultKind::NoTables,
            "the tables are not there, or were dropped; they are made when the store is opened, if its user may".into(),
        ),
        "42703" => (FaultKind::Other, "the tables were changed by hand: a column is not there".into()),
        "25006" => (
            FaultKind::ReadOnly,
            "the server only reads: it is a standby, or default_transaction_read_only is on; name the primary".into(),
        ),
        "53100" => (FaultKind::Other, "the server's disk is full; make room".into()),
        "53200" => (FaultKind::Busy, "the server has no memory left".into()),
        "53300" => (
            FaultKind::Busy,
            "the server has too many connections; raise its max_connections, or lower the one in the URL".into(),
        ),
        "57014" => (FaultKind::Busy, "the server did not do it in time: it is slow, or somebody holds a lock".into()),
        "55P03" | "40001" | "40P01" => (FaultKind::Busy, "others were in the way".into()),
        "57P03" => (FaultKind::Busy, "the server is starting or stopping".into()),
        "57P01" | "57P02" => (FaultKind::Lost, "the server ended the connection".into()),
        "0A000" => (FaultKind::Other, "the server cannot do what is needed; PostgreSQL 12 or later can".into()),
        "22P05" | "22021" => {
            (FaultKind::Other, "the database cannot hold every text: make it with ENCODING 'UTF8'".into())
        }
        _ if code.starts_with("08") => (FaultKind::Lost, "the connection was lost".into()),
        // A pooler's words are about its own configuration and its servers.
        _ if is_of_a_pooler(error) => (FaultKind::Lost, format!("the pooler says '{}'", error.message())),
        _ if is_last_word(error) => {
            (FaultKind::Lost, format!("the server ended the connection (code {code}); its log says why"))
        }
        _ => (FaultKind::Other, format!("the server refused it (code {code}); its log says why")),
    };
    Fault { what, kind }
}

/// Whether the connection is over with it, e.g. because the server lets none be idle for so long.
fn is_last_word(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Servers say which of their source files an error is from.
fn is_of_a_pooler(error: &dyn DatabaseError) -> bool {
    error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| error.file().is_none())
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there".into(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => CLOSED.into(),
        // The system's words: it was given an address or a path.
        _ => error.to_string(),
    }
}

const CLOSED: &str = "the other side closed it";
