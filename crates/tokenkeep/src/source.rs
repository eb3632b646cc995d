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
pub(crate) mod turn;

use std::fmt;

use async_trait::async_trait;

use self::turn::Turn;
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::fingerprint::Fingerprint;
/// use tokenkeep::source::{Ask, FetchError, Fetched, TokenSource};
/// # use tokenkeep::{Key, Secret};
///
/// /// Opaque tokens for tests, each account its own.
/// #[derive(Debug)]
/// struct Fake;
///
/// #[async_trait::async_trait]
/// impl TokenSource for Fake {
///     async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
///         Ok(Fetched::new(Secret::new(format!("a-token-of-{}", ask.key.account()))))
///     }
///     fn issuer(&self) -> &str {
///         "nobody"
///     }
///     fn fingerprint(&self) -> Fingerprint {
///         Fingerprint::of([("source", "fake")])
///     }
/// }
///
/// let fetched = Fake.fetch(Ask::new(&Key::parse("fake:7")?)).await?;
/// assert_eq!(fetched.access_token.expose_secret(), "a-token-of-7");
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// Asks the issuer once. It repeats nothing, remembers nothing, and looks at no clock.
    ///
    /// The call is dropped when it takes longer than [`Policy::timeout`](crate::expiry::Policy::timeout), so a time-out
    /// of its own is of use only if it is shorter. A panic counts as [`Fault::Unavailable`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Key, source::{Ask, Fault, TokenSource}};
    /// let key = Key::parse("vault")?;
    /// let fetched = Vault::new("0000").fetch(Ask::new(&key)).await?; // as a test of a source calls it
    /// assert_eq!(fetched.access_token.expose_secret(), "a-token");
    /// let error = Vault::new("1234").fetch(Ask::new(&key)).await.unwrap_err();
    /// assert_eq!(error.fault, Fault::Refused);
    /// # Ok(())
    /// # }
    /// ```
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError>;

    /// Asks the issuer once for somebody who wants to see what happens, and tells each request as it is made, without
    /// secrets. A source with nothing to tell has no steps.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// # use tokenkeep::source::{Ask, FetchError, Fetched, TokenSource, TrialStep};
    /// # #[derive(Debug)]
    /// # struct Telling(Vault);
    /// # #[async_trait::async_trait]
    /// # impl TokenSource for Telling {
    /// #     async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
    /// #         self.0.fetch(ask).await
    /// #     }
    /// #     fn issuer(&self) -> &str {
    /// #         self.0.issuer()
    /// #     }
    /// #     fn fingerprint(&self) -> Fingerprint {
    /// #         self.0.fingerprint()
    /// #     }
    /// async fn trial(&self, ask: Ask<'_>, steps: &mut Vec<TrialStep>) -> Result<Fetched, FetchError> {
    ///     steps.push(TrialStep { url: "https://vault.example/open?pin=‹pin›".into(), ..get() });
    ///     self.fetch(ask).await
    /// }
    /// # }
    /// # fn get() -> TrialStep {
    /// #     let (name, url, answer, found) = ("login".into(), String::new(), None, Vec::new());
    /// #     TrialStep { name, method: "GET", url, headers: Vec::new(), body: None, answer, found }
    /// # }
    /// # let vault = Telling(Vault::new("1234"));
    ///
    /// let trial = manager_of(vault).await?.try_login("vault", None).await?;
    /// assert!(trial.outcome.is_err());
    /// assert_eq!(trial.steps[0].url, "https://vault.example/open?pin=‹pin›"); // a PIN is shown to nobody
    /// # Ok(())
    /// # }
    /// ```
    async fn trial(&self, ask: Ask<'_>, _steps: &mut Vec<TrialStep>) -> Result<Fetched, FetchError> {
        self.fetch(ask).await
    }

    /// The issuer's host (or the program, or whatever a person would recognise), for messages.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let trial = manager_of(Vault::new("0000")).await?.try_login("vault", None).await?;
    /// assert_eq!(format!("{} was asked", trial.issuer), "vault.example was asked");
    /// # Ok(())
    /// # }
    /// ```
    fn issuer(&self) -> &str;

    /// What shapes the tokens of this source: the grant, the address, the client, its secrets, the scope. A stored token
    /// with another fingerprint is not used, so whatever is left out here can change without a new token. It is the same
    /// after a restart. The account of a key is no part of it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # use tokenkeep::source::TokenSource;
    /// # fn main() {
    /// let fingerprint = |pin| Vault::new(pin).fingerprint();
    /// assert_eq!(fingerprint("0000"), fingerprint("0000")); // the next start finds the token of this one
    /// assert_ne!(fingerprint("0000"), fingerprint("1234")); // another PIN wants another token
    /// # }
    /// ```
    fn fingerprint(&self) -> Fingerprint;

    /// Whether asking can spend a refresh token that only a person can replace, so that two processes must never ask
    /// at once, and none with a token that may be old. Where the store gives no lease, such a source is asked only if the
    /// newest refresh token is known and no token can be handed out any more. A manager wants a store to be named for it,
    /// and does not try out its login.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// # use tokenkeep::source::{Ask, FetchError, Fetched, TokenSource};
    /// # #[derive(Debug)]
    /// # struct Rotating(Vault);
    /// # #[async_trait::async_trait]
    /// # impl TokenSource for Rotating {
    /// #     async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
    /// #         self.0.fetch(ask).await
    /// #     }
    /// #     fn issuer(&self) -> &str {
    /// #         self.0.issuer()
    /// #     }
    /// #     fn fingerprint(&self) -> Fingerprint {
    /// #         self.0.fingerprint()
    /// #     }
    /// fn rotates(&self) -> bool {
    ///     true // the vault takes each refresh token once
    /// }
    /// # }
    /// # let vault = Rotating(Vault::new("0000"));
    ///
    /// // Without a store that outlives it, the next start would have no refresh token.
    /// let error = manager_of(vault).await.unwrap_err();
    /// assert!(error.to_string().contains("no store is named"));
    /// # Ok(())
    /// # }
    /// ```
    fn rotates(&self) -> bool {
        false
    }

    /// Whether its tokens are worth keeping in a store.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// # use tokenkeep::source::{Ask, FetchError, Fetched, Keep, TokenSource};
    /// # #[derive(Debug)]
    /// # struct Computed(Vault);
    /// # #[async_trait::async_trait]
    /// # impl TokenSource for Computed {
    /// #     async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
    /// #         self.0.fetch(ask).await
    /// #     }
    /// #     fn issuer(&self) -> &str {
    /// #         self.0.issuer()
    /// #     }
    /// #     fn fingerprint(&self) -> Fingerprint {
    /// #         self.0.fingerprint()
    /// #     }
    /// fn keep(&self) -> Keep {
    ///     Keep::InMemory // it computes its tokens, and has them at once
    /// }
    /// # }
    /// # let manager = manager_of(Computed(Vault::new("0000"))).await?;
    ///
    /// let status = manager.handle("vault")?.status().await; // a mere look
    /// assert!(status.has_token);
    /// # Ok(())
    /// # }
    /// ```
    fn keep(&self) -> Keep {
        Keep::InStore
    }
}

