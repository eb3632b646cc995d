//! The access token: as it was issued, and as it is handed out.
//!
//! One allocation holds an issued token for all who use it; handing it out copies a pointer. That is what keeps a million
//! of them in memory affordable. The text is copied once, into the header, for tokens that are asked for one.

mod copies;
mod foreign;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use once_cell::race::OnceBox;
use zeroize::Zeroizing;

use self::copies::Copies;
pub use self::foreign::ForeignToken;
use crate::clock::{Moment, millis};
use crate::expiry::{Phase, Windows, classify};
use crate::secret::Secret;

/// A token as a caller gets it: good at the moment it was handed out. Cheap to clone.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// let token = manager.token("graph").await?;
/// let request = http::Request::get("https://api.example.com/").header("authorization", token.authorization());
/// assert!(!format!("{token:?}").contains(token.expose_secret())); // it can be logged
/// # request.body(())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Token {
    issued: Arc<IssuedToken>,
    handed_out: Moment,
}

impl Token {
    pub(crate) fn new(issued: Arc<IssuedToken>, handed_out: Moment) -> Self {
        Self { issued, handed_out }
    }

    /// The same token handed out at another moment; `None` if it can no longer be.
    pub(crate) fn handed_out_again(self, now: Moment) -> Option<Self> {
        self.issued.serves(now).then_some(Self { issued: self.issued, handed_out: now })
    }

    /// The token's text.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// # let toml = "[providers.billing]\ngrant = \"static\"\ntoken = \"an-api-key\"";
    /// # let manager = TokenManager::builder().config_text(toml).build().await?;
    /// let token = manager.token("billing").await?;
    /// assert_eq!(token.expose_secret(), "an-api-key"); // for what is no header: a query, another program
    /// # Ok(())
    /// # }
    /// ```
    pub fn expose_secret(&self) -> &str {
        self.issued.access_token.expose_secret()
    }

    /// The value of an `Authorization` header, marked as sensitive; made once and shared.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// # let toml = "[providers.billing]\ngrant = \"static\"\ntoken = \"an-api-key\"";
    /// # let manager = TokenManager::builder().config_text(toml).build().await?;
    /// let value = manager.token("billing").await?.authorization();
    /// assert_eq!(value.to_str()?, "Bearer an-api-key");
    /// assert!(value.is_sensitive()); // its Debug shows nothing
    /// # Ok(())
    /// # }
    /// ```
    pub fn authorization(&self) -> HeaderValue {
        self.issued.authorization().clone()
    }

    /// `Bearer`, or what the issuer said instead.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert_eq!(manager.token("graph").await?.token_type(), "Bearer");
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_type(&self) -> &str {
        &self.issued.kind.token_type
    }

    /// The scope that the issuer granted, if it named one.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert_eq!(manager.token("graph").await?.scope(), None); // the issuer named none
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope(&self) -> Option<&str> {
        self.issued.kind.scope.as_deref()
    }

    /// Life that was left when this token was handed out; `None` for a token that does not end.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager, clock) = example_with_clock().await?;
    /// use std::time::Duration;
    ///
    /// let token = manager.token("graph").await?;
    /// clock.advance(Duration::from_mins(10));
    /// assert_eq!(token.expires_in(), Some(Duration::from_hours(1))); // as it was when it was handed out
    /// assert_eq!(manager.token("graph").await?.expires_in(), Some(Duration::from_mins(50)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn expires_in(&self) -> Option<Duration> {
        let end = self.issued.expires_at();
        (!end.is_never()).then(|| end.remaining(self.handed_out))
    }

    /// When it ends on the wall clock; `None` for a token that does not end.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let token = manager.token("graph").await?;
    /// assert!(token.expires_at() > Some(std::time::SystemTime::now()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.issued.expires_at().to_system_time()
    }

    /// Which token of its key this is; see [`crate::TokenHandle::reject`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// # let graph = manager.handle("graph")?;
    /// let first = graph.token().await?;
    /// graph.clear().await?;
    /// assert_eq!((first.generation(), graph.token().await?.generation()), (1, 2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn generation(&self) -> u64 {
        self.issued.generation
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("token_type", &self.token_type())
            .field("generation", &self.generation())
            .field("expires_in", &self.expires_in())
            .finish_non_exhaustive()
    }
}

