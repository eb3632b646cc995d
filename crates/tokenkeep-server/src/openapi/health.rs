//! How the process is, and what it can be asked.

use serde_json::{Value, json};
use tokenkeep::Code;
use tokenkeep_api::{
    DebugTokenAnswer, DebugTokenInfo, DebugTokenMetrics, HealthAnswer, HealthState, HealthTokens, Readiness,
};

use super::management::stats;
use super::operation::Access::{Open, OpenAndMore};
use super::operation::{Form, Operation, Subject};
use super::tokens::KEY;

pub(super) fn operations() -> Vec<Operation> {
    let of = |subject, path, id, summary| Operation::new(subject, "GET", path, id, summary);
    vec![
        of(Subject::Health, "/livez", "getLiveness", "Whether the process serves")
            .access(Open)
            .answers_text("It does.", "text/plain", "ok"),
        of(Subject::Health, "/readyz", "getReadiness", "Whether it makes sense to send callers here")
            .about(
                "It does while the background work runs and the server is not about to stop. A store that fails is a \
                 warning, which only callers are shown: tokens go on flowing from memory and from the issuers.",
            )
            .access(OpenAndMore)
            .answers(200, "It does.", &Readiness { ready: true, warnings: Vec::new() })
            .problems(&[Code::Unavailable]),
        of(Subject::Health, "/health", "getHealth", "How the tokens are")
            .about(
                "Sums over all keys, which name none of them; or one key, for callers who may see it. The sums may be a \
                 few seconds old. One key is also unhealthy in the states `refused` and `login_required`, and without \
                 credentials.",
            )
            .access(OpenAndMore)
            .query("key", Form::Key, KEY)
            .answers(200, "At most 5 attempts in a row failed.", &health(HealthState::Healthy, 0))
            .answers(503, "More than 5 attempts in a row failed, or the key needs somebody to act.", &health(HealthState::Unhealthy, 6))
            .problems(&[Code::InvalidRequest, Code::Unauthenticated, Code::UnknownKey]),
        of(Subject::Health, "/metrics", "getMetrics", "What a monitoring system may know")
            .about("In the text format of Prometheus, of the keys that the caller may see.")
            .answers_text("The metrics.", "text/plain", "# TYPE tokenkeep_store_failing gauge\ntokenkeep_store_failing 0\n"),
        of(Subject::Health, "/api/debug/token", "getDebugToken", "What an older monitoring expects to know of a token")
            .about("Never the token. Without a key it is that of the only provider that the caller may see.")
            .query("key", Form::Key, KEY)
            .answers(200, "What is known.", &debug_token())
            .problems(&[Code::UnknownKey]),
        of(Subject::Health, "/dashboard", "getDashboard", "How keys, callers and issuers are doing, as a page")
            .about(
                "One page that loads nothing from anywhere. Its script asks the routes above as the caller whose key is \
                 typed into it, and shows what that caller may see.",
            )
            .access(Open)
            .answers_text("The page.", "text/html", "<!doctype html>…"),
        of(Subject::Description, "/openapi.json", "getDescription", "This description, as OpenAPI 3.1")
            .access(Open)
            .answers(200, "The description.", &json!({"openapi": "3.1.0"}) as &Value),
        of(Subject::Description, "/docs", "getDocs", "This description, as a page")
            .about("One page that loads nothing from anywhere. Its script tries routes out as the caller whose key is typed into it.")
            .access(Open)
            .answers_text("The page.", "text/html", "<!doctype html>…"),
    ]
}

fn health(status: HealthState, consecutive_failures: u32) -> HealthAnswer {
    let token_info = HealthTokens { has_token: true, expires_in: Some(3241), stats: stats() };
    HealthAnswer { status, token_info, consecutive_failures, warnings: Vec::new() }
}

fn debug_token() -> DebugTokenAnswer {
    let metrics = DebugTokenMetrics { token_generations: 1, total_token_requests: 15 };
    let token_info = DebugTokenInfo {
        has_token: true,
        is_valid: true,
        expires_in: Some(39_540),
        expiry_time: Some(1_704_123_456),
        metrics,
    };
    DebugTokenAnswer { status: "success".to_owned(), token_available: true, token_info }
}
