//! `client_credentials`: the client's own credentials (RFC 6749 section 4.4).

use async_trait::async_trait;

use super::token_endpoint::TokenEndpoint;
use super::{Ask, Fault, FetchError, Fetched, TokenSource};
use crate::fingerprint::Fingerprint;

#[derive(Debug)]
pub(super) struct ClientCredentials {
    endpoint: TokenEndpoint,
}

impl ClientCredentials {
    pub(super) fn new(endpoint: TokenEndpoint) -> Self {
        Self { endpoint }
    }
}

#[async_trait]
impl TokenSource for ClientCredentials {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let fetched = self.endpoint.exchange(&[("grant_type", "client_credentials")], Fault::Refused).await?;
        // RFC 6749 section 4.4.3: there should be none, and it would outlive a change of the secret.
        Ok(Fetched { refresh_token: None, ..fetched })
    }

    fn issuer(&self) -> &str {
        self.endpoint.host()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.endpoint.fingerprint("client_credentials", [])
    }
}
