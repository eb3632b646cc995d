//! What is remembered of a failed attempt, by this process and by all that share its store.

use crate::clock::Moment;

/// The failure that is in force for a key. It holds no secret: see [`crate::source::FetchError`].
///
/// ```
/// use std::time::Duration;
/// use tokenkeep::Moment;
/// use tokenkeep::failure::{Failure, FailureKind};
///
/// let now = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
/// let failure = Failure {
///     kind: FailureKind::Unavailable,
///     what: "login.example.com answered 503".to_owned(),
///     next: None,
///     count: 1,
///     since: now,
///     retry_at: now.plus(Duration::from_secs(2)),
/// };
/// assert!(!failure.retry_at.is_reached(now));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What will be done about it.
    pub kind: FailureKind,
    /// What happened, in a lowercase fragment.
    pub what: String,
    /// What a person could try.
    pub next: Option<String>,
    /// How many attempts in a row have failed.
    pub count: u32,
    /// When the first of them was made.
    pub since: Moment,
    /// When the issuer may be asked again.
    pub retry_at: Moment,
}

/// What will be done about a failure.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// use tokenkeep::failure::FailureKind;
/// use tokenkeep_sandbox::{Fault, RetryAfter};
///
/// sandbox.set_fault(Fault::TooManyRequests { retry_after: Some(RetryAfter::Seconds(30)) });
/// manager.token("graph").await.unwrap_err();
/// let failure = manager.handle("graph")?.status().await.failure.ok_or("none")?;
/// assert_eq!(failure.kind, FailureKind::RateLimited);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// Asked again after a back-off.
    Unavailable,
    /// Asked again when the issuer allows it.
    RateLimited,
    /// Asked again rarely, until configuration or credentials change.
    Refused,
    /// Not asked again before somebody logs in.
    LoginRequired,
}

impl FailureKind {
    pub(crate) const ALL: [Self; 4] = [Self::Unavailable, Self::RateLimited, Self::Refused, Self::LoginRequired];

    /// Its name in status, logs and stores.
    ///
    /// ```
    /// assert_eq!(tokenkeep::failure::FailureKind::RateLimited.as_str(), "rate_limited");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
            Self::Refused => "refused",
            Self::LoginRequired => "login_required",
        }
    }

    /// Reads [`FailureKind::as_str`].
    ///
    /// ```
    /// use tokenkeep::failure::FailureKind;
    ///
    /// assert_eq!(FailureKind::parse("rate_limited"), Some(FailureKind::RateLimited));
    /// assert_eq!(FailureKind::parse("of a later version"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
