//! `GET /tokens/{key}?min_valid=&max_wait=`: a token that can be used now.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use tokenkeep::Demand;
use tokenkeep::config::Action;
use tokenkeep::expiry::MAX_LIFE;
use tokenkeep_api::TokenAnswer;

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::audit::ByCaller;
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn token(
    State(app): State<Arc<App>>,
    ByCaller(who, caller): ByCaller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    let demand = demand(query.as_deref())?;
    let (handle, answer) = app.hand_out((&who, &caller), (Action::Get, "get"), &key, demand).await?;
    Ok(no_store(json(&answer::token_for(&caller, handle.key(), &answer))))
}

/// As [`Json`](axum::Json) does it, which would begin with little room and copy a long token again and again.
fn json(answer: &TokenAnswer) -> Response {
    let mut text = Vec::with_capacity(answer.access_token.len() + USUAL_REST);
    match serde_json::to_writer(&mut text, answer) {
        Ok(()) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response(),
        Err(_) => Problem::broken().into_response(),
    }
}

fn demand(query: Option<&str>) -> Result<Demand, Problem> {
    let query = Query::parse(query, &["min_valid", "max_wait"])?;
    let default = Demand::default();
    let min_valid = query.duration("min_valid", MAX_LIFE)?.unwrap_or(default.min_valid);
    let max_wait = query.duration("max_wait", MAX_WAIT)?.unwrap_or(default.max_wait);
    Ok(default.with_min_valid(min_valid).with_max_wait(max_wait))
}

/// What an answer has beside the token, in bytes, mostly.
const USUAL_REST: usize = 512;
/// The longest time that a caller may wait.
const MAX_WAIT: Duration = Duration::from_mins(5);
