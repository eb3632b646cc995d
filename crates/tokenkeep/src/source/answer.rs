//! What comes of asking an issuer: a token, or why there is none.

use std::time::{Duration, SystemTime};

use crate::secret::Secret;

/// What an issuer answered.
///
/// The manager checks it: a token that no header can carry, that lives beyond all reason, or that was over when it came
/// counts as [`Fault::Unavailable`]. The refresh token that came with it is kept all the same.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::{Code, Secret};
/// use tokenkeep::source::Fetched;
///
/// let answer = Fetched::new(Secret::new("two\nlines"));
/// assert!(!format!("{answer:?}").contains("lines"));
/// let error = manager_that_hears(Ok(answer)).await?.token("vault").await.unwrap_err();
/// assert_eq!(error.what(), "vault.example answered with a token that no header can carry");
/// # Ok(())
/// # }
/// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Secret, source::Fetched};
    /// let answer = Fetched::new(Secret::new("a-token")).with_token_type("Vault");
    /// let token = manager_that_hears(Ok(answer)).await?.token("vault").await?;
    /// assert_eq!(token.authorization().to_str()?, "Vault a-token");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_token_type(self, token_type: impl Into<Box<str>>) -> Self {
        Self { token_type: token_type.into(), ..self }
    }

    /// The same with the scope that was granted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Secret, source::Fetched};
    /// let answer = Fetched::new(Secret::new("a-token")).with_scope("read"); // of "read write" that was asked for
    /// let token = manager_that_hears(Ok(answer)).await?.token("vault").await?;
    /// assert_eq!(token.scope(), Some("read"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_scope(self, scope: impl Into<Box<str>>) -> Self {
        Self { scope: Some(scope.into()), ..self }
    }

    /// The same with what the issuer said of its end.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Secret, source::{Expiry, Fetched}};
    /// let answer = Fetched::new(Secret::new("an-api-key")).with_expiry(Expiry::Never);
    /// let token = manager_that_hears(Ok(answer)).await?.token("vault").await?;
    /// assert_eq!(token.expires_in(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        Self { expiry, ..self }
    }

    /// The same, living so long from when the request was sent: what `expires_in` says.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Secret, source::Fetched};
    /// use std::time::Duration;
    ///
    /// let answer = Fetched::new(Secret::new("a-token")).expiring_in(Duration::from_secs(600));
    /// let manager = manager_that_hears(Ok(answer)).await?;
    /// manager.token("vault").await?;
    /// assert_eq!(manager.handle("vault")?.status().await.life, Some(Duration::from_mins(10)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn expiring_in(self, life: Duration) -> Self {
        self.with_expiry(Expiry::In(life))
    }

    /// The same with the issuer's advice to renew it after so long.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{Secret, source::Fetched};
    /// use std::time::Duration;
    ///
    /// let answer = Fetched::new(Secret::new("a-token")).expiring_in(Duration::from_hours(24));
    /// let answer = answer.with_refresh_in(Duration::from_hours(12)); // an Option does as well
    /// let manager = manager_that_hears(Ok(answer)).await?;
    /// manager.token("vault").await?;
    /// assert!(manager.handle("vault")?.status().await.refresh_in <= Some(Duration::from_hours(12)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_refresh_in(self, refresh_in: impl Into<Option<Duration>>) -> Self {
        Self { refresh_in: refresh_in.into(), ..self }
    }

    /// The same with the refresh token that came with it. It is saved before anybody has the token, unless the store
    /// fails: then as soon as that works. It comes with the next [`Ask`](super::Ask).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use tokenkeep::{Key, SourceSettings, TokenManager, clock::SystemClock, store::{MemoryStore, Store}};
    /// # use tokenkeep::{Secret, source::Fetched};
    /// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    /// # let builder = TokenManager::builder().store(store.clone());
    /// let answer = Fetched::new(Secret::new("a-token")).with_refresh_token(Secret::new("a-refresh-token"));
    /// # let source = Arc::new(Saying(std::sync::Mutex::new(Some(Ok(answer)))));
    /// # let manager = builder.source("vault", source, SourceSettings::default()).build().await?;
    /// manager.token("vault").await?;
    /// let stored = store.load(&Key::parse("vault")?).await?.ok_or("nothing")?;
    /// assert_eq!(stored.record.refresh_token, Some(Secret::new("a-refresh-token")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_refresh_token(self, refresh_token: impl Into<Option<Secret>>) -> Self {
        Self { refresh_token: refresh_token.into(), ..self }
    }
}

