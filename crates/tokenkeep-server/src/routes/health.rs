//! `GET /livez` and `GET /readyz`, for whoever watches over this process. Both are open to everybody.
//!
//! Ready means that it makes sense to send callers here: the background work runs, and the server is not about to stop.
//! A store that fails is a warning and not more, because tokens go on flowing from memory and from the issuers; were
//! such a broker taken out of service, the store's outage would become everybody's. Nor does an issuer's outage count:
//! the other providers' tokens flow.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use tokenkeep::Warning;
use tokenkeep_api::Readiness;

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::caller::MaybeCaller;
use crate::problem::Problem;

pub(super) async fn livez() -> Response {
    no_store("ok")
}

/// Says why only to callers.
pub(super) async fn readyz(State(app): State<Arc<App>>, MaybeCaller(caller): MaybeCaller) -> Result<Response, Problem> {
    let is_caller = caller.is_some();
    if let Some(why) = why_not(&app) {
        return Err(Problem::not_ready(if is_caller { why } else { "not ready" }));
    }
    let store = app.manager.store_trouble().filter(|_| is_caller);
    let warnings = store.map(|what| answer::warning(&Warning::StoreFailing { what })).into_iter().collect();
    Ok(no_store(Json(Readiness { ready: true, warnings })))
}

fn why_not(app: &App) -> Option<&'static str> {
    if app.stopping.is_cancelled() {
        Some("the server is stopping")
    } else if !app.manager.is_running() {
        Some("the background work does not run: tokens are renewed only when somebody waits for them")
    } else {
        None
    }
}
