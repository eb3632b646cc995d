//! From a store's URL to the store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "sqlite")]
use super::SqliteStore;
use super::{FileStore, MemoryStore, SealedStore, Store, StoreError};
use crate::clock::Clock;
#[cfg(feature = "sqlite")]
use crate::seal::key_file;
use crate::seal::{SealKey, SealKeys};

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

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
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

/// Opens a store; one that is not there yet is made. What others could read is sealed: see [`open_sealed`].
pub async fn open(url: &StoreUrl, seal_keys: &[SealKey], clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(sealed) = open_sealed(url, seal_keys, clock).await? {
        return Ok(Arc::new(sealed));
    }
    if let StoreUrl::File(path) = url {
        return Ok(Arc::new(FileStore::open(path, Arc::clone(clock)).await?.without_credentials()));
    }
    Ok(Arc::new(MemoryStore::new(Arc::clone(clock))))
}

/// Opens a store that is sealed; `None` for one that is not: `memory:`, which no other process can read, and `file:`
/// without keys, which other programs are to read.
///
/// The first of `seal_keys` seals, all open. Without any, a store on this machine makes a key file beside it; one that is
/// there opens what it has sealed, also beside configured keys.
pub async fn open_sealed(
    url: &StoreUrl,
    seal_keys: &[SealKey],
    clock: &Arc<dyn Clock>,
) -> Result<Option<SealedStore>, StoreError> {
    match url {
        StoreUrl::Memory => Ok(None),
        StoreUrl::File(path) => {
            let Some((first, others)) = seal_keys.split_first() else { return Ok(None) };
            let store = FileStore::open(path, Arc::clone(clock)).await?;
            let keys = SealKeys::new(first.clone(), others.iter().cloned());
            Ok(Some(SealedStore::new(Arc::new(store), keys)))
        }
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

/// The path that stands behind a URL's scheme, if any.
fn path_in(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("//").unwrap_or(text);
    (!path.is_empty()).then(|| path.into())
}
