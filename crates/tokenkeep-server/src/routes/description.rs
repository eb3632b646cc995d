//! `GET /openapi.json` and `GET /docs`: what this server can be asked, for programs and for people.

use axum::extract::RawQuery;
use axum::response::{IntoResponse as _, Response};
use http::HeaderName;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use super::no_store;
use crate::openapi::{OPENAPI, openapi_page, page_policy};
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn openapi(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::parse(query.as_deref(), &[])?;
    Ok(no_store(([(CONTENT_TYPE, "application/json")], OPENAPI)))
}

/// The page may run its own script and nothing else, and ask this server only.
pub(super) async fn docs(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::parse(query.as_deref(), &[])?;
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, page_policy()),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok(no_store((headers, openapi_page())).into_response())
}
