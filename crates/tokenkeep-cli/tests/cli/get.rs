use tokenkeep::Clock as _;
use tokenkeep::clock::SystemClock;
use tokenkeep_sandbox::Fault;

use crate::world::{COMMAND_TOKEN, STATIC_TOKEN, World, ended};

#[tokio::test]
async fn get_prints_a_token_that_the_api_takes_and_nothing_else() {
    let world = World::start().await;
    let token = world.run(&["get", "graph"]).await.data().to_owned();
    let answer = reqwest::Client::builder()
        .build()
        .unwrap()
        .get(world.sandbox.api_url())
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_second_process_takes_the_token_from_the_store() {
    let world = World::start().await;
    let first = world.run(&["get", "graph"]).await;
    let second = world.run(&["get", "graph"]).await;
    assert_eq!(first.data(), second.data());
    assert_eq!(world.requests("graph"), 1);
}

#[tokio::test]
async fn a_token_file_that_another_program_has_left_is_used_and_nobody_is_asked() {
    let world = World::start().await;
    world.write_config(&world.usual_config().replace("sqlite:tokens.db", "file:${FILES:-.}/flight_app_tokens"));
    let file = world.path("flight_app_tokens/graph_token.json");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let now = SystemClock::new().now().wall_ms / 1_000;
    let data = serde_json::json!({ "access_token": "left-behind", "token_type": "Bearer", "expires_in": 43_199 });
    let expiry = now + 43_199;
    let content = serde_json::json!({
        "access_token": "left-behind", "token_data": data, "token_expiry": expiry, "saved_at": now
    });
    std::fs::write(&file, content.to_string()).unwrap();
    let first = world.run(&["get", "graph"]).await;
    assert_eq!(first.stdout, "left-behind\n");
    assert!(first.stderr.contains("others could open") && first.stderr.contains("graph_token.json"), "{first:?}");
    assert_eq!(world.run(&["get", "graph"]).await.data(), "left-behind");
    assert_eq!((std::fs::read_to_string(&file).unwrap(), world.requests("graph")), (content.to_string(), 0));
    assert_eq!(world.run(&["clear", "graph"]).await.code, Some(0));
    assert!(!file.exists());
    let token = world.run(&["get", "graph"]).await.data().to_owned();
    assert!(std::fs::read_to_string(&file).unwrap().contains(&token));
    assert_eq!(world.requests("graph"), 1);
}

#[tokio::test]
async fn every_grant_brings_a_token() {
    let world = World::start().await;
    for key in ["graph", "people", "calendar"] {
        assert!(world.run(&["get", key]).await.data().starts_with(&format!("sbx_{key}_")), "{key}");
    }
    assert_eq!(world.run(&["get", "billing"]).await.data(), STATIC_TOKEN);
    assert_eq!(world.run(&["get", "legacy"]).await.data(), COMMAND_TOKEN);
}

#[tokio::test]
async fn the_format_decides_what_is_printed() {
    let world = World::start().await;
    let token = world.run(&["get", "graph", "--format", "token"]).await.data().to_owned();
    let header = world.run(&["get", "graph", "--format", "header"]).await;
    assert_eq!(header.data(), format!("Authorization: Bearer {token}"));

    let env = world.run(&["get", "graph", "--format", "env"]).await;
    assert_eq!(env.data(), format!("export TOKENKEEP_TOKEN={token}"));

    let json = world.run(&["get", "graph", "--format", "json"]).await.json();
    assert_eq!(json["key"], "graph");
    assert_eq!(json["access_token"], *token);
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["scope"], "read write");
    assert_eq!(json["generation"], 1);
    assert_eq!(json["warnings"], serde_json::json!([]));
    let left = json["expires_in"].as_u64().unwrap();
    assert!((500..=600).contains(&left), "{left}");
    assert!(json["expires_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_shell_gets_the_same_token_back_from_env() {
    let world = World::start().await;
    world.write_config("store = \"memory:\"\n[providers.odd]\ngrant = \"static\"\ntoken = { env = \"ODD\" }\n");
    let odd = "a'b$(c)\"d;e";
    let mut command = world.command(&["get", "odd", "--format", "env"]);
    command.env("ODD", odd);
    let script = format!("{}\nprintf %s \"$TOKENKEEP_TOKEN\"", ended(command).await.data());
    let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(shell.stdout).unwrap(), odd);
}

#[tokio::test]
async fn get_with_refresh_brings_a_new_token_though_the_present_one_is_good() {
    let world = World::start().await;
    let first = world.run(&["get", "graph"]).await.data().to_owned();
    let json = world.run(&["get", "graph", "--refresh", "--format", "json"]).await.json();
    assert_ne!(json["access_token"], *first);
    assert_eq!(json["generation"], 2);
}

#[tokio::test]
async fn more_life_than_the_issuer_gives_is_a_wrong_call() {
    let world = World::start().await;
    let ended = world.run(&["get", "graph", "--min-valid", "1h"]).await;
    assert_eq!(
        ended.failure(2),
        "error: graph: min_valid is 3600 s, but the issuer's tokens live 600 s\nnext: ask for less\n"
    );
}

#[tokio::test]
async fn a_caller_waits_no_longer_than_it_wants_and_the_token_is_kept_all_the_same() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Hang.times(1));
    let waiting = world.spawn(&["get", "graph", "--max-wait", "1ms"]);
    world.arrived("graph", 1).await;
    world.sandbox.release();
    let ended = waiting.end().await;
    assert!(ended.failure(7).starts_with("error: graph: no token within 0.001 s\nnext: "), "{ended:?}");
    world.run(&["get", "graph"]).await.data();
    assert_eq!(world.requests("graph"), 1);
}

#[tokio::test]
async fn a_good_token_is_printed_while_the_issuer_is_down() {
    let world = World::start().await;
    let token = world.run(&["get", "graph"]).await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    let failed = world.run(&["get", "graph", "--refresh"]).await;
    assert!(failed.failure(7).contains("503"), "{failed:?}");
    let again = world.run(&["get", "graph"]).await;
    assert_eq!((again.code, &again.stdout), (Some(0), &token.stdout));
    assert!(again.stderr.starts_with("warning: graph: refresh failing"), "{again:?}");
}

#[tokio::test]
async fn a_length_of_time_without_a_unit_is_a_wrong_call() {
    let world = World::start().await;
    let ended = world.run(&["get", "graph", "--min-valid", "30"]).await;
    assert!(ended.failure(2).contains("it has no unit; write e.g. 30s"), "{ended:?}");
}
