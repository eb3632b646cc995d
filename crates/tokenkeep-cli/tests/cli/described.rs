//! The API does what its description says: Schemathesis, which others wrote, makes requests of the description, right
//! ones and wrong ones, and holds each answer against it (`interop/README.md`).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::world::{Running, World};

#[tokio::test]
#[ignore = "needs schemathesis: run ./test"]
async fn whatever_is_asked_the_answer_is_one_that_is_described() {
    // There is no authentication to be tested.
    try_out("", None, &["--exclude-checks", "ignored_auth"]).await;
}

#[tokio::test]
#[ignore = "needs schemathesis: run ./test"]
async fn with_callers_configured_only_their_keys_open_what_is_described_as_closed() {
    let server = format!("default_provider = \"bluestakes\"\n{}", caller(ADMIN, "*", "admin"));
    // With a default provider any text is an account, also one that its maker takes for no key.
    try_out(&server, Some(ADMIN.0), &["--exclude-checks", "negative_data_rejection"]).await;
}

#[tokio::test]
#[ignore = "needs schemathesis: run ./test"]
async fn a_caller_who_may_do_little_is_answered_as_described() {
    try_out(&caller(READER, "graph", "get"), Some(READER.0), &[]).await;
}

/// Runs it against a broker with these lines in `[server]`.
async fn try_out(server: &str, key: Option<&str>, args: &[&str]) {
    let world = World::start().await;
    world.write_config(&format!("{}{}[server]\n{server}", world.usual_config(), bluestakes(&world)));
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    // Nobody reads its log.
    command.env("RUST_LOG", "error");
    let mut serve = Running::start(command);
    let line = serve.hear("listening on http").await;
    let url = line.strip_prefix("listening on ").unwrap().split(',').next().unwrap();

    let description = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/schemathesis");
    let mut schemathesis = Command::new(std::env::var_os("TOKENKEEP_SCHEMATHESIS").expect("run this by ./test"));
    schemathesis.arg("--config-file").arg(folder.join("schemathesis.toml"));
    // What the proxy answers, another API says, and to watch does not end.
    schemathesis
        .args(["run", "--url", url, "--no-color", "--exclude-path", "/proxy/{key}/{path}"])
        .args(["--exclude-path", "/tokens/{key}/watch"])
        .args(args)
        .arg(description);
    if let Some(key) = key {
        schemathesis.args(["--header", &format!("X-API-Key:{key}")]);
    }
    schemathesis.current_dir(world.home.path()).env("HOME", world.home.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LONG, schemathesis.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// A vendor's login at the sandbox, with accounts that are stored.
fn bluestakes(world: &World) -> String {
    format!(
        "[providers.bluestakes]\n\
         grant = \"login\"\n\
         accounts = \"stored\"\n\
         lifetime = \"1h\"\n\
         [providers.bluestakes.login]\n\
         post = \"{}\"\n\
         json = {{ username = \"{{username}}\", password = \"{{password}}\" }}\n\
         token = \"/Authorization\"\n",
        world.sandbox.login_url()
    )
}

fn caller((_, sha256): (&str, &str), tokens: &str, allow: &str) -> String {
    format!(
        "[[server.keys]]\nname = \"{allow}\"\nsha256 = \"{sha256}\"\ntokens = [\"{tokens}\"]\nallow = [\"{allow}\"]\n"
    )
}

/// Keys and their hashes.
const ADMIN: (&str, &str) =
    ("planted-admin-key-52e1", "48088c740c210661a20874047a87509edbe489798fdf0b810f6b8fd15bba66d9");
const READER: (&str, &str) =
    ("planted-reader-key-0b7d", "fb453c557087a9582fde5fda8fd9cafd167c6d1aa52ed5562a68ed4a74d2f142");
const LONG: Duration = Duration::from_mins(5);
