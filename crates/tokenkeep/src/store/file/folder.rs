//! The folder's work, as it is done on a thread that may block: looking at a key, bringing its files in order, writing
//! it, listing all.
//!
//! Looking needs no lock. Two files cannot be read at one moment, so what was read counts only if the sidecar is still
//! the same afterwards; what is not in order then is looked at again under the lock, where nobody writes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::changes::Index;
use super::content::{hash, key_in};
use super::disk::{self, Durability};
use super::fault::Fault;
use super::found::{Found, FoundSidecar, FoundToken, Verdict};
use super::lease::Leases;
use super::lock::Lock;
use super::names::{self, Owner, Paths};
use super::rights;
use super::sidecar::{Sidecar, Unreadable};
use super::token_file::TokenFile;
use crate::clock::Clock;
use crate::key::Key;
use crate::store::{Record, SaveOutcome, Version, Versioned};

/// A folder of token files.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    inner: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) leases: Leases,
    pub(super) index: Index,
    /// The newest version that this process has seen: it does not count down when files are taken away.
    newest_seen: AtomicU64,
    /// The folder that was found to be this user's and closed to others.
    known: Mutex<Option<rights::Identity>>,
    /// Keys that were asked for and had no record.
    asked: Mutex<BTreeSet<Key>>,
}

/// A look at a key's files.
pub(super) enum Look {
    /// What is kept of it.
    Settled(Option<Versioned>),
    /// The same as far as can be told without bringing the files in order, which needs the lock.
    Unsettled(Option<Versioned>),
}

