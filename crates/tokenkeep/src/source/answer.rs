//! What comes of asking an issuer: a token, or why there is none.

use std::time::{Duration, SystemTime};

use crate::secret::Secret;

/// What an issuer answered.
///
/// The manager checks it: a token that no header can carry, or that was over when it came, counts as
/// [`Fault::Unavailable`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// The token; only visible ASCII, as a header demands.
    pub access_token: Secret,
    /// `Bearer` if the issuer did not say.
    pub token_type: Box<str>,
    /// The scope that was granted, if the issuer said.
    pub scope: Option<Box<str>>,
    /// When it ends.
    pub expiry: Expiry,
    /// After how long the issuer advises to renew it.
    pub refresh_in: Option<Duration>,
    /// A refresh token that replaces the one before; `None` leaves that in force.
    pub refresh_token: Option<Secret>,
}

impl Fetched {
    /// A Bearer token of which the issuer said nothing more. Its life is what the policy assumes, see
    /// [`Expiry::Unstated`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::{Secret, source::{Expiry, Fetched}};
    /// # let (answer, rotated) = ("a-token", None::<Secret>);
    /// let fetched = Fetched::new(Secret::new(answer))
    ///     .expiring_in(Duration::from_secs(3600))
    ///     .with_scope("read")
    ///     .with_refresh_token(rotated);
    /// assert_eq!(fetched.expiry, Expiry::In(Duration::from_hours(1)));
    /// ```
    pub fn new(access_token: Secret) -> Self {
        Self {
            access_token,
            token_type: "Bearer".into(),
            scope: None,
            expiry: Expiry::Unstated,
            refresh_in: None,
            refresh_token: None,
        }
    }

    /// The same of another type than `Bearer`: the first word of the `Authorization` header.
    #[must_use]
    pub fn with_token_type(self, token_type: impl Into<Box<str>>) -> Self {
        Self { token_type: token_type.into(), ..self }
    }

    /// The same with the scope that was granted.
    #[must_use]
    pub fn with_scope(self, scope: impl Into<Box<str>>) -> Self {
        Self { scope: Some(scope.into()), ..self }
    }

    /// The same with what the issuer said of its end.
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        Self { expiry, ..self }
    }

    /// The same, living so long from when the request was sent: what `expires_in` says.
    #[must_use]
    pub fn expiring_in(self, life: Duration) -> Self {
        self.with_expiry(Expiry::In(life))
    }

    /// The same with the issuer's advice to renew it after so long.
    #[must_use]
    pub fn with_refresh_in(self, refresh_in: impl Into<Option<Duration>>) -> Self {
        Self { refresh_in: refresh_in.into(), ..self }
    }

    /// The same with the refresh token that came with it. It is saved before anybody has the token, and comes with the
    /// next [`Ask`](super::Ask).
    #[must_use]
    pub fn with_refresh_token(self, refresh_token: impl Into<Option<Secret>>) -> Self {
        Self { refresh_token: refresh_token.into(), ..self }
    }
}

/// What an issuer said of a token's end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expiry {
    /// So long after the request was sent.
    In(Duration),
    /// At this time of the issuer's clock.
    At(SystemTime),
    /// Nothing: the token's own `exp` or the policy's `lifetime` holds, as [`Policy`](crate::expiry::Policy) says.
    Unstated,
    /// Never, because configuration says so.
    Never,
}

/// Why there is no token.
///
/// `what` is a lowercase fragment for a person. It must not hold a secret, a URL's query or an issuer's body, only the
/// issuer's `error` and a shortened `error_description`: it is logged, stored and answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct FetchError {
    /// What to do about it.
    pub fault: Fault,
    /// What happened.
    pub what: String,
    /// What a person could try, if more than waiting.
    pub next: Option<String>,
    /// When the issuer wants to be asked again.
    pub retry_after: Option<Duration>,
    /// A new refresh token that came with an answer which is otherwise of no use: it must not be lost.
    pub rotated: Option<Secret>,
}

impl FetchError {
    /// An error without advice.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::source::{Fault, FetchError};
    /// let busy = FetchError::new(Fault::RateLimited, "vault.example answered 429")
    ///     .with_retry_after(Duration::from_secs(30));
    /// let wrong = FetchError::new(Fault::Refused, "vault.example refused the PIN")
    ///     .with_next("check vault_pin");
    /// assert_eq!(wrong.to_string(), "vault.example refused the PIN");
    /// # assert!(busy.retry_after.is_some());
    /// ```
    pub fn new(fault: Fault, what: impl Into<String>) -> Self {
        Self { fault, what: what.into(), next: None, retry_after: None, rotated: None }
    }

    /// Adds what a person could try.
    #[must_use]
    pub fn with_next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// Adds after how long the issuer wants to be asked again.
    #[must_use]
    pub fn with_retry_after(self, retry_after: impl Into<Option<Duration>>) -> Self {
        Self { retry_after: retry_after.into(), ..self }
    }

    /// Adds the refresh token that came with an answer of no use.
    #[must_use]
    pub fn with_rotated(self, refresh_token: impl Into<Option<Secret>>) -> Self {
        Self { rotated: refresh_token.into(), ..self }
    }
}

/// What to do about a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Try again later: network, time-out, 5xx, an answer that makes no sense.
    Unavailable,
    /// Try again later, and so for all keys of this client registration.
    RateLimited,
    /// Asking again will not help before configuration or credentials change.
    Refused,
    /// The refresh token is spent or revoked; there are other credentials to log in with.
    RefreshTokenRefused,
    /// The refresh token is spent or revoked, and only a person can log in again.
    LoginRequired,
}
