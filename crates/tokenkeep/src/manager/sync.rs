//! What those who work on the same keys at once meet on: locks, shared pointers, tasks and time.
//!
//! A program gets the standard library's, `arc_swap`'s and tokio's, and this file only names them. The unit tests of
//! this crate get stand-ins for which `shuttle` decides who goes on: `model` runs this manager, not a copy of it,
//! through thousands of schedules. So that a schedule is all that decides, each `select!` of a flight is `biased`.

#[cfg(test)]
mod modelled;

#[cfg(not(test))]
pub(super) use self::ordinary::*;

#[cfg(test)]
pub(super) use self::modelled::*;

#[cfg(not(test))]
mod ordinary {
    pub(in crate::manager) use std::sync::atomic::AtomicU32;
    pub(in crate::manager) use std::sync::{Mutex, MutexGuard, RwLock};

    pub(in crate::manager) use arc_swap::{ArcSwap, ArcSwapOption};
    pub(in crate::manager) use tokio::time;
    pub(in crate::manager) use tokio_util::task::TaskTracker;

    /// Whether whoever calls this can start a task.
    pub(in crate::manager) fn can_spawn() -> bool {
        tokio::runtime::Handle::try_current().is_ok()
    }
}
