//! `password`: a resource owner's name and password (RFC 6749 section 4.3), or the refresh token that they brought.

use async_trait::async_trait;

use super::token_endpoint::TokenEndpoint;
use super::{Ask, Fault, FetchError, Fetched, TokenSource};
use crate::fingerprint::Fingerprint;
use crate::secret::Secret;

#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "RFC 6749's names")]
pub(super) struct Password {
    endpoint: TokenEndpoint,
    username: String,
    password: Secret,
}

impl Password {
    pub(super) fn new(endpoint: TokenEndpoint, username: String, password: Secret) -> Self {
        Self { endpoint, username, password }
    }
}

#[async_trait]
impl TokenSource for Password {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        if let Some(token) = ask.refresh_token {
            return self.endpoint.refresh(token, Fault::RefreshTokenRefused).await;
        }
        let form = [("grant_type", "password"), ("username", &*self.username)];
        let password = Some(("password", &self.password));
        let answer = self.endpoint.exchange(&form, password, Fault::Refused).await;
        answer.map_err(|error| match error.fault {
            Fault::Refused if error.next.is_none() => error.with_next("check username and password"),
            _ => error,
        })
    }

    fn issuer(&self) -> &str {
        self.endpoint.host()
    }

    fn fingerprint(&self) -> Fingerprint {
        let password = self.password.expose_secret();
        let username = ("username", &*self.username);
        let login = self.endpoint.login([username]);
        self.endpoint.fingerprint("password", [username, ("password", password)]).with_login(login)
    }
}
