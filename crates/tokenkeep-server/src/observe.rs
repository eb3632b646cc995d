//! One line in the log for each request, one more in the counts, and an answer even if a handler panics.
//!
//! The line has the route's template and never the path: somebody may have pasted a token into it.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::Method;
use tokenkeep_api::ProblemCode;
use tracing::{debug, error};

use crate::app::App;
use crate::audit::Who;
use crate::problem::Problem;
use crate::request_id::{REQUEST_ID, RequestId};
use crate::stopwatch::now;

/// What is said of a request once it is answered.
pub(crate) struct Observed {
    started: Instant,
    id: RequestId,
    method: Method,
    route: Option<MatchedPath>,
}

impl Observed {
    /// A request whose route was found.
    pub(crate) fn begin(request: &Request) -> Self {
        let extensions = request.extensions();
        Self {
            started: now(),
            id: extensions.get().map_or_else(RequestId::random, Who::request_id),
            method: request.method().clone(),
            route: extensions.get().cloned(),
        }
    }

    /// Waits for the answer and says what became of the request.
    pub(crate) async fn answer(self, app: &App, answer: impl Future<Output = Response>) -> Response {
        let Self { started, id, method, route } = self;
        let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        let mut answer = answer.unwrap_or_else(|_| {
            // Not what it said: that may hold anything.
            error!(%method, route, request_id = id.as_str(), "a handler panicked");
            Problem::broken().into_response()
        });
        // An answer that is passed on may have the name that its API gave it.
        answer.headers_mut().entry(REQUEST_ID).or_insert_with(|| id.header());
        let (status, took) = (answer.status(), started.elapsed());
        app.metrics.answered(route, &method, status, took);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let code = answer.extensions().get().map(|code: &ProblemCode| code.as_str());
        debug!(%method, route, status = status.as_u16(), code, took_us, request_id = id.as_str(), "answered");
        answer
    }
}

const NO_ROUTE: &str = "none";
