//! `GET /tokens/{key}/status`: all that an operator may know of a key.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn status(
    State(app): State<Arc<App>>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    Query::parse(query.as_deref(), &[])?;
    let status = app.visible(&caller, &key)?.status().await;
    Ok(no_store(Json(answer::status_for(&caller, &status))))
}