/// A token as the issuer gave it, with the times that follow from that: what a record keeps.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tokenkeep::token::{IssuedToken, TokenKind};
/// use tokenkeep::{Moment, Secret};
///
/// // What a store does with the columns of a row.
/// let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
/// let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
/// let expires_at = sent_at.plus(Duration::from_hours(1));
/// let token = IssuedToken::new(Secret::new("a-token"), kind, 7, sent_at, expires_at);
/// assert_eq!(token.life(), Some(Duration::from_hours(1)));
/// ```
pub struct IssuedToken {
    access_token: Secret,
    kind: Arc<TokenKind>,
    generation: u64,
    sent_at: Moment,
    /// [`ENDLESS`] for a token without end.
    life_ms: i64,
    windows: Windows,
    authorization: OnceBox<HeaderValue>,
    copies: OnceBox<Copies>,
}

/// What the tokens of a provider have in common, shared between them.
///
/// ```
/// use tokenkeep::token::TokenKind;
///
/// let kind = TokenKind { token_type: "Bearer".into(), scope: Some("reports.read".into()) };
/// assert_eq!(kind.scope.as_deref(), Some("reports.read"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKind {
    /// `Bearer`, or what the issuer said instead.
    pub token_type: Box<str>,
    /// The scope that the issuer granted, if it named one.
    pub scope: Option<Box<str>>,
}

impl IssuedToken {
    /// Puts together what was answered or stored. `expires_at` is [`Moment::NEVER`] for a token without end; else it
    /// lies on both clocks as far from `sent_at` as on the boot clock.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tokenkeep::token::{IssuedToken, TokenKind};
    /// # use tokenkeep::{Moment, Secret};
    /// # let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    /// # let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// let api_key = IssuedToken::new(Secret::new("an-api-key"), kind, 1, sent_at, Moment::NEVER);
    /// assert_eq!(api_key.life(), None);
    /// ```
    pub fn new(
        access_token: Secret,
        kind: Arc<TokenKind>,
        generation: u64,
        sent_at: Moment,
        expires_at: Moment,
    ) -> Self {
        let life_ms = if expires_at.is_never() { ENDLESS } else { millis(expires_at.since(sent_at)) };
        Self {
            access_token,
            kind,
            generation,
            sent_at,
            life_ms,
            windows: Windows::default(),
            authorization: OnceBox::new(),
            copies: OnceBox::new(),
        }
    }

    pub(crate) fn with_windows(self, windows: Windows) -> Self {
        Self { windows, ..self }
    }

    /// The same token as if sent at another time: after loading, and when the policy differs from the one it was issued under.
    pub(crate) fn with_times(&self, sent_at: Moment, windows: Windows) -> Self {
        Self {
            access_token: self.access_token.clone(),
            kind: Arc::clone(&self.kind),
            generation: self.generation,
            sent_at,
            life_ms: self.life_ms,
            windows,
            authorization: OnceBox::new(),
            copies: OnceBox::new(),
        }
    }

    /// The same token under another policy.
    pub(crate) fn with_windows_of(&self, windows: Windows) -> Self {
        self.with_times(self.sent_at, windows)
    }

    /// The same token, counted as another generation.
    pub(crate) fn with_generation(&self, generation: u64) -> Self {
        Self { generation, ..self.with_times(self.sent_at, self.windows) }
    }

    /// The token's text.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use tokenkeep::token::{IssuedToken, TokenKind};
    /// # use tokenkeep::{Moment, Secret};
    /// # let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    /// # let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// # let expires_at = sent_at.plus(Duration::from_hours(1));
    /// # let token = IssuedToken::new(Secret::new("a-token"), kind, 7, sent_at, expires_at);
    /// assert_eq!(token.access_token().expose_secret(), "a-token");
    /// ```
    pub fn access_token(&self) -> &Secret {
        &self.access_token
    }

    /// Type and scope.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use tokenkeep::token::{IssuedToken, TokenKind};
    /// # use tokenkeep::{Moment, Secret};
    /// # let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    /// # let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// # let expires_at = sent_at.plus(Duration::from_hours(1));
    /// # let token = IssuedToken::new(Secret::new("a-token"), kind, 7, sent_at, expires_at);
    /// assert_eq!(&*token.kind().token_type, "Bearer");
    /// ```
    pub fn kind(&self) -> &Arc<TokenKind> {
        &self.kind
    }

