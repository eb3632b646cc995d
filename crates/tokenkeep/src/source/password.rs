//! `password`: a resource owner's name and password (RFC 6749 section 4.3), or the refresh token that they brought.
//!
//! The resource owner is configured, or is the account whose token is wanted.

use async_trait::async_trait;

use super::token_endpoint::TokenEndpoint;
use super::{Ask, Fault, FetchError, Fetched, TokenSource};
use crate::credentials::{Credentials, PASSWORD, USERNAME};
use crate::fingerprint::Fingerprint;
use crate::provider::ResourceOwner;
use crate::secret::Secret;

#[derive(Debug)]
pub(super) struct Password {
    endpoint: TokenEndpoint,
    owner: Option<ResourceOwner>,
}

impl Password {
    pub(super) fn new(endpoint: TokenEndpoint, owner: Option<ResourceOwner>) -> Self {
        Self { endpoint, owner }
    }

    fn owner<'a>(&'a self, credentials: Option<&'a Credentials>) -> Result<(&'a str, &'a Secret), FetchError> {
        if let Some(ResourceOwner { username, password }) = &self.owner {
            return Ok((username, password));
        }
        let named = |name| credentials.and_then(|credentials| credentials.get(name));
        match (named(USERNAME), named(PASSWORD)) {
            (Some(username), Some(password)) => Ok((username.expose_secret(), password)),
            _ => Err(FetchError::new(Fault::Refused, "the account's credentials have no username and password")
                .with_next("give them again")),
        }
    }
}

#[async_trait]
impl TokenSource for Password {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        if let Some(token) = ask.refresh_token {
            return self.endpoint.refresh(token, ask.turn, Fault::RefreshTokenRefused).await;
        }
        let (username, password) = self.owner(ask.credentials)?;
        let form = [("grant_type", "password"), ("username", username)];
        let answer = self.endpoint.exchange(&form, Some(("password", password)), ask.turn, Fault::Refused).await;
        answer.map_err(|error| match error.fault {
            Fault::Refused if error.next.is_none() => error.with_next("check username and password"),
            _ => error,
        })
    }

    fn issuer(&self) -> &str {
        self.endpoint.host()
    }

    fn fingerprint(&self) -> Fingerprint {
        let owner = self.owner.as_ref();
        let username = owner.map(|owner| ("username", &*owner.username));
        let password = owner.map(|owner| ("password", owner.password.expose_secret()));
        let login = self.endpoint.login(username);
        self.endpoint.fingerprint("password", username.into_iter().chain(password)).with_login(login)
    }
}
