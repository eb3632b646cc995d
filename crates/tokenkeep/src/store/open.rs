//! From a store's URL to the store.

#[cfg(feature = "sqlite")]
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "sqlite")]
use super::SqliteStore;
#[cfg(feature = "sqlite")]
use super::sealed::keys_of;
use super::{FileStore, MemoryStore, SealedStore, Store, StoreError, WhenUnopenable};
#[cfg(feature = "postgres")]
use super::{PostgresStore, PostgresUrl};
#[cfg(feature = "redis")]
use super::{RedisStore, RedisUrl};
use crate::clock::Clock;
#[cfg(feature = "sqlite")]
use crate::seal::key_file;
use crate::seal::{SealKey, SealKeys};

/// Which store, and where: `memory:`, `file:DIR`, `sqlite:PATH`, `postgres://…` or `redis://…`.
///
/// ```
/// use tokenkeep::store::StoreUrl;
///
/// assert_eq!(StoreUrl::parse("sqlite:tokens.db")?, StoreUrl::Sqlite("tokens.db".into()));
/// assert_eq!(StoreUrl::File("/var/lib/tokens".into()).to_string(), "file:/var/lib/tokens");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`
    Memory,
    /// `file:DIR`
    File(PathBuf),
    /// `sqlite:PATH`
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    /// `postgres://USER:PASSWORD@HOST/DATABASE`
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresUrl>),
    /// `redis://HOST` and its kin
    #[cfg(feature = "redis")]
    Redis(RedisUrl),
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.fmt(f),
            #[cfg(feature = "redis")]
            Self::Redis(url) => write!(f, "{url}"),
        }
    }
}

impl StoreUrl {
    /// Reads a store's URL; the error says which forms there are. `//` may stand before a path, and `memory` is enough.
    ///
    /// ```
    /// # use tokenkeep::store::StoreUrl;
    /// assert_eq!(StoreUrl::parse("memory:"), Ok(StoreUrl::Memory));
    /// let unknown = StoreUrl::parse("etcd://cache.example").unwrap_err();
    /// assert!(unknown.starts_with("there is no store 'etcd:'; known are memory:, file:DIR"));
    /// ```
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
        #[cfg(feature = "postgres")]
        if is_of(text, &POSTGRES) {
            return PostgresUrl::parse(text).map(Box::new).map(Self::Postgres);
        }
        #[cfg(feature = "redis")]
        if RedisUrl::is_meant_by(text) {
            return RedisUrl::parse(text).map(Self::Redis).map_err(|what| format!("redis: {what}"));
        }
        for (schemes, name, feature) in OPTIONAL {
            if is_of(text, schemes) {
                return Err(format!(
                    "this program was built without {name}: build it with the feature {feature}, or use file:DIR"
                ));
            }
        }
        Err(format!("there is no store '{}:'; {KNOWN}", text.split(':').next().unwrap_or("")))
    }

    /// Whether others than this machine have it, so that what is kept there needs configured keys.
    pub(crate) fn is_on_server(&self) -> bool {
        match self {
            Self::Memory | Self::File(_) => false,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            #[cfg(feature = "redis")]
            Self::Redis(_) => true,
        }
    }

    /// The same with a relative path taken from `base`.
    ///
    /// ```
    /// # use tokenkeep::store::StoreUrl;
    /// use std::path::Path;
    ///
    /// let store = StoreUrl::parse("sqlite:tokens.db")?; // in a configuration in /etc/tokenkeep
    /// assert_eq!(store.resolved(Path::new("/etc/tokenkeep")).to_string(), "sqlite:/etc/tokenkeep/tokens.db");
    /// let store = StoreUrl::parse("file:/var/lib/tokens")?;
    /// assert_eq!(store.resolved(Path::new("/etc/tokenkeep")).to_string(), "file:/var/lib/tokens");
    /// # Ok::<(), String>(())
    /// ```
    #[must_use]
    pub fn resolved(self, base: &Path) -> Self {
        match self {
            Self::Memory => Self::Memory,
            Self::File(path) => Self::File(base.join(path)),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Self::Sqlite(base.join(path)),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => Self::Postgres(Box::new(url.resolved(base))),
            #[cfg(feature = "redis")]
            Self::Redis(url) => Self::Redis(url.resolved(base)),
        }
    }
}

