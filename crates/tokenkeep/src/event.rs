//! What happened to a token, as it happens: for logs, metrics, and whoever listens.

use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::failure::FailureKind;
use crate::key::Key;

/// A step in a token's life. No event holds a secret.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// use tokenkeep::Event;
///
/// # sandbox.set_fault(tokenkeep_sandbox::Fault::ConnectionReset);
/// let mut events = manager.events();
/// manager.token("graph").await.unwrap_err();
/// let mut failures = 0; // for a metric
/// while let Ok(event) = events.try_recv() {
///     failures += u32::from(matches!(event, Event::Failed { .. }));
/// }
/// assert_eq!(failures, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A token that was obtained earlier, or by another process, was taken from the store.
    Loaded {
        /// Whose.
        key: Key,
        /// Which.
        generation: u64,
        /// Life left; `None` for a token without end.
        expires_in: Option<Duration>,
    },
    /// A new token was obtained from the issuer.
    Obtained {
        /// Whose.
        key: Key,
        /// Which.
        generation: u64,
        /// Life left; `None` for a token without end.
        expires_in: Option<Duration>,
        /// How long the issuer took.
        took: Duration,
    },
    /// The issuer gave a new token another life than is expected.
    UnusualLife {
        /// Whose.
        key: Key,
        /// What is configured.
        expected: Duration,
        /// What the issuer gave.
        life: Duration,
    },
    /// A token is too near to its end to be handed out, and somebody asked.
    Expired {
        /// Whose.
        key: Key,
        /// Which.
        generation: u64,
    },
    /// The issuer was asked in vain.
    Failed {
        /// Whose token.
        key: Key,
        /// What will be done about it.
        kind: FailureKind,
        /// What happened.
        what: String,
        /// How many attempts in a row have failed.
        count: u32,
        /// When the first of them was made; `None` if that was at no time that the system can express.
        since: Option<SystemTime>,
        /// When it is asked again; `None`: not by itself.
        retry_in: Option<Duration>,
    },
    /// Attempts to obtain a token fail often, though others may bring one; said once until they fail less often.
    FrequentFailures {
        /// Whose token.
        key: Key,
        /// How long ago the first of the last three was.
        within: Duration,
    },
    /// Callers went away without a token; said at most once a minute.
    NoTokenForCallers {
        /// Whose token.
        key: Key,
        /// How many have lately.
        count: u64,
    },
    /// A resource server refused a token.
    Rejected {
        /// Whose.
        key: Key,
        /// Which.
        generation: u64,
    },
    /// A token was forgotten on demand.
    Cleared {
        /// Whose.
        key: Key,
    },
    /// An account was given credentials, in place of those before if there were any.
    CredentialsChanged {
        /// Whose.
        key: Key,
    },
    /// The credentials of an account were removed.
    CredentialsRemoved {
        /// Whose.
        key: Key,
    },
    /// The first way to authenticate failed, and another brought the token.
    FallbackUsed {
        /// Whose.
        key: Key,
        /// How the first way fails.
        what: String,
    },
    /// A token could not be saved; it is handed out and saved later.
    Unsaved {
        /// Whose.
        key: Key,
        /// What happened.
        what: String,
    },
    /// A token that could not be saved before is saved now.
    Saved {
        /// Whose.
        key: Key,
    },
    /// Tokens that were long over were thrown out of the store.
    CleanedUp {
        /// How many.
        removed: usize,
    },
    /// The store does not do its work, or not for one record; said once until it does again.
    StoreFailed {
        /// What happened.
        what: String,
    },
    /// The store does its work again.
    StoreRecovered,
}

impl Event {
    pub(crate) fn log(&self) {
        match self {
            Self::Loaded { key, generation, expires_in } => {
                let (expires_in_s, expires_in_h) = (seconds(*expires_in), hours(*expires_in));
                info!(%key, generation, expires_in_s, expires_in_h, "loaded a valid token from the store");
            }
            Self::Obtained { key, generation, expires_in, took } => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                let (expires_in_s, expires_in_h) = (seconds(*expires_in), hours(*expires_in));
                info!(%key, generation, expires_in_s, expires_in_h, took_ms, "obtained a new token");
            }
            Self::UnusualLife { key, expected, life } => {
                let (expected_s, life_s) = (expected.as_secs(), life.as_secs());
                warn!(%key, expected_s, life_s, "the new token has an unusual life");
            }
            Self::Expired { key, generation } => info!(%key, generation, "the token is over and is renewed"),
            Self::Failed { key, kind, what, count, since: _, retry_in } => {
                let retry_in_s = seconds(*retry_in);
                warn!(%key, kind = kind.as_str(), error = what, attempts = count, retry_in_s, "no new token");
            }
            Self::FrequentFailures { key, within } => {
                warn!(%key, within_s = within.as_secs(), "obtaining a new token fails often");
            }
            Self::NoTokenForCallers { key, count } => warn!(%key, count, "callers found no token to use"),
            Self::Rejected { key, generation } => {
                info!(%key, generation, "the resource server refused the token; it is renewed");
            }
            Self::Cleared { key } => info!(%key, "cleared the token"),
            Self::CredentialsChanged { key } => info!(%key, "the account has new credentials"),
            Self::CredentialsRemoved { key } => info!(%key, "removed the account's credentials"),
            Self::FallbackUsed { key, what } => {
                warn!(%key, error = what, "the first way to authenticate fails; a fallback brought the token");
            }
            Self::Unsaved { key, what } => {
                warn!(%key, error = what, "the token could not be saved; it is used and saved later");
            }
            Self::Saved { key } => info!(%key, "saved the token that could not be saved before"),
            Self::CleanedUp { removed } => info!(removed, "threw out tokens that are long over"),
            Self::StoreFailed { what } => warn!(error = what, "the store does not work; tokens go on from memory"),
            Self::StoreRecovered => info!("the store works again"),
        }
    }
}

fn seconds(duration: Option<Duration>) -> Option<u64> {
    duration.map(|duration| duration.as_secs())
}

/// Rounded to two decimals: enough to see at a glance what kind of life it is.
fn hours(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| (duration.as_secs_f64() / 36.0).round() / 100.0)
}
