//! Commands that a running server does: the same words, the same exit codes, and nothing but its address and a key.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokenkeep_sandbox::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::credentials::{self, fed};
use crate::serve::serve;
use crate::world::{Ended, PASSWORD, Running, World, ended};

/// A program elsewhere: without a configuration, a store or a secret of the world's.
struct Elsewhere {
    world: World,
    server: String,
}

impl Elsewhere {
    async fn new(server: &str) -> Self {
        Self { world: World::without_config().await, server: server.to_owned() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("TOKENKEEP_SERVER", &self.server);
        for secret in ["CLIENT_SECRET", "PASSWORD", "SEED", "STATIC_TOKEN"] {
            command.env_remove(secret);
        }
        command
    }

    async fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args)).await
    }
}

async fn stop(serve: Running) {
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().await.code, Some(0));
}

/// What was printed, but for how long things last: time goes by between two commands.
fn timeless(printed: &str) -> String {
    if let Ok(mut json) = serde_json::from_str(printed) {
        forget_times(&mut json);
        return json.to_string();
    }
    let is_length = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with(['s', 'm']);
    // Such as `good for 598 s`.
    let words: Vec<_> =
        printed.replace(" s ", "s ").replace(" s,", "s ").split_whitespace().map(ToOwned::to_owned).collect();
    words.iter().map(|word| if is_length(word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

fn forget_times(json: &mut Value) {
    match json {
        Value::Array(all) => all.iter_mut().for_each(forget_times),
        Value::Object(members) => {
            for name in ["expires_in", "obtained_at", "refresh_in", "reason"] {
                members.remove(name);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn what_is_asked_for_is_the_same_from_a_server_and_from_the_store() {
    let world = World::start().await;
    let header = "header = { name = \"X-Auth-Token\", format = \"v1 {token}\" }\ngrant = \"static\"";
    world.write_config(&world.usual_config().replace("grant = \"static\"", header));
    let (serve, url) = serve(&world, &["--listen", "unix:broker.sock"]).await;
    let socket = format!("unix:{}", world.path("broker.sock").display());
    world.run(&["get", "graph"]).await.data();
    world.run(&["get", "billing"]).await.data();
    for server in [url, socket] {
        let elsewhere = Elsewhere::new(&server).await;
        for args in [
            &["get", "graph"][..],
            &["get", "graph", "--format", "env", "--min-valid", "5m", "--max-wait", "5s"],
            &["get", "graph", "--json"],
            &["get", "graph", "--format", "header"],
            &["get", "billing", "--format", "header"],
            &["get", "billing", "--json"],
            &["exec", "graph", "--", "sh", "-c", "echo $TOKENKEEP_TOKEN; exit 0"],
            &["status"],
            &["status", "--json"],
            &["status", "graph"],
            &["status", "graph", "--json"],
            &["stats"],
            &["stats", "graph", "--json"],
            &["cleanup", "--json"],
        ] {
            let (here, there) = (world.run(args).await, elsewhere.run(args).await);
            assert_eq!(timeless(here.data()), timeless(there.data()), "{args:?}");
        }
    }
    assert_eq!(world.requests("graph"), 1);
    stop(serve).await;
}

#[tokio::test]
async fn what_goes_wrong_is_told_the_same_by_a_server_and_from_the_store() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    world.sandbox.set_fault_for("people", Fault::InvalidClient);
    for (args, code, expected) in [
        (&["get", "nobody"][..], 4, "error: nobody: there is no such provider\nnext: configured are: "),
        (&["get", "graph:7"], 4, "error: graph:7: "),
        (&["get", "a b"], 2, ""),
        (&["get", "graph", "--min-valid", "2h"], 2, "error: graph: "),
        (&["get", "people"], 6, "\nnext: check client_id, client_secret and client_auth"),
        (&["refresh", "people"], 6, "\nnext: check client_id, client_secret and client_auth"),
        (&["exec", "nobody", "--", "echo"], 4, "\nnext: "),
        (&["status", "nobody"], 4, "\nnext: "),
        (&["clear", "nobody"], 4, "\nnext: "),
        (&["refresh", "nobody"], 4, "\nnext: "),
        (&["stats", "nobody"], 4, "error: nobody: there is no such provider\nnext: configured are: "),
        (&["stats", "graph:7"], 4, "error: graph:7: there is no such provider\nnext: "),
        (&["credentials", "remove", "nobody"], 4, "\nnext: "),
        (&["credentials", "test", "nobody"], 4, "\nnext: "),
        (&["request", "nobody", "GET", "/x"], 4, "\nnext: "),
        (&["request", "people", "GET", "/x"], 2, "\nnext: write api_base = "),
    ] {
        let (here, there) = (world.run(args).await, elsewhere.run(args).await);
        assert_eq!(timeless(here.failure(code)), timeless(there.failure(code)), "{args:?}");
        assert!(there.stderr.contains(expected), "{there:?}");
    }
    stop(serve).await;
}

#[tokio::test]
async fn a_bare_name_is_an_account_of_the_default_provider_here_as_there() {
    let world = credentials::world().await;
    let config = std::fs::read_to_string(world.path("tokenkeep.toml")).unwrap();
    world.write_config(&format!("{config}\n[server]\ndefault_provider = \"tenants\"\n"));
    let given = json!({ "username": "backend", "password": PASSWORD }).to_string();
    let set = fed(&world, &["credentials", "set", "7"], &given).await;
    assert_eq!(set.code, Some(0), "{set:?}");
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    assert_eq!(world.run(&["get", "7", "--json"]).await.json()["key"], "tenants:7");
    for args in [
        &["get", "7"][..],
        &["get", "tenants:7"],
        &["get", "7", "--format", "header"],
        &["exec", "7", "--", "sh", "-c", "echo $TOKENKEEP_TOKEN"],
        &["status", "7", "--json"],
        &["status", "nothere", "--json"],
        &["credentials", "test", "7", "--json"],
    ] {
        let (here, there) = (world.run(args).await, elsewhere.run(args).await);
        assert_eq!(timeless(here.data()), timeless(there.data()), "{args:?}");
    }
    let taken = "tenants:grahp: `grahp` is no provider, so it was taken as an account of tenants\n";
    for by in [world.run(&["clear", "grahp"]).await, elsewhere.run(&["clear", "grahp"]).await] {
        let cleared = format!("{taken}tenants:grahp: cleared; the next get obtains a new token\n");
        assert_eq!((by.code, by.stderr), (Some(0), cleared));
    }
    let removed = elsewhere.run(&["credentials", "remove", "grahp"]).await;
    assert_eq!(removed.stderr, format!("{taken}tenants:grahp: there were no credentials\n"));
    let set = fed(&world, &["credentials", "set", "grahp"], &given).await;
    assert_eq!(set.stderr, format!("{taken}tenants:grahp: the credentials are kept; the next get uses them\n"));
    let removed = world.run(&["credentials", "remove", "grahp", "--json"]).await;
    assert_eq!(removed.json(), json!({ "key": "tenants:grahp", "removed": true }));
    for (args, code) in [(&["clear", "nothere"][..], 0), (&["get", "nothere"], 4), (&["stats", "nothere"], 4)] {
        let (here, there) = (world.run(args).await, elsewhere.run(args).await);
        assert_eq!((here.code, timeless(&here.stderr)), (Some(code), timeless(&there.stderr)), "{args:?}");
        assert_eq!(there.code, Some(code), "{there:?}");
    }
    let removed = world.run(&["credentials", "remove", "7", "--json"]).await;
    assert_eq!(removed.json()["removed"], true);
    stop(serve).await;
}

#[tokio::test]
async fn what_is_changed_is_changed_at_the_server() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    let refreshed = elsewhere.run(&["refresh", "graph"]).await;
    assert_eq!((refreshed.code, &*refreshed.stdout), (Some(0), ""), "{refreshed:?}");
    assert!(refreshed.stderr.starts_with("graph: obtained generation 1, good for "), "{refreshed:?}");
    assert_eq!(elsewhere.run(&["get", "graph", "--refresh", "--json"]).await.json()["generation"], 2);
    assert_eq!(elsewhere.run(&["refresh", "graph", "--json"]).await.json()["generation"], 3);
    let cleared = elsewhere.run(&["clear", "graph"]).await;
    assert_eq!(cleared.stderr, "graph: cleared; the next get obtains a new token\n");
    assert_eq!(elsewhere.run(&["clear", "graph", "--json"]).await.json()["state"], "absent");
    assert_eq!(elsewhere.run(&["cleanup"]).await.stderr, "threw out 0 tokens\n");
    assert_eq!(world.run(&["status", "graph", "--json"]).await.json()["generation"], 3);
    stop(serve).await;
}

#[tokio::test]
async fn credentials_are_given_tried_and_removed_at_the_server() {
    let world = credentials::world().await;
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    let given = json!({ "username": "backend", "password": PASSWORD, "lifetime": "20m" }).to_string();
    let to_server = |args: &[&'static str]| {
        [&["--server", url.as_str()], args].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let send = async |args: &[&'static str], input: &str| {
        let args = to_server(args);
        fed(&elsewhere.world, &args.iter().map(String::as_str).collect::<Vec<_>>(), input).await
    };

    let tried = send(&["credentials", "test", "tenants:7", "--stdin"], &given).await;
    assert!(tried.data().contains("tenants:7: good, a Bearer token; it lives 10m"), "{tried:?}");
    elsewhere.run(&["get", "tenants:7"]).await.failure(4);
    let set = send(&["credentials", "set", "tenants:7"], &given).await;
    assert_eq!((set.code, &*set.stderr), (Some(0), "tenants:7: the credentials are kept; the next get uses them\n"));
    elsewhere.run(&["get", "tenants:7"]).await.data();
    let (here, there) = (
        world.run(&["credentials", "test", "tenants:7", "--json"]).await,
        elsewhere.run(&["credentials", "test", "tenants:7", "--json"]).await,
    );
    assert_eq!(here.json(), there.json());

    let wrong = json!({ "username": "backend", "password": "planted-guess" }).to_string();
    let failed = send(&["credentials", "test", "tenants:7", "--stdin", "--json"], &wrong).await;
    assert_eq!((failed.code, &*failed.stderr), (Some(6), ""), "{failed:?}");
    assert_eq!(serde_json::from_str::<Value>(&failed.stdout).unwrap()["problem"]["code"], "refused");
    let failed = send(&["credentials", "test", "tenants:7", "--stdin"], &wrong).await;
    assert!(failed.code == Some(6) && failed.stderr.contains("check username and password"), "{failed:?}");
    let unusable = send(&["credentials", "set", "tenants:7"], &json!({ "pin": "planted" }).to_string()).await;
    assert!(unusable.failure(2).contains("this provider logs in with: password, username"), "{unusable:?}");

    let removed = elsewhere.run(&["credentials", "remove", "tenants:7"]).await;
    assert_eq!(removed.stderr, "tenants:7: the credentials are removed\n");
    let again = elsewhere.run(&["credentials", "remove", "tenants:7", "--json"]).await;
    assert_eq!(again.json(), json!({ "key": "tenants:7", "removed": false }));
    elsewhere.run(&["credentials", "remove", "nobody"]).await.failure(4);
    stop(serve).await;
}

#[tokio::test]
async fn a_failure_has_the_exit_code_that_it_has_without_a_server() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    world.sandbox.set_fault_for("graph", Fault::InvalidClient);
    let refused = elsewhere.run(&["get", "graph"]).await;
    assert!(refused.failure(6).contains("check client_id, client_secret and client_auth"), "{refused:?}");
    world.sandbox.set_fault_for("people", Fault::Status { status: 503, body: String::new() });
    let unavailable = elsewhere.run(&["refresh", "people"]).await;
    assert!(unavailable.failure(7).contains("answered 503\nnext: try again in "), "{unavailable:?}");
    elsewhere.run(&["exec", "graph", "--", "echo", "never"]).await.failure(6);
    let row = elsewhere.run(&["status", "graph"]).await;
    assert!(row.data().contains("check client_id, client_secret and client_auth; asked again in "), "{row:?}");
    stop(serve).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_what_to_look_at() {
    let elsewhere = Elsewhere::new("unix:/nowhere/broker.sock").await;
    let told = elsewhere.run(&["get", "graph"]).await;
    assert!(told.failure(7).starts_with("error: unix:/nowhere/broker.sock cannot be reached: "), "{told:?}");
    assert!(told.stderr.contains("\nnext: look whether `tokenkeep serve` runs there, "), "{told:?}");
}

#[tokio::test]
async fn a_server_without_tls_that_is_asked_for_it_is_told_in_words() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url.replace("http://", "https://")).await;
    let told = elsewhere.run(&["get", "graph"]).await;
    assert!(told.failure(7).contains(" cannot be reached: what listens there does not speak TLS\n"), "{told:?}");
    stop(serve).await;
}

#[tokio::test]
async fn the_server_is_told_who_asks_by_a_key_in_a_variable_or_a_file() {
    let world = World::start().await;
    let made = world.run(&["key", "new", "--name", "few", "--tokens", "graph", "--allow", "get"]).await;
    let key = made.stdout.trim_end();
    let table = made.stderr.split("\n\n").find(|part| part.starts_with("[[server.keys]]")).unwrap();
    world.write_config(&format!("{}{table}\n", world.usual_config()));
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    let stranger = elsewhere.run(&["get", "graph"]).await;
    assert!(stranger.failure(9).contains("\nnext: set TOKENKEEP_API_KEY, or TOKENKEEP_API_KEY_FILE, "), "{stranger:?}");

    let with = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = elsewhere.command(args);
        command.envs(variables.iter().copied()).env("RUST_LOG", "trace");
        ended(command)
    };
    std::fs::write(elsewhere.world.path("key"), "planted-other-key\n").unwrap();
    for (variable, value) in [("TOKENKEEP_API_KEY", "planted-other-key"), ("TOKENKEEP_API_KEY_FILE", "key")] {
        let ended = with(&[(variable, value)], &["get", "graph"]).await;
        let said = ended.failure(9);
        assert!(said.contains(&format!("error: the server does not know the key in {variable}\n")), "{said}");
        assert!(!said.contains("planted"), "{said}");
    }
    std::fs::write(elsewhere.world.path("key"), format!("{key}\n")).unwrap();
    let by_variable = with(&[("TOKENKEEP_API_KEY", key)], &["get", "graph"]).await;
    let by_file = with(&[("TOKENKEEP_API_KEY_FILE", "key")], &["get", "graph"]).await;
    let token = world.run(&["get", "graph"]).await;
    for ended in [&by_variable, &by_file] {
        assert_eq!((ended.code, ended.stdout.trim_end()), (Some(0), token.data()), "{ended:?}");
        assert!(ended.stderr.contains("asking a server") && !ended.stderr.contains(&key[3..]), "{ended:?}");
    }
    for (args, code) in [(&["clear", "graph"][..], 8), (&["get", "people"], 4), (&["cleanup"], 8)] {
        assert_eq!(with(&[("TOKENKEEP_API_KEY", key)], args).await.code, Some(code), "{args:?}");
    }
    let listed = with(&[("TOKENKEEP_API_KEY", key)], &["status", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&listed.stdout).unwrap().as_array().unwrap().len(), 1);

    let both = [("TOKENKEEP_API_KEY", key), ("TOKENKEEP_API_KEY_FILE", "key")];
    assert_eq!(with(&both, &["get", "graph"]).await.code, Some(2));
    assert_eq!(with(&[("TOKENKEEP_API_KEY_FILE", "none")], &["get", "graph"]).await.code, Some(2));
    std::fs::write(elsewhere.world.path("key"), "\n").unwrap();
    assert_eq!(with(&[("TOKENKEEP_API_KEY_FILE", "key")], &["get", "graph"]).await.code, Some(2));
    stop(serve).await;
}

#[tokio::test]
async fn which_server_is_meant_is_never_guessed() {
    let world = World::start().await;
    for (args, expected) in [
        (
            &["get", "graph", "--server", "broker.example"][..],
            "--server `broker.example`: the server is named by a URL\nnext: write http://…",
        ),
        (&["get", "graph", "--server", "http://broker.example"], "TOKENKEEP_INSECURE=true allows it"),
        (&["get", "graph", "--server", "http://127.0.0.1:1/?planted"], "has a query or a fragment"),
        (&["get", "graph", "--server", "http://127.0.0.1:1/#planted"], "has a query or a fragment"),
        (&["get", "graph", "--server", "https://planted@broker.example"], "goes beside it, not into it"),
        (&["get", "..", "--server", "http://127.0.0.1:1"], "that is no key"),
        (&["serve", "--server", "http://127.0.0.1:1"], "this command asks no server"),
        (&["get", "graph", "--server", "http://127.0.0.1:1", "--config", "tokenkeep.toml"], "cannot be used with"),
    ] {
        let refused = world.run(args).await;
        let said = refused.failure(2);
        assert!(said.contains(expected) && !said.contains("planted"), "{args:?}: {said}");
    }
    let mut by_config = world.command(&["get", "billing", "--config", "tokenkeep.toml"]);
    by_config.env("TOKENKEEP_SERVER", "http://127.0.0.1:1");
    ended(by_config).await.data();
    let mut not_for_this = world.command(&["config", "check"]);
    not_for_this.env("TOKENKEEP_SERVER", "http://127.0.0.1:1");
    assert_eq!(ended(not_for_this).await.code, Some(0));
}

#[tokio::test]
async fn the_one_setting_that_is_wrong_is_named() {
    let world = World::start().await;
    std::fs::write(world.path("empty.pem"), "").unwrap();
    for (variable, value, expected) in [
        ("TOKENKEEP_SERVER", "broker", "TOKENKEEP_SERVER `broker`: the server is named by a URL"),
        ("TOKENKEEP_API_KEY", "planted\nkey", "TOKENKEEP_API_KEY: the API key "),
        ("TOKENKEEP_CA_FILE", "empty.pem", "TOKENKEEP_CA_FILE: there is no certificate"),
        ("TOKENKEEP_CLIENT_CERTIFICATE", "empty.pem", "TOKENKEEP_CLIENT_CERTIFICATE: there is no certificate with"),
        ("TOKENKEEP_INSECURE", "yes", "TOKENKEEP_INSECURE is `yes`"),
    ] {
        let mut command = world.command(&["get", "graph"]);
        command
            .env("TOKENKEEP_SERVER", "https://broker.example")
            .env("TOKENKEEP_API_KEY", "a-key")
            .env(variable, value);
        let refused = ended(command).await;
        let said = refused.failure(2);
        assert!(said.contains(expected) && !said.contains("planted"), "{variable}: {said}");
        let named = said.matches("TOKENKEEP_").count();
        assert!(said.matches(variable).count() == named, "others are named too: {said}");
    }
}

#[tokio::test]
async fn a_watched_status_shows_what_happens_at_the_server() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let mut watch = world.spawn(&["status", "graph", "--watch", "--server", &url]);
    watch.read_to("absent").await;
    world.run(&["get", "graph", "--server", &url]).await.data();
    watch.read_to("fresh").await;
    watch.signal(Signal::INT);
    assert_eq!(watch.end().await.code, Some(130));
    stop(serve).await;
}

#[tokio::test]
async fn a_request_goes_by_the_server_which_adds_the_token_and_asks_once_more() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    let request = ["request", "graph", "POST", "/things/1?full=yes&q=%2F", "--json", "{}", "--header", "X-Own: 1"];
    let (here, there) = (world.run(&request).await, elsewhere.run(&request).await);
    assert_eq!((here.code, there.code), (Some(0), Some(0)), "{here:?} {there:?}");
    assert_eq!(here.stdout.replace("\"served\":1", "\"served\":2"), there.stdout);
    assert_eq!(here.stderr, there.stderr);

    world.sandbox.revoke_all();
    let again = elsewhere.run(&["request", "graph", "GET", "/things"]).await;
    assert_eq!((again.code, world.requests("graph")), (Some(0), 2), "{again:?}");
    world.sandbox.set_api_fault(Fault::Status { status: 404, body: "not there\n".to_owned() });
    let refused = elsewhere.run(&["request", "graph", "GET", "/things"]).await;
    assert_eq!((refused.code, &*refused.stdout), (Some(10), "not there\n"), "{refused:?}");
    stop(serve).await;
}

#[tokio::test]
async fn what_the_server_says_itself_is_no_answer_of_the_api() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let elsewhere = Elsewhere::new(&url).await;
    for (args, code, expected) in [
        (&["nobody", "GET", "/x"][..], 4, "there is no such provider"),
        (&["people", "GET", "/x"], 2, "api_base"),
        (&["graph", "GET", "/../../tokens/people"], 2, "the path leads away"),
        (&["graph", "GET", "/x", "--header", "X-Api-Key: planted"], 2, "goes to the server, not to the API"),
    ] {
        let ended = elsewhere.run(&[&["request"], args].concat()).await;
        let said = ended.failure(code);
        assert!(said.contains(expected) && !said.contains("planted"), "{said}");
    }
    world.sandbox.set_fault(Fault::InvalidClient);
    elsewhere.run(&["request", "graph", "GET", "/x"]).await.failure(6);
    stop(serve).await;
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_given_up_when_the_token_and_its_answer_had_their_time() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    world.run(&["get", "graph"]).await.data();
    world.sandbox.set_api_fault(Fault::Hang);
    let elsewhere = Elsewhere::new(&url).await;
    let late = elsewhere.run(&["request", "graph", "GET", "/x", "--timeout", "500ms", "--max-wait", "500ms"]).await;
    assert!(late.failure(7).contains(&format!("error: {url} did not answer within 1s\n")), "{late:?}");
    world.sandbox.release();
    stop(serve).await;
}