/// Opens a store; one that is not there yet is made. What others could read is sealed: see [`open_sealed`]. A folder
/// without keys is not, and so takes no credentials of accounts.
///
/// Errors are those of the store's own `open`, and a key file that cannot be read or made.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = StoreUrl::Sqlite(folder.path().join("tokens.db"));
/// # let clock = clock();
/// use tokenkeep::store::{self, StoreUrl};
///
/// let store = store::open(&url, &[], &clock).await?;
/// let _saved = store.save(&key("graph"), &record(1), None).await?;
/// assert!(store.load(&key("graph")).await?.is_some());
/// assert!(!is_in_files(folder.path(), "a-refresh-token")); // it is sealed, with a key that was made beside it
/// # Ok(())
/// # }
/// ```
pub async fn open(url: &StoreUrl, seal_keys: &[SealKey], clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(sealed) = open_sealed(url, seal_keys, clock, WhenUnopenable::Keep).await? {
        return Ok(Arc::new(sealed));
    }
    if let StoreUrl::File(path) = url {
        let plain = FileStore::open(path, Arc::clone(clock)).await?.without_credentials();
        // What was sealed while there were keys is not plain now that there are none.
        return Ok(Arc::new(SealedStore::new(Arc::new(plain), SealKeys::none())));
    }
    Ok(Arc::new(MemoryStore::new(Arc::clone(clock))))
}

/// Opens a store that is sealed; `None` for one that is not: `memory:`, which no other process can read, and `file:`
/// without keys, which other programs are to read. One on a server demands keys: beside it there is no place for a file
/// that others do not have.
///
/// The first of `seal_keys` seals, all open. Without any, a store on this machine makes a key file beside it; one that is
/// there opens what it has sealed, also beside configured keys. One that is lost is not made anew while there are
/// records that it sealed, unless these are to be forgotten: the store opens, and each call that needs the key is an
/// error that says so.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = StoreUrl::File(folder.path().to_owned());
/// # let clock = clock();
/// use tokenkeep::seal::SealKey;
/// use tokenkeep::store::{StoreUrl, WhenUnopenable, open_sealed};
///
/// let plain = open_sealed(&url, &[], &clock, WhenUnopenable::Keep).await?;
/// assert!(plain.is_none()); // a folder without keys: other programs are to read it
/// let (seal_key, _text) = SealKey::generate()?;
/// let sealed = open_sealed(&url, &[seal_key.clone()], &clock, WhenUnopenable::Keep).await?.ok_or("it is plain")?;
/// assert_eq!(sealed.key_id(), Some(seal_key.id()));
/// # Ok(())
/// # }
/// ```
pub async fn open_sealed(
    url: &StoreUrl,
    seal_keys: &[SealKey],
    clock: &Arc<dyn Clock>,
    unopenable: WhenUnopenable,
) -> Result<Option<SealedStore>, StoreError> {
    // Only a key file beside a store can be lost.
    #[cfg(not(feature = "sqlite"))]
    let _ = unopenable;
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
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path, Arc::clone(clock)).await?);
            let sealed = seal_beside(&store, key_file::beside(path), seal_keys, unopenable).await;
            if sealed.is_err() {
                store.close().await;
            }
            sealed.map(Some)
        }
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(address) => {
            let keys = keys_for_server(url, seal_keys)?;
            let store = PostgresStore::open(address, Arc::clone(clock)).await?;
            Ok(Some(SealedStore::new(Arc::new(store), keys)))
        }
        #[cfg(feature = "redis")]
        StoreUrl::Redis(address) => {
            let keys = keys_for_server(url, seal_keys)?;
            let store = RedisStore::open(address, Arc::clone(clock)).await?;
            Ok(Some(SealedStore::new(Arc::new(store), keys)))
        }
    }
}

