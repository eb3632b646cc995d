//! `credentials`, `cleanup`, `stats`, and fallbacks on demand.

use std::process::Stdio;

use tokenkeep_sandbox::Fault;
use tokio::io::AsyncWriteExt as _;

use crate::world::{Ended, PASSWORD, Running, World};

#[tokio::test]
async fn an_account_is_unknown_then_given_then_used_then_removed() {
    let world = world().await;
    let unknown = world.run(&["get", "tenants:7"]).await;
    assert_eq!(
        unknown.failure(4),
        "error: tenants:7: there are no credentials of this account\nnext: give them: tokenkeep credentials set tenants:7\n"
    );
    let set = fed(&world, &["credentials", "set", "tenants:7"], &json(PASSWORD)).await;
    assert_eq!((set.code, &*set.stdout), (Some(0), ""), "{set:?}");
    assert_eq!(set.stderr, "tenants:7: the credentials are kept; the next get uses them\n");
    let token = world.run(&["get", "tenants:7"]).await;
    assert_eq!(world.run(&["get", "tenants:7"]).await.data(), token.data());
    assert_eq!(world.requests("people"), 1);
    let removed = world.run(&["credentials", "remove", "tenants:7"]).await;
    assert_eq!(removed.stderr, "tenants:7: the credentials are removed\n");
    world.run(&["get", "tenants:7"]).await.failure(4);
    let again = world.run(&["credentials", "remove", "tenants:7", "--json"]).await.json();
    assert_eq!(again, serde_json::json!({ "key": "tenants:7", "removed": false }));
}

#[tokio::test]
async fn a_password_comes_on_stdin_alone_when_the_name_is_an_argument() {
    let world = world().await;
    let args = ["credentials", "set", "tenants:7", "--username", "backend", "--lifetime", "30m", "--json"];
    let set = fed(&world, &args, &format!("{PASSWORD}\n")).await;
    assert_eq!(set.json(), serde_json::json!({ "key": "tenants:7", "stored": true }));
    world.run(&["get", "tenants:7"]).await.data();
}

#[tokio::test]
async fn wrong_credentials_are_refused_until_right_ones_are_given() {
    let world = world().await;
    fed(&world, &["credentials", "set", "tenants:7"], &json("wrong-7d1")).await;
    let refused = world.run(&["get", "tenants:7"]).await;
    assert!(refused.failure(6).contains("check username and password"), "{refused:?}");
    fed(&world, &["credentials", "set", "tenants:7"], &json(PASSWORD)).await;
    world.run(&["get", "tenants:7"]).await.data();
}

#[tokio::test]
async fn what_is_no_set_of_credentials_is_refused_without_being_shown() {
    let world = world().await;
    for (input, expected) in [
        ("", "credentials are a JSON object of texts"),
        ("hunter2-planted", "credentials are a JSON object of texts"),
        ("{}", "there are no credentials"),
        (r#"{"password": "hunter2-planted", "lifetime": "hunter2-planted"}"#, "the lifetime is not a duration"),
        (r#"{"password": ["hunter2-planted"]}"#, "credentials are a JSON object of texts"),
    ] {
        let ended = fed(&world, &["credentials", "set", "tenants:7"], input).await;
        let said = ended.failure(2);
        assert!(said.contains(expected) && !said.contains("hunter2"), "{input}: {said}");
    }
    let configured = fed(&world, &["credentials", "set", "graph"], &json(PASSWORD)).await;
    assert!(configured.failure(2).contains("next: change them there, or set accounts = \"stored\""), "{configured:?}");
}

#[tokio::test]
async fn tokens_are_counted_and_cleaned_up() {
    let world = world().await;
    fed(&world, &["credentials", "set", "tenants:7"], &json(PASSWORD)).await;
    world.run(&["get", "tenants:7"]).await.data();
    let stats = world.run(&["stats", "--json"]).await.json();
    let expected = serde_json::json!({ "total_cached": 1, "valid_tokens": 1, "expired_tokens": 0, "expiring_soon": 0 });
    assert_eq!(stats, expected);
    assert_eq!(world.run(&["stats", "graph", "--json"]).await.json()["total_cached"], 0);
    world.run(&["stats", "nothing"]).await.failure(4);
    assert_eq!(world.run(&["cleanup", "--json"]).await.json(), serde_json::json!({ "removed": 0 }));
    assert_eq!(world.run(&["cleanup"]).await.stderr, "threw out 0 tokens\n");
}

#[tokio::test]
async fn a_fallback_is_used_when_the_first_way_fails_and_on_demand() {
    let world = World::without_config().await;
    let token_url = world.sandbox.token_url();
    world.write_config(&format!(
        "{}[[providers.graph.fallback]]\ngrant = \"client_credentials\"\ntoken_url = \"{token_url}\"\n\
         client_id = \"people\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}\n",
        World::graph_at(&token_url)
    ));
    world.run(&["get", "graph"]).await.data();
    let forced = world.run(&["get", "graph", "--fallback"]).await;
    assert_eq!((forced.code, world.requests("graph"), world.requests("people")), (Some(0), 1, 1), "{forced:?}");
    world.sandbox.set_fault_for("graph", Fault::InvalidClient);
    let refreshed = world.run(&["refresh", "graph", "--json"]).await;
    assert_eq!(refreshed.code, Some(0), "{refreshed:?}");
    assert!(refreshed.stdout.contains("on_fallback"), "{refreshed:?}");
    assert_eq!(world.requests("people"), 2);
    let alone = world.run(&["clear", "graph", "--json"]).await.json();
    assert_eq!(alone["state"], "absent");
}

pub(crate) async fn world() -> World {
    let world = World::without_config().await;
    let token_url = world.sandbox.token_url();
    world.write_config(&format!(
        "{}[providers.tenants]\ngrant = \"password\"\naccounts = \"stored\"\ntoken_url = \"{token_url}\"\n\
         client_id = \"people\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}\n",
        World::graph_at(&token_url)
    ));
    world
}

fn json(password: &str) -> String {
    serde_json::json!({ "username": "backend", "password": password }).to_string()
}

/// What came of a command with this on stdin.
async fn fed(world: &World, args: &[&str], input: &str) -> Ended {
    let mut command = world.command(args);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.stdin().unwrap();
    // It may have ended before it reads, if it wants none.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    running.end().await
}
