//! Tokens, and what is known of them.

use tokenkeep::Code;
use tokenkeep_api::{RejectAnswer, RejectRequest, State, StatusAnswer, TokenAnswer, TokenPage};

use super::operation::Access::Permission;
use super::operation::{Form, Need, Operation, Subject};

pub(super) fn operations() -> Vec<Operation> {
    let of = |method, path, id, summary| Operation::new(Subject::Tokens, method, path, id, summary);
    vec![
        of("GET", "/tokens/{key}", "getToken", "A token that can be used now")
            .about(
                "Obtains one if there is none. However many ask, the issuer gets one request.\n\n\
                 `min_valid` longer than the lives that the issuer gives is an `invalid_request` that states the life.",
            )
            .access(Permission("get"))
            .path("key", Form::Key, KEY)
            .query("min_valid", Form::Length, "The token must live at least so long: `30s`, `5m`, `1h`, or seconds.")
            .query("max_wait", Form::Length, "Wait at most so long for one, up to 5 minutes; 30 s if not said.")
            .answers(200, "The token. Nobody may keep the answer: `Cache-Control: no-store`.", &token())
            .problems(&FETCHING),
        of("GET", "/tokens/{key}/watch", "watchToken", "The present token and each new one, as they come")
            .about(
                "Server-sent events that go on until the broker stops or the caller may not have the token any more: \
                 `token` with the JSON of `GET /tokens/{key}`, and `problem` with a problem when there is none; then it \
                 goes on waiting. A comment comes every 15 s. Watchers cause no request to the issuer by themselves, \
                 and a key that is watched is renewed ahead of its end.",
            )
            .access(Permission("get"))
            .path("key", Form::Key, KEY)
            .header("Last-Event-ID", Form::Text, "The `id` of the last event that came; its token is not sent again.")
            .answers_text("Events, one after the other.", "text/event-stream", EVENTS)
            .problems(&[Code::UnknownKey]),
        of("GET", "/tokens/{key}/status", "getStatus", "All that an operator may know of a key")
            .about("Never the token. Asks no issuer.")
            .path("key", Form::Key, KEY)
            .answers(200, "The status.", &status())
            .problems(&[Code::UnknownKey, Code::Unavailable]),
        of("GET", "/tokens", "listStatuses", "The statuses of all keys, page by page")
            .about("In the order of their keys, those that the caller may see.")
            .query("after", Form::Key, "The `next` of the page before.")
            .query("limit", Form::UpTo(1000), "How many at most; 100 if not said.")
            .query("provider", Form::Provider, "Only keys of this provider.")
            .query("state", Form::State, "Only keys in this state.")
            .answers(200, "A page.", &TokenPage { tokens: vec![status()], next: Some("graph".to_owned()) })
            .problems(&[Code::UnknownKey]),
        of("POST", "/tokens/{key}/reject", "rejectToken", "A resource server refused a token")
            .about(
                "Acts only if that generation is still the present one: a thousand callers with the same 401 cause one \
                 refresh, a late one causes none. The next who asks for the token has a new one obtained.\n\n\
                 The generation is in the body or in the query, not in both.",
            )
            .access(Permission("get"))
            .path("key", Form::Key, KEY)
            .query("generation", Form::Generation, "In place of the body.")
            .takes(Need::Optional, &RejectRequest { generation: 1 })
            .answers(
                200,
                "What became of it.",
                &RejectAnswer { key: "graph".to_owned(), generation: 1, rejected: true },
            )
            .problems(&[Code::UnknownKey]),
    ]
}

fn token() -> TokenAnswer {
    TokenAnswer {
        key: "graph".to_owned(),
        access_token: "eyJ0…".to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: Some(3241),
        expires_at: Some("2026-11-21T04:54:09Z".to_owned()),
        scope: Some("https://graph.microsoft.com/.default".to_owned()),
        generation: 1,
        warnings: Vec::new(),
    }
}

/// What stands for all statuses.
pub(super) fn status() -> StatusAnswer {
    StatusAnswer {
        key: "graph".to_owned(),
        issuer: "login.microsoftonline.com".to_owned(),
        state: State::Fresh,
        reason: "good for 3241 s".to_owned(),
        generation: 1,
        expires_in: Some(3241),
        expires_at: Some("2026-11-21T04:54:09Z".to_owned()),
        obtained_at: Some("2026-11-21T03:54:10Z".to_owned()),
        life: Some(3599),
        refresh_in: Some(2340),
        consecutive_failures: 0,
        failure: None,
        obstacle: None,
        warnings: Vec::new(),
    }
}

const EVENTS: &str = "retry: 2000\n\nevent: token\nid: 1-5f3a0c21\ndata: {\"key\":\"graph\",…}\n\n: \n\n";
/// What a path's `{key}` is.
pub(super) const KEY: &str =
    "Which token: `graph`, or of an account `bluestakes:123`. With a default provider an account's name is enough.";
/// What can go wrong when an issuer is asked.
pub(super) const FETCHING: [Code; 4] = [Code::UnknownKey, Code::LoginRequired, Code::Refused, Code::Unavailable];
