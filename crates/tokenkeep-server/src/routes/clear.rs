//! `DELETE /tokens/{key}`: forgets a token; the next who asks has a new one obtained.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use tokenkeep::config::Action;

use super::no_store;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn clear(
    State(app): State<Arc<App>>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    Query::parse(query.as_deref(), &[])?;
    app.handle(&caller, Action::Refresh, &key)?.clear().await?;
    Ok(no_store(StatusCode::NO_CONTENT))
}