    /// Counts the tokens of one key.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use tokenkeep::token::{IssuedToken, TokenKind};
    /// # use tokenkeep::{Moment, Secret};
    /// # let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    /// # let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// # let expires_at = sent_at.plus(Duration::from_hours(1));
    /// # let token = IssuedToken::new(Secret::new("a-token"), kind, 7, sent_at, expires_at);
    /// assert_eq!(token.generation(), 7);
    /// ```
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When the request for it was sent: its life is counted from here.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use tokenkeep::token::{IssuedToken, TokenKind};
    /// # use tokenkeep::{Moment, Secret};
    /// # let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    /// # let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// # let expires_at = sent_at.plus(Duration::from_hours(1));
    /// # let token = IssuedToken::new(Secret::new("a-token"), kind, 7, sent_at, expires_at);
    /// assert_eq!(token.expires_at().since(token.sent_at()), Duration::from_hours(1));
    /// ```
    pub fn sent_at(&self) -> Moment {
        self.sent_at
    }

    /// When it ends.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use tokenkeep::token::{IssuedToken, TokenKind};
    /// # use tokenkeep::{Moment, Secret};
    /// # let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    /// # let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// # let expires_at = sent_at.plus(Duration::from_hours(1));
    /// # let token = IssuedToken::new(Secret::new("a-token"), kind, 7, sent_at, expires_at);
    /// assert!(!token.expires_at().is_reached(sent_at.plus(Duration::from_mins(59))));
    /// assert!(token.expires_at().is_reached(sent_at.plus(Duration::from_mins(60))));
    /// ```
    pub fn expires_at(&self) -> Moment {
        // An endless life ends at the end of time.
        self.sent_at.plus_millis(self.life_ms)
    }

    /// Its whole life as issued; `None` for a token without end.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use tokenkeep::token::{IssuedToken, TokenKind};
    /// # use tokenkeep::{Moment, Secret};
    /// # let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    /// # let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// # let expires_at = sent_at.plus(Duration::from_hours(1));
    /// # let token = IssuedToken::new(Secret::new("a-token"), kind, 7, sent_at, expires_at);
    /// assert_eq!(token.life(), Some(Duration::from_hours(1))); // also when most of it is over
    /// ```
    pub fn life(&self) -> Option<Duration> {
        (self.life_ms != ENDLESS).then(|| Duration::from_millis(self.life_ms.unsigned_abs()))
    }

    /// A share in this token, or in a copy of it, for somebody on this thread.
    #[inline]
    pub(crate) fn share(self: &Arc<Self>) -> Arc<Self> {
        match self.copies.get() {
            Some(copies) => Arc::clone(copies.of_this_thread()),
            None if copies::is_popular(self) => {
                Arc::clone(self.copies.get_or_init(|| Box::new(Copies::of(self))).of_this_thread())
            }
            None => Arc::clone(self),
        }
    }

    /// Whether it can be handed out.
    pub(crate) fn serves(&self, now: Moment) -> bool {
        matches!(classify(Some(self), now, Duration::ZERO), Phase::Fresh | Phase::Due)
    }

    /// For how long it can still be handed out.
    pub(crate) fn serves_for(&self, now: Moment) -> Duration {
        self.expires_at().minus(Duration::from_millis(self.windows.buffer_ms.into())).remaining(now)
    }

    /// How long before its end it is renewed, and no longer handed out.
    pub(crate) fn windows(&self) -> Windows {
        self.windows
    }

    fn authorization(&self) -> &HeaderValue {
        self.authorization.get_or_init(|| {
            let scheme: &str =
                if self.kind.token_type.eq_ignore_ascii_case("bearer") { "Bearer" } else { &self.kind.token_type };
            let text = Zeroizing::new(format!("{scheme} {}", self.access_token.expose_secret()).into_bytes());
            // No other text becomes a token, nor its type (see `manager::record::accept`).
            let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
                .unwrap_or_else(|_| HeaderValue::from_static(""));
            value.set_sensitive(true);
            Box::new(value)
        })
    }
}

/// The life of a token without end.
const ENDLESS: i64 = i64::MAX;

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("kind", &self.kind)
            .field("generation", &self.generation)
            .field("sent_at", &self.sent_at)
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
