//! One line in the log for each request, and an answer even if a handler panics.
//!
//! The line has the route's template and never the path: somebody may have pasted a token into it.

use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tracing::{debug, error};

use crate::problem::Problem;

/// Passes a request on and says what became of it.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let started = now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| {
        // Not what it said: that may hold anything.
        error!(%method, route, "a handler panicked");
        Problem::broken().into_response()
    });
    let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    debug!(%method, route, status = answer.status().as_u16(), took_us, "answered");
    answer
}

#[expect(clippy::disallowed_methods, reason = "only measures how long an answer took; nothing is decided by it")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

const NO_ROUTE: &str = "none";
