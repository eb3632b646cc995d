//! `refresh_token`: the refresh token of a login that happened elsewhere (RFC 6749 section 6).

use async_trait::async_trait;

use super::token_endpoint::TokenEndpoint;
use super::{Ask, Fault, FetchError, Fetched, TokenSource};
use crate::fingerprint::Fingerprint;
use crate::secret::Secret;

#[derive(Debug)]
pub(super) struct RefreshToken {
    endpoint: TokenEndpoint,
    seed: Secret,
}

impl RefreshToken {
    pub(super) fn new(endpoint: TokenEndpoint, seed: Secret) -> Self {
        Self { endpoint, seed }
    }
}

#[async_trait]
impl TokenSource for RefreshToken {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let token = ask.refresh_token.unwrap_or(&self.seed);
        let answer = self.endpoint.refresh(token, ask.turn, Fault::LoginRequired).await;
        answer.map_err(|error| match error.fault {
            Fault::LoginRequired => error.with_next("log in again and configure the new refresh_token"),
            _ => error,
        })
    }

    fn issuer(&self) -> &str {
        self.endpoint.host()
    }

    // With the seed: a new one is a new login, and what was stored of the old one no longer counts.
    fn fingerprint(&self) -> Fingerprint {
        let seed = ("seed", self.seed.expose_secret());
        self.endpoint.fingerprint("refresh_token", [seed]).with_login(self.endpoint.login([seed]))
    }

    fn rotates(&self) -> bool {
        true
    }
}
