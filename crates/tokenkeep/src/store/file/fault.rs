//! From the system's errors to words that say what to do.

use std::io::{Error, ErrorKind};
use std::path::Path;

/// Why something was not done.
#[derive(Debug)]
pub(super) struct Fault {
    /// What happened, in a lowercase fragment without any file's content.
    pub(super) what: String,
    /// Whether somebody else was in the way, so that trying again may help.
    pub(super) is_busy: bool,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_busy: false }
    }

    pub(super) fn busy(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_busy: true }
    }

    /// `doing` is a verb, and `path` what it was done to.
    pub(super) fn of(doing: &str, path: &Path, error: &Error) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).display();
        Self::new(match in_words(error.kind()) {
            Some(words) => format!("cannot {doing} {name}: {words}"),
            None => format!("cannot {doing} {name}: {error}"),
        })
    }
}

fn in_words(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::StorageFull => "the disk is full, or has no room for more files; make room",
        ErrorKind::QuotaExceeded => "this user's part of the disk is used up; make room",
        ErrorKind::FileTooLarge => "this process may not write so much to a file; see its limits (ulimit -f)",
        ErrorKind::ReadOnlyFilesystem => "the disk cannot be written; mount it for writing, or use another folder",
        ErrorKind::PermissionDenied => "this user may not; give it the folder and all that is in it (chown)",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "what should be a folder is a file; move it away, or use another folder"
        }
        ErrorKind::IsADirectory => "there is a folder of this name; move it away",
        ErrorKind::NotFound => "the folder was taken away meanwhile",
        ErrorKind::Unsupported => "the file system does not offer it; use a local disk",
        _ => return None,
    })
}
