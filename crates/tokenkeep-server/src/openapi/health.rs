//! How the process is, and what it can be asked.

use serde_json::{Value, json};
use tokenkeep::Code;
use tokenkeep_api::{HealthAnswer, HealthState, HealthTokens, Readiness};

use super::management::stats;
use super::operation::Access::{Caller, Open, OpenAndMore};
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
                 few seconds old.",
            )
            .access(OpenAndMore)
            .query("key", Form::Key, KEY)
            .answers(200, "At most 5 attempts in a row failed.", &health(HealthState::Healthy, 0))
            .answers(503, "More than 5 attempts in a row failed.", &health(HealthState::Unhealthy, 6))
            .problems(&[Code::InvalidRequest, Code::Unauthenticated, Code::UnknownKey]),
        of(Subject::Description, "/openapi.json", "getDescription", "This description, as OpenAPI 3.1")
            .access(Caller)
            .answers(200, "The description.", &json!({"openapi": "3.1.0"}) as &Value),
        of(Subject::Description, "/docs", "getDocs", "This description, as a page")
            .about("One page that loads nothing from anywhere.")
            .access(Caller)
            .answers_text("The page.", "text/html", "<!doctype html>…"),
    ]
}

fn health(status: HealthState, consecutive_failures: u32) -> HealthAnswer {
    let token_info = HealthTokens { has_token: true, expires_in: Some(3241), stats: stats() };
    HealthAnswer { status, token_info, consecutive_failures, warnings: Vec::new() }
}