#[tokio::test]
async fn what_a_server_says_cannot_write_lines_of_its_own() {
    let problem = r#"{"code":"refused","title":"x","detail":"no\r\nnext: run this\u001b[2J\u0085\u009b"}"#;
    let ended = answered("502 x", "application/problem+json", problem, &["get", "graph"]).await;
    assert!(ended.failure(6).contains(r"no\r\nnext: run this\u{1b}[2J\u{85}\u{9b}"), "{ended:?}");
}

#[tokio::test]
async fn nothing_of_what_a_server_says_steers_the_terminal() {
    const WILD: &str = r"a\u001b[2J\r\nb\u0085\u009b\u007f\u202e\u2028\u2066";
    let status = format!(
        r#"{{"key":"{WILD}","issuer":"{WILD}","state":"refused","reason":"{WILD}","generation":1,
        "consecutive_failures":1,"failure":{{"kind":"{WILD}","detail":"{WILD}","next":"{WILD}"}},
        "warnings":[{{"code":"{WILD}","detail":"{WILD}"}}]}}"#
    );
    let trial = format!(
        r#"{{"key":"{WILD}","issuer":"{WILD}","ok":true,"steps":[{{"name":"{WILD}","method":"{WILD}","url":"{WILD}",
        "headers":["{WILD}"],"body":"{WILD}","answer":{{"status":200,"content_type":"{WILD}","bytes":1,"kind":"{WILD}"}},
        "found":["{WILD}"]}}],"token":{{"token_type":"{WILD}","scope":"{WILD}","life":1,"life_is_stated":true,
        "has_refresh_token":false}},"problem":null}}"#
    );
    for (args, body, lines) in [
        (&["status", "graph"][..], &status, 2),
        (&["status", "graph", "--json"], &status, usize::MAX),
        (&["refresh", "graph"], &status, 1),
        (&["credentials", "test", "graph"], &trial, 7),
        (&["credentials", "test", "graph", "--json"], &trial, usize::MAX),
    ] {
        let ended = answered("200 x", "application/json", body, args).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let steers = |c: &char| c.is_control() || ['\u{202e}', '\u{2028}', '\u{2066}'].contains(c);
        assert_eq!(said.chars().filter(|c| *c != '\n').find(steers), None, "{args:?}: {said:?}");
        assert!(lines == usize::MAX || said.lines().count() == lines, "{args:?}: {said}");
        if lines == usize::MAX {
            let sent: Value = serde_json::from_str(body).unwrap();
            assert_eq!(ended.json()["key"], sent["key"], "it is the same text");
        }
    }
}

