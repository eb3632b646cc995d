//! The examples run, tell what happened and show no secret.

use std::process::Command;

#[test]
fn the_client_of_a_language_model_has_no_failed_call_while_tokens_come_and_go() {
    let printed = run("llm_client", "chat-secret");
    let sum = printed.lines().last().unwrap();
    assert!(sum.contains(" words, none failed; "), "{printed}");
    assert!(sum.ends_with(" of them refused by the API"), "{printed}");
    let first = printed.lines().find(|line| line.contains("a new token")).unwrap();
    assert!(first.contains("generation 1, good for"), "{printed}");
}

#[test]
fn the_client_of_hyper_util_is_served_though_its_tokens_are_revoked() {
    let printed = run("tower_client", "reports-secret");
    let lines: Vec<_> = printed.lines().collect();
    assert!(
        matches!(&lines[..], [ada, grace, "2 tokens"]
        if ada.starts_with("200 OK: ") && grace.starts_with("200 OK: ")),
        "{printed}"
    );
}

/// What an example prints; it succeeds, complains of nothing and shows no secret.
fn run(name: &str, secret: &str) -> String {
    // Beside the folder in which this test lies; cargo builds both.
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join(name);
    assert!(program.exists(), "{} is not there: run `cargo build --examples`", program.display());
    let ran = Command::new(program).env_clear().output().unwrap();
    let (printed, complained) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success(), "{name} ended with {}:\n{printed}{complained}", ran.status);
    assert_eq!(complained, "", "{name} complained");
    for secret in [secret, "sbx_", "sbr_"] {
        assert!(!printed.contains(secret), "{name} shows a secret");
    }
    printed
}
