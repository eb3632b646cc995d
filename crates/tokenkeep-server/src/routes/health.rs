//! `GET /livez`, `GET /readyz` and `GET /health`, for whoever watches over this process. All are open to everybody, and
//! answer HEAD too, by which load balancers ask.
//!
//! Ready means that it makes sense to send callers here: the background work runs, and the server is not about to stop.
//! A store that fails is a warning and not more, because tokens go on flowing from memory and from the issuers; were
//! such a broker taken out of service, the store's outage would become everybody's. Nor does an issuer's outage count:
//! the other providers' tokens flow. That is what `/health` is for: it says how the tokens are.
//!
//! To say it all statuses are gone through, and everybody may ask. So an answer is kept for a while that grows with the
//! time that it took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use tokenkeep::{KeyState, Obstacle, TokenManager, Warning};
use tokenkeep_api::{HealthAnswer, HealthState, HealthTokens, Readiness, WarningAnswer};
use tokio::sync::Mutex;

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::caller::{Caller, MaybeCaller};
use crate::problem::Problem;
use crate::query::Query;
use crate::sight::Sight;
use crate::stopwatch::now;
use crate::sums::Sums;

pub(super) async fn livez() -> Response {
    no_store("ok")
}

/// Says why only to callers.
pub(super) async fn readyz(State(app): State<Arc<App>>, MaybeCaller(caller): MaybeCaller) -> Result<Response, Problem> {
    if let Some(why) = why_not(&app) {
        return Err(Problem::not_ready(if caller.is_some() { why } else { "not ready" }));
    }
    let warnings = caller.map(|caller| warnings(&app, &caller)).unwrap_or_default();
    Ok(no_store(Json(Readiness { ready: true, warnings })))
}

/// `GET /health?key=`: 503 if the attempts to get a token fail again and again, and for one key as soon as it takes
/// somebody to act before there is a token. Names nothing to those who are no callers.
pub(super) async fn health(
    State(app): State<Arc<App>>,
    MaybeCaller(caller): MaybeCaller,
    RawQuery(query): RawQuery,
    request: Parts,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["key"])?;
    let (sums, needs_somebody) = match query.text("key") {
        Some(key) => {
            let caller = caller.as_ref().ok_or_else(|| app.unauthenticated(&request))?;
            let status = app.visible(caller, key)?.status().await;
            let needs_somebody = matches!(status.state, KeyState::Refused | KeyState::LoginRequired)
                || status.obstacle == Some(Obstacle::NoCredentials);
            (Sums::over(&[status]), needs_somebody)
        }
        None => (app.health.sums(&app.manager).await, false),
    };
    let is_healthy = sums.consecutive_failures <= TOLERATED_FAILURES && !needs_somebody;
    let answer = HealthAnswer {
        status: if is_healthy { HealthState::Healthy } else { HealthState::Unhealthy },
        token_info: HealthTokens {
            has_token: sums.has_good,
            expires_in: sums.expires_in.map(|left| left.as_secs()),
            stats: sums.stats,
        },
        consecutive_failures: sums.consecutive_failures,
        warnings: caller.map(|caller| warnings(&app, &caller)).unwrap_or_default(),
    };
    let status = if is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(no_store((status, Json(answer))))
}

/// The sums over all keys, as they were a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    sums: Sums,
    until: Instant,
}

impl Health {
    /// One at a time works them out, for all who ask meanwhile.
    async fn sums(&self, manager: &TokenManager) -> Sums {
        let mut known = self.0.lock().await;
        let started = now();
        match &*known {
            Some(known) if started < known.until => known.sums,
            _ => {
                let sums = Sums::of(manager, Sight::whole()).await;
                let kept = started.elapsed().saturating_mul(KEPT_FOR_ITS_TIME).max(KEPT_AT_LEAST);
                *known = Some(Known { sums, until: now() + kept });
                sums
            }
        }
    }
}

/// What is wrong with the store. A record that cannot be read is a matter of who may see its key, in its status.
fn warnings(app: &App, caller: &Caller) -> Vec<WarningAnswer> {
    let is_told = caller.sight().is_none() || app.manager.is_store_failing();
    let store = app.manager.store_trouble().filter(|_| is_told);
    store.map(|what| answer::warning_for(caller, &Warning::StoreFailing { what })).into_iter().collect()
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

/// More than so many failures in a row are no passing trouble.
const TOLERATED_FAILURES: u32 = 5;
const KEPT_AT_LEAST: Duration = Duration::from_secs(1);
/// So at most a twentieth of the time goes into working them out.
const KEPT_FOR_ITS_TIME: u32 = 20;
