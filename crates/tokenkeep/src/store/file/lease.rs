//! Leases as files: who has a key's turn, and until when.
//!
//! The hard problem is a holder that dies: the others would wait until the end of its lease. So a holder keeps its
//! lease's file open and locked. The system lets go of that lock when the process ends, however it ends, and a lease
//! whose file is not locked is over.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::content::json;
use super::disk::{self, Durability};
use super::fault::Fault;
use super::lock::Lock;
use crate::clock::{Clock, millis};
use crate::key::Key;
use crate::store::{Holder, LeaseOutcome};

/// The leases that this process has, by their open files.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<Key, File>>,
}

impl Leases {
    /// As [`crate::store::Store::acquire_lease`]; `path` is the key's file.
    pub(super) fn acquire(
        &self,
        _lock: &Lock,
        path: &Path,
        key: &Key,
        turn: Turn<'_>,
        clock: &dyn Clock,
    ) -> Result<LeaseOutcome, Fault> {
        let (boot_id, now) = time(clock);
        match in_force(path, &boot_id, now)? {
            Some(lease) if lease.holder != turn.holder.as_str() => {
                let left = u64::try_from(lease.end_ms.saturating_sub(now)).unwrap_or(0);
                Ok(LeaseOutcome::Held(Duration::from_millis(left)))
            }
            _ => self.write(path, key, turn, boot_id, now).map(|()| LeaseOutcome::Acquired),
        }
    }

    /// As [`crate::store::Store::renew_lease`].
    pub(super) fn renew(
        &self,
        _lock: &Lock,
        path: &Path,
        key: &Key,
        turn: Turn<'_>,
        clock: &dyn Clock,
    ) -> Result<bool, Fault> {
        let (boot_id, now) = time(clock);
        let is_own = in_force(path, &boot_id, now)?.is_some_and(|lease| lease.holder == turn.holder.as_str());
        if is_own {
            self.write(path, key, turn, boot_id, now)?;
        }
        Ok(is_own)
    }

    /// As [`crate::store::Store::release_lease`].
    pub(super) fn release(&self, _lock: &Lock, path: &Path, key: &Key, holder: &Holder) -> Result<(), Fault> {
        let lease = read(path)?;
        if lease.is_some_and(|(_, lease)| lease.is_some_and(|lease| lease.holder == holder.as_str())) {
            disk::remove(path)?;
            self.held().remove(key);
        }
        Ok(())
    }

    /// Lets go of all.
    pub(super) fn let_go(&self) {
        self.held().clear();
    }

    /// Writes a new file, locked before anybody can see it.
    fn write(&self, path: &Path, key: &Key, turn: Turn<'_>, boot_id: String, now: i64) -> Result<(), Fault> {
        let lease =
            Lease { holder: turn.holder.as_str().to_owned(), boot_id, end_ms: now.saturating_add(millis(turn.ttl)) };
        let content = json(&lease, 0)?;
        let new = path.with_extension("lease.new");
        let file = disk::write_new(&new, &content, Durability::Kill)?;
        if SHOWS_LIFE {
            file.try_lock().map_err(|error| Fault::new(format!("cannot lock {}: {error}", new.display())))?;
        }
        disk::put(&new, path, Durability::Kill)?;
        self.held().insert(key.clone(), file);
        Ok(())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<Key, File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose turn it is to be, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) holder: &'a Holder,
    pub(super) ttl: Duration,
}

/// On a machine whose boots have no names `end_ms` is on the wall clock.
#[derive(Serialize, Deserialize)]
struct Lease {
    holder: String,
    boot_id: String,
    end_ms: i64,
}

/// The lease that somebody has at this moment.
fn in_force(path: &Path, boot_id: &str, now: i64) -> Result<Option<Lease>, Fault> {
    let Some((file, Some(lease))) = read(path)? else { return Ok(None) };
    if lease.boot_id != boot_id || lease.end_ms <= now {
        return Ok(None);
    }
    if !SHOWS_LIFE {
        return Ok(Some(lease));
    }
    match file.try_lock() {
        // Its process is gone.
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(lease)),
        Err(TryLockError::Error(error)) => Err(Fault::of("lock", path, &error)),
    }
}

/// The file of a lease, and what it says unless that cannot be read.
fn read(path: &Path) -> Result<Option<(File, Option<Lease>)>, Fault> {
    let Some(file) = disk::open(path, OpenOptions::new().read(true))? else { return Ok(None) };
    let lease = serde_json::from_reader(&file).ok();
    Ok(Some((file, lease)))
}

/// The name of this boot and the time on its clock, as leases end by it.
fn time(clock: &dyn Clock) -> (String, i64) {
    let (boot_id, now) = (clock.boot_id().to_owned(), clock.now());
    let now_ms = if boot_id.is_empty() { now.wall_ms } else { now.boot_ms };
    (boot_id, now_ms)
}

/// Whether a lock shows that a lease's holder lives. On systems where nobody can read what somebody has locked, leases
/// end by the clock alone.
const SHOWS_LIFE: bool = cfg!(unix);
