//! The sandbox issuer on loopback HTTP, asked by instances or bare.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokenkeep::provider::{Accounts, Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::store::Store;
use tokenkeep::{Secret, TokenManager};
use tokenkeep_sandbox::{Client, Sandbox};
use tokio::runtime::{Builder, Runtime};

use crate::place::LaterClock;

pub(crate) struct Issuer {
    sandbox: Sandbox,
    /// As an instance makes it for an issuer on this machine.
    client: reqwest::Client,
    /// Of its own, as if it were another program.
    runtime: Option<Runtime>,
}

impl Issuer {
    pub(crate) fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sandbox = runtime.block_on(Sandbox::builder().client(Client::new(CLIENT, SECRET).life(LIFE)).start())?;
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let client = client.redirect(reqwest::redirect::Policy::none()).retry(reqwest::retry::never()).build()?;
        Ok(Self { sandbox, client, runtime: Some(runtime) })
    }

    /// An instance that runs.
    pub(crate) async fn instance(&self, store: &Arc<dyn Store>, clock: &Arc<LaterClock>) -> Result<TokenManager> {
        let token_url = TokenUrl::parse(&self.sandbox.token_url(), Transport::Secure)?;
        let endpoint = TokenEndpointSettings::new(token_url, CLIENT).with_client_secret(Secret::new(SECRET));
        let mut provider = Provider::new("vendor", Grant::ClientCredentials(endpoint))?;
        provider.accounts = Accounts::Any;
        let builder = TokenManager::builder().clock(clock.clone()).store(Arc::clone(store)).provider(provider);
        let manager = builder.build().await?;
        manager.start();
        Ok(manager)
    }

    /// The request that an instance makes, and its answer, by nothing but the HTTP client.
    pub(crate) async fn ask(&self) -> Result<()> {
        let request = self.client.post(self.sandbox.token_url()).basic_auth(CLIENT, Some(SECRET));
        let request = request.header("accept", "application/json");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("grant_type=client_credentials").send().await?;
        ensure!(answer.status() == 200, "the issuer answers {}", answer.status());
        answer.bytes().await?;
        Ok(())
    }

    /// How many it has had so far.
    pub(crate) fn requests(&self) -> u64 {
        self.sandbox.counters_of(CLIENT).token_requests
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // It ends where tasks run, which must not wait for others.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn key(index: usize) -> String {
    format!("vendor:{index}")
}

pub(crate) const LIFE: Duration = Duration::from_hours(1);
const CLIENT: &str = "bench";
const SECRET: &str = "bench-secret";
