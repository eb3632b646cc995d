//! `file:DIR` — one JSON file per token, in a form that other programs read and write too.
//!
//! ```text
//! DIR/graph_token.json              the token, for whoever looks for it here
//! DIR/bluestakes@123_token.json     another account's
//! DIR/.tokenkeep/graph.json         the sidecar: what the form has no place for, and which token file it belongs to
//! DIR/.tokenkeep/graph.lease        whose turn it is
//! DIR/.tokenkeep/graph.credentials  those of the account, if they are kept in the store
//! DIR/.tokenkeep/….budget           what was spent of a budget
//! DIR/.tokenkeep/{lock,version}     one writer at a time, and the count of all writes
//! ```
//!
//! The hard problem is that a record lies in two files, one of which belongs to others too. So the sidecar names the
//! content of its token file. A save puts the next token ready, writes the sidecar, by which it is done, and moves the
//! token to its place; whoever finds the last step undone does it. A token file that is neither the named one nor the
//! one before was written by another program, and its token is taken over as the next generation.
//!
//! All work is done on threads that may block, and goes on to its end when the caller goes away.

mod account;
mod budget;
mod changes;
mod content;
mod disk;
mod fault;
mod folder;
mod foreign;
mod found;
mod lease;
mod lock;
mod names;
mod rights;
mod sidecar;
mod token_file;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use self::fault::Fault;
use self::folder::{Folder, Look};
use self::lease::Turn;
use self::lock::Lock;
use super::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use crate::budget::{Budget, Spending};
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::key::Key;

/// Keeps records, credentials and budgets in a folder of JSON files, for any number of processes of one machine. Other
/// programs may read its tokens, and write theirs in place of them. It seals nothing: see
/// [`SealedStore`](super::SealedStore).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// use tokenkeep::store::{FileStore, Store};
///
/// let store = FileStore::open(path, clock()).await?;
/// let _saved = store.save(&key("graph"), &record(1), None).await?;
/// let shared = std::fs::read_to_string(path.join("graph_token.json"))?; // for other programs
/// assert!(shared.contains("\"a-token\"") && !shared.contains("a-refresh-token"));
/// # Ok(())
/// # }
/// ```
pub struct FileStore {
    label: Box<str>,
    folder: Arc<Folder>,
    /// One call of this process at a time takes the folder's lock; the others wait here, in their order.
    turn: Arc<Semaphore>,
    credentials: Credential,
    /// What was warned of, so that it is not said once a second.
    warned: Mutex<HashSet<String>>,
}

/// What is done with credentials that are to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential {
    Kept,
    Refused,
}

