//! The API, to the letter.

use reqwest::Method;
use serde_json::{Value, json};

use super::vendor::{API_KEY, PASSWORD, USERNAME, Vendor};

/// B4: `GET /tokens/stats`, `POST /tokens/cleanup`, `DELETE /tokens/{company_id}`, `GET /tokens/{company_id}/status`.
#[tokio::test]
async fn tokens_are_counted_looked_at_cleaned_up_and_deleted() {
    let vendor = Vendor::with_a_file().await;
    vendor.keep("over", "over", -60).await;
    vendor.keep("soon", "soon", 5 * 60 + 50).await;
    let broker = vendor.serve().await;
    let client = &broker.client;
    for company in ["1", "2", "3"] {
        client.give_credentials(company).await;
        client.token(company).await;
    }
    let five = json!({ "total_cached": 5, "valid_tokens": 3, "expired_tokens": 1, "expiring_soon": 1 });
    assert_eq!(client.get("/tokens/stats").await, (200, five));

    let (status, seen) = client.get("/tokens/1/status").await;
    assert_eq!((status, &seen["key"], &seen["state"]), (200, &json!("bluestakes:1"), &json!("fresh")));
    assert!(seen.get("access_token").is_none());
    assert_eq!(client.ask(Method::DELETE, "/tokens/1", None).await, (204, Value::Null));
    assert_eq!(client.post("/tokens/cleanup", None).await, (200, json!({ "removed": 0 })));
    let four = json!({ "total_cached": 4, "valid_tokens": 2, "expired_tokens": 1, "expiring_soon": 1 });
    assert_eq!(client.get("/tokens/stats").await, (200, four));
}

/// B4: `POST /tokens/credentials/{company_id}` stores, `POST /tokens/credentials/test` tries and stores nothing, both by
/// query and by body.
#[tokio::test]
async fn credentials_come_in_a_query_or_in_a_body() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    let client = &broker.client;
    let query = format!("?username={USERNAME}&password={PASSWORD}");
    let body = json!({ "username": USERNAME, "password": PASSWORD });
    for (company, query, body) in [("5", &*query, None), ("6", "", Some(body))] {
        let (status, trial) = client.post(&format!("/tokens/credentials/test{query}"), body.clone()).await;
        assert_eq!((status, &trial["ok"], &trial["problem"]), (200, &json!(true), &Value::Null), "{trial}");
        assert_eq!(client.get(&format!("/tokens/{company}")).await.0, 404, "nothing is stored");
        let stored = json!({ "key": format!("bluestakes:{company}"), "stored": true });
        assert_eq!(client.post(&format!("/tokens/credentials/{company}{query}"), body).await, (200, stored));
        client.token(company).await;
    }
    assert_eq!(vendor.logins(), 4);
    let wrong = format!("/tokens/credentials/test?username={USERNAME}&password=wrong");
    let (status, trial) = client.post(&wrong, None).await;
    assert_eq!((status, &trial["ok"], &trial["problem"]["code"]), (200, &json!(false), &json!("refused")));
}

/// B4: without or with a wrong `X-API-Key` it is 401, and nothing is revealed.
#[tokio::test]
async fn strangers_learn_nothing() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    broker.client.give_credentials("7").await;
    broker.client.token("7").await;
    let mut answers = std::collections::BTreeSet::new();
    for (method, path) in all_routes() {
        for company in ["7", "nobody"] {
            for key in [None, Some(""), Some("wrong"), Some(&API_KEY[1..])] {
                let path = path.replace("{company_id}", company);
                let (status, said) = broker.client.send(method.clone(), &path, None, key).await;
                assert_eq!(status, 401, "{method} {path}");
                answers.insert(said);
            }
        }
    }
    // One and the same, whether the company and the route are there or not.
    let (status, said) = broker.client.send(Method::GET, "/nowhere", None, None).await;
    answers.insert(said);
    assert_eq!((status, answers.len()), (401, 1), "{answers:?}");
    let said = answers.first().unwrap();
    assert!(!said.contains("bluestakes") && !said.contains("planted-"), "{said}");
    assert_eq!(broker.client.token("7").await["generation"], 1, "nothing was deleted");
}

/// B4: a query string with a password never reaches a log, trace, metric or error.
#[tokio::test]
async fn a_password_in_a_query_is_nowhere_afterwards() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve_with(&[("RUST_LOG", "trace")]).await;
    let client = &broker.client;
    let query = format!("?username={USERNAME}&password={PASSWORD}");
    let mut shown = String::new();
    for path in
        ["/tokens/credentials/7", "/tokens/credentials/test", "/tokens/7/credentials/test", "/nowhere", "/tokens"]
    {
        for (query, key) in [
            (query.clone(), Some(API_KEY)),
            (query.clone(), None),
            // Errors: cut in two by a character that is not encoded, twice, one missing, refused by the vendor.
            (format!("{query}&{PASSWORD}"), Some(API_KEY)),
            (format!("{query}&password={PASSWORD}"), Some(API_KEY)),
            (format!("?password={PASSWORD}"), Some(API_KEY)),
            (format!("?username={USERNAME}&password={PASSWORD}x"), Some(API_KEY)),
        ] {
            for method in [Method::POST, Method::GET] {
                shown += &client.send(method, &format!("{path}{query}"), None, key).await.1;
            }
        }
    }
    // The company's, and what was stored last is wrong.
    let (status, problem) = client.get("/tokens/7").await;
    assert_eq!((status, &problem["code"]), (502, &json!("refused")));
    shown += &problem.to_string();
    for path in ["/metrics", "/tokens/7/status", "/health", "/tokens/stats", "/openapi.json"] {
        let (status, text) = client.send(Method::GET, path, None, Some(API_KEY)).await;
        assert_eq!(status, 200, "{path}");
        shown += &text;
    }
    broker.server.says_all(&["TRACE"]).await;
    broker.server.says_all(&["tokenkeep_server", "answered", "/openapi.json"]).await;
    for (place, text) in [("an answer", shown), ("the log", broker.server.log().join("\n"))] {
        let line = text.lines().find(|line| line.contains(PASSWORD));
        assert!(line.is_none(), "in {place}: {line:?}");
    }
}

fn all_routes() -> [(Method, &'static str); 7] {
    [
        (Method::GET, "/tokens/stats"),
        (Method::POST, "/tokens/cleanup"),
        (Method::DELETE, "/tokens/{company_id}"),
        (Method::GET, "/tokens/{company_id}"),
        (Method::GET, "/tokens/{company_id}/status"),
        (Method::POST, "/tokens/credentials/{company_id}?username=a&password=b"),
        (Method::POST, "/tokens/credentials/test?username=a&password=b"),
    ]
}
