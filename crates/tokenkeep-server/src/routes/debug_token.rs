//! `GET /api/debug/token?key=`: what an older monitoring expects to know of a token, and never the token.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use tokenkeep::Key;
use tokenkeep_api::{DebugTokenAnswer, DebugTokenInfo, DebugTokenMetrics};

use super::no_store;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;
use crate::sums::is_good;

/// Without a key it is that of the only provider that the caller may see.
pub(super) async fn debug_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["key"])?;
    let handle = match query.text("key") {
        Some(key) => app.visible(&caller, key)?,
        None => app.visible(&caller, &only_provider(&app, &caller)?)?,
    };
    let status = handle.status().await;
    let is_valid = is_good(&status);
    let end = status.expires_at.and_then(|end| end.duration_since(UNIX_EPOCH).ok());
    Ok(no_store(Json(DebugTokenAnswer {
        status: "success".to_owned(),
        token_available: is_valid,
        token_info: DebugTokenInfo {
            has_token: status.has_token,
            is_valid,
            expires_in: status.expires_in.map(|left| left.as_secs()),
            expiry_time: end.and_then(|end| i64::try_from(end.as_secs()).ok()),
            metrics: DebugTokenMetrics {
                token_generations: status.generation,
                total_token_requests: app.metrics.token_requests(&status.key),
            },
        },
    })))
}

fn only_provider(app: &App, caller: &Caller) -> Result<String, Problem> {
    let mut providers = app.manager.providers();
    providers.retain(|name| caller.may_see_provider(name));
    match <[String; 1]>::try_from(providers) {
        Ok([only]) if Key::parse(&only).is_ok_and(|key| caller.may_see(&key)) => Ok(only),
        Ok(_) => Err(Problem::invalid("name the key with ?key=")),
        Err(_) => Err(Problem::invalid("there is not exactly one provider; name the key with ?key=")),
    }
}