/// The keys of a store that others than this machine have.
#[cfg(any(feature = "postgres", feature = "redis"))]
fn keys_for_server(url: &StoreUrl, seal_keys: &[SealKey]) -> Result<SealKeys, StoreError> {
    let Some((first, others)) = seal_keys.split_first() else {
        return Err(StoreError::new(&url.to_string(), format!("{SERVERS_NEED_KEYS}; {MAKE_A_KEY}")));
    };
    Ok(SealKeys::new(first.clone(), others.iter().cloned()))
}

/// Seals a store on this machine. Its key file lies beside it; the folder is there since the store was opened.
#[cfg(feature = "sqlite")]
async fn seal_beside(
    store: &Arc<dyn Store>,
    file: PathBuf,
    configured: &[SealKey],
    unopenable: WhenUnopenable,
) -> Result<SealedStore, StoreError> {
    let with = |keys| SealedStore::new(Arc::clone(store), keys);
    if let Some(keys) = read_keys(store, &file, configured).await? {
        return Ok(with(keys));
    }
    let lost = match unopenable {
        WhenUnopenable::Keep => keys_of(&**store).await?,
        WhenUnopenable::Forget => BTreeSet::new(),
    };
    if lost.is_empty() {
        let path = file.clone();
        return on_disk(store, move || key_file::make(&path)).await.map(with);
    }
    // Whoever makes a key does so before sealing with it: it may have come since the first look.
    if let Some(keys) = read_keys(store, &file, configured).await? {
        return Ok(with(keys));
    }
    let ids = lost.into_iter().collect::<Vec<_>>().join(", ");
    let what = format!(
        "what is in the store is sealed with key {ids}, and there is neither a key file {} nor a key in seal_keys; put \
         it back, or give up what it sealed: tokenkeep store reseal --forget",
        file.display()
    );
    Ok(SealedStore::without_key(Arc::clone(store), file, what))
}

/// The keys that there are, if any.
#[cfg(feature = "sqlite")]
async fn read_keys(
    store: &Arc<dyn Store>,
    file: &Path,
    configured: &[SealKey],
) -> Result<Option<SealKeys>, StoreError> {
    let (file, configured) = (file.to_owned(), configured.to_vec());
    on_disk(store, move || key_file::find(&file, configured)).await
}

/// Does work on a key file on a thread that may block.
#[cfg(feature = "sqlite")]
async fn on_disk<T: Send + 'static>(
    store: &Arc<dyn Store>,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
    done.map_err(|what| StoreError { store: store.label().into(), what, busy: false })
}

/// Whether a URL has one of these schemes.
fn is_of(text: &str, schemes: &[&str]) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| schemes.contains(&scheme))
}

/// The path that stands behind a URL's scheme, if any.
fn path_in(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("//").unwrap_or(text);
    (!path.is_empty()).then(|| path.into())
}

/// Why a store on a server is not opened without keys, and what to do.
pub(crate) const SERVERS_NEED_KEYS: &str =
    "`seal_keys` is missing: what is kept on a server is sealed, with the same keys on all machines";
pub(crate) const MAKE_A_KEY: &str = "make one with `openssl rand -base64 32`, and name it in seal_keys";
const POSTGRES: [&str; 2] = ["postgres", "postgresql"];
/// Stores that a program may be built without: their schemes, what they are called, and their feature.
const OPTIONAL: [(&[&str], &str, &str); 3] = [
    (&["sqlite"], "SQLite", "sqlite"),
    (&POSTGRES, "PostgreSQL", "postgres"),
    (&["redis", "rediss", "valkey", "valkeys"], "Redis", "redis"),
];
const KNOWN: &str = "known are memory:, file:DIR, sqlite:PATH, postgres://… and redis://…";
