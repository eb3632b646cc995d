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
async fn credentials_with_other_names_than_the_login_has_replace_nothing() {
    let world = world().await;
    fed(&world, &["credentials", "set", "tenants:7"], &json(PASSWORD)).await;
    let logs_in = "next: this provider logs in with: password, username\n";
    for (input, expected) in [
        (r#"{"username": "backend"}"#, "the credentials have no password"),
        (r#"{"user": "backend", "password": "hunter2-planted"}"#, "the credentials have no username, but user"),
        (
            r#"{"username": "backend", "password": "hunter2-planted", "pin": "hunter2-planted"}"#,
            "this provider does not log in with pin",
        ),
    ] {
        let refused = fed(&world, &["credentials", "set", "tenants:7"], input).await;
        assert_eq!(refused.failure(2), format!("error: tenants:7: {expected}\n{logs_in}"));
    }
    world.run(&["get", "tenants:7"]).await.data();
}

#[tokio::test]
async fn a_recipe_says_which_names_credentials_have() {
    let world = World::without_config().await;
    let login = world.sandbox.login_url();
    world.write_config(&format!(
        "store = \"sqlite:tokens.db\"\n[providers.vendor]\ngrant = \"login\"\naccounts = \"stored\"\nlifetime = \"1h\"\n\
         credentials = {{ app = {{ env = \"CLIENT_SECRET\" }} }}\n\
         [providers.vendor.login]\npost = \"{login}\"\ntoken = \"/Authorization\"\n\
         json = {{ username = \"{{user}}\", password = \"{{pin}}\", app = \"{{app}}\" }}\n"
    ));
    let refused = fed(&world, &["credentials", "set", "vendor:7"], &json(PASSWORD)).await;
    let said = refused.failure(2);
    assert!(said.contains("have no pin and no user, but password, username"), "{said}");
    assert!(said.contains("next: this provider logs in with: app, pin, user\n"), "{said}");
    // What is configured for all accounts may be given for one.
    for given in [r#"{"user": "backend", "pin": "PASSWORD"}"#, r#"{"user": "backend", "pin": "PASSWORD", "app": "1"}"#]
    {
        let set = fed(&world, &["credentials", "set", "vendor:7"], &given.replace("PASSWORD", PASSWORD)).await;
        assert_eq!(set.code, Some(0), "{set:?}");
        world.run(&["get", "vendor:7"]).await.data();
    }
}

#[tokio::test]
async fn a_store_that_is_not_sealed_keeps_no_credentials_and_that_is_no_outage() {
    let world = world().await;
    let config = std::fs::read_to_string(world.path("tokenkeep.toml")).unwrap();
    world.write_config(&config.replace("sqlite:tokens.db", "file:tokens"));
    let refused = fed(&world, &["credentials", "set", "tenants:7"], &json(PASSWORD)).await;
    assert_eq!(
        refused.failure(2),
        "error: tenants:7: credentials are not kept in this store, which is not sealed\n\
         next: configure seal_keys, or a store that seals itself: store = \"sqlite:PATH\"\n"
    );
    let removed = world.run(&["credentials", "remove", "tenants:7"]).await;
    assert_eq!(removed.stderr, "tenants:7: there were no credentials\n");
}

#[tokio::test]
async fn a_password_that_is_a_json_object_is_kept_with_a_warning() {
    let world = world().await;
    let set = fed(&world, &["credentials", "set", "tenants:7", "--username", "backend"], &json(PASSWORD)).await;
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.stderr.starts_with("warning: the password is a JSON object"), "{set:?}");
    assert!(!set.stderr.contains(PASSWORD), "{set:?}");
    world.run(&["get", "tenants:7"]).await.failure(6);
}

#[tokio::test]
async fn credentials_are_tried_before_they_are_kept() {
    let world = world().await;
    let test = ["credentials", "test", "tenants:7", "--stdin"];
    assert_eq!(fed(&world, &test, &json("wrong-7d1")).await.code, Some(6));
    let good = fed(&world, &test, &json(PASSWORD)).await;
    assert!(good.data().contains("tenants:7: good, a Bearer token"), "{good:?}");
    world.run(&["get", "tenants:7"]).await.failure(4);
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
pub(crate) async fn fed(world: &World, args: &[&str], input: &str) -> Ended {
    let mut command = world.command(args);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.stdin().unwrap();
    // It may have ended before it reads, if it wants none.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    running.end().await
}
