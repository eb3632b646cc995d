//! `/auth/{key}`: for proxies that ask before they pass a request on (nginx `auth_request`, Caddy `forward_auth`,
//! Traefik `forwardAuth`, Envoy `ext_authz`). 200 without a body, with the header to put on the request.
//!
//! A proxy asks by a method of its own or by that of the request that it holds, and may append the path of that one. So
//! any method and any path below are taken, and no body is read. And it may hand to its own client whatever is no 200.
//! So what is wrong stands in a header, in one word; 401 and 403 mean that the proxy may not have this token, 502 and
//! 503 that there is none, and no status says that there is something or not at the address that the client asked for.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};
use tokenkeep::Demand;
use tokenkeep::config::Action;
use tokenkeep_api::ProblemCode;

use super::no_store;
use crate::app::App;
use crate::audit::{ByCaller, Who};
use crate::caller::Caller;
use crate::front::Front;
use crate::key_in_path::decoded;
use crate::problem::{Problem, TOKENKEEP_PROBLEM};

pub(super) fn routes(front: Front) -> Router<Arc<App>> {
    Router::new()
        .route("/auth/{key}", any(auth))
        .route("/auth/{key}/", any(auth))
        .route("/auth/{key}/{*path}", any(auth))
        .layer(front)
}

async fn auth(State(app): State<Arc<App>>, ByCaller(who, caller): ByCaller, request: Request) -> Response {
    match header(&app, (&who, &caller), request.uri().path()).await {
        Ok(header) => no_store([header]),
        Err(problem) => refusal(problem),
    }
}

/// The header that the API of this path's key takes a token in.
async fn header(app: &App, who: (&Who, &Caller), path: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    let segment = path.split('/').nth(2).unwrap_or_default();
    let (handle, had) = app.hand_out(who, (Action::Get, "auth"), &decoded(segment)?, Demand::default()).await?;
    Ok(handle.header(&had.token))
}

fn refusal(problem: Problem) -> Response {
    let problem = problem.into_body();
    let status = match problem.code {
        ProblemCode::InvalidRequest
        | ProblemCode::Unauthenticated
        | ProblemCode::Forbidden
        | ProblemCode::UnknownKey => StatusCode::FORBIDDEN,
        ProblemCode::LoginRequired | ProblemCode::Refused => StatusCode::BAD_GATEWAY,
        ProblemCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemCode::Internal | ProblemCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut answer = no_store(status.into_response());
    answer.extensions_mut().insert(problem.code);
    answer.headers_mut().insert(TOKENKEEP_PROBLEM, HeaderValue::from_static(problem.code.as_str()));
    if let Some(seconds) = problem.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    answer
}
