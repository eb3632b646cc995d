//! The routes, and what a request passes on its way to them.

mod auth;
mod cleanup;
mod clear;
mod credentials;
mod dashboard;
mod debug_token;
mod description;
mod health;
mod list;
mod metrics;
mod oauth2;
mod refresh;
mod reject;
mod stats;
mod status;
mod token;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use crate::app::App;
use crate::audit;
use crate::browser::Reach;
use crate::front::{Front, Gate};
use crate::problem::Problem;
use crate::proxy::{self, Proxy};
use crate::server::Limits;

pub(crate) use self::health::Health;

/// All routes, for a listener of this reach.
pub(crate) fn router(app: &Arc<App>, proxy: &Arc<Proxy>, reach: Reach, limits: &Limits) -> Router {
    let audited = |action| from_fn_with_state((Arc::clone(app), action), audit::audited);
    let audited_at_default = |action| from_fn_with_state((Arc::clone(app), action), audit::audited_at_default);
    let open = Gate { is_for_callers: false, body_timeout: Some(limits.body_timeout), wording: std::convert::identity };
    let for_callers = Gate { is_for_callers: true, ..open };
    let unread = Gate { body_timeout: None, ..for_callers };
    let front = |gate| Front::new(app, reach, gate);
    let of_callers = Router::new()
        .route("/tokens", only_get(list::list))
        .route("/tokens/stats", only_get(stats::stats))
        .route("/tokens/cleanup", only("POST").post(cleanup::cleanup.layer(audited("cleanup"))))
        .route(
            "/tokens/credentials/test",
            only("POST").post(credentials::test_at_default.layer(audited_at_default("test_credentials"))),
        )
        .route(
            "/tokens/credentials/{account}",
            only("POST").post(credentials::store_of_default.layer(audited("store_credentials"))),
        )
        .route("/tokens/{key}", only_get_and("GET, DELETE", token::token).delete(clear::clear.layer(audited("clear"))))
        .route("/tokens/{key}/status", only_get(status::status))
        .route("/tokens/{key}/watch", only_get(watch::watch))
        .route("/tokens/{key}/refresh", only("POST").post(refresh::refresh.layer(audited("refresh"))))
        .route("/tokens/{key}/reject", only("POST").post(reject::reject.layer(audited("reject"))))
        .route(
            "/tokens/{key}/credentials",
            only("PUT, DELETE")
                .put(credentials::put.layer(audited("store_credentials")))
                .delete(credentials::delete.layer(audited("remove_credentials"))),
        )
        .route(
            "/tokens/{key}/credentials/test",
            only("POST").post(credentials::test.layer(audited("test_credentials"))),
        )
        .route("/metrics", only_get(metrics::metrics))
        .route("/api/debug/token", only_get(debug_token::debug_token))
        .fallback(async || Problem::no_route())
        .layer(front(for_callers));
    let of_everybody = Router::new()
        .route("/livez", get_and_head(health::livez))
        .route("/readyz", get_and_head(health::readyz))
        .route("/health", get_and_head(health::health))
        // Whoever opens a page in a browser has no way to send a key with that request. It holds nothing of this server.
        .route("/dashboard", get_and_head(dashboard::dashboard))
        .route("/docs", get_and_head(description::docs))
        .route("/openapi.json", get_and_head(description::openapi))
        .layer(front(open));
    of_callers
        .merge(of_everybody)
        .merge(proxy::routes((app, proxy), front(unread)))
        .merge(auth::routes(front(unread)))
        .merge(oauth2::routes(&front, open))
        .with_state(Arc::clone(app))
}

/// A route for GET and nothing else.
fn only_get<H, T>(handler: H) -> MethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    only_get_and("GET", handler)
}

/// A route for GET and the methods that are added to it.
fn only_get_and<H, T>(allow: &'static str, handler: H) -> MethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    only(allow).get(handler).head(async move || Problem::wrong_method(allow))
}

/// A route for GET and for HEAD, whose answer is the same without its body.
fn get_and_head<H, T>(handler: H) -> MethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    only("GET, HEAD").get(handler.clone()).head(handler)
}

/// A route that answers a problem to each method that is not added to it. By itself axum would let GET answer HEAD too,
/// and would write `Allow` on whatever another method is answered, a 401 too, which must not tell that there is
/// something.
fn only(allow: &'static str) -> MethodRouter<Arc<App>> {
    any(async move || Problem::wrong_method(allow))
}

/// An answer that nobody may keep: it holds a token, or is true only now.
fn no_store(body: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, "no-store")], body).into_response()
}

/// A page for people, with what a browser may do with it.
fn page(html: &'static str, policy: &'static str) -> Response {
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    no_store((headers, html))
}
