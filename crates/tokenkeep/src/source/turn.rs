//! How long it is this process's turn to begin a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::clock::{Clock, Moment};

/// Ends with the lease that it was taken for, as this process's clock shows it. Clones are the same turn.
#[derive(Debug, Clone)]
pub(crate) struct Turn(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    /// On the boot clock.
    ends_at_ms: AtomicI64,
    missed: AtomicBool,
}

impl Turn {
    pub(crate) fn new(clock: Arc<dyn Clock>, ends_at: Moment) -> Self {
        let ends_at_ms = AtomicI64::new(ends_at.boot_ms);
        Self(Arc::new(Inner { clock, ends_at_ms, missed: AtomicBool::new(false) }))
    }

    /// Goes on until then.
    pub(crate) fn extend(&self, ends_at: Moment) {
        self.0.ends_at_ms.store(ends_at.boot_ms, Ordering::Relaxed);
    }

    /// Somebody else has it.
    pub(crate) fn end(&self) {
        self.0.ends_at_ms.store(i64::MIN, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.clock.now().boot_ms >= self.0.ends_at_ms.load(Ordering::Relaxed)
    }

    /// Whether a request may begin now. If it may not, that is remembered.
    pub(crate) fn may_begin(&self) -> bool {
        let is_over = self.is_over();
        if is_over {
            self.0.missed.store(true, Ordering::Relaxed);
        }
        !is_over
    }

    /// Whether a request would have begun too late, and did not.
    pub(crate) fn was_missed(&self) -> bool {
        self.0.missed.load(Ordering::Relaxed)
    }
}
