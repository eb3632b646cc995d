//! `azure_identity`: the credential of a client with a secret, whose cache knows a token by its scope.
//!
//! It wants HTTPS, so its requests come to the issuer by the hook for another HTTP client, in memory.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};

use super::{Keys, Peer, Renews};
use crate::fixture::{HttpIssuer, Issuer, json_answer};

pub(super) struct AzureIdentity {
    credential: Arc<ClientSecretCredential>,
    scopes: Vec<String>,
}

impl Peer for AzureIdentity {
    const CRATE: &'static str = "azure_identity";
    const KEYS: Keys = Keys::Many;
    const RENEWS: Renews = Renews::WhenAsked;
    /// It asks for a new one five minutes before the end.
    const DUE_LIFE: Duration = Duration::from_secs(150);

    async fn build(issuer: &HttpIssuer, keys: usize) -> Result<Self> {
        let client = InMemory(Arc::<Issuer>::clone(&issuer.issuer));
        let client_options = ClientOptions {
            transport: Some(Transport::new(Arc::new(client))),
            cloud: Some(Arc::new(CloudConfiguration::AzurePublic)),
            ..ClientOptions::default()
        };
        let credential = ClientSecretCredential::new(
            "tenant",
            "bench".into(),
            Secret::new("bench-secret"),
            Some(ClientSecretCredentialOptions { client_options }),
        )?;
        Ok(Self { credential, scopes: (0..keys).map(|key| format!("scope-{key}")).collect() })
    }

    async fn token(&self, key: usize) -> bool {
        black_box(self.credential.get_token(&[&self.scopes[key]], None).await).is_ok()
    }
}

#[derive(Debug)]
struct InMemory(Arc<Issuer>);

#[async_trait]
impl HttpClient for InMemory {
    async fn execute_request(&self, _request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (status, body) = json_answer(&self.0).await;
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), Headers::default(), body))
    }
}
