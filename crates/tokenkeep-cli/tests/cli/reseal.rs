//! Sealing as an operator meets it: the key file, changing keys, losing one.

use rustix::process::Signal;
use tokenkeep::Secret;
use tokenkeep::seal::SealKey;
use tokio::process::Command;

use crate::world::{Ended, ISSUED, World, ended};

const NEW_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

const ENV: &str = "{ env = \"NEW_KEY\" }";
/// The key that the store made for itself.
const FILE: &str = "{ file = \"tokens.db.key\" }";

/// A world whose store holds `graph` and `calendar`, sealed with the store's own key.
async fn sealed_world() -> World {
    let world = World::start().await;
    world.run(&["get", "graph"]).await.data();
    world.run(&["get", "calendar"]).await.data();
    world
}

/// From now on these are the `seal_keys`.
fn configure(world: &World, keys: &str) {
    world.write_config(&format!("seal_keys = [{keys}]\n{}", world.usual_config()));
}

fn command(world: &World, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command.env("NEW_KEY", NEW_KEY);
    command
}

async fn run(world: &World, args: &[&str]) -> Ended {
    ended(command(world, args)).await
}

fn id(key: &str) -> String {
    SealKey::parse(&Secret::new(key)).unwrap().id().to_owned()
}

fn filed_id(world: &World) -> String {
    id(&std::fs::read_to_string(world.path("tokens.db.key")).unwrap())
}

#[tokio::test]
async fn a_store_is_sealed_without_being_told() {
    let world = sealed_world().await;
    let token = world.run(&["get", "graph"]).await.data().to_owned();
    let content = std::fs::read(world.path("tokens.db")).unwrap();
    let holds = |text: &str| content.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("graph") && holds("sealed:1:"));
    for text in [&*token, &token[..12], "read write", "Bearer"] {
        assert!(!holds(text), "{text}");
    }
}

#[tokio::test]
async fn a_key_is_changed_step_by_step_and_no_token_is_lost() {
    let world = sealed_world().await;
    let requests = (world.requests("graph"), world.requests("calendar"));
    for keys in [[FILE, ENV], [ENV, FILE]] {
        configure(&world, &keys.join(", "));
        run(&world, &["get", "graph"]).await.data();
    }
    let resealed = run(&world, &["store", "reseal"]).await;
    assert_eq!((resealed.code, &*resealed.stdout), (Some(0), ""));
    let expected =
        format!("sqlite:./tokens.db: 2 records sealed anew with key {}, 0 already, 0 cannot be opened\n", id(NEW_KEY));
    assert_eq!(resealed.stderr, expected);
    configure(&world, ENV);
    std::fs::remove_file(world.path("tokens.db.key")).unwrap();
    for key in ["graph", "calendar"] {
        run(&world, &["get", key]).await.data();
    }
    assert_eq!((world.requests("graph"), world.requests("calendar")), requests, "both were read from the store");
    assert!(run(&world, &["refresh", "calendar"]).await.stderr.contains("generation 2"));
    assert_eq!(world.sandbox.counters_of("calendar").reused_refresh_tokens, 0);
    let again = run(&world, &["store", "reseal", "--json"]).await.json();
    assert_eq!((&again["resealed"], &again["already_right"]), (&0.into(), &2.into()));
    assert_eq!(again["seal_key"], id(NEW_KEY));
}

#[tokio::test]
async fn a_running_server_is_not_disturbed() {
    let world = sealed_world().await;
    configure(&world, ENV);
    let mut server = command(&world, &["serve", "--listen", "127.0.0.1:0"]);
    server.env("RUST_LOG", "warn");
    let mut server = crate::world::Running::start(server);
    server.hear("listening on").await;
    assert_eq!(run(&world, &["store", "reseal"]).await.code, Some(0));
    std::fs::remove_file(world.path("tokens.db.key")).unwrap();
    for generation in 2..=3 {
        let ended = run(&world, &["refresh", "calendar"]).await;
        assert!(ended.stderr.contains(&format!("generation {generation}")), "{ended:?}");
    }
    server.signal(Signal::TERM);
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("store") && !ended.stderr.contains("WARN"), "{ended:?}");
    assert_eq!(world.sandbox.counters_of("calendar").reused_refresh_tokens, 0);
}

#[tokio::test]
async fn records_whose_key_is_lost_are_named_with_what_to_do_and_stay() {
    let world = sealed_world().await;
    let lost = filed_id(&world);
    std::fs::rename(world.path("tokens.db.key"), world.path("kept")).unwrap();
    let failed = world.run(&["store", "reseal"]).await;
    let said = failed.failure(2);
    for key in ["calendar", "graph"] {
        assert!(said.contains(&format!("warning: {key}: cannot be opened: it is sealed with key {lost}")), "{said}");
    }
    assert!(said.contains("add that key to seal_keys") && said.contains("2 cannot be opened\nnext: bring"), "{said}");
    let failed = world.run(&["store", "reseal", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((failed.code, &json["unopenable"][0]["key"]), (Some(2), &"calendar".into()));
    assert!(json["unopenable"][1]["why"].as_str().unwrap().contains(&lost), "{json}");

    let requests = world.requests("graph");
    std::fs::rename(world.path("kept"), world.path("tokens.db.key")).unwrap();
    world.run(&["get", "graph"]).await.data();
    assert_eq!(world.requests("graph"), requests, "with the key back nothing was lost");
}

#[tokio::test]
async fn without_its_key_a_login_is_refused_and_a_service_goes_on() {
    let world = sealed_world().await;
    std::fs::remove_file(world.path("tokens.db.key")).unwrap();
    let graph = world.run(&["get", "graph"]).await;
    assert!(graph.stdout.starts_with(ISSUED) && graph.stderr.contains("there is neither a key file"), "{graph:?}");
    let requests = world.requests("calendar");
    let calendar = world.run(&["get", "calendar"]).await;
    assert!(calendar.failure(7).contains("the record of 'calendar' cannot be opened"), "{calendar:?}");
    assert_eq!(world.requests("calendar"), requests, "an old refresh token would end the login");
}

#[tokio::test]
async fn what_cannot_be_opened_is_forgotten_only_when_told() {
    let world = sealed_world().await;
    std::fs::remove_file(world.path("tokens.db.key")).unwrap();
    let forgot = world.run(&["store", "reseal", "--forget"]).await;
    assert_eq!((forgot.code, &*forgot.stdout), (Some(0), ""));
    assert!(forgot.stderr.contains("0 already, 2 forgotten"), "{forgot:?}");
    let json = world.run(&["get", "graph", "--format", "json"]).await.json();
    assert_eq!(json["generation"], 2);
}

#[tokio::test]
async fn a_store_that_is_not_sealed_has_nothing_to_reseal() {
    let world = World::without_config().await;
    for url in ["memory:", "file:tokens"] {
        world.write_config(&format!("store = \"{url}\"\n"));
        assert!(world.run(&["store", "reseal"]).await.failure(2).contains("this store is not sealed"), "{url}");
    }
}
