//! A program that uses its tokens itself and serves them to its neighbours: one manager, so one request at the issuer.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::path::Path;

use serde_json::Value;
use tokenkeep::{TokenManager, config};
use tokenkeep_sandbox::{Client, Sandbox};
use tokenkeep_server::Server;
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().client(Client::new("shared", "shared-secret")).start().await?;
    // On a free port. Whoever can reach it is served: a `key` in [server] asks neighbours for one.
    let text = format!(
        r#"
        [server]
        listen = ["127.0.0.1:0"]

        [providers.shared]
        grant = "client_credentials"
        token_url = "{}"
        client_id = "shared"
        client_secret = "shared-secret"
        "#,
        sandbox.token_url()
    );
    let config = config::parse(&text, "beside_a_server.toml", Path::new(""), &|_: &str| None).await?;
    let settings = config.server.clone();
    let manager = TokenManager::builder().config(config).build().await?;
    manager.start();

    let server = Server::bind(&settings, manager.clone()).await?;
    let address = server.local_addrs().next().ok_or("nothing is listened at")?.to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let program = async {
        let token = manager.token("shared").await?;
        println!("the program has token {}", token.generation());
        let neighbour = neighbour(&address).await?;
        println!("a neighbour has token {}, of type {}", neighbour["generation"], neighbour["token_type"]);
        println!("they are the same: {}", neighbour["access_token"] == token.expose_secret());
        drop(stop);
        Ok::<_, Box<dyn Error>>(())
    };
    let serve = server.run(async { stopped.await.unwrap_or_default() });
    let (done, ()) = tokio::join!(program, serve);

    // The server ends first, then the manager, so that nobody asks one that is closed.
    manager.close().await?;
    println!("stopped; the issuer was asked {} time", sandbox.counters().total.token_requests);
    done
}

/// What any other program does, in whatever language.
async fn neighbour(address: &str) -> Result<Value, reqwest::Error> {
    let http = reqwest::Client::builder().build()?;
    http.get(format!("http://{address}/tokens/shared")).send().await?.error_for_status()?.json().await
}
