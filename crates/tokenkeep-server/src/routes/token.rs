//! `GET /tokens/{key}?min_valid=&max_wait=`: a token that can be used now.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use tokenkeep::Demand;
use tokenkeep::config::Action;
use tokenkeep::expiry::MAX_LIFE;

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
    Ok(no_store(Json(answer::token_for(&caller, handle.key(), &answer))))
}

fn demand(query: Option<&str>) -> Result<Demand, Problem> {
    let query = Query::parse(query, &["min_valid", "max_wait"])?;
    let default = Demand::default();
    let min_valid = query.duration("min_valid", MAX_LIFE)?.unwrap_or(default.min_valid);
    let max_wait = query.duration("max_wait", MAX_WAIT)?.unwrap_or(default.max_wait);
    Ok(default.with_min_valid(min_valid).with_max_wait(max_wait))
}

/// The longest time that a caller may wait.
const MAX_WAIT: Duration = Duration::from_mins(5);
