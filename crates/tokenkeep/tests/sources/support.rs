//! Providers and managers in one line, and an issuer that plays back bytes.

mod playback;
mod recorded;

use std::time::Duration;

use tokenkeep::expiry::Policy;
use tokenkeep::provider::{Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::store::StoreUrl;
use tokenkeep::{Error, Secret, Token, TokenHandle, TokenManager};
use tokenkeep_sandbox::{Client, Sandbox};

pub(crate) use playback::{Playback, Script};
pub(crate) use recorded::{Noon, recorded, tell_error, tell_token, without_comments};

/// A confidential client at an endpoint, which proves itself by Basic.
pub(crate) fn client(token_url: &str, id: &str, secret: &str) -> TokenEndpointSettings {
    TokenEndpointSettings::new(TokenUrl::parse(token_url, Transport::Secure).unwrap(), id)
        .with_client_secret(Secret::new(secret))
}

/// A public client at an endpoint.
pub(crate) fn public_client(token_url: &str, id: &str) -> TokenEndpointSettings {
    TokenEndpointSettings::new(TokenUrl::parse(token_url, Transport::Secure).unwrap(), id)
}

/// A sandbox with the client `reports` and its provider, which asks with `client_credentials`.
pub(crate) async fn sandbox() -> (Sandbox, Grant) {
    let sandbox = Sandbox::builder().client(Client::new("reports", "reports-secret")).start().await.unwrap();
    let grant = Grant::ClientCredentials(client(&sandbox.token_url(), "reports", "reports-secret"));
    (sandbox, grant)
}

/// A manager with these grants as the providers `p0`, `p1`…
pub(crate) async fn manager(grants: impl IntoIterator<Item = Grant>) -> TokenManager {
    manager_with(grants, Policy::default()).await
}

pub(crate) async fn manager_with(grants: impl IntoIterator<Item = Grant>, policy: Policy) -> TokenManager {
    let provider = |(number, grant)| Provider::new(&format!("p{number}"), grant).unwrap().with_policy(policy.clone());
    let providers: Vec<_> = grants.into_iter().enumerate().map(provider).collect();
    TokenManager::builder().store_url(StoreUrl::Memory).providers(providers).build().await.unwrap()
}

/// The handle of the only provider with this grant.
pub(crate) async fn handle(grant: Grant) -> TokenHandle {
    manager([grant]).await.handle("p0").unwrap()
}

/// What a provider with this grant comes to when it asks once.
pub(crate) async fn ask(grant: Grant) -> Result<Token, Error> {
    handle(grant).await.token().await
}

/// The same with so long to answer.
pub(crate) async fn ask_within(timeout: Duration, grant: Grant) -> Result<Token, Error> {
    let policy = Policy { timeout, ..Policy::default() };
    manager_with([grant], policy).await.token("p0").await
}
