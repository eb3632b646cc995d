//! What changed since: by looking at the files' stamps, and reading those that have another one than before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::disk::Stamp;
use super::fault::Fault;
use super::folder::{Folder, Look};
use crate::key::Key;
use crate::store::Version;

/// What was read of each key, and the stamps of its files then.
#[derive(Debug, Default)]
pub(super) struct Index {
    known: Mutex<HashMap<Key, Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    stamps: Stamps,
    version: Version,
}

/// Of the token file and the sidecar.
type Stamps = [Option<Stamp>; 2];

/// A walk over all keys.
pub(super) struct Walk {
    /// Keys with their versions.
    pub(super) versions: Vec<(Key, Version)>,
    /// Keys whose files are to be brought in order first.
    pub(super) unsettled: Vec<Key>,
    /// Keys that cannot be read, and why.
    pub(super) unreadable: Vec<(Key, Fault)>,
}

impl Folder {
    /// The version of each of these keys. Files that are as they were are not read.
    pub(super) fn versions(&self, keys: impl IntoIterator<Item = Key>) -> Walk {
        let now_ms = self.clock.now().wall_ms;
        let mut walk = Walk { versions: Vec::new(), unsettled: Vec::new(), unreadable: Vec::new() };
        let before = std::mem::take(&mut *self.index.known.lock().unwrap_or_else(PoisonError::into_inner));
        let mut after = HashMap::with_capacity(before.len());
        for key in keys {
            let paths = self.paths(&key);
            let stamps = [Stamp::at(&paths.token), Stamp::at(&paths.sidecar)];
            if let Some(known) = before.get(&key).filter(|known| known.stamps == stamps) {
                after.insert(key.clone(), *known);
                walk.versions.push((key, known.version));
                continue;
            }
            match self.look(&key) {
                Ok(Look::Settled(Some(found))) => {
                    if stamps.iter().flatten().all(|stamp| is_old(stamp, now_ms)) {
                        after.insert(key.clone(), Known { stamps, version: found.version });
                    }
                    walk.versions.push((key, found.version));
                }
                Ok(Look::Settled(None)) => {}
                Ok(Look::Unsettled(_)) => walk.unsettled.push(key),
                Err(fault) => walk.unreadable.push((key, fault)),
            }
        }
        *self.index.known.lock().unwrap_or_else(PoisonError::into_inner) = after;
        walk
    }
}

/// Whether a file that is written from now on has another stamp for certain: clocks of file systems are coarse.
fn is_old(stamp: &Stamp, now_ms: i64) -> bool {
    now_ms / 1_000 > stamp.changed_s().saturating_add(COARSEST_S)
}

/// The coarsest file system's clock goes in steps of two seconds.
const COARSEST_S: i64 = 2;
