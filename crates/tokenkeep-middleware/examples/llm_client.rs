//! A client of a language model that runs for long with tokens that live for three seconds, and never sees one end.
//!
//! `cargo run -p tokenkeep-middleware --example llm_client` needs nothing else: the issuer is the sandbox, and the model
//! is [`model`], which says the same whatever it is asked. After eight answers it counts what happened.

#![expect(clippy::print_stdout, reason = "it is run to be watched")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::time::Duration;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokenkeep::{Subscriber, TokenManager};
use tokenkeep_middleware::TokenMiddleware;
use tokenkeep_sandbox::{Client, Sandbox};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut tasks = JoinSet::new();
    let sandbox =
        Sandbox::builder().client(Client::new("chat", "chat-secret").life(Duration::from_secs(3))).start().await?;
    let base = model::start(&mut tasks, sandbox.api_url()).await?;

    // What a program does: a manager for its life, a handle for a key, a client for an API.
    let builder = TokenManager::builder().config_text(configuration(&sandbox, &base));
    let manager = builder.environment(environment).build().await?;
    manager.start();
    let handle = manager.handle("model")?;
    tasks.spawn(tell_of_tokens(handle.subscribe()));
    let tokens = TokenMiddleware::new(handle)?;
    let client = reqwest::Client::builder().redirect(tokens.redirect_policy()).build()?;
    let client = ClientBuilder::new(client).with(tokens).build();

    let mut words = 0;
    for answer in 1..=ANSWERS {
        words += ask(&client, &base).await?;
        if answer == ANSWERS / 2 {
            println!("-- the issuer revokes all tokens; nobody else is told");
            sandbox.revoke_all();
        }
    }
    manager.stop().await?;
    let counters = sandbox.counters_of("chat");
    println!(
        "{ANSWERS} answers of {words} words, none failed; {} tokens, {} of them refused by the API",
        counters.issued, counters.api_refused
    );
    Ok(())
}

/// Asks the model and prints its answer as it comes. A token that ends meanwhile does not end the answer.
async fn ask(client: &ClientWithMiddleware, base: &str) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let mut answer = client.post(format!("{base}/chat")).body("how do you do?").send().await?.error_for_status()?;
    let mut words = 0;
    while let Some(word) = answer.chunk().await? {
        print!("{} ", String::from_utf8_lossy(&word));
        stdout().flush()?;
        words += 1;
    }
    println!();
    Ok(words)
}

/// A subscriber learns of each new token, whoever caused it.
async fn tell_of_tokens(mut tokens: Subscriber) {
    while let Some(token) = tokens.next().await {
        let life = token.expires_in().unwrap_or_default().as_secs_f32();
        println!("-- a new token: generation {}, good for {life:.1} s", token.generation());
    }
}

fn configuration(sandbox: &Sandbox, base: &str) -> String {
    format!(
        r#"
        [providers.model]
        grant = "client_credentials"
        token_url = "{}"
        client_id = "chat"
        client_secret = {{ env = "CHAT_SECRET" }}
        api_base = "{base}"
        "#,
        sandbox.token_url()
    )
}

/// In place of the environment of this process, which a manager reads unless it is given another.
fn environment(name: &str) -> Option<String> {
    (name == "CHAT_SECRET").then(|| "chat-secret".to_owned())
}

const ANSWERS: u32 = 8;

/// The other side: an API that streams its answers to whoever has a good token.
mod model {
    use std::convert::Infallible;
    use std::io;
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::extract::State;
    use axum::response::Response;
    use axum::routing::post;
    use futures_util::stream;
    use http::header::AUTHORIZATION;
    use http::{HeaderMap, StatusCode};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    /// Starts it, and says where it is.
    pub(super) async fn start(tasks: &mut JoinSet<()>, introspection: String) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}/v1", listener.local_addr()?);
        let http = reqwest::Client::builder().build().map_err(io::Error::other)?;
        let router = Router::new().route("/v1/chat", post(chat)).with_state((http, introspection));
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
        Ok(base)
    }

    async fn chat(State((http, introspection)): State<(reqwest::Client, String)>, headers: HeaderMap) -> Response {
        let mut asked = http.get(introspection);
        if let Some(authorization) = headers.get(AUTHORIZATION) {
            asked = asked.header(AUTHORIZATION, authorization);
        }
        let status = asked.send().await.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status());
        let words = if status == StatusCode::OK { ANSWER } else { "" }.split_whitespace();
        let words = stream::unfold(words, async |mut words| {
            let word = words.next()?;
            tokio::time::sleep(Duration::from_millis(60)).await;
            Some((Ok::<_, Infallible>(word), words))
        });
        let mut response = Response::new(Body::from_stream(words));
        *response.status_mut() = status;
        response
    }

    const ANSWER: &str = "As a large model of few words I am well and hope that you are too";
}
