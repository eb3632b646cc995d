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
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let grant = [("grant_type", "client_credentials")];
        let answer = self.endpoint.exchange(&grant, None, ask.turn, Fault::Refused).await;
        // RFC 6749 section 4.4.3: there should be no refresh token, and this grant has no use for one.
        match answer {
            Ok(fetched) => Ok(Fetched { refresh_token: None, ..fetched }),
            Err(error) => Err(FetchError { rotated: None, ..error }),
        }
    }

    fn issuer(&self) -> &str {
        self.endpoint.host()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.endpoint.fingerprint("client_credentials", [])
    }
}