/// What an issuer said of a token's end.
///
/// ```
/// use std::time::Duration;
/// use tokenkeep::source::Expiry;
///
/// // What an answer says becomes what a source says of it.
/// let expiry = |expires_in: Option<u64>| match expires_in {
///     Some(seconds) => Expiry::In(Duration::from_secs(seconds)),
///     None => Expiry::Unstated, // not `Never`: the issuer only did not say
/// };
/// assert_eq!(expiry(Some(3600)), Expiry::In(Duration::from_hours(1)));
/// assert_eq!(expiry(None), Expiry::Unstated);
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::Code;
/// use tokenkeep::source::{Fault, FetchError};
///
/// // The source says what happened, and the manager who it was about and what comes next.
/// let refused = FetchError::new(Fault::Refused, "vault.example answered 403").with_next("check vault_pin");
/// let error = manager_that_hears(Err(refused)).await?.token("vault").await.unwrap_err();
/// assert_eq!(error.code(), Code::Refused);
/// assert_eq!(error.to_string(), "vault: vault.example answered 403; check vault_pin");
/// # Ok(())
/// # }
/// ```
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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::source::{Fault, FetchError};
    /// let refused = FetchError::new(Fault::Refused, "the PIN is over").with_next("ask the vendor for another");
    /// let error = manager_that_hears(Err(refused)).await?.token("vault").await.unwrap_err();
    /// assert_eq!(error.next(), Some("ask the vendor for another"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// Adds after how long the issuer wants to be asked again.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/source.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::source::{Fault, FetchError};
    /// use std::time::Duration;
    ///
    /// let busy = FetchError::new(Fault::RateLimited, "vault.example answered 429");
    /// let busy = busy.with_retry_after(Duration::from_secs(30)); // an Option does as well
    /// let error = manager_that_hears(Err(busy)).await?.token("vault").await.unwrap_err();
    /// assert!(error.retry_after() > Some(Duration::from_secs(10)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_retry_after(self, retry_after: impl Into<Option<Duration>>) -> Self {
        Self { retry_after: retry_after.into(), ..self }
    }

    /// Adds the refresh token that came with an answer of no use.
    ///
    /// ```
    /// # use tokenkeep::{Secret, source::{Fault, FetchError}};
    /// // The refresh token was taken and another came, but no access token with it.
    /// let error = FetchError::new(Fault::Unavailable, "vault.example answered without a token");
    /// let error = error.with_rotated(Secret::new("the-next-refresh-token"));
    /// assert!(error.rotated.is_some() && !format!("{error:?}").contains("the-next-refresh-token"));
    /// ```
    #[must_use]
    pub fn with_rotated(self, refresh_token: impl Into<Option<Secret>>) -> Self {
        Self { rotated: refresh_token.into(), ..self }
    }
}

/// What to do about a failed request.
///
/// ```
/// use tokenkeep::source::Fault;
///
/// // A source's reading of an answer without a token.
/// let fault = |status: u16| match status {
///     429 => Fault::RateLimited,
///     400..500 => Fault::Refused, // nothing changes this but a person
///     _ => Fault::Unavailable,
/// };
/// assert_eq!((fault(403), fault(503)), (Fault::Refused, Fault::Unavailable));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Try again later: network, time-out, 5xx, an answer that makes no sense.
    Unavailable,
    /// Try again later, and so for all keys of this client registration.
    RateLimited,
    /// Asking again will not help before configuration or credentials change.
    Refused,
    /// The refresh token is spent or revoked; there are other credentials to log in with. The source is asked again at
    /// once, with a newer refresh token if the store has one, else without.
    RefreshTokenRefused,
    /// The refresh token is spent or revoked, and only a person can log in again.
    LoginRequired,
}
