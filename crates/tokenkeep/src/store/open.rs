//! From a store's URL to the store.

use std::path::Path;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "sqlite")]
use super::SqliteStore;
use super::{MemoryStore, Store, StoreError};
use crate::clock::Clock;

/// Which store, and where: `memory:` or `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`
    Memory,
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
        #[cfg(feature = "sqlite")]
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("sqlite: needs a path, e.g. sqlite:tokenkeep.db".into())
            } else {
                Ok(Self::Sqlite(path.into()))
            };
        }
        Err(format!("there is no store '{}:'; known are memory: and sqlite:PATH", text.split(':').next().unwrap_or("")))
    }

    /// The same with a relative path taken from `base`.
    #[must_use]
    #[cfg_attr(not(feature = "sqlite"), expect(unused_variables, reason = "only a file has a place"))]
    pub fn resolved(self, base: &Path) -> Self {
        match self {
            Self::Memory => Self::Memory,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Self::Sqlite(base.join(path)),
        }
    }
}

/// Opens a store; one that is not there yet is made.
pub async fn open(url: &StoreUrl, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        StoreUrl::Memory => Ok(Arc::new(MemoryStore::new(Arc::clone(clock)))),
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path, Arc::clone(clock)).await?)),
    }
}
