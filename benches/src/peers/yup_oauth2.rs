//! `yup-oauth2`: an authenticator for an external account, whose storage in memory knows a token by its scopes.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use yup_oauth2::authenticator::Authenticator;
use yup_oauth2::external_account::{CredentialSource, ExternalAccountSecret};
use yup_oauth2::{CustomHyperClientBuilder, ExternalAccountAuthenticator};

use super::{Keys, Peer, Renews};
use crate::fixture::HttpIssuer;

pub(super) struct YupOauth2 {
    authenticator: Authenticator<HttpConnector>,
    scopes: Vec<String>,
}

impl Peer for YupOauth2 {
    const CRATE: &'static str = "yup-oauth2";
    const KEYS: Keys = Keys::Many;
    const RENEWS: Renews = Renews::WhenAsked;
    /// It asks for a new one a minute before the end.
    const DUE_LIFE: Duration = Duration::from_secs(30);

    async fn build(issuer: &HttpIssuer, keys: usize) -> Result<Self> {
        let secret = ExternalAccountSecret {
            audience: "bench".into(),
            subject_token_type: "urn:ietf:params:oauth:token-type:jwt".into(),
            service_account_impersonation_url: None,
            token_url: issuer.url().into(),
            credential_source: CredentialSource::File { file: "/dev/null".into() },
            key_type: "external_account".into(),
        };
        let client = CustomHyperClientBuilder::from(Client::builder(TokioExecutor::new()).build_http());
        let authenticator = ExternalAccountAuthenticator::with_client(secret, client).build().await?;
        Ok(Self { authenticator, scopes: (0..keys).map(|key| format!("scope-{key}")).collect() })
    }

    async fn token(&self, key: usize) -> bool {
        black_box(self.authenticator.token(&[&self.scopes[key]]).await).is_ok()
    }
}