impl Folder {
    pub(super) fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let inner = names::inner(&root);
        let (leases, index, newest_seen) = (Leases::default(), Index::default(), AtomicU64::new(0));
        let (known, asked) = (Mutex::default(), Mutex::default());
        Self { root, inner, clock, leases, index, newest_seen, known, asked }
    }

    /// Whether the path can be the store's at all.
    pub(super) fn inspect(&self) -> Result<(), Fault> {
        rights::inspect(&self.root)
    }

    /// Makes the folders, and finds the newest version.
    pub(super) fn open(&self) -> Result<(), Fault> {
        let lock = self.lock()?;
        for key in self.inner_keys(names::owner_of_sidecar)? {
            // What is wrong with one key is said to whoever wants it.
            if let Ok(Some(content)) = disk::read(&self.paths(&key).sidecar)
                && let Ok(sidecar) = Sidecar::parse(&content.bytes, &key)
            {
                self.saw(Version(sidecar.version));
            }
        }
        drop(lock);
        Ok(())
    }

    /// The right to write, in folders that are there, this user's, and closed to others.
    pub(super) fn lock(&self) -> Result<Lock, Fault> {
        let is_known = |identity| identity == *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !rights::identity(&self.root).is_some_and(|identity| is_known(Some(identity))) {
            // Another folder than before: nothing is made in another user's.
            rights::inspect(&self.root)?;
        }
        rights::prepare(&self.root, &self.inner)?;
        let lock = Lock::take(&self.inner.join(LOCK))?;
        let identity = rights::identity(&self.root);
        if identity.is_some() && is_known(identity) {
            return Ok(lock);
        }
        rights::close_folder_to_others(&self.inner);
        // A folder that holds other things too, e.g. a home folder, is not this program's to close.
        if !disk::names(&self.root)?.iter().any(|name| names::is_foreign(name)) {
            rights::close_folder_to_others(&self.root);
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = identity;
        Ok(lock)
    }

    pub(super) fn paths(&self, key: &Key) -> Paths {
        Paths::of(key, &self.root)
    }

    /// Where it is counted what was spent of a budget.
    pub(super) fn budget(&self, name: &str) -> PathBuf {
        names::budget(name, &self.root)
    }

    /// What is kept of a key that somebody wants, without waiting for anybody.
    pub(super) fn look_for(&self, key: &Key) -> Result<Look, Fault> {
        let look = self.look(key)?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match look {
            Look::Settled(Some(_)) => _ = asked.remove(key),
            Look::Settled(None) | Look::Unsettled(_) if asked.len() < MAX_ASKED => _ = asked.insert(key.clone()),
            Look::Settled(None) | Look::Unsettled(_) => {}
        }
        Ok(look)
    }

    /// The same without remembering that the key was asked for.
    pub(super) fn look(&self, key: &Key) -> Result<Look, Fault> {
        let now_ms = self.clock.now().wall_ms;
        let mut looks = 1;
        loop {
            let (found, is_whole) = self.find(key)?;
            let settled = found.verdict(now_ms) == Verdict::Settled;
            if is_whole || looks == MAX_LOOKS {
                let view = found.view(now_ms).map(|(sidecar, file)| sidecar.record(file));
                return Ok(if settled && is_whole { Look::Settled(view) } else { Look::Unsettled(view) });
            }
            looks += 1;
        }
    }

    /// Brings a key's files in order, and says what is kept of it.
    pub(super) fn settle(&self, lock: &Lock, key: &Key) -> Result<Option<Versioned>, Fault> {
        let found = self.in_order(lock, key)?;
        let view = found.view(self.clock.now().wall_ms);
        Ok(view.map(|(sidecar, file)| sidecar.record(file)))
    }

    /// Writes a record if the key's version is still `expected`.
    pub(super) fn save(
        &self,
        lock: &Lock,
        key: &Key,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<SaveOutcome, Fault> {
        let paths = self.paths(key);
        let before = self.in_order(lock, key)?;
        let known = match &before.sidecar {
            FoundSidecar::Known(sidecar) => Some(sidecar),
            FoundSidecar::Missing | FoundSidecar::Damaged => None,
        };
        let present = match &before.token {
            FoundToken::Known(file, _) => Some(file),
            FoundToken::Missing | FoundToken::Unusable(..) => None,
        };
        if known.map(|sidecar| Version(sidecar.version)) != expected {
            return Ok(SaveOutcome::Conflict);
        }
        let now_s = self.clock.now().wall_ms.div_euclid(1_000);
        let kept = present.filter(|file| record.token.as_ref().is_some_and(|token| file.is_of(token)));
        let (hash, content) = match (&record.token, kept) {
            (Some(_), Some(kept)) => (Some(kept.hash.clone()), None),
            (Some(token), None) => {
                let content = TokenFile::content(token, now_s)?;
                (Some(hash(&content)), Some(content))
            }
            (None, _) => (None, None),
        };
        // What no sidecar names is another program's: a token takes its place, but it is not removed.
        let is_own = present.is_some_and(|file| known.and_then(|known| known.token_hash()) == Some(&file.hash));
        let replaced = present.filter(|_| kept.is_none() && (is_own || content.is_some()));
        let replaced = replaced.map(|file| file.hash.clone());
        let mut sidecar = Sidecar::of(key, record, hash.as_deref(), replaced);
        sidecar.saved_at = match (kept, known) {
            (Some(_), Some(known)) => known.saved_at,
            _ => now_s,
        };
        if let Some(content) = &content {
            disk::write_new(&paths.next_token, content, Durability::PowerCut)?;
        }
        let version = self.write_sidecar(lock, &paths, sidecar)?;
        // The save is done: what follows is done by whoever looks next, if not now.
        if content.is_some() {
            if present.and_then(|file| file.saved_at).is_some_and(|saved_at| saved_at > now_s + AHEAD_S) {
                let aside = disk::set_aside(&paths.token, self.clock.now().wall_ms)?;
                warn!(%key, aside = %aside.display(), "a token file that is dated ahead was set aside for a new one");
            }
            disk::put(&paths.next_token, &paths.token, Durability::PowerCut)?;
        } else if hash.is_none() && is_own {
            disk::remove(&paths.token)?;
        }
        Ok(SaveOutcome::Saved(version))
    }

    /// All keys that have a record, in their order, and those that were asked for and have a token file by now. A token
    /// file that nobody asked for may be another program's business.
    pub(super) fn keys(&self) -> Result<BTreeSet<Key>, Fault> {
        let mut keys = self.inner_keys(names::owner_of_sidecar)?;
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.is_empty() {
            for name in disk::names(&self.root)? {
                if let Owner::Key(key) = names::owner_of_token_file(&name)
                    && asked.contains(&key)
                {
                    keys.insert(key);
                }
            }
        }
        Ok(keys)
    }

    /// Keys that have a file of one kind in the inner folder, in their order.
    pub(super) fn inner_keys(&self, owner: fn(&str) -> Owner) -> Result<BTreeSet<Key>, Fault> {
        let mut keys = BTreeSet::new();
        for name in disk::names(&self.inner)? {
            match owner(&name) {
                Owner::Key(key) => _ = keys.insert(key),
                Owner::LongKey => {
                    let content = disk::read(&self.inner.join(&name)).ok().flatten();
                    keys.extend(content.and_then(|content| key_in(&content.bytes)));
                }
                Owner::Nobody => {}
            }
        }
        Ok(keys)
    }

    /// The newest version of all keys.
    pub(super) fn newest(&self) -> Result<Version, Fault> {
        // One that was lost with the power is made up for by what was seen when the folder was opened.
        Ok(self.saw(Version(self.counted()?.unwrap_or(0))))
    }

    /// The count of all writes; `None` if it is not there, or says nothing.
    fn counted(&self) -> Result<Option<u64>, Fault> {
        let content = disk::read(&self.inner.join(VERSION))?;
        Ok(content.and_then(|content| std::str::from_utf8(&content.bytes).ok()?.trim().parse().ok()))
    }

    /// Lets go of all that this process has.
    pub(super) fn close(&self) {
        self.leases.let_go();
    }

    /// Reads a key's files, and whether they are of one moment.
    fn find(&self, key: &Key) -> Result<(Found, bool), Fault> {
        let paths = self.paths(key);
        let before = disk::read(&paths.sidecar)?;
        let sidecar = match before.as_ref().map(|content| Sidecar::parse(&content.bytes, key)) {
            None => FoundSidecar::Missing,
            Some(Ok(sidecar)) => FoundSidecar::Known(Box::new(sidecar)),
            Some(Err(Unreadable::Damaged)) => FoundSidecar::Damaged,
            Some(Err(Unreadable::Foreign(other))) => {
                let name = paths.sidecar.file_name().unwrap_or_default().display();
                return Err(Fault::new(format!(
                    "{name} is the record of '{other}' and not of '{key}'; use names that differ not only in capital \
                     letters, or move it away"
                )));
            }
            Some(Err(Unreadable::Later)) => {
                return Err(Fault::new(format!("a later tokenkeep has written the record of '{key}'; use that one")));
            }
        };
        let token = disk::read_sole(&paths.token)?;
        let token = token.map_or(FoundToken::Missing, |content| FoundToken::read(&content.bytes, content.modified_s));
        let wanted = match &sidecar {
            FoundSidecar::Known(sidecar) => sidecar.token_hash(),
            FoundSidecar::Missing | FoundSidecar::Damaged => None,
        };
        let next = match wanted {
            Some(wanted) if token.hash() != Some(wanted) => disk::read(&paths.next_token)?,
            _ => None,
        };
        let next = next.and_then(|content| TokenFile::parse(&content.bytes).ok());
        let after = disk::read(&paths.sidecar)?;
        let is_whole = before.map(|content| content.bytes) == after.map(|content| content.bytes);
        Ok((Found { key: key.clone(), sidecar, token, next }, is_whole))
    }

    /// Carries out what the files of a key demand, one step at a time, until they are in order.
    fn in_order(&self, lock: &Lock, key: &Key) -> Result<Found, Fault> {
        let paths = self.paths(key);
        let mut doubted = None;
        for _ in 0..MAX_STEPS {
            let now_ms = self.clock.now().wall_ms;
            let (found, _) = self.find(key)?;
            match found.verdict(now_ms) {
                Verdict::Settled => return Ok(found),
                Verdict::Unfinished => disk::put(&paths.next_token, &paths.token, Durability::PowerCut)?,
                Verdict::Spent => {
                    disk::remove(&paths.token)?;
                    debug!(%key, "removed the file of a token that is over or cleared");
                }
                verdict @ (Verdict::Written | Verdict::Gone) => {
                    if let Some((sidecar, _)) = found.view(now_ms) {
                        self.write_sidecar(lock, &paths, sidecar)?;
                    }
                    if verdict == Verdict::Written {
                        info!(%key, "took over a token that another program has saved");
                    } else {
                        info!(%key, "the token's file was taken away; the token counts as cleared");
                    }
                }
                Verdict::Unusable(_) if doubted.as_deref() != found.token.hash() => {
                    // Not all programs write a file at once: what looks cut off may be whole a moment later.
                    doubted = found.token.hash().map(str::to_owned);
                    std::thread::sleep(PATIENCE);
                }
                Verdict::Unusable(why) => {
                    let aside = disk::set_aside(&paths.token, now_ms)?;
                    warn!(%key, why, aside = %aside.display(), "a token file is of no use and was set aside");
                }
                Verdict::Damaged => {
                    let aside = disk::set_aside(&paths.sidecar, now_ms)?;
                    warn!(%key, aside = %aside.display(), "a record cannot be read and was set aside; a login in it is lost");
                    let generation = u64::try_from(now_ms / 1_000).unwrap_or(1);
                    self.write_sidecar(lock, &paths, Sidecar::bare(key, generation))?;
                }
            }
        }
        Err(Fault::busy(format!("another program writes the token of '{key}' all the time")))
    }

    /// Writes a sidecar as the newest version of all keys.
    fn write_sidecar(&self, _lock: &Lock, paths: &Paths, mut sidecar: Sidecar) -> Result<Version, Fault> {
        // In a folder that takes the place of another, which counted from such a number too, versions are greater than
        // all in that one: whoever saw those still notices what is written here.
        let start = || u64::try_from(self.clock.now().wall_ms).unwrap_or(0);
        let counted = self.saw(Version(self.counted()?.unwrap_or_else(start)));
        let version = Version(counted.0.max(sidecar.version).saturating_add(1));
        sidecar.version = version.0;
        // The count goes first: a number that is never used harms nobody, one that is used twice would.
        let count = self.inner.join(VERSION);
        disk::replace(&count, &count.with_extension("new"), version.0.to_string().as_bytes(), Durability::Kill)?;
        let new = paths.sidecar.with_extension("json.new");
        disk::replace(&paths.sidecar, &new, &sidecar.content()?, Durability::PowerCut)?;
        Ok(self.saw(version))
    }

    fn saw(&self, version: Version) -> Version {
        let before = self.newest_seen.fetch_max(version.0, Ordering::AcqRel);
        Version(before.max(version.0))
    }
}

/// How many keys without a record are remembered.
const MAX_ASKED: usize = 10_000;
const LOCK: &str = "lock";
const VERSION: &str = "version";
/// How often files that change meanwhile are read before the lock is taken.
const MAX_LOOKS: u32 = 3;
/// How long another program may take to write a token file.
const PATIENCE: Duration = Duration::from_millis(50);
/// How far ahead the date of a token file may lie until it looks like somebody's mistake.
const AHEAD_S: i64 = 300;
/// More than any state of a key's files needs to be brought in order.
const MAX_STEPS: u32 = 8;
