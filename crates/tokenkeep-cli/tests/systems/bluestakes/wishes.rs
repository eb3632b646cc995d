//! What their users wished for and did not have.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::vendor::{API_KEY, PASSWORD, SEAL_KEY, USERNAME, Vendor};
use crate::support::in_time;

/// Waits for one request and answers it; its head, and the JSON that it has.
async fn received(listener: &TcpListener) -> (String, Value) {
    let receiving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        loop {
            stream.read_buf(&mut read).await.unwrap();
            let text = String::from_utf8(read.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            if let Ok(json) = serde_json::from_str(body) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
                return (head.to_ascii_lowercase(), json);
            }
        }
    };
    in_time(receiving).await
}

/// B9: a webhook is told when the vendor refuses a company's credentials, and when the company is well again.
#[tokio::test]
async fn a_webhook_is_told_of_an_authentication_failure_and_of_its_end() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = receiver.local_addr().unwrap();
    let webhook = format!("[[server.webhooks]]\nurl = \"http://{address}/alerts\"\nsecret = \"{SEAL_KEY}\"\n");
    let mut vendor = Vendor::with_a_file().await;
    vendor.configure(|shipped| format!("{shipped}{webhook}"));
    let broker = vendor.serve().await;
    let client = &broker.client;
    let wrong = json!({ "username": USERNAME, "password": "planted-wrong" });
    assert_eq!(client.post("/tokens/credentials/17", Some(wrong)).await.0, 200);
    let (refused, failed) = tokio::join!(client.get("/tokens/17"), received(&receiver));
    assert_ne!(refused.0, 200);
    let (head, message) = failed;
    assert!(head.starts_with("post /alerts http/1.1\r\n"), "{head}");
    for header in
        ["content-type: application/json", "webhook-id: msg_", "webhook-timestamp: 1", "webhook-signature: v1,"]
    {
        assert!(head.contains(&format!("\r\n{header}")), "{header}: {head}");
    }
    assert_eq!(message["type"], "refused");
    assert_eq!(message["data"]["key"], "bluestakes:17");
    assert_eq!((&message["data"]["kind"], &message["data"]["count"]), (&json!("refused"), &json!(1)));
    assert_eq!(message["data"]["since"].as_str().unwrap().len(), "2026-11-21T15:40:12Z".len());
    assert!(!message["data"]["what"].as_str().unwrap().is_empty() && !message.to_string().contains("planted"));

    client.give_credentials("17").await;
    let (_, recovered) = tokio::join!(client.token("17"), received(&receiver));
    assert_eq!((&recovered.1["type"], &recovered.1["data"]["key"]), (&json!("recovered"), &json!("bluestakes:17")));
    broker.server.says_all(&["INFO", "told a webhook", "recovered", "bluestakes:17"]).await;
    assert!(!broker.server.log().join("\n").contains("planted-"), "{:#?}", broker.server.log());
}

/// B9: a dashboard of usage and performance, and what it shows is there for the key alone.
#[tokio::test]
async fn the_dashboard_is_served_and_what_it_shows_is_for_callers() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    let client = &broker.client;
    client.give_credentials("17").await;
    for _ in 0..2 {
        client.token("17").await;
    }
    let page = in_time(broker.server.http.get(format!("{}/dashboard", broker.server.url)).send()).await.unwrap();
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; "));
    let page = page.text().await.unwrap();
    for shown in ["Hit ratio", "Logins per call", "Issuers answer in", "Budget left", "Time left", "Failures in a row"]
    {
        assert!(page.contains(shown), "{shown}");
    }
    for path in ["/tokens?limit=200", "/tokens/stats", "/metrics"] {
        for (key, status) in [(None, 401), (Some(API_KEY), 200)] {
            assert_eq!(client.send(Method::GET, path, None, key).await.0, status, "{path}");
        }
    }
    let (_, list) = client.get("/tokens?limit=200").await;
    let company = list["tokens"].as_array().unwrap().iter().find(|token| token["key"] == "bluestakes:17").unwrap();
    assert_eq!((&company["state"], &company["generation"]), (&json!("fresh"), &json!(1)));
    let (_, metrics) = client.send(Method::GET, "/metrics", None, Some(API_KEY)).await;
    for sample in [
        "tokenkeep_hand_outs_total{provider=\"bluestakes\",key=\"bluestakes:17\",result=\"hit\"} 1\n",
        "tokenkeep_issuer_requests_total{provider=\"bluestakes\",result=\"token\"} 1\n",
        "tokenkeep_issuer_request_duration_seconds_count{provider=\"bluestakes\"} 1\n",
    ] {
        assert!(metrics.contains(sample), "{sample} is not in\n{metrics}");
    }
}

