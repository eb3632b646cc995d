//! A login for somebody who looks on: nothing that comes of it is kept, handed out or remembered.

use std::time::Duration;

use super::account::{Identity, UNREADABLE, no_credentials, store_fails};
use super::record::accept;
use super::{TokenManager, declined, parsed};
use crate::credentials::Credentials;
use crate::error::{Code, Error};
use crate::key::Key;
use crate::provider::Accounts;
use crate::source::{Ask, Expiry, Fault, FetchError, Fetched, TrialStep};

/// What a login that was tried out came to.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// let trial = manager.try_login("graph", None).await?;
/// println!("{} was asked for a token of {}", trial.issuer, trial.key);
/// assert!(trial.outcome.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Trial {
    /// Whose login it was.
    pub key: Key,
    /// Who was asked.
    pub issuer: String,
    /// Each request, in order; none for a grant that makes the one of its protocol.
    pub steps: Vec<TrialStep>,
    /// The token, or why there is none.
    pub outcome: Result<TrialToken, Error>,
}

/// What is told of the token of a trial. The token itself is forgotten.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// let token = manager.try_login("graph", None).await?.outcome?;
/// assert_eq!((&*token.token_type, token.has_refresh_token), ("Bearer", false));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrialToken {
    /// `Bearer`, or what the issuer said instead.
    pub token_type: Box<str>,
    /// The scope that the issuer granted, if it named one.
    pub scope: Option<Box<str>>,
    /// How long it lives.
    pub life: TrialLife,
    /// Whether a refresh token came with it.
    pub has_refresh_token: bool,
}

/// How long a token lives.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// use std::time::Duration;
/// use tokenkeep::TrialLife;
///
/// let token = manager.try_login("graph", None).await?.outcome?;
/// assert_eq!(token.life, TrialLife::Stated(Duration::from_hours(1)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialLife {
    /// So long, says the issuer.
    Stated(Duration),
    /// So long, says configuration, because the issuer does not.
    Assumed(Duration),
    /// It does not end.
    Endless,
}

impl TokenManager {
    /// Logs in once and tells what happens, whatever token there is and however the last attempt ended; `credentials`
    /// are tried in place of those that the key has. Nothing is kept: not the token, not the failure. Only a budget
    /// counts it.
    ///
    /// `unknown_key` if there is no such provider or account, or nothing to log in with; `invalid_request` if it is
    /// no key, or if trying would spend a refresh token that only a person can replace; `unavailable` if the budget is
    /// spent. That the login fails is no error but an outcome.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::{Code, Credentials, Secret};
    ///
    /// // Before they are kept: is this the right password?
    /// let given = Credentials::with_password("ann", Secret::new("a-wrong-password"))?;
    /// let trial = manager.try_login("bluestakes:123", Some(&given)).await?;
    /// assert!(trial.outcome.is_err_and(|error| error.code() == Code::Refused));
    /// assert!(manager.accounts(None, 1).await?.is_empty()); // nothing is kept
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_login(&self, key: &str, credentials: Option<&Credentials>) -> Result<Trial, Error> {
        let key = parsed(key)?;
        let provider = self.shared.provider_of(&key)?;
        let source = provider.source();
        if source.rotates() {
            return Err(Error::new(Code::InvalidRequest, "to try this login would spend its refresh token")
                .with_key(&key)
                .with_next("use refresh, which keeps what comes of it"));
        }
        let identity = self.shared.identity(&key, &provider).await;
        let identity = identity.map_err(|_| store_fails(UNREADABLE).with_key(&key))?;
        let identity = match credentials {
            Some(given) => Identity { credentials: Some(given.clone()), ..identity },
            None => identity,
        };
        if provider.accounts() == Accounts::Stored && identity.credentials.is_none() {
            return Err(no_credentials(&key));
        }
        let counted = self.shared.spend(&provider).await;
        counted.map_err(|exhausted| declined(&key, &exhausted, self.shared.clock.now()))?;
        let mut steps = Vec::new();
        let sent = self.shared.clock.now();
        let ask = Ask::new(&key).with_credentials(identity.credentials.as_ref());
        let limit = provider.policy().timeout;
        let answer = tokio::time::timeout(limit, source.trial(ask, &mut steps)).await;
        let answer = answer.unwrap_or_else(|_| {
            let what = format!("{} did not answer within {} s", source.issuer(), limit.as_secs_f32());
            Err(FetchError::new(Fault::Unavailable, what))
        });
        let outcome = answer.and_then(|fetched| {
            let about = About::of(&fetched);
            let record = accept(fetched, None, 1, sent, &provider, &identity, &*self.shared.clock)?;
            Ok(about.with_life(record.token.and_then(|token| token.life())))
        });
        let outcome = outcome.map_err(|error| failed(&error, &key));
        Ok(Trial { issuer: source.issuer().to_owned(), key, steps, outcome })
    }
}

/// What is told of an answer, before its life is known.
struct About {
    token_type: Box<str>,
    scope: Option<Box<str>>,
    is_stated: bool,
    has_refresh_token: bool,
}

impl About {
    fn of(fetched: &Fetched) -> Self {
        Self {
            token_type: fetched.token_type.clone(),
            scope: fetched.scope.clone(),
            is_stated: fetched.expiry != Expiry::Unstated,
            has_refresh_token: fetched.refresh_token.is_some(),
        }
    }

    fn with_life(self, life: Option<Duration>) -> TrialToken {
        let life = match life {
            None => TrialLife::Endless,
            Some(life) if self.is_stated => TrialLife::Stated(life),
            Some(life) => TrialLife::Assumed(life),
        };
        let Self { token_type, scope, has_refresh_token, .. } = self;
        TrialToken { token_type, scope, life, has_refresh_token }
    }
}

fn failed(fault: &FetchError, key: &Key) -> Error {
    let code = match fault.fault {
        Fault::Unavailable | Fault::RateLimited => Code::Unavailable,
        Fault::Refused => Code::Refused,
        Fault::RefreshTokenRefused | Fault::LoginRequired => Code::LoginRequired,
    };
    let error = Error::new(code, fault.what.clone()).with_key(key);
    let error = match &fault.next {
        Some(next) => error.with_next(next.clone()),
        None => error,
    };
    match fault.retry_after {
        Some(after) if code == Code::Unavailable => error.with_retry_after(after),
        _ => error,
    }
}
