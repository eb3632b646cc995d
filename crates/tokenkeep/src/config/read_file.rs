//! Reads a small file whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The content of a file of at most `max` bytes.
pub(super) fn read(path: &Path, max: usize) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > max { Err(Unreadable::TooLong(max)) } else { Ok(bytes) }
}

/// Why a file cannot be read; reads on after its path.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("there is no such file")]
    Missing,
    #[error("no permission")]
    Forbidden,
    #[error("it is a folder")]
    Folder,
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    #[error("{0}")]
    Other(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            io::ErrorKind::IsADirectory => Self::Folder,
            _ => Self::Other(error),
        }
    }
}