/// B9: a company's token is renewed before its end, and no caller waits for it.
#[tokio::test]
async fn a_token_in_use_is_renewed_before_its_end() {
    let mut vendor = Vendor::with_a_file().await;
    let is_default = |line: &&str| !line.starts_with("expiry_buffer") && !line.starts_with("refresh_before");
    vendor.configure(|shipped| {
        let lines = shipped.lines().filter(is_default).collect::<Vec<_>>().join("\n");
        lines.replace("lifetime = \"1h\"", "lifetime = \"12s\"")
    });
    let broker = vendor.serve().await;
    let client = &broker.client;
    client.give_credentials("17").await;
    assert_eq!(client.token("17").await["generation"], 1);
    in_time(vendor.example.sandbox.wait_until(|counters| counters.total.issued >= 2)).await;
    let again = in_time(async {
        loop {
            let token = client.token("17").await;
            if token["generation"] != 1 {
                return token;
            }
        }
    });
    assert_eq!(again.await["generation"], 2);
    let (_, metrics) = client.send(Method::GET, "/metrics", None, Some(API_KEY)).await;
    let waited = "tokenkeep_hand_outs_total{provider=\"bluestakes\",key=\"bluestakes:17\",result=\"waited\"} 1\n";
    assert!(metrics.contains(waited), "the first alone: {metrics}");
}

/// B9: each company can have a life of its own.
#[tokio::test]
async fn a_company_can_have_a_life_of_its_own() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    let client = &broker.client;
    let own = json!({ "username": USERNAME, "password": PASSWORD, "lifetime": "2h" });
    assert_eq!(client.post("/tokens/credentials/17", Some(own)).await.0, 200);
    client.give_credentials("18").await;
    for (company, life) in [("17", 7200), ("18", 3600)] {
        client.token(company).await;
        assert_eq!(client.get(&format!("/tokens/{company}/status")).await.1["life"], life);
    }
}

/// B9: management calls are logged for audit: who, what, whose, and what came of it.
#[tokio::test]
async fn each_management_call_leaves_a_line_for_audit() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    let credentials = json!({ "username": USERNAME, "password": PASSWORD });
    for (method, path, body, action, key) in [
        (Method::POST, "/tokens/credentials/17", Some(&credentials), "store_credentials", Some("bluestakes:17")),
        (Method::POST, "/tokens/credentials/test", Some(&credentials), "test_credentials", None),
        (Method::POST, "/tokens/17/refresh", None, "refresh", Some("bluestakes:17")),
        (Method::DELETE, "/tokens/17", None, "clear", Some("bluestakes:17")),
        (Method::POST, "/tokens/cleanup", None, "cleanup", None),
    ] {
        let (status, text) = broker.client.send(method, path, body.cloned(), Some(API_KEY)).await;
        assert!((200..300).contains(&status), "{path}: {text}");
        let action = format!("action=\"{action}\"");
        let key = key.map_or_else(String::new, |key| format!("key=\"{key}\""));
        let who = "caller=\"bluestakes\" peer=\"127.0.0.1\"";
        broker.server.says_all(&["INFO tokenkeep::audit", who, &action, &key, "outcome=\"ok\""]).await;
    }
    assert!(!broker.server.log().join("\n").contains("planted-"), "{:#?}", broker.server.log());
}
