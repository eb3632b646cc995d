//! The routes, and what a request passes on its way to them.

mod health;
mod list;
mod status;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use http::header::CACHE_CONTROL;
use tokenkeep::TokenManager;
use tokio_util::sync::CancellationToken;

use crate::browser::{self, Reach};
use crate::caller::{self, Callers};
use crate::observe::observe;
use crate::problem::Problem;

/// What the handlers share.
pub(crate) struct App {
    pub(crate) manager: TokenManager,
    pub(crate) callers: Callers,
    pub(crate) stopping: CancellationToken,
}

/// All routes, for a listener of this reach.
pub(crate) fn router(app: &Arc<App>, reach: Reach) -> Router {
    let for_callers = Router::new()
        .route("/tokens", only_get(list::list))
        .route("/tokens/{key}", only_get(token::token))
        .route("/tokens/{key}/status", only_get(status::status))
        .fallback(async || Problem::no_route(ROUTES))
        .layer(from_fn_with_state(Arc::clone(app), caller::require_key));
    let for_everybody =
        Router::new().route("/livez", only_get(health::livez)).route("/readyz", only_get(health::readyz));
    // The last layer is the first that a request passes.
    for_callers
        .merge(for_everybody)
        .layer(from_fn(refuse_large_body))
        .layer(from_fn_with_state(reach, browser::refuse_foreign))
        .layer(from_fn(observe))
        .with_state(Arc::clone(app))
}

/// A handler for GET and nothing else. With `get` alone axum would let it answer HEAD too, and would write `Allow` on
/// whatever another method is answered, a 401 too, which must not tell that there is something.
fn only_get<H, T>(handler: H) -> MethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    any(wrong_method).get(handler).head(wrong_method)
}

async fn wrong_method() -> Problem {
    Problem::wrong_method()
}

/// Bodies are not read. One whose length is known to be large is refused, so that nobody sends it in vain; the
/// connection of another ends with the answer.
async fn refuse_large_body(request: Request, next: Next) -> Result<Response, Problem> {
    if request.body().size_hint().lower() > MAX_BODY {
        Err(Problem::body_too_large())
    } else {
        Ok(next.run(request).await)
    }
}

/// An answer that nobody may keep: it holds a token, or is true only now.
fn no_store(body: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, "no-store")], body).into_response()
}

const ROUTES: &str = "GET /tokens, /tokens/{key}, /tokens/{key}/status, /livez and /readyz";
/// In bytes.
const MAX_BODY: u64 = 64 * 1024;
