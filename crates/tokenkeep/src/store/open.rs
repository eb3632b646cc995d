//! From a store's URL to the store.

use std::path::Path;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "sqlite")]
use super::SqliteStore;
use super::{MemoryStore, SealedStore, Store, StoreError};
use crate::clock::Clock;
use crate::seal::SealKey;
#[cfg(feature = "sqlite")]
use crate::seal::key_file;

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

/// Opens a store; one that is not there yet is made. What others could read is sealed: see [`open_sealed`].
pub async fn open(url: &StoreUrl, seal_keys: &[SealKey], clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match open_sealed(url, seal_keys, clock).await? {
        Some(sealed) => Arc::new(sealed),
        None => Arc::new(MemoryStore::new(Arc::clone(clock))),
    })
}

/// Opens a store that is sealed; `None` for the URL of one that no other process can read, which is not.
///
/// The first of `seal_keys` seals, all open. Without any, a store on this machine makes a key file beside it; one that is
/// there opens what it has sealed, also beside configured keys.
#[cfg_attr(not(feature = "sqlite"), expect(unused_variables, reason = "nothing but memory is there"))]
pub async fn open_sealed(
    url: &StoreUrl,
    seal_keys: &[SealKey],
    clock: &Arc<dyn Clock>,
) -> Result<Option<SealedStore>, StoreError> {
    match url {
        StoreUrl::Memory => Ok(None),
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => {
            let store = SqliteStore::open(path, Arc::clone(clock)).await?;
            seal_beside(Arc::new(store), path, seal_keys.to_vec()).await.map(Some)
        }
    }
}

/// Seals a store on this machine. Its key file lies beside it; the folder is there since the store was opened.
#[cfg(feature = "sqlite")]
async fn seal_beside(store: Arc<dyn Store>, path: &Path, configured: Vec<SealKey>) -> Result<SealedStore, StoreError> {
    let file = key_file::beside(path);
    let keys = tokio::task::spawn_blocking(move || key_file::keys(&file, configured)).await;
    match keys.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(keys) => Ok(SealedStore::new(store, keys)),
        Err(what) => {
            let error = StoreError { store: store.label().into(), what, busy: false };
            store.close().await;
            Err(error)
        }
    }
}