/// Where the tokens of a source are kept.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// # use tokenkeep::source::{Keep, TokenSource};
/// # use tokenkeep::{Key, SourceSettings, TokenManager, clock::SystemClock, store::{MemoryStore, Store}};
/// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
/// # let (vault, settings) = (Vault::new("0000"), SourceSettings::default());
/// assert_eq!(vault.keep(), Keep::InStore); // unless a source says otherwise
/// let manager = TokenManager::builder().source("vault", Arc::new(vault), settings).store(store.clone()).build().await?;
/// manager.token("vault").await?;
/// assert!(store.load(&Key::parse("vault")?).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// In the store: another process or the next start uses them again.
    InStore,
    /// In memory only: they are had again at once and for nothing, also for a mere look at the status.
    InMemory,
}

/// What a source may need to know for one request.
///
/// ```
/// use tokenkeep::Key;
/// use tokenkeep::source::Ask;
///
/// // What a source sends depends on what it was given.
/// fn form(ask: Ask<'_>) -> String {
///     match ask.refresh_token {
///         Some(token) => format!("renew={}", token.expose_secret()),
///         None => format!("login={}", ask.key.account()),
///     }
/// }
/// assert_eq!(form(Ask::new(&Key::parse("vault:7")?)), "login=7");
/// # Ok::<(), tokenkeep::key::InvalidKey>(())
/// ```
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
    /// Whose end is not to be outlived before the first byte.
    pub(crate) turn: Option<&'a Turn>,
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
        Self { key, refresh_token: None, credentials: None, turn: None }
    }

    /// The same with a refresh token.
    ///
    /// ```
    /// # use tokenkeep::{Key, Secret, source::Ask};
    /// # let key = Key::parse("vault:7")?;
    /// let spent = Secret::new("a-refresh-token");
    /// let ask = Ask::new(&key).with_refresh_token(&spent); // a test: what does the source do with one that is spent?
    /// assert_eq!(ask.refresh_token, Some(&spent));
    /// assert_eq!(ask.with_refresh_token(None).refresh_token, None);
    /// # Ok::<(), tokenkeep::key::InvalidKey>(())
    /// ```
    #[must_use]
    pub fn with_refresh_token(self, refresh_token: impl Into<Option<&'a Secret>>) -> Self {
        Self { refresh_token: refresh_token.into(), ..self }
    }

    /// The same with credentials that the store has.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Key, Secret, source::Ask};
    /// # let key = Key::parse("vault:7")?;
    /// let stored = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// let ask = Ask::new(&key).with_credentials(&stored);
    /// let username = ask.credentials.and_then(|credentials| credentials.get("username"));
    /// assert_eq!(username.map(Secret::expose_secret), Some("ann"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_credentials(self, credentials: impl Into<Option<&'a Credentials>>) -> Self {
        Self { credentials: credentials.into(), ..self }
    }

    pub(crate) fn with_turn(self, turn: Option<&'a Turn>) -> Self {
        Self { turn, ..self }
    }

    /// Whether it is still this process's turn to send the request.
    ///
    /// A process that stood still for longer than its lease must not go on as if nothing had happened: another one has
    /// its turn, and uses the same refresh token. A source that spends one asks right before the first byte is sent,
    /// after all that takes time, and gives up with any error if it may not begin: the manager looks into the store again
    /// then, whatever the error says. The grants of this crate do so. Outside of a manager it may always begin.
    ///
    /// ```
    /// # use tokenkeep::source::{Ask, Fault, FetchError};
    /// /// Where the vendor's program is told to go.
    /// fn last_look(ask: Ask<'_>) -> Result<(), FetchError> {
    ///     if ask.may_begin() { Ok(()) } else { Err(FetchError::new(Fault::Unavailable, "its turn is over")) }
    /// }
    /// # let key = tokenkeep::Key::parse("vault:7")?;
    /// assert_eq!(last_look(Ask::new(&key)), Ok(()));
    /// # Ok::<(), tokenkeep::key::InvalidKey>(())
    /// ```
    pub fn may_begin(&self) -> bool {
        self.turn.is_none_or(Turn::may_begin)
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
