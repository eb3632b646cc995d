//! What stands around a manager that is measured: a clock that can be moved, an issuer in memory and on HTTP, a store
//! that keeps nothing.

mod clock;
mod issuer;
mod http_issuer;
mod nothing_kept;

use std::sync::Arc;

use anyhow::Result;
use tokenkeep::expiry::Policy;
use tokenkeep::provider::{Accounts, Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::source::TokenSource;
use tokenkeep::{ManagerBuilder, Secret, SourceSettings, TokenManager};
use tokio::runtime::{Builder, Runtime};

pub(crate) use self::clock::MovableClock;
pub(crate) use self::http_issuer::{HttpIssuer, json_answer};
pub(crate) use self::issuer::{Issuer, LIFE, Mood, TOKEN_BYTES};
pub(crate) use self::nothing_kept::NothingKept;

/// A manager with one provider, [`PROVIDER`], for any account, whose store keeps nothing.
pub(crate) fn manager_builder(issuer: &Arc<Issuer>, policy: Policy) -> ManagerBuilder {
    let source: Arc<dyn TokenSource> = Arc::<Issuer>::clone(issuer);
    let settings = SourceSettings::default().with_policy(policy).with_accounts(Accounts::Any);
    TokenManager::builder().source(PROVIDER, source, settings).store(Arc::new(NothingKept))
}

/// The same, whose issuer is on HTTP.
pub(crate) fn manager_over_http(http: &HttpIssuer) -> Result<ManagerBuilder> {
    let grant = Grant::ClientCredentials(
        TokenEndpointSettings::new(TokenUrl::parse(http.url(), Transport::Secure)?, "bench")
            .with_client_secret(Secret::new("bench-secret")),
    );
    let mut provider = Provider::new(PROVIDER, grant)?;
    provider.accounts = Accounts::Any;
    Ok(TokenManager::builder().provider(provider).store(Arc::new(NothingKept)))
}

/// The name of the `index`th key.
pub(crate) fn key_name(index: usize) -> String {
    format!("{PROVIDER}:{index}")
}

/// Has the first `keys` keys obtain their tokens, one after the other.
pub(crate) async fn fill(manager: &TokenManager, keys: usize) -> Result<()> {
    for index in 0..keys {
        manager.token(&key_name(index)).await?;
    }
    Ok(())
}

/// A runtime on this thread.
pub(crate) fn one_thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A runtime with [`WORKERS`] threads.
pub(crate) fn two_workers() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?)
}

pub(crate) const PROVIDER: &str = "provider";
pub(crate) const WORKERS: usize = 2;
