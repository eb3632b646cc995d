//! What went wrong, sorted by what the caller will do about it.
//!
//! [`Code`] is the whole vocabulary: every error of the library, the command line and the server carries one, and
//! [`Code::TABLE`] is the one place where its HTTP status and exit code stand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::key::{InvalidKey, Key};

/// An error with a code, a sentence for a person, and the next thing to try. Cheap to clone, so that all who wait for
/// one flight get the same one. It never holds a secret, a URL's query or an issuer's body.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// use tokenkeep::Code;
///
/// let error = manager.token("bluestakes:123").await.unwrap_err();
/// match error.code() {
///     Code::Unavailable => println!("again in {:?}", error.retry_after()),
///     Code::LoginRequired => println!("log in again: {error}"),
///     _ => println!("{error}"), // bluestakes:123: there are no credentials of this account; give them: …
/// }
/// assert_eq!(error.code(), Code::UnknownKey);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    code: Code,
    key: Option<Key>,
    what: String,
    next: Option<String>,
    retry_after: Option<Duration>,
}

impl Error {
    /// An error of this kind; `what` says in a lowercase fragment what happened.
    ///
    /// ```
    /// # use tokenkeep::{Code, Error, Key};
    /// let error = Error::new(Code::InvalidRequest, "the window is longer than a day");
    /// assert_eq!(error.to_string(), "the window is longer than a day");
    /// ```
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self(Arc::new(Inner { code, key: None, what: what.into(), next: None, retry_after: None }))
    }

    /// The error of a caller who gave this text as a key.
    ///
    /// ```
    /// # use tokenkeep::{Error, Key};
    /// let why = Key::parse("blue stakes").unwrap_err();
    /// let error = Error::invalid_key("blue stakes", &why);
    /// assert!(error.to_string().starts_with("\"blue stakes\" is not a key: "));
    /// ```
    pub fn invalid_key(text: &str, why: &InvalidKey) -> Self {
        let shortened: String = text.chars().take(80).collect();
        Self::new(Code::InvalidRequest, format!("{shortened:?} is not a key: {why}"))
            .with_next("a key is provider or provider:account")
    }

    /// Says which key it is about.
    ///
    /// ```
    /// # use tokenkeep::{Code, Error, Key};
    /// let error = Error::new(Code::Refused, "the client is not known").with_key(&Key::parse("graph")?);
    /// assert_eq!(error.to_string(), "graph: the client is not known");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_key(self, key: &Key) -> Self {
        self.with(|inner| inner.key = Some(key.clone()))
    }

    /// Says what to try next.
    ///
    /// ```
    /// # use tokenkeep::{Code, Error, Key};
    /// let error = Error::new(Code::Refused, "the client is not known").with_next("check client_id");
    /// assert_eq!(error.to_string(), "the client is not known; check client_id");
    /// ```
    #[must_use]
    pub fn with_next(self, next: impl Into<String>) -> Self {
        self.with(|inner| inner.next = Some(next.into()))
    }

    /// Says after how long trying again can help.
    ///
    /// ```
    /// # use tokenkeep::{Code, Error, Key};
    /// # use std::time::Duration;
    /// let error = Error::new(Code::Unavailable, "it is closed").with_retry_after(Duration::from_millis(4_100));
    /// assert_eq!(error.to_string(), "it is closed; try again in 5 s");
    /// ```
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.with(|inner| inner.retry_after = Some(after))
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::try_unwrap(self.0).unwrap_or_else(|shared| shared.copy());
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// What kind of error it is.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert_eq!(manager.handle("grahp").unwrap_err().code(), tokenkeep::Code::UnknownKey);
    /// # Ok(())
    /// # }
    /// ```
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The key it is about, if it is about one.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let error = manager.handle("grahp").unwrap_err();
    /// assert_eq!(error.key().map(|key| key.as_str()), Some("grahp"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn key(&self) -> Option<&Key> {
        self.0.key.as_ref()
    }

    /// What happened, without the key and the advice.
    ///
    /// ```
    /// # use tokenkeep::{Code, Error, Key};
    /// let error = Error::new(Code::Refused, "the client is not known").with_key(&Key::parse("graph")?);
    /// assert_eq!(error.what(), "the client is not known");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// What to try next.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let error = manager.token("bluestakes:123").await.unwrap_err();
    /// assert_eq!(error.next(), Some("give them: tokenkeep credentials set bluestakes:123"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn next(&self) -> Option<&str> {
        self.0.next.as_deref()
    }

    /// After how long trying again can help, if that is known.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (sandbox, manager) = example().await?;
    /// use tokenkeep_sandbox::Fault;
    ///
    /// sandbox.set_fault(Fault::Status { status: 503, body: "down".into() });
    /// let error = manager.token("graph").await.unwrap_err();
    /// assert!(error.retry_after().is_some()); // until then nobody asks the issuer
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call can succeed later with nobody doing anything.
    ///
    /// ```
    /// # use tokenkeep::{Code, Error, Key};
    /// assert!(Error::new(Code::Unavailable, "the issuer did not answer").is_transient());
    /// assert!(!Error::new(Code::Refused, "the client is not known").is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        self.0.code == Code::Unavailable
    }

    /// Whether a person must log in or give credentials again.
    ///
    /// ```
    /// # use tokenkeep::{Code, Error, Key};
    /// assert!(Error::new(Code::LoginRequired, "the refresh token was revoked").needs_login());
    /// ```
    pub fn needs_login(&self) -> bool {
        self.0.code == Code::LoginRequired
    }
}