impl FileStore {
    /// Opens a folder, or makes it with those that it lies in, for their owner alone. Leases end by this clock. What
    /// others may open is closed to them, with a warning.
    ///
    /// A path that is something else than a folder is an error, and so is another user's folder. A folder that cannot be
    /// written now, because the disk is full or this user may not, is opened all the same, with a warning: calls fail
    /// until it can be, and work then.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{FileStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let (path, file) = (folder.path().join("var/tokens"), folder.path().join("a-file"));
    /// FileStore::open(&path, clock()).await?;
    /// assert!(path.is_dir()); // it was made
    /// std::fs::write(&file, "")?;
    /// assert!(FileStore::open(&file, clock()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let label: Box<str> = format!("file:{}", path.display()).into();
        let root = std::path::absolute(path);
        let root = root.map_err(|cause| error(&label, Fault::new(format!("is no path: {cause}"))))?;
        let folder = Arc::new(Folder::new(root, clock));
        let turn = Arc::new(Semaphore::new(1));
        let store = Self { label, folder, turn, credentials: Credential::Kept, warned: Mutex::default() };
        store.work(Folder::inspect).await?;
        if let Err(error) = store.work(Folder::open).await {
            warn!(store = %store.label, error = error.what, "the folder cannot be used; tokens are kept in memory until it can");
        }
        Ok(store)
    }

    /// Refuses to keep credentials: for a folder that nobody seals. A token ends by itself, a password does not.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{FileStore, Store};
    /// # let folder = tempfile::tempdir()?;
    /// let store = FileStore::open(folder.path(), clock()).await?.without_credentials();
    /// let refused = store.save_credentials(&key("bluestakes:123"), &password("ann-secret")).await.unwrap_err();
    /// assert!(!refused.to_string().contains("ann-secret"));
    /// assert!(!is_in_files(&folder.path().join(".tokenkeep"), "ann-secret"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_credentials(self) -> Self {
        Self { credentials: Credential::Refused, ..self }
    }

    /// Does work on a thread that may block.
    async fn work<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Folder) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.turn.is_closed() {
            return Err(self.error(Fault::new(CLOSED)));
        }
        let folder = Arc::clone(&self.folder);
        let done = spawn_blocking(move || act(&folder)).await;
        done.unwrap_or_else(|_| Err(Fault::new(BROKEN_OFF))).map_err(|fault| self.error(fault))
    }

    /// Does work under the folder's lock.
    async fn work_locked<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Folder, &Lock) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = match timeout(MAX_WAIT, Arc::clone(&self.turn).acquire_owned()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Err(self.error(Fault::new(CLOSED))),
            Err(_) => return Err(self.error(Fault::busy("too many calls of this process wait for the folder"))),
        };
        self.work(move |folder| {
            let lock = folder.lock()?;
            let done = act(folder, &lock);
            drop(lock);
            drop(turn);
            done
        })
        .await
    }

    /// What is kept of a key. Its files are brought in order if they are not and the folder can be written; a folder
    /// that cannot be is read as it is.
    async fn settled(&self, key: &Key, look: Look) -> Result<Option<Versioned>, StoreError> {
        let view = match look {
            Look::Settled(found) => return Ok(found),
            Look::Unsettled(view) => view,
        };
        let owned = key.clone();
        match self.work_locked(move |folder, lock| folder.settle(lock, &owned)).await {
            Err(error) if error.busy => Err(error),
            Err(error) => {
                self.warn_once(key, &error.what, "the files of a key cannot be brought in order");
                Ok(view)
            }
            settled => settled,
        }
    }

    /// All keys of a kind, of one moment if the folder can be locked: while a file is replaced a listing may miss it.
    async fn listed(&self, list: fn(&Folder) -> Result<BTreeSet<Key>, Fault>) -> Result<BTreeSet<Key>, StoreError> {
        match self.work_locked(move |folder, _| list(folder)).await {
            Err(error) if !error.busy && !self.turn.is_closed() => self.work(list).await,
            keys => keys,
        }
    }

    fn error(&self, fault: Fault) -> StoreError {
        error(&self.label, fault)
    }

    fn warn_once(&self, key: &Key, what: &str, message: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNED && warned.insert(format!("{key}: {what}")) {
            warn!(store = %self.label, %key, error = what, "{message}");
        }
    }
}

