//! A `hyper-util` client whose requests have a token. `cargo run -p tokenkeep-middleware --example tower_client`

#![expect(clippy::print_stdout, reason = "it is run to be watched")]

use std::collections::HashMap;
use std::error::Error;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokenkeep::TokenManager;
use tokenkeep_middleware::TokenLayer;
use tokenkeep_sandbox::Sandbox;
use tower::{Service as _, ServiceBuilder, ServiceExt as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let sandbox =
        Sandbox::builder().client(tokenkeep_sandbox::Client::new("reports", "reports-secret")).start().await?;
    let api = sandbox.api_url();
    let text = format!(
        r#"
        [providers.graph]
        grant = "client_credentials"
        token_url = "{}"
        client_id = "reports"
        client_secret = {{ env = "SECRET" }}
        api_base = "{api}"
        "#,
        sandbox.token_url()
    );
    let environment = HashMap::from([("SECRET".to_owned(), "reports-secret".to_owned())]);
    let manager = TokenManager::builder().config_text(text).environment(environment).build().await?;
    manager.start();

    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut client = ServiceBuilder::new().layer(TokenLayer::new(manager.handle("graph")?)?).service(client);

    for user in ["ada", "grace"] {
        let request = Request::post(format!("{api}/users")).body(Full::from(user))?;
        let answer = client.ready().await?.call(request).await?;
        let status = answer.status();
        println!("{status}: {}", String::from_utf8_lossy(&answer.into_body().collect().await?.to_bytes()));
        // The next request is refused, and sent once more with another token.
        sandbox.revoke_all();
    }
    manager.stop().await?;
    println!("{} tokens", sandbox.counters_of("reports").issued);
    Ok(())
}
