//! What is kept of a key, the version by which writes are ordered, and what becomes of one.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::secret::Secret;
use crate::token::IssuedToken;

/// What a store keeps of a key.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// # use tokenkeep::{Key, TokenManager, clock::SystemClock, store::{MemoryStore, Store}};
/// # let sandbox = issuer().await?;
/// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
/// # let builder = TokenManager::builder().config_text(configuration(&sandbox)).environment(environment);
/// # let manager = builder.store(store.clone()).build().await?;
/// let token = manager.token("graph").await?;
/// let record = store.load(&Key::parse("graph")?).await?.ok_or("nothing")?.record;
/// assert_eq!(record.generation, token.generation());
/// assert!(record.failure.is_none() && record.asked_at.is_some());
/// assert!(!format!("{record:?}").contains(token.expose_secret()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Record {
    /// Counts the tokens of this key; goes on counting when a token is cleared.
    pub generation: u64,
    /// What shaped the token.
    pub fingerprint: Fingerprint,
    /// The token, if there is one.
    pub token: Option<Arc<IssuedToken>>,
    /// After how long the issuer advised to renew it.
    pub refresh_in: Option<Duration>,
    /// This token's draw, 0 to 1, by which its renewal is moved earlier.
    pub jitter: f32,
    /// The newest refresh token.
    pub refresh_token: Option<Secret>,
    /// When the issuer was last asked.
    pub asked_at: Option<Moment>,
    /// The failure in force.
    pub failure: Option<Failure>,
    /// When the key is renewed though nobody asks for it; `None`: only when somebody does. What a store does not need that
    /// claims nothing ([`Store::claim_due`](super::Store::claim_due)), it may drop.
    pub due_at: Option<Moment>,
    /// Under which boot the moments' boot times were written; see [`crate::Clock::boot_id`].
    pub boot_id: Box<str>,
}

impl Record {
    /// The same record, counted as another generation.
    #[must_use]
    pub(crate) fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self.token = self.token.map(|token| Arc::new(token.with_generation(generation)));
        self
    }
}

/// Orders all writes to a store, over all keys: a later write has a greater version, also after a restart. One counter
/// for the whole store, which is incremented in the same atomic step in which the record is written.
///
/// ```
/// # use tokenkeep::store::Version;
/// assert!(Version(7) > Version::ZERO);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub u64);

impl Version {
    /// Before all writes.
    pub const ZERO: Self = Self(0);
}

/// A record and the version that a write has to name to replace it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::store::{SaveOutcome, Store};
/// # let (store, _clock) = memory();
/// # let _saved = store.save(&key("graph"), &record(1), None).await?;
/// use tokenkeep::store::{Record, Versioned};
///
/// let Versioned { version, record } = store.load(&key("graph")).await?.ok_or("nothing")?;
/// let forgotten = Record { token: None, refresh_token: None, ..record }; // its generation stays
/// assert_ne!(store.save(&key("graph"), &forgotten, Some(version)).await?, SaveOutcome::Conflict);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Versioned {
    /// Its version.
    pub version: Version,
    /// The record.
    pub record: Record,
}

/// What became of a write.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::store::{Store, Version};
/// # let (store, _clock) = memory();
/// use tokenkeep::store::SaveOutcome;
///
/// match store.save(&key("graph"), &record(1), None).await? {
///     SaveOutcome::Saved(version) => assert_eq!(version, Version(1)),
///     SaveOutcome::Conflict => println!("somebody has written: load, decide again"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum SaveOutcome {
    /// Written, as this version.
    Saved(Version),
    /// Not written: the key's version is not the expected one.
    Conflict,
}
