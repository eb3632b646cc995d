//! Who does what a command asks for: this process with the store, or a running server.
//!
//! Both answer in the same types, those that travel, so a command has one way whoever does it, and prints the same.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokenkeep::provider::TokenHeader;
use tokenkeep::{Code, Credentials, Demand, Error, Status, TokenHandle, TokenManager};
use tokenkeep_api::client::{self, Client, StatusQuery};
use tokenkeep_api::{CredentialsRequest, ProblemCode, StatsAnswer, StatusAnswer, TokenAnswer, TrialAnswer};
use tokenkeep_server::answer;
use zeroize::Zeroizing;

use crate::exit::Failure;

/// Who does it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Broker<'a> {
    /// This process, with what the configuration names.
    Local(Here<'a>),
    /// A server.
    Remote(&'a Client),
}

/// What this process does it with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here<'a> {
    manager: &'a TokenManager,
    default_provider: Option<&'a str>,
}

impl<'a> Here<'a> {
    /// With this manager; a bare name that is no provider is an account of the default one, as it is at a server.
    pub(crate) fn new(manager: &'a TokenManager, default_provider: Option<&'a str>) -> Self {
        Self { manager, default_provider }
    }

    /// The handle of the key that an argument names.
    pub(crate) fn handle(self, name: &str) -> Result<TokenHandle, Failure> {
        Ok(self.manager.handle(&self.key(name))?)
    }

    /// The error of a key that is not there, for whoever gave a name that was taken as an account: it may be a
    /// provider's that is misspelt.
    fn explained(self, name: &str, error: Error) -> Error {
        let (Some(default), Cow::Owned(_), Code::UnknownKey) = (self.default_provider, self.key(name), error.code())
        else {
            return error;
        };
        let name = name.escape_debug();
        let taken = format!("`{name}` is no provider, so it was taken as an account of {default}; {}", error.what());
        let mut explained = Error::new(error.code(), taken);
        if let Some(key) = error.key() {
            explained = explained.with_key(key);
        }
        match error.next() {
            Some(next) => explained.with_next(next),
            None => explained,
        }
    }

    fn key(self, name: &str) -> Cow<'_, str> {
        match self.default_provider {
            Some(default) if !name.contains(':') && !self.manager.has_provider(name) => {
                format!("{default}:{name}").into()
            }
            _ => name.into(),
        }
    }
}

/// Which way of the provider a new token comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The first that is not known to fail.
    Usual,
    /// A fallback, whether the first works or not.
    Fallback,
}

/// What a command needs of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// The life that it must have left.
    pub(crate) min_valid: Duration,
    /// How long it may take.
    pub(crate) max_wait: Duration,
}

impl Need {
    fn here(self) -> Demand {
        Demand::default().with_min_valid(self.min_valid).with_max_wait(self.max_wait)
    }

    fn there(self) -> client::Demand {
        client::Demand::default().with_min_valid(self.min_valid).with_max_wait(self.max_wait)
    }
}

