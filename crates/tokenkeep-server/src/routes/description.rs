//! `GET /openapi.json` and `GET /docs`: what this server can be asked, for programs and for people.

use axum::extract::RawQuery;
use axum::response::Response;
use http::header::CONTENT_TYPE;

use super::{no_store, page};
use crate::openapi::{OPENAPI, openapi_page, page_policy};
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn openapi(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::parse(query.as_deref(), &[])?;
    Ok(no_store(([(CONTENT_TYPE, "application/json")], OPENAPI)))
}

pub(super) async fn docs(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::parse(query.as_deref(), &[])?;
    Ok(page(openapi_page(), page_policy()))
}
