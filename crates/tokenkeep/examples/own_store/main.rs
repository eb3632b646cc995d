//! Keeps tokens in a store of one's own, sealed, and has them again after a restart.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

mod store;

use std::error::Error;
use std::sync::{Arc, Mutex};

use tokenkeep::clock::SystemClock;
use tokenkeep::provider::{Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::SealedStore;
use tokenkeep::{Secret, TokenManager};
use tokenkeep_sandbox::{Client, Sandbox};

use self::store::OwnStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().client(Client::new("reports", "reports-secret")).start().await?;
    let own = Arc::new(OwnStore { clock: Arc::new(SystemClock::new()), tables: Mutex::default() });

    // Nothing that is stored can be opened without this text: it belongs where your other secrets are.
    let (_, seal_key) = SealKey::generate()?;

    for start in ["first", "second"] {
        let keys = SealKeys::new(SealKey::parse(&seal_key)?, []);
        let sealed = SealedStore::new(Arc::<OwnStore>::clone(&own), keys);
        let manager = TokenManager::builder().store(Arc::new(sealed)).provider(reports(&sandbox)?).build().await?;
        let token = manager.token("reports").await?;
        let asked = sandbox.counters().total.token_requests;
        println!("{start} start: token {} of reports, after {asked} request", token.generation());
        manager.close().await?;
    }

    let tables = own.tables();
    for (key, (version, text)) in &tables.records {
        let sealed = text.expose_secret().contains("\"access_token\":\"sealed:");
        println!("in the store: {key}, version {}, {}", version.0, if sealed { "sealed" } else { "as it is" });
    }
    Ok(())
}

fn reports(sandbox: &Sandbox) -> Result<Provider, Box<dyn Error>> {
    let endpoint = TokenEndpointSettings::new(TokenUrl::parse(&sandbox.token_url(), Transport::Secure)?, "reports")
        .with_client_secret(Secret::new("reports-secret"));
    Ok(Provider::new("reports", Grant::ClientCredentials(endpoint))?)
}
