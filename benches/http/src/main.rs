//! The limits that `benches/http.sh` measures tokenkeep beside.
//!
//! `bare ADDRESS KEY TOKEN` answers `GET /tokens/fixed` as tokenkeep does, and does nothing for it but look at the API
//! key: what axum can do at best. `upstream ADDRESS TOKEN` is an API that wants a bearer token and answers 1 KiB.
//! `start BINARY KEYS ROUNDS` measures how long the binary takes from its start until it is ready, with so many keys in its
//! store, and what memory it has then. `watch BINARY WATCHERS SECONDS` measures what it costs that so many watch a key of
//! which nothing is heard.

mod start;
mod watch;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokenkeep_api::TokenAnswer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (address, router) = match words[..] {
        ["bare", address, key, token] => (address, bare(key, token)),
        ["upstream", address, token] => (address, upstream(token)),
        ["start", binary, keys, rounds] => return start::measure(binary, keys.parse()?, rounds.parse()?).await,
        ["watch", binary, watchers, seconds] => return watch::measure(binary, watchers.parse()?, seconds.parse()?),
        _ => bail!(
            "say bare ADDRESS KEY TOKEN, upstream ADDRESS TOKEN, start BINARY KEYS ROUNDS, or watch BINARY WATCHERS SECONDS"
        ),
    };
    let listener =
        tokio::net::TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))?;
    axum::serve(listener, router).await?;
    Ok(())
}

struct Fixed {
    key: [u8; 32],
    token: String,
}

fn bare(key: &str, token: &str) -> Router {
    let fixed = Fixed { key: Sha256::digest(key).into(), token: token.to_owned() };
    Router::new().route("/tokens/fixed", get(hand_out)).with_state(Arc::new(fixed))
}

async fn hand_out(State(fixed): State<Arc<Fixed>>, headers: HeaderMap) -> Response {
    let presented = headers.get("x-api-key").map(|key| Sha256::digest(key.as_bytes()));
    if !presented.is_some_and(|hash| hash.as_slice().ct_eq(&fixed.key).into()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let answer = TokenAnswer {
        key: "fixed".to_owned(),
        access_token: fixed.token.clone(),
        token_type: "Bearer".to_owned(),
        expires_in: Some(3600),
        expires_at: Some("2026-11-21T04:54:09Z".to_owned()),
        scope: None,
        generation: 1,
        warnings: Vec::new(),
    };
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn upstream(token: &str) -> Router {
    let wanted: Arc<str> = format!("Bearer {token}").into();
    Router::new().route("/data", get(data)).with_state(wanted)
}

async fn data(State(wanted): State<Arc<str>>, headers: HeaderMap) -> Response {
    if headers.get(AUTHORIZATION).is_some_and(|given| given.as_bytes() == wanted.as_bytes()) {
        BODY.into_response()
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

static BODY: [u8; 1024] = [b'x'; 1024];