#[async_trait]
impl Store for FileStore {
    fn label(&self) -> &str {
        &self.label
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let owned = key.clone();
        let look = self.work(move |folder| folder.look_for(&owned)).await?;
        self.settled(key, look).await
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        let (key, record) = (key.clone(), record.clone());
        self.work_locked(move |folder, lock| folder.save(lock, &key, &record, expected)).await
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let mut page = Vec::new();
        let mut keys =
            self.listed(Folder::keys).await?.into_iter().filter(|key| after.is_none_or(|after| key > after)).peekable();
        // Keys that are left out are made up for: a page that is not full is the last one.
        while page.len() < limit && keys.peek().is_some() {
            let wanted: Vec<Key> = keys.by_ref().take(limit - page.len()).collect();
            let looks = self.work(move |folder| Ok(wanted.into_iter().map(|key| (folder.look(&key), key)).collect()));
            let looks: Vec<(Result<Look, Fault>, Key)> = looks.await?;
            for (look, key) in looks {
                match look {
                    Ok(look) => page.extend(self.settled(&key, look).await?.map(|found| (key, found))),
                    Err(fault) => self.warn_once(&key, &fault.what, LEFT_OUT),
                }
            }
        }
        Ok(page)
    }

    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        let keys = self.listed(Folder::keys).await?;
        let looks = self.work(move |folder| {
            let looks = keys.into_iter().map(|key| (folder.look(&key).err(), key));
            Ok(looks.filter_map(|(fault, key)| Some((key.to_string(), fault?.what))).collect())
        });
        looks.await
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        let keys = self.listed(Folder::keys).await?;
        let walk = self.work(move |folder| Ok(folder.versions(keys))).await?;
        let mut changes = walk.versions;
        for key in walk.unsettled {
            let owned = key.clone();
            // One that cannot be brought in order now is unsettled at the next look too.
            if let Ok(Some(found)) = self.work_locked(move |folder, lock| folder.settle(lock, &owned)).await {
                changes.push((key, found.version));
            }
        }
        for (key, fault) in walk.unreadable {
            self.warn_once(&key, &fault.what, LEFT_OUT);
        }
        changes.retain(|(_, version)| *version > since);
        changes.sort_unstable_by_key(|(_, version)| *version);
        changes.truncate(limit);
        Ok(changes)
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        self.work(Folder::newest).await
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        let (key, holder) = (key.clone(), holder.clone());
        self.work_locked(move |folder, lock| {
            let (path, turn) = (folder.paths(&key).lease, Turn { holder: &holder, ttl });
            folder.leases.acquire(lock, &path, &key, turn, &*folder.clock)
        })
        .await
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        let (key, holder) = (key.clone(), holder.clone());
        self.work_locked(move |folder, lock| {
            let (path, turn) = (folder.paths(&key).lease, Turn { holder: &holder, ttl });
            folder.leases.renew(lock, &path, &key, turn, &*folder.clock)
        })
        .await
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        let (key, holder) = (key.clone(), holder.clone());
        self.work_locked(move |folder, lock| {
            let path = folder.paths(&key).lease;
            folder.leases.release(lock, &path, &key, &holder)
        })
        .await
    }

    fn keeps_credentials(&self) -> bool {
        self.credentials == Credential::Kept
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        let key = key.clone();
        self.work(move |folder| folder.credentials(&key)).await
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        if self.credentials == Credential::Refused {
            return Err(self.error(Fault::new("keeps no credentials unless it is sealed; configure seal_keys")));
        }
        let (key, credentials) = (key.clone(), credentials.clone());
        self.work_locked(move |folder, lock| folder.save_credentials(lock, &key, &credentials)).await
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        let (key, before, after) = (key.clone(), before.clone(), after.clone());
        self.work_locked(move |folder, lock| folder.replace_credentials(lock, &key, &before, &after)).await
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        let key = key.clone();
        self.work_locked(move |folder, lock| folder.remove_credentials(lock, &key)).await
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let accounts = self.listed(Folder::accounts).await?;
        Ok(accounts.into_iter().filter(|key| after.is_none_or(|after| key > after)).take(limit).collect())
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        let name = name.to_owned();
        self.work_locked(move |folder, lock| folder.spend(lock, &name, budget)).await
    }

    async fn close(&self) {
        // Whoever has the turn ends first; who still waits for it is told.
        let turn = self.turn.acquire().await;
        self.turn.close();
        drop(turn);
        self.folder.close();
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("label", &self.label).finish_non_exhaustive()
    }
}

fn error(label: &str, fault: Fault) -> StoreError {
    StoreError { store: label.into(), what: fault.what, busy: fault.is_busy }
}

/// How long a call waits for its turn among the calls of this process.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// How many different warnings are given.
const MAX_WARNED: usize = 1_000;
const CLOSED: &str = "the store is closed";
const BROKEN_OFF: &str = "the work on the folder broke off; the log says where";
const LEFT_OUT: &str = "a record cannot be read and is left out";