/// What a command makes of a server's answer.
async fn answered(status: &str, kind: &str, body: &str, args: &[&str]) -> Ended {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let serving = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            connection.read_buf(&mut head).await.unwrap();
        }
        connection.write_all(answer.as_bytes()).await.unwrap();
    };
    let elsewhere = Elsewhere::new(&url).await;
    let (ended, ()) = tokio::join!(elsewhere.run(args), serving);
    ended
}

#[tokio::test]
async fn a_server_may_lie_below_a_path_of_a_proxy() {
    let elsewhere = Elsewhere::new("http://127.0.0.1:1/broker").await;
    let told = elsewhere.run(&["get", "graph"]).await;
    assert!(told.failure(7).starts_with("error: http://127.0.0.1:1/broker cannot be reached: "), "{told:?}");
}

#[tokio::test]
async fn a_client_certificate_that_the_server_refuses_is_named() {
    let world = World::start().await;
    let signed = |name: &str| {
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(world.path(&format!("{name}.pem")), signed.cert.pem()).unwrap();
        let key = signed.signing_key.serialize_pem();
        std::fs::write(world.path(&format!("{name}.key")), &key).unwrap();
        std::fs::set_permissions(world.path(&format!("{name}.key")), Permissions::from_mode(0o600)).unwrap();
        std::fs::write(world.path(&format!("{name}-both.pem")), format!("{}{key}", signed.cert.pem())).unwrap();
    };
    ["server", "authority", "stranger"].into_iter().for_each(signed);
    let tls = "certificate = \"server.pem\", key = \"server.key\", client_ca = \"authority.pem\"";
    world.write_config(&format!("{}[server]\ntls = {{ {tls} }}\n", world.usual_config()));
    let mut serve = world.spawn(&["serve", "--listen", "https://127.0.0.1:0"]);
    let heard = serve.hear("listening on https").await;
    let url = heard.strip_prefix("listening on ").unwrap().split(',').next().unwrap().to_owned();
    by(&world, &url, "server.pem").await.data();
    let mut command = world.command(&["status", "--server", &url]);
    command.env("TOKENKEEP_CA_FILE", "server.pem").env("TOKENKEEP_CLIENT_CERTIFICATE", "stranger-both.pem");
    let refused = ended(command).await;
    let advice = "\nnext: look whether the server takes the certificate in TOKENKEEP_CLIENT_CERTIFICATE";
    assert!(refused.failure(7).contains(advice), "{refused:?}");
    stop(serve).await;
}

