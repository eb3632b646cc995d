//! What the old functions did, of one company and of none.

use reqwest::Method;
use serde_json::{Value, json};
use tokenkeep::Clock as _;
use tokenkeep::clock::SystemClock;
use tokenkeep_sandbox::VENDOR;

use super::vendor::{PASSWORD, USERNAME, Vendor, shipped};

/// B1: `get_or_refresh`, `is_valid`, `clear`, `cleanup` and `stats` of a company.
#[tokio::test]
async fn a_company_has_one_token_until_it_is_cleared() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    let client = &broker.client;
    assert_eq!(client.get("/tokens/7").await.0, 404, "a company without credentials");
    client.give_credentials("7").await;
    let token = client.token("7").await;
    assert_eq!(client.token("7").await["access_token"], token["access_token"]);
    assert_eq!((vendor.logins(), &client.get("/tokens/7/status").await.1["state"]), (1, &json!("fresh")));
    let stats = client.get("/tokens/stats").await.1;
    assert_eq!((&stats["total_cached"], &stats["valid_tokens"]), (&json!(1), &json!(1)));
    assert_eq!(client.post("/tokens/cleanup", None).await, (200, json!({ "removed": 0 })));

    assert_eq!(client.ask(Method::DELETE, "/tokens/7", None).await, (204, Value::Null));
    assert_eq!(client.get("/tokens/7/status").await.1["state"], "absent");
    let next = client.token("7").await;
    assert_ne!(next["access_token"], token["access_token"]);
    assert_eq!((vendor.logins(), &next["generation"]), (2, &json!(2)));
    // The same by the command line, which shares the store.
    assert_eq!(vendor.example.printed(&["get", "bluestakes:7"]).await, next["access_token"]);
    assert_eq!(vendor.logins(), 2);
}

/// B1: `store(company, token, ttl)`, for one or for all companies of the old table.
#[tokio::test]
async fn tokens_that_somebody_else_obtained_are_stored_with_their_end() {
    let vendor = Vendor::with_a_file().await;
    let now = SystemClock::new().now().wall_ms / 1_000;
    let rows = format!("company_id,token,expires_at\n7,of-the-old-system-7,{}\n8,of-8,{}\n", now + 3_000, now + 2_000);
    std::fs::write(vendor.example.path("tokens.csv"), rows).unwrap();
    vendor.example.printed(&["import", "bluestakes", "tokens.csv"]).await;
    let broker = vendor.serve().await;
    let token = broker.client.token("7").await;
    assert_eq!((&token["access_token"], vendor.logins()), (&json!("of-the-old-system-7"), 0));
    assert!((2_900..=3_000).contains(&token["expires_in"].as_u64().unwrap()), "{token}");
    assert_eq!(broker.client.token("8").await["access_token"], "of-8");
}

/// B1: a call without a company authenticates directly and caches nothing.
#[tokio::test]
async fn a_login_without_a_company_keeps_nothing() {
    let mut vendor = Vendor::with_a_file().await;
    vendor.example.config = shipped("direct.toml");
    let mut tokens = Vec::new();
    for logins in 1..=2 {
        tokens.push(vendor.example.printed(&["get", "bluestakes"]).await);
        assert_eq!(vendor.logins(), logins);
    }
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(std::fs::read_dir(vendor.example.home.path()).unwrap().count(), 0);
}

/// B2: JSON in, a token somewhere in the answer, no expiry: an hour, or what the provider or the company says.
#[tokio::test]
async fn a_token_lives_an_hour_or_as_long_as_is_said_for_the_company() {
    let mut vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    let client = &broker.client;
    client.give_credentials("7").await;
    let own = json!({ "username": USERNAME, "password": PASSWORD, "lifetime": "2h" });
    assert_eq!(client.ask(Method::PUT, "/tokens/8/credentials", Some(own)).await.0, 204);
    let life = |token: &Value| token["expires_in"].as_u64().unwrap();
    let (usual, own) = (client.token("7").await, client.token("8").await);
    assert!((3_540..=3_600).contains(&life(&usual)) && (7_140..=7_200).contains(&life(&own)), "{usual} {own}");
    assert_eq!(vendor.example.sandbox.counters_of(VENDOR).by_grant.login, 2);
    let (_, trial) = client.post("/tokens/7/credentials/test", None).await;
    assert_eq!(
        (&trial["steps"][0]["method"], &trial["steps"][0]["found"]),
        (&json!("POST"), &json!(["token at /Authorization"]))
    );
    assert_eq!((&trial["token"]["life"], &trial["token"]["life_is_stated"]), (&json!(3_600), &json!(false)));

    // Of the provider: what the file says counts.
    vendor.configure(|shipped| shipped.replace("lifetime = \"1h\"", "lifetime = \"40m\""));
    let other = vendor.example.printed(&["credentials", "test", "bluestakes:7", "--json"]).await;
    let trial: Value = serde_json::from_str(&other).unwrap();
    assert_eq!(trial["token"]["life"], 2_400, "{trial}");
}

/// B2: the buffer is 5 minutes.
#[tokio::test]
async fn a_token_with_less_than_five_minutes_left_is_not_handed_out() {
    let vendor = Vendor::with_a_file().await;
    vendor.keep("7", "nearly-over", 4 * 60 + 58).await;
    vendor.keep("8", "good-for-a-while", 5 * 60 + 40).await;
    let broker = vendor.serve().await;
    for company in ["7", "8"] {
        assert_eq!(broker.client.get(&format!("/tokens/{company}/status")).await.1["generation"], 1);
    }
    assert_eq!(broker.client.get("/tokens/7/status").await.1["state"], "expiring");
    assert_eq!(broker.client.token("8").await["access_token"], "good-for-a-while");
    let (status, problem) = broker.client.get("/tokens/7").await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_key")), "there is nothing to log in with");
    broker.client.give_credentials("7").await;
    assert_eq!((&broker.client.token("7").await["generation"], vendor.logins()), (&json!(2), 1));
}
