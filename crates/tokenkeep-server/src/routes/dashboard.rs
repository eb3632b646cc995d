//! `GET /dashboard`: how keys, callers and issuers are doing, for people.

use axum::extract::RawQuery;
use axum::response::Response;

use super::page;
use crate::dashboard;
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn dashboard(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::parse(query.as_deref(), &[])?;
    Ok(page(dashboard::page(), dashboard::page_policy()))
}
