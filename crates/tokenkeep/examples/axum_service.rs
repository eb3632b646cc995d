//! A service whose handlers call another API: one manager, shared by all requests, closed after the last of them.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;

use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::{Router, routing};
use tokenkeep::{TokenHandle, TokenManager};
use tokenkeep_sandbox::{Client, Sandbox};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(Clone)]
struct Upstream {
    http: reqwest::Client,
    url: String,
    token: TokenHandle,
}

async fn report(State(upstream): State<Upstream>, Segment(number): Segment<u32>) -> Result<String, StatusCode> {
    let token = upstream.token.token().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let request = upstream.http.get(format!("{}/reports/{number}", upstream.url));
    let answer = request.header("authorization", token.authorization()).send().await;
    let answer = answer.map_err(|_| StatusCode::BAD_GATEWAY)?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        upstream.token.reject(&token);
    }
    Ok(format!("report {number}: upstream answered {}", answer.status()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder().client(Client::new("service", "service-secret")).start().await?;
    let manager = manager(&sandbox).await?;
    manager.start();

    let http = reqwest::Client::builder().build()?;
    let upstream = Upstream { http: http.clone(), url: sandbox.api_url(), token: manager.handle("upstream")? };
    let app = Router::new().route("/reports/{number}", routing::get(report)).with_state(upstream);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // In a service this is tokio::signal::ctrl_c() and its like.
    let (stop, stopped) = oneshot::channel::<()>();
    let service = axum::serve(listener, app).with_graceful_shutdown(async { stopped.await.unwrap_or_default() });

    let callers = async {
        let get = async |number: u32| http.get(format!("http://{address}/reports/{number}")).send().await?.text().await;
        for answer in <[_; 3]>::from(tokio::try_join!(get(1), get(2), get(3))?) {
            println!("{answer}");
        }
        drop(stop);
        Ok::<_, Box<dyn Error>>(())
    };
    let (served, called) = tokio::join!(service.into_future(), callers);
    // After the last request, so that a token that is on its way is saved.
    manager.close().await?;
    println!("stopped; the issuer was asked {} time", sandbox.counters().total.token_requests);
    served?;
    called
}

async fn manager(sandbox: &Sandbox) -> Result<TokenManager, Box<dyn Error>> {
    let text = format!(
        r#"
        [providers.upstream]
        grant = "client_credentials"
        token_url = "{}"
        client_id = "service"
        client_secret = "service-secret"
        "#,
        sandbox.token_url()
    );
    // The secret stands in the text only because this is an example.
    Ok(TokenManager::builder().config_text(text).build().await?)
}
