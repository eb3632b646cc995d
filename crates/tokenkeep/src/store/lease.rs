//! Whose turn it is.

use std::time::Duration;

/// What became of an attempt to take a lease.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::store::{Holder, Store};
/// # use std::time::Duration;
/// # let (store, _clock) = memory();
/// # let (one, other, ttl) = (Holder::unique(), Holder::unique(), Duration::from_secs(30));
/// use tokenkeep::store::LeaseOutcome;
///
/// assert_eq!(store.acquire_lease(&key("graph"), &one, ttl).await?, LeaseOutcome::Acquired);
/// if let LeaseOutcome::Held(left) = store.acquire_lease(&key("graph"), &other, ttl).await? {
///     assert_eq!(left, ttl); // look again by then at the latest
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum LeaseOutcome {
    /// It is the caller's now.
    Acquired,
    /// Somebody else has it, for at most so long if not renewed.
    Held(Duration),
}

/// Who holds a lease: one for each manager, with all its flights, over all processes. So one holder has leases of many
/// keys at once, and for each key there is one flight.
///
/// ```
/// # use tokenkeep::store::Holder;
/// assert_ne!(Holder::unique(), Holder::unique());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder(Box<str>);

impl Holder {
    /// A name that nobody else has.
    ///
    /// ```
    /// # use tokenkeep::store::Holder;
    /// let (one_manager, another) = (Holder::unique(), Holder::unique());
    /// assert_ne!(one_manager, another); // also in the same process
    /// ```
    pub fn unique() -> Self {
        Self(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)).into())
    }

    /// The name as stores write it.
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// # use tokenkeep::store::Holder;
    /// # let mut leases: BTreeMap<&str, String> = BTreeMap::new();
    /// let holder = Holder::unique();
    /// leases.insert("graph", holder.as_str().to_owned()); // a column of a store's own
    /// assert!(leases.values().any(|by| by == holder.as_str()));
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
