//! What the protected API lets through.

use std::time::Duration;

use crate::{World, error_of, header_of, json_of, status_of, text_of};
use serde_json::json;
use tokenkeep_sandbox::{Fault, UNKNOWN_CLIENT, VENDOR};

#[tokio::test]
async fn a_live_token_is_served_and_told_what_arrived() {
    let world = World::start().await;
    let token = world.access_token("reports").await;
    let url = format!("{}/things/1?full=yes", world.sandbox.api_url());
    let answer = json_of(world.http.post(url).bearer_auth(&token).body("12345")).await;
    let expected = json!({
        "ok": true, "client": "reports", "served": 1,
        "method": "POST", "path": "/things/1", "query": "full=yes", "body_bytes": 5,
    });
    assert_eq!(answer, expected);
    assert_eq!(status_of(world.http.get(world.sandbox.api_url()).bearer_auth(&token)).await, 200);
    assert_eq!(world.sandbox.counters_of("reports").api_served, 2);
}

#[tokio::test]
async fn anything_but_a_live_token_is_challenged() {
    let world = World::start().await;
    let token = world.access_token("reports").await;
    for authorization in ["Bearer nonsense", "Bearer", "", &token, &format!("Basic {token}")] {
        let response = world.call_api(authorization).send().await.unwrap();
        assert_eq!(response.status(), 401, "{authorization}");
        assert_eq!(header_of(&response, "www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    assert_eq!(status_of(world.http.get(world.sandbox.api_url())).await, 401);
    let counters = world.sandbox.counters_of(UNKNOWN_CLIENT);
    assert_eq!((counters.api_refused, counters.api_expired), (6, 0));
}

#[tokio::test]
async fn an_expired_token_is_refused_and_seen_to_be_expired() {
    let world = World::start().await;
    assert!(world.sandbox.set_life("reports", Duration::ZERO));
    let token = world.access_token("reports").await;
    assert_eq!(error_of(world.call_api(&format!("Bearer {token}"))).await, (401, "invalid_token".to_owned()));
    let counters = world.sandbox.counters_of("reports");
    assert_eq!((counters.api_refused, counters.api_expired), (1, 1));
}

#[tokio::test]
async fn a_life_of_any_length_is_obeyed() {
    let world = World::start().await;
    assert!(!world.sandbox.set_life("nobody", Duration::ZERO));
    assert!(world.sandbox.set_life("reports", Duration::MAX));
    let token = world.access_token("reports").await;
    assert_eq!(status_of(world.call_api(&format!("Bearer {token}"))).await, 200);

    assert!(world.sandbox.set_life(VENDOR, Duration::from_millis(1)));
    let login = json!({ "username": "alice", "password": "alice-password" });
    let token = text_of(&json_of(world.http.post(world.sandbox.login_url()).json(&login)).await, "Authorization");
    while status_of(world.call_api(&token)).await == 200 {}
    assert_eq!(world.sandbox.counters_of(VENDOR).api_expired, 1);
}

#[tokio::test]
async fn revoking_stops_access_tokens_and_leaves_refresh_tokens() {
    let world = World::start().await;
    let (reports, billing) = (world.access_token("reports").await, world.access_token("billing").await);
    let refresh_token = world.sandbox.issue_refresh_token("reports");
    assert_eq!(world.sandbox.revoke_tokens("reports"), 1);
    assert_eq!(status_of(world.call_api(&format!("Bearer {reports}"))).await, 401);
    assert_eq!(status_of(world.call_api(&format!("Bearer {billing}"))).await, 200);
    assert_eq!(status_of(world.refresh("reports", &refresh_token)).await, 200);
    assert_eq!(world.sandbox.counters_of("reports").api_expired, 0);

    assert_eq!(world.sandbox.revoke_all(), 2);
    assert_eq!(status_of(world.call_api(&format!("Bearer {billing}"))).await, 401);
    assert_eq!(status_of(world.call_api(&format!("Bearer {}", world.access_token("billing").await))).await, 200);
}

#[tokio::test]
async fn a_fault_of_the_api_spares_the_issuer_and_the_other_way_round() {
    let world = World::start().await;
    let unavailable = Fault::Status { status: 503, body: String::new() };
    world.sandbox.set_api_fault(unavailable.clone().times(1));
    let authorization = format!("Bearer {}", world.access_token("reports").await);
    assert_eq!(status_of(world.call_api(&authorization)).await, 503);
    assert_eq!(status_of(world.call_api(&authorization)).await, 200);

    world.sandbox.set_fault(unavailable);
    assert_eq!(status_of(world.call_api(&authorization)).await, 200);
}
