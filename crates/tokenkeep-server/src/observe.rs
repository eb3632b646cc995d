//! A name for each request, one line in the log, one more in the counts, and an answer even if a handler panics.
//!
//! The line has the route's template and never the path: somebody may have pasted a token into it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tokenkeep_api::ProblemCode;
use tracing::{debug, error};

use crate::app::App;
use crate::problem::Problem;
use crate::request_id::{REQUEST_ID, RequestId};
use crate::stopwatch::now;

/// Passes a request on and says what became of it.
pub(crate) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = now();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut answer = answer.unwrap_or_else(|_| {
        // Not what it said: that may hold anything.
        error!(%method, route, request_id = id.as_str(), "a handler panicked");
        Problem::broken().into_response()
    });
    // An answer that is passed on may have the name that its API gave it.
    answer.headers_mut().entry(REQUEST_ID).or_insert(id.header());
    let (status, took) = (answer.status(), started.elapsed());
    app.metrics.answered(route, &method, status, took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let code = answer.extensions().get().map(|code: &ProblemCode| code.as_str());
    debug!(%method, route, status = status.as_u16(), code, took_us, request_id = id.as_str(), "answered");
    answer
}

const NO_ROUTE: &str = "none";
