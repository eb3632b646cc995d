//! A source of one's own, for a login that no grant knows: the rest of the manager works for it as for any other.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::source::{Ask, Fault, FetchError, Fetched, TokenSource};
use tokenkeep::{Secret, SourceSettings, TokenManager};
use tokenkeep_sandbox::{Fault as Trouble, Sandbox};

#[derive(Debug)]
struct Vendor {
    http: reqwest::Client,
    login_url: String,
    password: Secret,
}

#[async_trait]
impl TokenSource for Vendor {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let login = json!({"username": "ada", "password": self.password.expose_secret()});
        // What reqwest says can hold the address; what is shown of it is for you to decide.
        let no_answer = |_| FetchError::new(Fault::Unavailable, "the vendor did not answer");
        let answer = self.http.post(&self.login_url).json(&login).send().await.map_err(no_answer)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => {
                return Err(FetchError::new(Fault::Refused, "the vendor refused ada").with_next("check the password"));
            }
            status => return Err(FetchError::new(Fault::Unavailable, format!("the vendor answered {status}"))),
        }
        let answer: Value = answer.json().await.map_err(no_answer)?;
        let token = answer["Authorization"].as_str();
        let token = token.ok_or_else(|| FetchError::new(Fault::Unavailable, "the vendor answered without a token"))?;
        Ok(Fetched::new(Secret::new(token)).expiring_in(Duration::from_mins(30)))
    }

    fn issuer(&self) -> &'static str {
        "the vendor"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("login", &*self.login_url), ("password", self.password.expose_secret())])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().user("ada", "ada-password").start().await?;
    let http = reqwest::Client::builder().build()?;
    let vendor =
        |password| Vendor { http: http.clone(), login_url: sandbox.login_url(), password: Secret::new(password) };
    let manager = TokenManager::builder()
        .source("vendor", Arc::new(vendor("ada-password")), SourceSettings::default())
        .source("mistyped", Arc::new(vendor("ada-pasword")), SourceSettings::default())
        .build()
        .await?;

    let calls: [_; 3] = tokio::join!(manager.token("vendor"), manager.token("vendor"), manager.token("vendor")).into();
    println!("{} callers have a token", calls.iter().filter(|call| call.is_ok()).count());
    println!("{} login was made", sandbox.counters().total.token_requests);
    sandbox.set_fault(Trouble::Status { status: 503, body: "down".into() });
    if let Err(error) = manager.handle("vendor")?.refresh().await {
        println!("while the vendor is down: {error}");
    }
    println!("the token is good all the same: {}", manager.token("vendor").await.is_ok());
    sandbox.clear_faults();
    if let Err(error) = manager.token("mistyped").await {
        println!("with the wrong password: {error}");
    }
    manager.close().await?;
    Ok(())
}
