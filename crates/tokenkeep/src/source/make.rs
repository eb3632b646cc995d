//! From a grant to the source that asks by it.

use std::sync::Arc;
#[cfg(feature = "grants")]
use std::time::SystemTime;

#[cfg(feature = "grants")]
use url::Url;

#[cfg(feature = "config")]
use super::login::Login;
use super::{TokenSource, static_token::StaticToken};
#[cfg(feature = "grants")]
use super::{
    client_credentials::ClientCredentials, command::Command, http::HttpClient, password::Password,
    refresh_token::RefreshToken, token_endpoint::TokenEndpoint,
};
use crate::clock::Clock;
use crate::provider::Grant;
#[cfg(feature = "config")]
use crate::provider::LoginSettings;
#[cfg(feature = "grants")]
use crate::provider::TokenEndpointSettings;

/// Makes sources, which share their connections.
#[derive(Debug)]
pub(crate) struct Maker {
    #[cfg(feature = "grants")]
    http: HttpClient,
}

impl Maker {
    /// Answers that state an end are read by this clock.
    #[cfg_attr(not(feature = "grants"), expect(unused_variables, reason = "only answers over HTTP state an end"))]
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            #[cfg(feature = "grants")]
            http: HttpClient::new(Arc::clone(clock)),
        }
    }

    /// The time that a host tells, if it does. The error says what happened, to be read after the host's name.
    #[cfg(feature = "grants")]
    pub(crate) async fn date_at(&self, origin: &Url) -> Result<Option<SystemTime>, String> {
        self.http.date_at(origin).await
    }

    /// The source that asks by a grant.
    #[cfg_attr(not(feature = "grants"), expect(clippy::unused_self, reason = "a fixed token needs no connections"))]
    pub(crate) fn source(&self, grant: &Grant) -> Arc<dyn TokenSource> {
        #[cfg(feature = "grants")]
        let endpoint = |settings: &TokenEndpointSettings| TokenEndpoint::new(settings.clone(), self.http.clone());
        match grant {
            Grant::Static { token } => Arc::new(StaticToken::new(token.clone())),
            #[cfg(feature = "grants")]
            Grant::ClientCredentials(settings) => Arc::new(ClientCredentials::new(endpoint(settings))),
            #[cfg(feature = "grants")]
            Grant::Password { endpoint: settings, owner } => Arc::new(Password::new(endpoint(settings), owner.clone())),
            #[cfg(feature = "grants")]
            Grant::RefreshToken { endpoint: settings, seed } => {
                Arc::new(RefreshToken::new(endpoint(settings), seed.clone()))
            }
            #[cfg(feature = "grants")]
            Grant::Command { program, args } => Arc::new(Command::new(program.clone(), args.clone())),
            #[cfg(feature = "config")]
            Grant::Login(settings) => Arc::new(Login::new(LoginSettings::clone(settings), self.http.clone())),
        }
    }
}