#[tokio::test]
async fn a_certificate_that_openssl_makes_as_the_guide_says_works_and_another_is_told_what_is_wrong() {
    let world = World::start().await;
    let guide = include_str!("../../../../docs/server.md");
    let (_, line) = guide.split_once("```sh\nopenssl req").unwrap();
    let line = format!("openssl req{}", line.split_once("\nTOKENKEEP").unwrap().0);
    make(&world, &line);
    let listens = "[server]\ntls = { certificate = \"server.pem\", key = \"server.key\" }\n";
    world.write_config(&format!("{}{listens}", world.usual_config()));
    let mut serve = world.spawn(&["serve", "--listen", "https://127.0.0.1:0"]);
    let heard = serve.hear("listening on https").await;
    let url = heard.strip_prefix("listening on ").unwrap().split(',').next().unwrap().to_owned();
    assert!(by(&world, &url, "server.pem").await.data().contains("graph"));

    make(&world, &line.replace("server.", "other."));
    let namesake = by(&world, &url, "other.pem").await;
    assert!(namesake.failure(7).contains("\nnext: name the certificate "), "{namesake:?}");
    make(&world, &line.replace("server.", "other.").replace("/CN=broker", "/CN=other"));
    let unknown = by(&world, &url, "other.pem").await;
    let expected =
        format!("error: the certificate of {url} is not trusted: UnknownIssuer\nnext: name the certificate ");
    assert!(unknown.failure(7).starts_with(&expected), "{unknown:?}");
    stop(serve).await;

    for (without, advice) in [
        (
            " -addext basicConstraints=critical,CA:FALSE",
            "next: make it anew as a server's: with basicConstraints CA:FALSE",
        ),
        (",DNS:localhost,IP:127.0.0.1", "next: ask by a name that stands in it"),
    ] {
        assert!(line.contains(without), "{line}");
        make(&world, &line.replace(without, ""));
        let mut serve = world.spawn(&["serve", "--listen", "https://127.0.0.1:0"]);
        let heard = serve.hear("listening on https").await;
        let url = heard.strip_prefix("listening on ").unwrap().split(',').next().unwrap().to_owned();
        let told = by(&world, &url, "server.pem").await;
        assert!(told.failure(7).contains(advice), "{told:?}");
        stop(serve).await;
    }
}

/// Asks a server whose certificate this file has.
async fn by(world: &World, server: &str, authority: &str) -> Ended {
    let mut command = world.command(&["status", "--server", server]);
    command.env("TOKENKEEP_CA_FILE", authority);
    ended(command).await
}

/// Runs a line of a shell in the home folder.
fn make(world: &World, line: &str) {
    let shell = std::process::Command::new("sh").args(["-ec", line]).current_dir(world.home.path()).output().unwrap();
    assert!(shell.status.success(), "{shell:?}");
}
