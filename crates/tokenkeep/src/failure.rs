//! What is remembered of a failed attempt, by this process and by all that share its store.

use crate::clock::Moment;

/// The failure that is in force for a key. It holds no secret: see [`crate::source::FetchError`].
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Its name in status, logs and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
            Self::Refused => "refused",
            Self::LoginRequired => "login_required",
        }
    }

    /// Reads [`FailureKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Unavailable, Self::RateLimited, Self::Refused, Self::LoginRequired]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}
