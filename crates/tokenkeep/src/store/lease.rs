//! Whose turn it is.

use std::time::Duration;

/// What became of an attempt to take a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum LeaseOutcome {
    /// It is the caller's now.
    Acquired,
    /// Somebody else has it, for at most so long if not renewed.
    Held(Duration),
}

/// Who holds a lease: unique per flight, over all processes.
///
/// ```
/// # use tokenkeep::store::Holder;
/// assert_ne!(Holder::unique(), Holder::unique());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder(Box<str>);

impl Holder {
    /// A name that nobody else has.
    pub fn unique() -> Self {
        Self(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)).into())
    }

    /// The name as stores write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
