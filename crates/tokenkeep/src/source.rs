//! Code that asks an issuer once.
//!
//! A source knows one way to authenticate and nothing else: no cache, no retry, no clock but the one that times its
//! request out. Whether, when and how often it is called is decided in the manager, so that every source, also one
//! written elsewhere, is renewed, shared and backed off in the same way.

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
/// Implementations ask once per call and answer within the time that their configuration allows. A call is never
/// dropped half-way by the manager, except when the process ends or the flight's own deadline passes.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// Asks the issuer once.
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError>;

    /// Asks the issuer once for somebody who wants to see what happens, and tells each request as it is made, without
    /// secrets. A source with nothing to tell has no steps.
    async fn trial(&self, ask: Ask<'_>, _steps: &mut Vec<TrialStep>) -> Result<Fetched, FetchError> {
        self.fetch(ask).await
    }

    /// The issuer's host (or the program, or whatever a person would recognise), for messages.
    fn issuer(&self) -> &str;

    /// What shapes the tokens of this source. A record with another fingerprint is not used.
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
pub struct Ask<'a> {
    /// Whose token is wanted.
    pub key: &'a Key,
    /// The newest refresh token that is known, if any. A source that has none to use ignores it.
    pub refresh_token: Option<&'a Secret>,
    /// Those that the store has for this account; `None` for a provider whose credentials are configured.
    pub credentials: Option<&'a Credentials>,
}

/// What an issuer answered.
#[derive(Debug)]
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

/// What an issuer said of a token's end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expiry {
    /// So long after the request was sent.
    In(Duration),
    /// At this time of the issuer's clock.
    At(SystemTime),
    /// Nothing: the policy's `lifetime` holds.
    Unstated,
    /// Never, because configuration says so.
    Never,
}

/// Why there is no token.
///
/// `what` is a lowercase fragment for a person. It must not hold a secret, a URL's query or an issuer's body, only the
/// issuer's `error` and a shortened `error_description`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
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
    pub fn new(fault: Fault, what: impl Into<String>) -> Self {
        Self { fault, what: what.into(), next: None, retry_after: None, rotated: None }
    }

    /// Adds what a person could try.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
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
