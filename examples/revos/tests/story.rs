//! The application runs, tells what happened and shows no secret.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_application_does_what_its_page_says() {
    let ran = Command::new(env!("CARGO_BIN_EXE_revos"))
        .env_clear()
        .env("SUPPORT_TOKEN_REFRESH_INTERVAL_MINUTES", "30")
        .output()
        .unwrap();
    let (printed, complained) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success(), "it ended with {}:\n{printed}{complained}", ran.status);
    assert_eq!(complained, "");
    let lines: Vec<_> = printed.lines().filter(|line| !line.starts_with("GET /health: ")).collect();
    assert_eq!(lines, PRINTED);
    let health = printed.lines().find_map(|line| line.strip_prefix("GET /health: ")).unwrap();
    let health: Value = serde_json::from_str(health).unwrap();
    assert_eq!((&health["status"], &health["consecutive_failures"]), (&"healthy".into(), &0.into()));
    for secret in ["its-secret", "sbx_"] {
        assert!(!printed.contains(secret), "it shows a secret");
    }
}

const PRINTED: [&str; 19] = [
    "a manager runs: false",
    "started, it runs: true",
    "two managers side by side have tokens of their own: true",
    "sales renews its token in 45 min",
    "support renews its token in 30 min",
    "at once the first observer has token: 1",
    "at once the other observer has token: 1",
    "a manual refresh succeeded: true",
    "after it, while another fails and one is gone, the first observer has token: 2",
    "with the issuers down, a manual refresh succeeded: false",
    "the token is good all the same: true",
    "stopped, it runs: false",
    "info, before: minutes until expiry: Some(120), consecutive failures: 1",
    "it has a token: true",
    "info, invalidated or reset: minutes until expiry: None, consecutive failures: 0",
    "it has a token: false",
    "the first issuer is down; tokens of the fallback: 1",
    "after a reset, tokens of the first: 1",
    "its status: 200",
];
