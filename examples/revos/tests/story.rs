//! The application runs, tells what happened and shows no secret.

use std::process::Command;

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
    assert_eq!(printed.lines().collect::<Vec<_>>(), PRINTED);
}

const PRINTED: [&str; 17] = [
    "a manager runs: false",
    "started, it runs: true",
    "two managers side by side have tokens of their own: true",
    "sales renews its token in 45 min",
    "support renews its token in 30 min",
    "at once the first observer has token 1",
    "at once the other observer has token 1",
    "a manual refresh succeeded: true",
    "after it the first observer has token 2; another failed, and one is gone",
    "with the issuers down, a manual refresh succeeded: false",
    "the token is good all the same: true",
    "stopped, it runs: false; tokens can be had all the same",
    "info, before: has a token: true, seconds until expiry: Some(7200), consecutive failures: 1",
    "info, invalidated or reset: has a token: false, seconds until expiry: None, consecutive failures: 0",
    "the first issuer is down; the fallback gave 1 token",
    "after a reset the first issuer gave 1 more",
    "GET /health: 200 OK, \"healthy\", 0 failures",
];
