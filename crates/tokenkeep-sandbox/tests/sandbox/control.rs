//! The sandbox steered by HTTP.

use crate::{World, json_of, status_of};
use serde_json::{Value, json};
use tokenkeep_sandbox::{Counters, Fault, OddBody, Outcome};

#[tokio::test]
async fn the_help_page_names_the_real_address_and_only_lines_that_work() {
    let world = World::start().await;
    let url = format!("{}/sandbox", world.sandbox.url());
    let help = world.http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(help.contains(&world.sandbox.token_url()) && !help.contains("{url}"));
    let faults: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("curl -X PUT -d '")?.split_once('\'').map(|(body, _)| body))
        .collect();
    assert_eq!(faults.len(), 13);
    for body in faults {
        assert_eq!(status_of(world.control("PUT", "faults", body)).await, 200, "{body}");
    }
    let names = help.split_once("Odd bodies: ").unwrap().1.split_once('.').unwrap().0;
    for name in names.split(',').map(str::trim).filter(|name| *name != "raw") {
        let body = json!({ "kind": "odd_body", "body": name }).to_string();
        assert_eq!(status_of(world.control("PUT", "faults", &body)).await, 200, "{body}");
    }
}

#[tokio::test]
async fn faults_are_set_shown_and_cleared() {
    let world = World::start().await;
    let set = async |body: Value| status_of(world.control("PUT", "faults", &body.to_string())).await;
    assert_eq!(set(json!({ "kind": "hang" })).await, 200);
    assert_eq!(set(json!({ "kind": "odd_body", "body": "empty", "client": "reports", "times": 2 })).await, 200);
    assert_eq!(set(json!({ "kind": "status", "status": 403, "at": "api" })).await, 200);

    let faults = world.sandbox.faults();
    assert_eq!(faults.everywhere, Some(Fault::Hang.into()));
    assert_eq!(faults.clients["reports"], Fault::OddBody { body: OddBody::Empty }.times(2));
    assert_eq!(faults.api, Some(Fault::Status { status: 403, body: String::new() }.into()));
    let shown = json_of(world.control("GET", "faults", "")).await;
    let expected = json!({ "kind": "odd_body", "body": "empty", "times": 2 });
    assert_eq!(shown["clients"]["reports"], expected);

    assert_eq!(status_of(world.control("DELETE", "faults", "")).await, 200);
    assert_eq!(world.sandbox.faults(), tokenkeep_sandbox::Faults::default());
}

#[tokio::test]
async fn bad_input_is_refused_with_what_to_do() {
    let world = World::start().await;
    for (method, path, body, says) in [
        ("PUT", "faults", "latency", r#"send {"kind": "latency""#),
        ("PUT", "faults", "[]", r#"send {"kind": "latency""#),
        ("PUT", "faults", r#"{"kind":"slow"}"#, "`latency`, `hang`"),
        ("PUT", "faults", r#"{"kind":"latency"}"#, "`millis`"),
        ("PUT", "faults", r#"{"kind":"latency","millis":3,"tmies":1}"#, "`tmies`"),
        ("PUT", "faults", r#"{"kind":"hang","tmies":1}"#, "`tmies`"),
        ("PUT", "faults", r#"{"kind":"hang","times":-1}"#, "-1"),
        ("PUT", "faults", r#"{"kind":"hang","client":"nobody"}"#, "there are: app, billing"),
        ("PUT", "faults", r#"{"kind":"hang","client":"web","at":"api"}"#, "exclude each other"),
        ("PUT", "faults", r#"{"kind":"odd_body","body":"weird"}"#, "`html`"),
        ("POST", "life", r#"{"client":"reports"}"#, r#"send {"client": "ID", "millis": 5000}"#),
        ("POST", "life", r#"{"client":"nobody","millis":1}"#, "there are: "),
        ("POST", "revoke", r#"{"cleint":"web"}"#, "`cleint`"),
        ("POST", "revoke", r#"{"client":"nobody"}"#, "there are: "),
        ("POST", "refresh_token", "", r#"send {"client": "ID"}"#),
    ] {
        let response = world.control(method, path, body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let text = response.text().await.unwrap();
        assert!(text.contains(says), "{body}: {text}");
    }
    assert_eq!(world.sandbox.faults(), tokenkeep_sandbox::Faults::default());
}

#[tokio::test]
async fn counters_and_requests_are_readable_as_the_rust_types() {
    let world = World::start().await;
    world.access_token("reports").await;
    let counters: Counters = serde_json::from_value(json_of(world.control("GET", "counters", "")).await).unwrap();
    assert_eq!(counters, world.sandbox.counters());
    let requests = json_of(world.control("GET", "requests", "")).await;
    assert_eq!(requests[0]["outcome"], json!(Outcome::Issued));
}

#[tokio::test]
async fn release_revoke_life_and_refresh_tokens_work_from_outside() {
    let world = World::start().await;
    let life = r#"{"client":"reports","millis":9000}"#;
    assert_eq!(status_of(world.control("POST", "life", life)).await, 204);
    let answer = json_of(world.client_credentials("reports")).await;
    assert_eq!(answer["expires_in"], 9);
    world.access_token("billing").await;
    assert_eq!(json_of(world.control("POST", "revoke", r#"{"client":"reports"}"#)).await, json!({ "revoked": 1 }));
    assert_eq!(json_of(world.control("POST", "revoke", "")).await, json!({ "revoked": 1 }));

    let started = json_of(world.control("POST", "refresh_token", r#"{"client":"web"}"#)).await;
    let token = crate::text_of(&started, "refresh_token");
    world.sandbox.set_fault(Fault::Hang);
    let mut callers = tokio::task::JoinSet::new();
    callers.spawn(status_of(world.refresh("web", &token)));
    world.sandbox.wait_for_requests("web", 1).await;
    assert_eq!(status_of(world.control("POST", "release", "")).await, 204);
    assert_eq!(callers.join_all().await, [200]);
}

#[tokio::test]
async fn other_paths_say_where_to_look() {
    let world = World::start().await;
    let response = world.http.get(format!("{}/oauth/token", world.sandbox.url())).send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert!(response.text().await.unwrap().contains("/sandbox"));
}
