//! `/sandbox/…`: what [`Sandbox`](crate::Sandbox) does, for curl and for other processes.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::answer::{JSON, TEXT, respond};
use crate::{
    fault::{Fault, FaultRule, Faults},
    traffic::Shared,
};

pub(crate) async fn help(State(shared): State<Arc<Shared>>) -> Response {
    respond(StatusCode::OK, TEXT, include_str!("control/help.txt").replace("{url}", &shared.url))
}

pub(crate) async fn counters(State(shared): State<Arc<Shared>>) -> Response {
    as_json(&shared.counters())
}

pub(crate) async fn requests(State(shared): State<Arc<Shared>>) -> Response {
    as_json(&shared.requests())
}

pub(crate) async fn faults(State(shared): State<Arc<Shared>>) -> Response {
    as_json(&shared.faults())
}

pub(crate) async fn set_fault(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let FaultOrder { scope, rule } = match FaultOrder::parse(&body) {
        Ok(order) => order,
        Err(problem) => return bad(&problem),
    };
    match scope {
        Scope::Everywhere => shared.change_faults(|faults| faults.everywhere = Some(rule)),
        Scope::Api => shared.change_faults(|faults| faults.api = Some(rule)),
        Scope::Client(client) => {
            if !shared.set_fault_for(&client, rule) {
                return unknown_client(&shared, &client);
            }
        }
    }
    as_json(&shared.faults())
}

pub(crate) async fn clear_faults(State(shared): State<Arc<Shared>>) -> Response {
    shared.change_faults(|faults| *faults = Faults::default());
    as_json(&shared.faults())
}

pub(crate) async fn release(State(shared): State<Arc<Shared>>) -> Response {
    shared.release();
    StatusCode::NO_CONTENT.into_response()
}

pub(crate) async fn revoke(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        client: Option<String>,
    }
    let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { &body };
    let order: Order = match parse(body, r#"{"client": "ID"}, or nothing for all clients"#) {
        Ok(order) => order,
        Err(problem) => return bad(&problem),
    };
    if let Some(client) = order.client.as_deref().filter(|client| !shared.knows(client)) {
        return unknown_client(&shared, client);
    }
    let revoked = shared.issuer().revoke(order.client.as_deref());
    as_json(&json!({ "revoked": revoked }))
}

pub(crate) async fn life(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        client: String,
        millis: u64,
    }
    let order: Order = match parse(&body, r#"{"client": "ID", "millis": 5000}"#) {
        Ok(order) => order,
        Err(problem) => return bad(&problem),
    };
    if shared.issuer().set_life(&order.client, Duration::from_millis(order.millis)) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        unknown_client(&shared, &order.client)
    }
}

pub(crate) async fn refresh_token(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        client: String,
    }
    let order: Order = match parse(&body, r#"{"client": "ID"}"#) {
        Ok(order) => order,
        Err(problem) => return bad(&problem),
    };
    if !shared.knows(&order.client) {
        return unknown_client(&shared, &order.client);
    }
    let refresh_token = shared.issuer().start_family(&order.client);
    as_json(&json!({ "refresh_token": refresh_token }))
}

/// A fault, for whom, and how often: the members of [`Fault`], and `client` or `at`, and `times`.
struct FaultOrder {
    scope: Scope,
    rule: FaultRule,
}

enum Scope {
    Everywhere,
    Client(String),
    Api,
}

impl FaultOrder {
    fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum At {
            Api,
        }
        #[derive(Deserialize)]
        struct Around {
            client: Option<String>,
            at: Option<At>,
            times: Option<u64>,
        }
        let mut value: Value = parse(body, FAULT_FORM)?;
        let around: Around = parse(body, FAULT_FORM)?;
        let scope = match (around.client, around.at) {
            (None, None) => Scope::Everywhere,
            (Some(client), None) => Scope::Client(client),
            (None, Some(At::Api)) => Scope::Api,
            (Some(_), Some(At::Api)) => return Err("`client` and `at` exclude each other".to_owned()),
        };
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, _| !matches!(name.as_str(), "client" | "at" | "times"));
        }
        let fault = Fault::deserialize(&value).map_err(|error| complaint(&error, FAULT_FORM))?;
        // serde lets strangers pass beside a `kind` that has no members of its own.
        let known = serde_json::to_value(&fault).unwrap_or_default();
        let stranger = value.as_object().and_then(|members| members.keys().find(|name| known.get(name).is_none()));
        match stranger {
            Some(name) => Err(complaint(&format!("unknown field `{name}`"), FAULT_FORM)),
            None => Ok(Self { scope, rule: FaultRule { fault, times: around.times } }),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8], form: &str) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| complaint(&error, form))
}

fn complaint(problem: &impl ToString, form: &str) -> String {
    format!("{}; send {form}; GET /sandbox has examples", problem.to_string())
}

fn unknown_client(shared: &Shared, client: &str) -> Response {
    let known = shared.counters().clients.into_keys().collect::<Vec<_>>().join(", ");
    bad(&format!("no client `{client}`; there are: {known}"))
}

fn bad(problem: &str) -> Response {
    respond(StatusCode::BAD_REQUEST, TEXT, format!("{problem}\n"))
}

fn as_json(value: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(text) => respond(StatusCode::OK, JSON, text + "\n"),
        Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
    }
}

const FAULT_FORM: &str =
    r#"{"kind": "latency", "millis": 300}, if you like with "client": "ID" or "at": "api", and "times": 3"#;
