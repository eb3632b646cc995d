//! `GET /metrics`: what a monitoring system may know.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;

use super::no_store;
use crate::app::App;
use crate::caller::Caller;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::parse(query.as_deref(), &[])?;
    // All keys are gone through, and there may be a million.
    let page = tokio::task::spawn_blocking(move || Metrics::page(&app.metrics, &app.manager, &caller));
    let page = page.await.map_err(|_| Problem::broken())?;
    Ok(no_store(([(CONTENT_TYPE, TEXT_FORMAT)], page)))
}

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
