//! Code that asks an issuer once.
//!
//! A source knows one way to authenticate and nothing else: no cache, no retry, no clock but the one that times its
//! request out. Whether, when and how often it is called is decided in the manager, so that every source, also one
//! written elsewhere, is renewed, shared and backed off in the same way.
//!
//! A source of your own says three things: how to ask, whom it asks, and what shapes its tokens.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tokenkeep::fingerprint::Fingerprint;
//! use tokenkeep::source::{Ask, Fault, FetchError, Fetched, TokenSource};
//! use tokenkeep::{Secret, SourceSettings, TokenManager};
//!
//! /// The vendor takes its clients' PIN and answers with a token.
//! #[derive(Debug)]
//! struct Vault {
//!     pin: Secret,
//! }
//!
//! #[async_trait::async_trait]
//! impl TokenSource for Vault {
//!     async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
//!         if self.pin.expose_secret() != "0000" {
//!             return Err(FetchError::new(Fault::Refused, "the vault refused the PIN"));
//!         }
//!         Ok(Fetched::new(Secret::new("a-token")).expiring_in(std::time::Duration::from_mins(10)))
//!     }
//!
//!     fn issuer(&self) -> &str {
//!         "vault.example"
//!     }
//!
//!     fn fingerprint(&self) -> Fingerprint {
//!         Fingerprint::of([("source", "vault"), ("pin", self.pin.expose_secret())])
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tokenkeep::Error> {
//! let vault = Arc::new(Vault { pin: Secret::new("0000") });
//! let manager = TokenManager::builder().source("vault", vault, SourceSettings::default()).build().await?;
//! assert_eq!(manager.token("vault").await?.expose_secret(), "a-token");
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "grants")]
mod client_credentials;
#[cfg(feature = "grants")]
mod command;
#[cfg(feature = "grants")]
mod echo;
#[cfg(feature = "grants")]
mod http;
pub(crate) mod jwt;
#[cfg(feature = "config")]
mod login;
mod make;
#[cfg(feature = "grants")]
mod password;
#[cfg(feature = "grants")]
mod refresh_token;
mod static_token;
mod timestamp;
#[cfg(feature = "grants")]
mod token_endpoint;
#[cfg(feature = "grants")]
mod token_response;
mod trial;

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::credentials::Credentials;
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::secret::Secret;

pub(crate) use self::make::Maker;
pub use self::trial::{TrialAnswer, TrialStep};

/// One way to get a token from an issuer.
///
/// Add `async-trait` to your dependencies to implement it; the signatures that it makes name types of `std` and of this
/// crate only. The `Debug` of a source must show no secret, which that of [`Secret`] does not.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// Asks the issuer once. It repeats nothing, remembers nothing, and looks at no clock.
    ///
    /// The call is dropped when it takes longer than [`Policy::timeout`](crate::expiry::Policy::timeout), so a time-out
    /// of its own is of use only if it is shorter. A panic counts as [`Fault::Unavailable`].
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError>;

    /// Asks the issuer once for somebody who wants to see what happens, and tells each request as it is made, without
    /// secrets. A source with nothing to tell has no steps.
    async fn trial(&self, ask: Ask<'_>, _steps: &mut Vec<TrialStep>) -> Result<Fetched, FetchError> {
        self.fetch(ask).await
    }

    /// The issuer's host (or the program, or whatever a person would recognise), for messages.
    fn issuer(&self) -> &str;

    /// What shapes the tokens of this source: the grant, the address, the client, its secrets, the scope. A stored token
    /// with another fingerprint is not used, so whatever is left out here can change without a new token. It is the same
    /// after a restart. The account of a key is no part of it.
    fn fingerprint(&self) -> Fingerprint;

    /// Whether asking can spend a refresh token that only a person can replace, so that two processes must never ask
    /// at once, and none with a token that may be old.
    fn rotates(&self) -> bool {
        false
    }

    /// Whether its tokens are worth keeping in a store.
    fn keep(&self) -> Keep {
        Keep::InStore
    }
}

/// Where the tokens of a source are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// In the store: another process or the next start uses them again.
    InStore,
    /// In memory only: they are had again at once and for nothing, also for a mere look at the status.
    InMemory,
}

/// What a source may need to know for one request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// Whose token is wanted.
    pub key: &'a Key,
    /// The newest refresh token that is known, if any. A source that has none to use ignores it.
    pub refresh_token: Option<&'a Secret>,
    /// Those that the store has for this account; `None` unless the source's accounts are
    /// [`Accounts::Stored`](crate::Accounts::Stored).
    pub credentials: Option<&'a Credentials>,
}

impl<'a> Ask<'a> {
    /// Asks for a key's token with what the source was configured with. The manager does this; so do tests of a source.
    ///
    /// ```
    /// # use tokenkeep::{Key, Secret, source::Ask};
    /// let (key, refresh_token) = (Key::parse("vault:7")?, Secret::new("an-earlier-answer-brought-it"));
    /// let ask = Ask::new(&key).with_refresh_token(&refresh_token);
    /// assert_eq!(ask.key.account(), "7");
    /// # Ok::<(), tokenkeep::key::InvalidKey>(())
    /// ```
    pub fn new(key: &'a Key) -> Self {
        Self { key, refresh_token: None, credentials: None }
    }

    /// The same with a refresh token.
    #[must_use]
    pub fn with_refresh_token(self, refresh_token: impl Into<Option<&'a Secret>>) -> Self {
        Self { refresh_token: refresh_token.into(), ..self }
    }

    /// The same with credentials that the store has.
    #[must_use]
    pub fn with_credentials(self, credentials: impl Into<Option<&'a Credentials>>) -> Self {
        Self { credentials: credentials.into(), ..self }
    }
}

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
    /// next [`Ask`].
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

/// Why a text is no token that can be used; reads on after what it came with. `None` if it is one.
pub(crate) fn unfit_token(token: &str) -> Option<&'static str> {
    if !is_header_text(token) {
        Some("a token that no header can carry")
    } else if token.len() > MAX_TOKEN {
        Some("a token longer than 16 KiB, which no server takes in a header")
    } else {
        None
    }
}

/// Whether a token can stand in a header: visible ASCII only, and at least one character.
pub(crate) fn is_header_text(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && token.trim() == token
}

/// The longest token, in bytes. Servers take headers of 8 to 32 KiB.
const MAX_TOKEN: usize = 16 * 1024;
