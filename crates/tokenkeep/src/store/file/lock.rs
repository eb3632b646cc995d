//! One writer at a time, over all processes: a lock of the operating system, which ends with its process.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::disk;
use super::fault::Fault;
use super::rights;
use crate::store::private::private_file;

/// The right to write to the folder. Whoever has it may be killed at any moment.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the right, blocking this thread, for a bounded time.
    pub(super) fn take(path: &Path) -> Result<Self, Fault> {
        let mut waited = Duration::ZERO;
        loop {
            let file = open(path)?;
            match file.try_lock() {
                // Somebody may have taken the folder away and made it again: then others lock another file.
                Ok(()) if disk::is_still_at(&file, path) => return Ok(Self { _file: file }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Fault::of("lock", path, &error)),
            }
            if waited >= MAX_WAIT {
                return Err(Fault::busy("another process has kept the folder locked for too long; look which one"));
            }
            // Uneven, so that those who wait do not come all at once.
            let pause = Duration::from_millis(fastrand::u64(1..=6));
            std::thread::sleep(pause);
            waited += pause;
        }
    }
}

/// Opens the lock's file, or makes it. The first who does may have died, or not come yet, to where he gives its owner
/// back what a strict umask took away; so whoever opens it does.
fn open(path: &Path) -> Result<File, Fault> {
    rights::open_to_owner(path)?;
    let file = disk::open(path, private_file().read(true).write(true).create(true).truncate(false))?;
    rights::open_to_owner(path)?;
    file.ok_or_else(|| Fault::new("the folder was taken away meanwhile"))
}

/// How long a call waits for other processes.
const MAX_WAIT: Duration = Duration::from_secs(5);
