//! The routes, each in its file; [`answer`] is where a fault comes between request and work.

mod answer;
mod api;
mod control;
mod llm;
mod login;
mod odd_body;
mod token;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    routing::{any, get, post},
};

use crate::traffic::Shared;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let faults = get(control::faults).put(control::set_fault).delete(control::clear_faults);
    Router::new()
        .route("/oauth2/token", post(token::token))
        .route("/login", post(login::login))
        .route("/api", any(api::api))
        .route("/api/", any(api::api))
        .route("/api/{*path}", any(api::api))
        .route("/llm/v1/chat/completions", post(llm::chat))
        .route("/", get(control::help))
        .route("/sandbox", get(control::help))
        .route("/sandbox/counters", get(control::counters))
        .route("/sandbox/requests", get(control::requests))
        .route("/sandbox/faults", faults)
        .route("/sandbox/release", post(control::release))
        .route("/sandbox/revoke", post(control::revoke))
        .route("/sandbox/life", post(control::life))
        .route("/sandbox/refresh_token", post(control::refresh_token))
        .fallback(async || (StatusCode::NOT_FOUND, "nothing is here; GET /sandbox lists what is\n"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

/// The largest body that a token or control route reads, in bytes.
const MAX_BODY: usize = 1024 * 1024;
