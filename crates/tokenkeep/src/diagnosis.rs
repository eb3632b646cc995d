//! What somebody who looks for a fault wants to know of a key, beside its status. Never a secret.

use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::status::Status;

/// What is known of a key's token, and what asking for it would come to.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager, clock) = example_with_clock().await?;
/// # use std::time::Duration;
/// manager.token("graph").await?;
/// clock.advance(Duration::from_hours(2));
/// let diagnosis = manager.diagnose("graph").await?;
/// let over_since = diagnosis.now.duration_since(diagnosis.expires_at.ok_or("it does not end")?)?;
/// assert_eq!(over_since, Duration::from_hours(1)); // a status tells only of tokens that live
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Its status.
    pub status: Status,
    /// When it was made, by the wall clock.
    pub now: SystemTime,
    /// The end of the token, also of one that is over; `None` if there is none or it does not end.
    pub expires_at: Option<SystemTime>,
    /// With this much life left it is no longer handed out; without a token, what would be the most.
    pub expiry_buffer: Duration,
    /// The life that the issuer's tokens should have, if that is configured.
    pub expected_life: Option<Duration>,
    /// Whether it is renewed though nobody asks for it, where a manager is started.
    pub is_renewed_unasked: bool,
    /// The store has a record of another configuration or of other credentials, whose token does not count.
    pub is_of_another_configuration: bool,
    /// What asking for it would come to now.
    pub prospect: Prospect,
}

/// What asking for a token would come to.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// use tokenkeep::diagnosis::Prospect;
///
/// assert!(matches!(manager.diagnose("graph").await?.prospect, Prospect::Obtain));
/// assert_eq!(sandbox.counters_of("reports").token_requests, 0); // the issuer was not asked
/// manager.token("graph").await?;
/// assert!(matches!(manager.diagnose("graph").await?.prospect, Prospect::HandOut));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Prospect {
    /// The present token.
    HandOut,
    /// The present token; where a manager is started, it has it renewed.
    HandOutAndRefresh,
    /// The caller waits until a new one is obtained.
    Obtain,
    /// This error, at once.
    Fail(Error),
}

/// What could be learnt of an issuer's clock.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// use tokenkeep::diagnosis::IssuerClock;
///
/// let IssuerClock::Read { at_least_ms, at_most_ms } = manager.issuer_clock("graph").await? else { return Ok(()) };
/// assert!(at_least_ms <= 0 && at_most_ms >= 0); // it runs on this machine
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerClock {
    /// It is ahead of this machine's by so many milliseconds, less than zero if it is behind: somewhere between these, for
    /// it is told in whole seconds and the answer took time.
    Read {
        /// At least so many.
        at_least_ms: i64,
        /// At most so many.
        at_most_ms: i64,
    },
    /// It cannot be known, for this reason.
    Unknown(&'static str),
    /// The issuer cannot be reached; how that showed.
    Unreachable(String),
}
