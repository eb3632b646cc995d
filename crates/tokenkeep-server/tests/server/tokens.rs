//! `GET /tokens/{key}` and `GET /tokens/{key}/status`.

use std::time::Duration;

use serde_json::{Value, json};
use tokenkeep_api::TokenAnswer;
use tokenkeep_sandbox::Fault;

use crate::secrets;
use crate::world::Setup;

#[tokio::test]
async fn a_token_is_answered_with_all_that_a_caller_needs() {
    let world = Setup::open().start().await;
    let response = world.get("/tokens/vendor:7").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({
            "key": "vendor:7",
            "access_token": secrets::VENDOR_TOKEN,
            "token_type": "Bearer",
            "expires_in": 3600,
            "expires_at": "2030-03-17T18:46:40Z",
            "scope": "read write",
            "generation": 1,
            "warnings": [],
        })
    );
    world.end().await;
}

#[tokio::test]
async fn expires_in_is_what_is_left_now_rounded_down() {
    let world = Setup::open().start().await;
    world.get("/tokens/vendor").await;
    world.clock.advance(Duration::from_millis(1500));
    let (_, answer) = world.json("/tokens/vendor").await;
    assert_eq!((&answer["expires_in"], &answer["expires_at"]), (&json!(3598), &json!("2030-03-17T18:46:40Z")));
    world.end().await;
}

#[tokio::test]
async fn a_token_that_does_not_end_has_nulls_for_its_end_and_unknown_scope() {
    let world = Setup::open().start().await;
    assert_eq!(
        world.json("/tokens/fixed").await,
        (
            200,
            json!({
                "key": "fixed",
                "access_token": secrets::STATIC_TOKEN,
                "token_type": "Bearer",
                "expires_in": null,
                "expires_at": null,
                "scope": null,
                "generation": 1,
                "warnings": [],
            })
        )
    );
    world.end().await;
}

#[tokio::test]
async fn a_hundred_callers_of_an_empty_cache_cost_the_issuer_one_request() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::Hang);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        callers.spawn(world.ask("/tokens/reports").send());
    }
    world.sandbox.wait_for_requests("reports", 1).await;
    world.sandbox.clear_faults();
    world.sandbox.release();
    while let Some(answer) = callers.join_next().await {
        let answer: TokenAnswer = answer.unwrap().unwrap().json().await.unwrap();
        assert_eq!((answer.generation, answer.expires_in, answer.scope.as_deref()), (1, Some(300), Some("read")));
    }
    assert_eq!(world.sandbox.counters_of("reports").token_requests, 1);
    world.end().await;
}

#[tokio::test]
async fn an_issuer_that_is_down_is_a_503_that_says_when_to_come_again_and_then_it_works() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: "down".to_owned() });
    let response = world.get("/tokens/reports").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(
        problem,
        json!({
            "code": "unavailable",
            "title": "Unavailable for now",
            "detail": format!("{} answered 503", world.sandbox.address()),
            "key": "reports",
            "retry_after": 1,
        })
    );

    world.sandbox.clear_faults();
    world.clock.advance(Duration::from_secs(1));
    let (status, answer) = world.json("/tokens/reports").await;
    assert_eq!((status, &answer["generation"]), (200, &json!(1)));
    world.end().await;
}

#[tokio::test]
async fn a_good_token_goes_out_with_a_warning_while_the_issuer_is_down() {
    let world = Setup::open().start().await;
    world.get("/tokens/reports").await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    world.clock.advance(Duration::from_secs(30));
    world.manager.handle("reports").unwrap().refresh().await.unwrap_err();
    let (status, answer) = world.json("/tokens/reports").await;
    assert_eq!((status, &answer["expires_in"]), (200, &json!(270)));
    assert_eq!(answer["warnings"][0]["code"], "refresh_failing");
    world.end().await;
}

#[tokio::test]
async fn an_issuer_that_refuses_is_a_502_that_says_what_to_check() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::InvalidClient);
    let (status, problem) = world.json("/tokens/reports").await;
    assert_eq!((status, &problem["code"], &problem["key"]), (502, &json!("refused"), &json!("reports")));
    assert!(problem["detail"].as_str().unwrap().contains("check client_id"), "{problem}");
    assert_eq!(problem.get("retry_after"), None);
    world.end().await;
}

#[tokio::test]
async fn min_valid_longer_than_the_issuers_lives_is_the_callers_mistake_and_no_request() {
    let world = Setup::open().start().await;
    assert_eq!(world.json("/tokens/vendor?min_valid=1h%2030m").await.0, 400);
    assert_eq!(world.json("/tokens/vendor?min_valid=59m").await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn max_wait_bounds_the_wait_and_the_token_is_there_later() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::Hang);
    let response = world.get("/tokens/reports?max_wait=0").await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    world.sandbox.wait_for_requests("reports", 1).await;
    world.sandbox.release();
    assert_eq!(world.json("/tokens/reports").await.0, 200);
    assert_eq!(world.sandbox.counters_of("reports").token_requests, 1);
    world.end().await;
}

#[tokio::test]
async fn lengths_of_time_are_written_as_people_do_or_as_seconds() {
    let world = Setup::open().start().await;
    for text in ["30", "30s", "5m", "0", "10m30s", "10m+30s", "0s"] {
        let path = format!("/tokens/vendor?min_valid={text}&max_wait=1m");
        assert_eq!(world.get(&path).await.status(), 200, "{text}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_status_says_all_but_the_token() {
    let world = Setup::open().start().await;
    world.get("/tokens/vendor:7").await;
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(
        world.json("/tokens/vendor:7/status").await,
        (
            200,
            json!({
                "key": "vendor:7",
                "issuer": "vendor.example",
                "state": "fresh",
                "reason": "good for 3590 s",
                "generation": 1,
                "expires_in": 3590,
                "expires_at": "2030-03-17T18:46:40Z",
                "obtained_at": "2030-03-17T17:46:40Z",
                "life": 3600,
                "refresh_in": null,
                "consecutive_failures": 0,
                "failure": null,
                "obstacle": null,
                "warnings": [],
            })
        )
    );
    world.end().await;
}

#[tokio::test]
async fn the_status_of_a_failing_key_says_why_and_since_when() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    world.get("/tokens/reports").await;
    assert_eq!(
        world.json("/tokens/reports/status").await,
        (
            200,
            json!({
                "key": "reports",
                "issuer": world.sandbox.address().to_string(),
                "state": "backing_off",
                "reason": format!("{} answered 503", world.sandbox.address()),
                "generation": 0,
                "expires_in": null,
                "expires_at": null,
                "obtained_at": null,
                "life": null,
                "refresh_in": null,
                "consecutive_failures": 1,
                "failure": {
                    "kind": "unavailable",
                    "detail": format!("{} answered 503", world.sandbox.address()),
                    "next": null,
                    "since": "2030-03-17T17:46:40Z",
                    "retry_in": 1,
                },
                "obstacle": null,
                "warnings": [{
                    "code": "no_token_for_callers",
                    "detail": "1 caller went away without a token, the last one 0 s ago",
                }],
            })
        )
    );
    world.end().await;
}
