//! Clients of others, unmodified, as `docs/oauth2-clients.md` has them: `interop/README.md`.

use std::ffi::OsString;
use std::path::Path;

use tokio::process::Command;

use crate::interop::{brought, example};
use crate::secrets::API_KEY;
use crate::world::{Setup, World};

const PAGE: &str = include_str!("../../../../docs/oauth2-clients.md");

#[tokio::test]
#[ignore = "needs python: run ./test"]
async fn requests_oauthlib_gets_a_token() {
    let python = brought("TOKENKEEP_OAUTH2_PYTHON").join("bin/python");
    works("## Python: requests-oauthlib", |code| command(&python, ["-c".into(), code.into()])).await;
}

#[tokio::test]
#[ignore = "needs python: run ./test"]
async fn authlib_gets_a_token() {
    let python = brought("TOKENKEEP_OAUTH2_PYTHON").join("bin/python");
    works("## Python: Authlib", |code| command(&python, ["-c".into(), code.into()])).await;
}

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn openid_client_finds_the_endpoint_and_gets_a_token() {
    works("## Node: openid-client", node).await;
}

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn simple_oauth2_gets_a_token() {
    works("## Node: simple-oauth2", node).await;
}

#[tokio::test]
#[ignore = "needs go: run ./test"]
async fn the_go_client_gets_a_token() {
    let scratch = tempfile::tempdir().unwrap();
    works("## Go: golang.org/x/oauth2", |code| {
        let main = scratch.path().join("main.go");
        std::fs::write(&main, code).unwrap();
        let mut go = command(&brought("TOKENKEEP_OAUTH2_GO"), ["run".into(), main.into()]);
        // The packages of Debian, and no network.
        go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
        go
    })
    .await;
}

#[tokio::test]
#[ignore = "needs curl: run ./test"]
async fn curl_gets_a_token() {
    works("## curl", |code| command(Path::new("sh"), ["-c".into(), code.into()])).await;
}

/// Runs an example for a token that the API takes, and for one of an account that it does not know.
async fn works(heading: &str, run: impl Fn(&str) -> Command) {
    let world = Setup::open().caller("billing", API_KEY, "\"reports\", \"vendor:*\"", "\"get\"").start().await;
    for (key, expected) in [("reports", "200"), ("vendor:7", "401")] {
        let (broker, users) = (world.address.to_string(), format!("{}/users", world.sandbox.api_url()));
        let replaced = [("127.0.0.1:8640", &*broker), ("https://api.example.com/users", &*users), ("graph", key)];
        let code = example(PAGE, heading, &replaced);
        let output = run(&code).env("TOKENKEEP_API_KEY", API_KEY).output().await.unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{heading} {key}: {stderr}");
        assert_eq!(stdout.trim(), expected, "{heading} {key}: {stderr}");
        assert_eq!(generation(&world, key).await, 1, "{heading} {key}");
    }
    world.end().await;
}

async fn generation(world: &World, key: &str) -> u64 {
    world.manager.handle(key).unwrap().status().await.generation
}

fn node(code: &str) -> Command {
    // Node 18 has it, but not under this name.
    let code = format!("globalThis.crypto ??= (await import('node:crypto')).webcrypto\n{code}");
    let mut node = command(Path::new("node"), ["--input-type=module".into(), "-e".into(), code.into()]);
    node.current_dir(brought("TOKENKEEP_OAUTH2_NODE"));
    node
}

fn command(program: &Path, args: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(program);
    command.args(args).kill_on_drop(true);
    command
}
