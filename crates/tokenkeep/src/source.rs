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

mod answer;
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

use async_trait::async_trait;

use crate::credentials::Credentials;
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::secret::Secret;

pub use self::answer::{Expiry, Fault, FetchError, Fetched};
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
