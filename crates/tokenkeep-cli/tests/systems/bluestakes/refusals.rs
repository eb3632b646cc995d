//! Requests to the vendor that it answers with 401 or 403.

use reqwest::Method;
use serde_json::json;
use tokenkeep_sandbox::{Fault, VENDOR};
use tokio::task::JoinSet;

use super::vendor::Vendor;

/// B6: on 401 the token that was used is dropped, a new one obtained and the request sent once more, all logged; many
/// callers that meet the 401 at once cause one login.
#[tokio::test]
async fn a_hundred_requests_that_meet_a_401_cause_one_login_and_all_succeed() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    broker.client.give_credentials("7").await;
    assert_eq!(broker.client.get("/proxy/7/api/tickets").await.0, 200);
    assert_eq!((vendor.logins(), vendor.example.sandbox.revoke_tokens(VENDOR)), (1, 1));

    let mut callers = JoinSet::new();
    for number in 0..100 {
        let client = broker.client.clone();
        callers.spawn(async move { client.post("/proxy/7/api/tickets", Some(json!({ "number": number }))).await });
    }
    let answers = callers.join_all().await;
    assert!(answers.iter().all(|(status, answer)| *status == 200 && answer["path"] == "/tickets"), "{answers:?}");
    assert_eq!(vendor.logins(), 2);
    assert!(vendor.example.sandbox.counters_of(VENDOR).api_refused >= 1);
    broker
        .server
        .says_all(&["INFO", "the resource server refused the token; it is renewed", "bluestakes:7", "generation=1"])
        .await;
    broker.server.says_all(&["INFO", "obtained a new token", "bluestakes:7", "generation=2"]).await;
    broker
        .server
        .says_all(&["INFO", "a token was refused; the request is sent once more", "status=401", "generation=1"])
        .await;
}

/// B6: and on 403, where the provider is set so.
#[tokio::test]
async fn a_403_is_a_refusal_too_and_a_request_is_sent_twice_at_most() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    broker.client.give_credentials("7").await;
    let forbidden = Fault::Status { status: 403, body: "{}".into() };
    vendor.example.sandbox.set_api_fault(forbidden.clone().times(1));
    assert_eq!(broker.client.get("/proxy/7/api/tickets").await.0, 200);
    assert_eq!(vendor.logins(), 2);
    broker.server.says_all(&["the request is sent once more", "status=403"]).await;

    // One that stays forbidden is the vendor's answer in the end.
    vendor.example.sandbox.set_api_fault(forbidden);
    assert_eq!(broker.client.get("/proxy/7/api/tickets").await.0, 403);
    assert_eq!(vendor.logins(), 3);
}

/// B6: whoever calls the vendor by itself names the generation that was refused.
#[tokio::test]
async fn a_client_that_calls_the_vendor_by_itself_drops_the_token_that_it_used() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    broker.client.give_credentials("7").await;
    let used = broker.client.token("7").await["generation"].clone();
    let rejected = broker.client.ask(Method::POST, "/tokens/7/reject", Some(json!({ "generation": used }))).await;
    assert_eq!(rejected, (200, json!({ "key": "bluestakes:7", "generation": 1, "rejected": true })));
    assert_eq!(broker.client.token("7").await["generation"], 2);
    let late = broker.client.ask(Method::POST, "/tokens/7/reject", Some(json!({ "generation": used }))).await;
    assert_eq!((&late.1["rejected"], vendor.logins()), (&json!(false), 2));
}
