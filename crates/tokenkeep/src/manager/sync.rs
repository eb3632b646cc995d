//! What those who work on the same keys at once meet on: locks, shared pointers, tasks and time.

pub(super) use std::sync::atomic::AtomicU32;
pub(super) use std::sync::{Mutex, MutexGuard, RwLock};

pub(super) use arc_swap::{ArcSwap, ArcSwapOption};
pub(super) use tokio::time;
pub(super) use tokio_util::task::TaskTracker;
