//! The refresh service, its warnings, and callers who need a token for a while.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokenkeep_sandbox::Fault;

use super::{in_seconds, naive, old, old_rows, whodis};
use crate::support::Server;

const GRAPH: &str = "/tokens/microsoft_graph";

/// W5: what has less than 10 minutes left is renewed though nobody asks, and what has more is left alone; a look each second
/// is more often than one each 5 minutes.
#[tokio::test]
async fn what_has_less_than_ten_minutes_left_is_renewed_though_nobody_asks() {
    let example = whodis().await;
    let shipped = std::fs::read_to_string(&example.config).unwrap();
    for line in ["refresh = \"always\"", "refresh_before = \"10m\"", "expiry_buffer = \"30s\""] {
        assert_eq!(shipped.matches(line).count(), 2, "{line}: of each service");
    }
    // The jitter renews up to a fifth of the ten minutes earlier.
    let rows = [("genesys", naive(in_seconds(13 * 60))), ("microsoft_graph", naive(in_seconds(9 * 60)))];
    old_rows(&example, &rows).await;
    example.printed(&["import", "whodis", "whodis.db"]).await;
    let server = example.serve().await;
    server.says("obtained a new token").await;
    let status = server.becomes(&format!("{GRAPH}/status"), |status| status["generation"] == 2).await;
    assert!(status["expires_in"].as_u64().unwrap() > 3000, "{status}");
    let genesys = server.json("/tokens/genesys/status").await;
    assert_eq!((&genesys["generation"], &genesys["state"]), (&json!(1), &json!("fresh")), "{genesys}");
    assert_eq!(example.sandbox.counters_of("genesys").token_requests, 0);
    server.stop().await;
}

/// W5: a failed refresh while the old token is still good is not an error for callers.
#[tokio::test]
async fn a_failed_refresh_is_no_error_while_the_old_token_is_good() {
    let example = whodis().await;
    old_rows(&example, &[("microsoft_graph", naive(in_seconds(9 * 60)))]).await;
    example.printed(&["import", "whodis", "whodis.db"]).await;
    example.sandbox.set_fault_for("graph", Fault::Status { status: 503, body: String::new() });
    let server = example.serve().await;
    server.becomes(&format!("{GRAPH}/status"), |status| status["consecutive_failures"].as_u64() >= Some(1)).await;
    let answer = server.json(GRAPH).await;
    assert_eq!(
        (&answer["access_token"], &answer["warnings"][0]["code"]),
        (&json!(old("microsoft_graph")), &json!("refresh_failing"))
    );
    server.stop().await;
}

/// W7: the life that the issuer gives is compared with the expected one, 24 h and 1 h: a deviation is a warning in status,
/// log and metrics.
#[tokio::test]
async fn a_life_that_deviates_is_a_warning_in_status_log_and_metrics() {
    let example = whodis().await;
    let shipped = std::fs::read_to_string(&example.config).unwrap();
    assert!(shipped.contains("expected_life = \"24h\"") && shipped.contains("expected_life = \"1h\""));
    let server = example.serve().await;
    for (service, life) in [("genesys", 86_400), ("microsoft_graph", 3600)] {
        server.token(service).await;
        let status = server.json(&format!("/tokens/{service}/status")).await;
        assert_eq!((&status["life"], codes(&status)), (&json!(life), Vec::new()), "the recorded life: {status}");
    }
    assert!(!server.get("/metrics").await.contains("warning=\"unusual_life\""));
    example.sandbox.set_life("graph", Duration::from_mins(30));
    let (code, answer) = server.ask(Method::POST, &format!("{GRAPH}/refresh")).await;
    assert_eq!(code, 200, "{answer}");
    let status = server.json(&format!("{GRAPH}/status")).await;
    assert_eq!((&status["life"], codes(&status)), (&json!(1800), vec!["unusual_life".to_owned()]), "{status}");
    assert!(status["warnings"][0]["detail"].as_str().unwrap().contains("1800 s where 3600 s are expected"), "{status}");
    let line = server.says("the new token has an unusual life").await;
    assert!(line.contains("WARN") && line.contains("microsoft_graph"), "{line}");
    is_measured(&server, "unusual_life").await;
    server.stop().await;
}

/// W7: frequent refresh failures, and callers that found no valid token, are warnings in status, log and metrics too, and are
/// counted.
#[tokio::test]
async fn frequent_failures_and_callers_without_a_token_are_warnings_in_status_log_and_metrics() {
    let example = whodis().await;
    example.sandbox.set_fault_for("graph", Fault::Status { status: 503, body: String::new() });
    let server = example.serve().await;
    let (code, answer) = server.ask(Method::GET, GRAPH).await;
    assert_eq!(code, 503, "{answer}");
    server
        .becomes(&format!("{GRAPH}/status"), |status| {
            let codes = codes(status);
            ["frequent_failures", "no_token_for_callers"].iter().all(|code| codes.iter().any(|known| known == code))
        })
        .await;
    for (text, warning) in [
        ("obtaining a new token fails often", "frequent_failures"),
        ("callers found no token to use", "no_token_for_callers"),
    ] {
        let line = server.says(text).await;
        assert!(line.contains("WARN") && line.contains("microsoft_graph"), "{line}");
        is_measured(&server, warning).await;
    }
    let metrics = server.get("/metrics").await;
    let handed =
        r#"tokenkeep_hand_outs_total{provider="microsoft_graph",key="microsoft_graph",result="unavailable"} 1"#;
    assert!(metrics.contains(handed), "{metrics}");
    assert!(metrics.contains(r#"tokenkeep_issuer_requests_total{provider="microsoft_graph",result="unavailable"}"#));
    server.stop().await;
}

/// W8: who needs a token for N seconds more gets one that lives so long, though a good one is there.
#[tokio::test]
async fn a_token_can_be_asked_for_that_lives_so_much_longer() {
    let example = whodis().await;
    old_rows(&example, &[("genesys", naive(in_seconds(30 * 60)))]).await;
    example.printed(&["import", "whodis", "whodis.db"]).await;
    let server = example.serve().await;
    let near = server.json("/tokens/genesys?min_valid=10m").await;
    assert_eq!(near["access_token"], old("genesys"), "what is left suffices");
    assert_eq!(example.sandbox.counters_of("genesys").token_requests, 0);
    let far = server.json("/tokens/genesys?min_valid=7200").await;
    assert!(far["expires_in"].as_u64().unwrap() >= 7200 && far["access_token"] != old("genesys"), "{far}");
    assert_eq!(example.sandbox.counters_of("genesys").token_requests, 1);
    let (code, answer) = server.ask(Method::GET, "/tokens/genesys?min_valid=30h").await;
    assert!(code == 400 && answer.contains("86400 s"), "longer than its tokens live: {answer}");
    server.stop().await;
    let token = example.printed(&["get", "genesys", "--min-valid", "2h"]).await;
    assert_eq!(far["access_token"], token);
    assert_eq!(example.sandbox.counters_of("genesys").token_requests, 1);
}

fn codes(status: &Value) -> Vec<String> {
    let warnings = status["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

async fn is_measured(server: &Server, warning: &str) {
    let metrics = server.get("/metrics").await;
    let line =
        format!(r#"tokenkeep_key_warning{{provider="microsoft_graph",key="microsoft_graph",warning="{warning}"}} 1"#);
    assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
}
