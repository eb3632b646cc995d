//! `GET /health` of an application, in the form that Revos had. `tokenkeep serve` and `tokenkeep-server` have theirs.

use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokenkeep::TokenHandle;

/// A router of `GET /health` for one key, to be merged or nested into that of the application.
pub fn health(handle: TokenHandle) -> Router {
    Router::new().route("/health", get(answer)).with_state(handle)
}

/// 503 if more than [`TOLERATED_FAILURES`] attempts in a row have failed. No token is asked for to find it out.
async fn answer(State(handle): State<TokenHandle>) -> (StatusCode, Json<Value>) {
    let status = handle.status().await;
    let (code, word) = if status.consecutive_failures > TOLERATED_FAILURES {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy")
    } else {
        (StatusCode::OK, "healthy")
    };
    let unix = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let answer = json!({
        "status": word,
        "token_info": {
            "has_token": status.has_token,
            "expires_at": status.expires_at.map(unix),
            "seconds_until_expiry": status.expires_in.map(|left| left.as_secs()),
        },
        "consecutive_failures": status.consecutive_failures,
    });
    (code, Json(answer))
}

const TOLERATED_FAILURES: u32 = 5;
