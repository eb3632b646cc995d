//! `POST /tokens/cleanup`: throws out tokens that have been over for a while, now.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use tokenkeep_api::CleanupAnswer;

use super::no_store;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

/// Only for callers who may do everything with all keys: the count says something of all of them.
pub(super) async fn cleanup(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::parse(query.as_deref(), &[])?;
    if !caller.administers_all() {
        let detail = "only a caller with tokens = [\"*\"] and allow = [\"admin\"] in its [[server.keys]] may clean up";
        return Err(Problem::forbidden(detail));
    }
    let removed = app.manager.cleanup().await?;
    Ok(no_store(Json(CleanupAnswer { removed: removed as u64 })))
}