impl Broker<'_> {
    /// A token that can be used now.
    pub(crate) async fn get(self, key: &str, need: Need) -> Result<TokenAnswer, Failure> {
        match self {
            Self::Local(here) => {
                let handle = here.handle(key)?;
                let had = handle.get(need.here()).await.map_err(|error| here.explained(key, error))?;
                Ok(answer::token(handle.key(), &had))
            }
            Self::Remote(client) => Ok(client.get(key, need.there()).await?),
        }
    }

    /// The header that carries a token to its API.
    pub(crate) async fn header(self, token: &TokenAnswer) -> Result<(HeaderName, HeaderValue), Failure> {
        match self {
            Self::Local(here) => {
                let secret = &token.access_token;
                Ok(match &here.handle(&token.key)?.api().header {
                    TokenHeader::Own(header) => (header.name().clone(), header.value(secret)),
                    _ => (AUTHORIZATION, authorization(&token.token_type, secret)?),
                })
            }
            Self::Remote(client) => Ok(client.header(token).await?),
        }
    }

    /// All that is known of a key.
    pub(crate) async fn status(self, key: &str) -> Result<StatusAnswer, Failure> {
        match self {
            Self::Local(here) => Ok(answer::status(&here.handle(key)?.status().await)),
            Self::Remote(client) => Ok(client.status(key).await?),
        }
    }

    /// The statuses of all keys, in their order.
    pub(crate) async fn statuses(self) -> Result<Vec<StatusAnswer>, Failure> {
        match self {
            Self::Local(here) => Ok(all(here.manager).await.iter().map(answer::status).collect()),
            Self::Remote(client) => {
                let mut statuses = Vec::new();
                let mut query = StatusQuery::default().with_limit(PAGE);
                loop {
                    let page = client.statuses(&query).await?;
                    statuses.extend(page.tokens);
                    let Some(next) = page.next else { return Ok(statuses) };
                    query = query.with_after(next);
                }
            }
        }
    }

    /// Obtains a new token; the status afterwards.
    pub(crate) async fn refresh(self, key: &str, way: Way) -> Result<StatusAnswer, Failure> {
        match (self, way) {
            (Self::Local(here), _) => {
                let handle = here.handle(key)?;
                let refreshed = match way {
                    Way::Usual => handle.refresh().await,
                    Way::Fallback => handle.refresh_by_fallback().await,
                };
                refreshed.map_err(|error| here.explained(key, error))?;
                Ok(answer::status(&handle.status().await))
            }
            (Self::Remote(client), Way::Usual) => Ok(client.refresh(key).await?),
            (Self::Remote(client), Way::Fallback) => Ok(client.refresh_by_fallback(key).await?),
        }
    }

    /// The key that a name means.
    pub(crate) async fn meant(self, name: &str) -> Result<String, Failure> {
        match self {
            Self::Local(here) => Ok(here.key(name).into_owned()),
            Self::Remote(_) if name.contains(':') => Ok(name.to_owned()),
            // Which provider is the default one is known there.
            Self::Remote(client) => Ok(client.status(name).await?.key),
        }
    }

    /// Forgets a token.
    pub(crate) async fn clear(self, key: &str) -> Result<(), Failure> {
        match self {
            Self::Local(here) => Ok(here.handle(key)?.clear().await?),
            Self::Remote(client) => Ok(client.clear(key).await?),
        }
    }

    /// Throws out what is long over; how many.
    pub(crate) async fn cleanup(self) -> Result<u64, Failure> {
        match self {
            Self::Local(here) => Ok(here.manager.cleanup().await? as u64),
            Self::Remote(client) => Ok(client.cleanup().await?.removed),
        }
    }

    pub(crate) async fn stats(self, provider: Option<&str>) -> Result<StatsAnswer, Failure> {
        match self {
            Self::Local(here) => Ok(answer::stats(&here.manager.stats(provider).await?)),
            Self::Remote(client) => Ok(client.stats(provider).await?),
        }
    }

    /// The names of the credentials that a key wants; none where that is not known. Tells early that there is no such
    /// key.
    pub(crate) async fn wanted_credentials(self, key: &str) -> Result<Vec<String>, Failure> {
        match self {
            Self::Local(here) => Ok(here.manager.wanted_credentials(&here.key(key))?),
            Self::Remote(client) => Ok(client.status(key).await.map(|_| Vec::new())?),
        }
    }

    /// Keeps the credentials of an account.
    pub(crate) async fn set_credentials(self, key: &str, credentials: Credentials) -> Result<(), Failure> {
        match self {
            Self::Local(here) => Ok(here.manager.set_credentials(&here.key(key), credentials).await?),
            Self::Remote(client) => Ok(client.set_credentials(key, &to_be_sent(&credentials)).await?),
        }
    }

    /// Forgets the credentials of an account; whether there were any.
    pub(crate) async fn remove_credentials(self, key: &str) -> Result<bool, Failure> {
        match self {
            Self::Local(here) => Ok(here.manager.remove_credentials(&here.key(key)).await?),
            Self::Remote(client) => match client.remove_credentials(key).await {
                Ok(()) => Ok(true),
                // An account without credentials has a status, a key that is not there has none.
                Err(error) if error.code() == ProblemCode::UnknownKey => Ok(client.status(key).await.map(|_| false)?),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Logs in once and keeps nothing; what happened, and why it failed if it did.
    pub(crate) async fn try_login(
        self,
        key: &str,
        credentials: Option<&Credentials>,
    ) -> Result<(TrialAnswer, Option<Failure>), Failure> {
        match self {
            Self::Local(here) => {
                let trial = here.manager.try_login(&here.key(key), credentials).await?;
                Ok((answer::trial(&trial), trial.outcome.err().map(Failure::from)))
            }
            Self::Remote(client) => {
                let trial = client.test_credentials(key, credentials.map(to_be_sent).as_ref()).await?;
                let failure = trial.problem.clone().map(Failure::from);
                Ok((trial, failure))
            }
        }
    }
}

async fn all(manager: &TokenManager) -> Vec<Status> {
    let mut statuses: Vec<Status> = Vec::new();
    loop {
        let after = statuses.last().map(|status| status.key.clone());
        let page = manager.statuses(after.as_ref(), PAGE).await;
        let is_last = page.len() < PAGE;
        statuses.extend(page);
        if is_last {
            return statuses;
        }
    }
}

fn authorization(token_type: &str, secret: &str) -> Result<HeaderValue, Failure> {
    let scheme = if token_type.eq_ignore_ascii_case("bearer") { "Bearer" } else { token_type };
    let text = Zeroizing::new(format!("{scheme} {secret}"));
    let value = HeaderValue::from_str(&text);
    value.map_err(|error| Failure::internal("the token does not fit into a header", &error))
}

fn to_be_sent(credentials: &Credentials) -> CredentialsRequest {
    let values =
        credentials.iter().map(|(name, value)| (name.to_owned(), Zeroizing::new(value.expose_secret().into())));
    let request = CredentialsRequest::new(values);
    match credentials.lifetime() {
        Some(lifetime) => request.with_lifetime(lifetime),
        None => request,
    }
}

const PAGE: usize = 1000;
