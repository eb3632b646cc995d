//! `GET /livez`, `GET /readyz` and `GET /health`.

use std::sync::Arc;

use serde_json::json;
use tokenkeep_sandbox::Fault;

use crate::fakes::BrokenStore;
use crate::secrets::PASSWORD;
use crate::world::{Setup, World};

async fn anonymous(world: &World, path: &str) -> (u16, String) {
    let response = world.http.get(world.url(path)).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_running_broker_is_alive_and_ready_for_everybody() {
    let world = Setup::keyed().start().await;
    assert_eq!(anonymous(&world, "/livez").await, (200, "ok".to_owned()));
    assert_eq!(anonymous(&world, "/readyz").await, (200, r#"{"ready":true}"#.to_owned()));
    world.end().await;
}

#[tokio::test]
async fn a_broker_without_its_background_work_is_alive_but_not_ready_and_tells_why_to_callers_only() {
    let world = Setup::keyed().start().await;
    world.manager.stop().await.unwrap();
    assert_eq!(anonymous(&world, "/livez").await.0, 200);
    let expected = |detail: &str| json!({"code": "unavailable", "title": "Unavailable for now", "detail": detail, "retry_after": 1});
    let (status, problem) = anonymous(&world, "/readyz").await;
    assert_eq!((status, serde_json::from_str(&problem).unwrap()), (503, expected("not ready")));
    let why = "the background work does not run: tokens are renewed only when somebody waits for them";
    assert_eq!(world.json("/readyz").await, (503, expected(why)));
    world.end().await;
}

#[tokio::test]
async fn a_failing_store_is_a_warning_for_callers_and_tokens_flow() {
    let mut setup = Setup::keyed();
    setup.manager = setup.manager.store(Arc::new(BrokenStore));
    let mut world = setup.start().await;
    assert_eq!(world.json("/tokens").await.0, 200, "what needs no store is listed");
    let (status, answer) = world.json("/tokens/fixed").await;
    let failing = json!({"code": "store_failing", "detail": "the store does not work: broken:: disk on fire"});
    assert_eq!(status, 200);
    assert!(answer["warnings"].as_array().unwrap().contains(&failing), "{answer}");

    assert_eq!(world.json("/readyz").await, (200, json!({"ready": true, "warnings": [failing]})));
    assert_eq!(anonymous(&world, "/readyz").await, (200, r#"{"ready":true}"#.to_owned()));
    world.begin_to_stop();
    world.stopped().await;
}

#[tokio::test]
async fn an_issuers_outage_does_not_make_a_broker_unready() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::ConnectionReset);
    assert_eq!(world.get("/tokens/reports").await.status(), 503);
    assert_eq!(world.json("/readyz").await, (200, json!({"ready": true})));
    world.end().await;
}

#[tokio::test]
async fn a_key_that_needs_somebody_to_act_is_unhealthy_at_once_and_the_sums_wait_for_more_failures() {
    let world = Setup::keyed().with_accounts().start().await;
    for (password, status, verdict) in [("planted-wrong-password", 503, "unhealthy"), (PASSWORD, 200, "healthy")] {
        let given = json!({ "username": "ann", "password": password });
        let put = world.send("PUT", "/tokens/bluestakes:123/credentials").json(&given).send().await.unwrap();
        assert_eq!(put.status(), 204);
        world.get("/tokens/bluestakes:123").await;
        let (found, health) = world.json("/health?key=bluestakes:123").await;
        assert_eq!((found, &health["status"]), (status, &json!(verdict)), "{health}");
        let (found, health) = world.json("/health").await;
        assert_eq!((found, &health["status"]), (200, &json!("healthy")), "{health}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_load_balancer_may_ask_by_head() {
    let world = Setup::keyed().start().await;
    for path in ["/livez", "/readyz", "/health"] {
        let [get, head] = ["GET", "HEAD"].map(|method| world.http.request(method.parse().unwrap(), world.url(path)));
        let (get, head) = (get.send().await.unwrap(), head.send().await.unwrap());
        assert_eq!((head.status(), head.status().as_u16()), (get.status(), 200), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"]);
        assert_eq!((head.bytes().await.unwrap().len(), get.bytes().await.unwrap().is_empty()), (0, false));
    }
    world.manager.stop().await.unwrap();
    assert_eq!(world.http.head(world.url("/readyz")).send().await.unwrap().status(), 503);
    world.end().await;
}

#[tokio::test]
async fn an_account_without_credentials_is_unhealthy() {
    let world = Setup::keyed().with_accounts().start().await;
    let (status, health) = world.json("/health?key=bluestakes:123").await;
    assert_eq!((status, &health["status"]), (503, &json!("unhealthy")), "{health}");
    let (status, health) = world.json("/health?key=fixed").await;
    assert_eq!((status, &health["status"]), (200, &json!("healthy")), "{health}");
    world.end().await;
}
