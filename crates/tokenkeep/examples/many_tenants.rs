//! A thousand customers of a vendor, each with a login of its own, in a sealed store; a few of them are used.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::BTreeMap;
use std::error::Error;

use tokenkeep::{Credentials, Secret, TokenManager};
use tokenkeep_sandbox::Sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let vendor = (0..TENANTS).fold(Sandbox::builder(), |vendor, tenant| {
        vendor.user(format!("company-{tenant}"), format!("{tenant}-password"))
    });
    let vendor = vendor.start().await?;
    let folder = tempfile::tempdir()?;
    let text = format!(
        r#"
        store = "sqlite:{}"

        [providers.vendor]
        grant = "login"
        accounts = "stored"
        budget = "10/1m"
        lifetime = "1h"

        [providers.vendor.login]
        post = "{}"
        json = {{ username = "{{username}}", password = "{{password}}" }}
        token = "/Authorization"
        "#,
        folder.path().join("tokens.db").display(),
        vendor.login_url()
    );
    let manager = TokenManager::builder().config_text(text).build().await?;
    manager.start();

    for tenant in 0..TENANTS {
        let password = if tenant == 13 { "not-it".to_owned() } else { format!("{tenant}-password") };
        let credentials = Credentials::with_password(&format!("company-{tenant}"), Secret::new(password))?;
        manager.set_credentials(&format!("vendor:{tenant}"), credentials).await?;
    }
    println!("{TENANTS} tenants are known, {} requests were made", vendor.counters().total.token_requests);

    for tenant in [7, 42, 7, 13, 7, 99] {
        match manager.token(&format!("vendor:{tenant}")).await {
            Ok(token) => println!("tenant {tenant} has token {}", token.generation()),
            Err(error) => println!("{error}"),
        }
    }
    println!("{} requests were made, the budget allows 10 in a minute", vendor.counters().total.token_requests);

    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for status in manager.statuses(None, usize::MAX).await.iter().filter(|status| status.key.as_str() != "vendor") {
        *states.entry(status.state.as_str()).or_default() += 1;
    }
    println!("{states:?}");
    manager.close().await?;
    Ok(())
}

const TENANTS: usize = 1_000;
