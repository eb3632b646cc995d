//! From a configuration to a call of an API, and to the next token when the API refuses the present one.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;

use reqwest::StatusCode;
use tokenkeep::{TokenHandle, TokenManager};
use tokenkeep_sandbox::{Client, Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().client(Client::new("reports-client", "reports-secret")).start().await?;
    let text = format!(
        r#"
        [providers.reports]
        grant = "client_credentials"
        token_url = "{}"
        client_id = "reports-client"
        client_secret = {{ env = "REPORTS_SECRET" }}
        "#,
        sandbox.token_url()
    );
    // Left out, it is that of the process; and most programs say config_file("tokenkeep.toml").
    let environment = |name: &str| (name == "REPORTS_SECRET").then(|| "reports-secret".to_owned());
    let manager = TokenManager::builder().config_text(text).environment(environment).build().await?;
    manager.start();
    let reports = manager.handle("reports")?;

    let http = reqwest::Client::builder().build()?;
    call(&http, &sandbox.api_url(), &reports).await?;
    call(&http, &sandbox.api_url(), &reports).await?;
    sandbox.revoke_all();
    println!("the issuer has revoked all tokens");
    call(&http, &sandbox.api_url(), &reports).await?;

    println!("the issuer was asked {} times", sandbox.counters().total.token_requests);
    manager.close().await?;
    Ok(())
}

async fn call(http: &reqwest::Client, api: &str, reports: &TokenHandle) -> Result<(), Box<dyn Error>> {
    for _ in 0..2 {
        let token = reports.token().await?;
        let answer = http.get(api).header("authorization", token.authorization()).send().await?;
        println!("the API answered {} to token {}", answer.status(), token.generation());
        if answer.status() != StatusCode::UNAUTHORIZED {
            break;
        }
        // However many callers do this at once, it causes one request.
        reports.reject(&token);
    }
    Ok(())
}