impl Inner {
    fn copy(&self) -> Self {
        Self {
            code: self.code,
            key: self.key.clone(),
            what: self.what.clone(),
            next: self.next.clone(),
            retry_after: self.retry_after,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.0.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.0.what)?;
        match (&self.0.next, self.0.retry_after) {
            (Some(next), _) => write!(f, "; {next}"),
            (None, Some(after)) => write!(f, "; try again in {} s", whole_seconds(after)),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.to_string())
            .field("retry_after", &self.0.retry_after)
            .finish()
    }
}

impl std::error::Error for Error {}

/// Rounded up: trying earlier is in vain.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The kinds of errors.
///
/// ```
/// use tokenkeep::Code;
///
/// let who_acts = |code| match code {
///     Code::Unavailable => "nobody: it is tried again",
///     Code::LoginRequired => "a person: log in again",
///     _ => "whoever configured it",
/// };
/// assert_eq!(who_acts(Code::LoginRequired), "a person: log in again");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// Fix the call or the configuration.
    InvalidRequest,
    /// No such caller.
    Unauthenticated,
    /// This caller may not do that.
    Forbidden,
    /// No such provider or account.
    UnknownKey,
    /// A person must log in or give credentials again.
    LoginRequired,
    /// The issuer says no: fix configuration or credentials.
    Refused,
    /// Try later.
    Unavailable,
    /// A fault of tokenkeep.
    Internal,
}

impl Code {
    /// Code, its name in answers, HTTP status, exit code of the command line.
    pub const TABLE: [(Self, &'static str, u16, u8); 8] = [
        (Self::InvalidRequest, "invalid_request", 400, 2),
        (Self::Unauthenticated, "unauthenticated", 401, 9),
        (Self::Forbidden, "forbidden", 403, 8),
        (Self::UnknownKey, "unknown_key", 404, 4),
        (Self::LoginRequired, "login_required", 409, 5),
        (Self::Refused, "refused", 502, 6),
        (Self::Unavailable, "unavailable", 503, 7),
        (Self::Internal, "internal", 500, 1),
    ];

    /// Its name in answers, e.g. `login_required`.
    ///
    /// ```
    /// assert_eq!(tokenkeep::Code::UnknownKey.as_str(), "unknown_key");
    /// ```
    pub fn as_str(self) -> &'static str {
        self.line().1
    }

    /// Its HTTP status.
    ///
    /// ```
    /// assert_eq!(tokenkeep::Code::UnknownKey.http_status(), 404);
    /// ```
    pub fn http_status(self) -> u16 {
        self.line().2
    }

    /// The exit code of the command line.
    ///
    /// ```
    /// assert_eq!(tokenkeep::Code::UnknownKey.exit_code(), 4);
    /// ```
    pub fn exit_code(self) -> u8 {
        self.line().3
    }

    fn line(self) -> (Self, &'static str, u16, u8) {
        let [first @ .., internal] = Self::TABLE;
        first.into_iter().find(|line| line.0 == self).unwrap_or(internal)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_line_in_the_table() {
        for (code, name, status, exit) in Code::TABLE {
            assert_eq!((code.as_str(), code.http_status(), code.exit_code()), (name, status, exit));
            assert_eq!(Code::TABLE.iter().filter(|line| line.1 == name || line.3 == exit).count(), 1);
        }
    }

    #[test]
    fn an_error_says_which_key_what_happened_and_what_to_try() {
        let error = Error::new(Code::Refused, "login.example.com refused the client (invalid_client)")
            .with_key(&Key::parse("graph").unwrap())
            .with_next("check client_id and client_secret");
        assert_eq!(
            error.to_string(),
            "graph: login.example.com refused the client (invalid_client); check client_id and client_secret"
        );
    }
}
