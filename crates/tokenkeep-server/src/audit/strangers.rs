//! Lines for those who are refused because nobody knows them: no API key, or a wrong one.
//!
//! Whoever tries keys out can do so thousands of times a second, and would fill the log with it. So only some leave a
//! line, and the next line says how many did not.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::MatchedPath;
use http::Method;
use http::request::Parts;
use tokenkeep::Moment;
use tokenkeep_api::ProblemCode;
use tracing::info;

use super::Who;
use crate::rate::Rate;

/// How many of them may still leave a line.
#[derive(Debug)]
pub(crate) struct Strangers {
    lines: Rate,
    left_out: AtomicU64,
}

impl Strangers {
    /// Writes the line of one who made this request and was refused, if it may be written.
    pub(crate) fn refused(&self, request: &Parts, now: Moment) {
        if self.lines.spend(now).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let left_out = Some(self.left_out.swap(0, Ordering::Relaxed)).filter(|count| *count > 0);
        let who: Option<&Who> = request.extensions.get();
        let route = request.extensions.get().map(MatchedPath::as_str);
        info!(
            target: "tokenkeep::audit",
            peer = who.map(|who| &*who.peer.shown),
            action = action(&request.method, route),
            outcome = ProblemCode::Unauthenticated.as_str(),
            left_out,
            request_id = who.map(|who| who.request_id.as_str()),
            "audit"
        );
    }
}

impl Default for Strangers {
    fn default() -> Self {
        Self { lines: Rate::per_second(LINES), left_out: AtomicU64::new(0) }
    }
}

/// What a caller would have done at a route, as its line calls it.
fn action(method: &Method, route: Option<&str>) -> &'static str {
    match route {
        Some("/tokens/{key}") if method == Method::GET => "get",
        Some("/tokens/{key}/watch") => "watch",
        Some(route) if route.starts_with("/proxy/") => "proxy",
        Some(route) if route.starts_with("/auth/") => "auth",
        Some("/oauth2/token") => "oauth2_token",
        _ => "-",
    }
}

/// So many at once, and as many in each second.
const LINES: u32 = 10;
