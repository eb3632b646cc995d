//! `POST /tokens/{key}/refresh?fallback=`: a new token now, whatever the present one is like.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use tokenkeep::config::Action;

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

/// Answers the status afterwards. If it fails, the present token stays.
pub(super) async fn refresh(
    State(app): State<Arc<App>>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    let query = Query::parse(query.as_deref(), &["fallback"])?;
    let by_fallback = query.parsed("fallback", "true or false")?.unwrap_or(false);
    let handle = app.handle(&caller, Action::Refresh, &key)?;
    let refreshed = if by_fallback { handle.refresh_by_fallback().await } else { handle.refresh().await };
    refreshed.map_err(|error| app.explained(&caller, &key, error.into()))?;
    Ok(no_store(Json(answer::status_for(&caller, &handle.status().await))))
}
