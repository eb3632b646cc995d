//! From a store's URL to the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "sqlite")]
use super::SqliteStore;
use super::{FileStore, MemoryStore, Store, StoreError};
use crate::clock::Clock;

/// Which store, and where: `memory:`, `file:DIR` or `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`
    Memory,
    /// `file:DIR`
    File(PathBuf),
    /// `sqlite:PATH`
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Reads a store's URL; the error says which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "memory:" || text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("file:") {
            return path_in(path).map(Self::File).ok_or_else(|| "file: needs a folder, e.g. file:tokens".into());
        }
        #[cfg(feature = "sqlite")]
        if let Some(path) = text.strip_prefix("sqlite:") {
            let example = "sqlite: needs a path, e.g. sqlite:tokenkeep.db";
            return path_in(path).map(Self::Sqlite).ok_or_else(|| example.into());
        }
        let known = if cfg!(feature = "sqlite") { "memory:, file:DIR and sqlite:PATH" } else { "memory: and file:DIR" };
        Err(format!("there is no store '{}:'; known are {known}", text.split(':').next().unwrap_or("")))
    }

    /// The same with a relative path taken from `base`.
    #[must_use]
    pub fn resolved(self, base: &Path) -> Self {
        match self {
            Self::Memory => Self::Memory,
            Self::File(path) => Self::File(base.join(path)),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Self::Sqlite(base.join(path)),
        }
    }
}

/// Opens a store; one that is not there yet is made.
pub async fn open(url: &StoreUrl, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        StoreUrl::Memory => Ok(Arc::new(MemoryStore::new(Arc::clone(clock)))),
        StoreUrl::File(path) => Ok(Arc::new(FileStore::open(path, Arc::clone(clock)).await?)),
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path, Arc::clone(clock)).await?)),
    }
}

/// The path that stands behind a URL's scheme, if any.
fn path_in(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("//").unwrap_or(text);
    (!path.is_empty()).then(|| path.into())
}
