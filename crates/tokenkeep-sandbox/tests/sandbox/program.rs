//! The sandbox as a program of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

#[tokio::test]
async fn the_program_prints_where_everything_is_and_issues_tokens_with_the_lives_that_it_was_told() {
    let mut issuer = Command::new(program())
        .args(["--client", "reports:a-secret", "--client", "graph:b-secret", "--user", "ada:c-secret"])
        .args(["--life", "43199", "--life", "graph=3600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(issuer.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: BTreeMap<_, _> = lines
        .map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .take(5)
        .collect();
    let names: Vec<_> = said.keys().map(String::as_str).collect();
    assert_eq!(names, ["SANDBOX_API_URL", "SANDBOX_LOGIN_URL", "SANDBOX_READY", "SANDBOX_TOKEN_URL", "SANDBOX_URL"]);

    let http = reqwest::Client::builder().build().unwrap();
    for (id, secret, life) in [("reports", "a-secret", 43_199), ("graph", "b-secret", 3_600)] {
        let asked = http.post(&said["SANDBOX_TOKEN_URL"]).basic_auth(id, Some(secret));
        let answer: Value =
            asked.form(&[("grant_type", "client_credentials")]).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["expires_in"], life, "{id}");
    }
    let login = http.post(&said["SANDBOX_LOGIN_URL"]).body(r#"{"username": "ada", "password": "c-secret"}"#);
    assert_eq!(login.send().await.unwrap().status(), 200);
    issuer.kill().unwrap();
    issuer.wait().unwrap();
}

#[test]
fn the_program_says_what_it_takes_and_whom_it_does_not_know() {
    for (args, says) in [
        (&["--help"][..], "usage: issuer"),
        (&["--color", "red"], "usage: issuer"),
        (&["--life", "nobody=5"], "nobody is called so"),
    ] {
        let ended = Command::new(program()).args(args).output().unwrap();
        assert!(!ended.status.success(), "{args:?}");
        assert!(String::from_utf8(ended.stderr).unwrap().contains(says), "{args:?}");
    }
}

/// Beside the folder in which this test lies; cargo builds both.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().with_file_name("examples").join("issuer")
}
