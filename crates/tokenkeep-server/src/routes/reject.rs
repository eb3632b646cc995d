//! `POST /tokens/{key}/reject`: a resource server refused the token of this generation.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use tokenkeep::config::Action;
use tokenkeep_api::{RejectAnswer, RejectRequest};

use super::no_store;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn reject(
    State(app): State<Arc<App>>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    let generation = generation(query.as_deref(), &body?)?;
    let handle = app.handle(&caller, Action::Get, &key)?;
    let rejected = handle.reject_generation(generation);
    Ok(no_store(Json(RejectAnswer { key: handle.key().to_string(), generation, rejected })))
}

fn generation(query: Option<&str>, body: &[u8]) -> Result<u64, Problem> {
    let query = Query::parse(query, &["generation"])?;
    match (query.parsed("generation", "a whole number")?, body) {
        (Some(generation), []) => Ok(generation),
        (None, body) if !body.is_empty() => {
            let request = serde_json::from_slice::<RejectRequest>(body);
            request.map(|request| request.generation).map_err(|_| Problem::invalid(FORM))
        }
        _ => Err(Problem::invalid(FORM)),
    }
}

const FORM: &str = "which token was refused? send {\"generation\": N} with the generation that came with it, \
                    or ?generation=N";
