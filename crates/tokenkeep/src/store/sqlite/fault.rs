//! From `SQLite`'s result codes to words that say what to do.

/// Why `SQLite` did not do it.
#[derive(Debug)]
pub(super) struct Fault {
    /// What happened, in a lowercase fragment without any record's content.
    pub(super) what: String,
    /// Whether somebody else was in the way, so that trying again may help.
    pub(super) is_busy: bool,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_busy: false }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse().ok()).unwrap_or(GENERIC);
                // Statements are constant and values are bound, so the message cannot quote a value.
                Self { what: in_words(code, error.message()), is_busy: matches!(code & PRIMARY, BUSY | LOCKED) }
            }
            sqlx::Error::PoolTimedOut => Self { what: IN_USE.into(), is_busy: true },
            sqlx::Error::PoolClosed => Self::new("the store is closed"),
            sqlx::Error::WorkerCrashed => Self::new("the thread that worked on the file is gone"),
            sqlx::Error::Io(error) => Self::new(format!("cannot open the file: {error}")),
            // These may describe values, and what they mean is a fault in this module.
            _ => Self::new("SQLite did not answer as expected"),
        }
    }
}

/// `code` is an extended result code: <https://www.sqlite.org/rescode.html>.
fn in_words(code: i32, message: &str) -> String {
    match code & PRIMARY {
        BUSY | LOCKED => IN_USE.into(),
        READ_ONLY => "the file or its folder cannot be written; let this user write to both".into(),
        CORRUPT => {
            "the file is damaged; move it away, together with those that end in -wal and -shm, and restore a copy, or \
             log in anew"
                .into()
        }
        // The log or its index are another file's, e.g. since that was deleted alone.
        IO if matches!(code, SHORT_READ | SHORT_MAP) => format!(
            "the file does not go with those that end in -wal and -shm (SQLite code {code}); if that does not end by \
             itself, move all three away and restore a copy, or log in anew"
        ),
        IO => format!("reading or writing the file failed (SQLite code {code}); look at the disk and the system log"),
        FULL => "the disk is full; make room".into(),
        CANNOT_OPEN => {
            format!("the file cannot be opened (SQLite code {code}); let this user write to it and to its folder")
        }
        NOT_A_DATABASE => "the file is not a SQLite database; name another, or move it away".into(),
        _ => format!("SQLite says '{message}' (code {code})"),
    }
}

const IN_USE: &str = "the file was in use for too long; look which process keeps it locked";

/// The low byte of an extended result code is the result code.
const PRIMARY: i32 = 0xff;
const GENERIC: i32 = 1;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
/// Less could be read than there should be, of a file and of the index of its log.
const SHORT_READ: i32 = 522;
const SHORT_MAP: i32 = 4874;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;
