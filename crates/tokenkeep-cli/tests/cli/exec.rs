//! A program with a token in its environment.

use std::process::Stdio;

use rustix::process::Signal;
use tokenkeep_sandbox::Fault;
use tokio::process::Command;

use crate::world::{CLIENT_SECRET, World, ended};

#[tokio::test]
async fn the_program_has_the_token_its_arguments_and_its_own_exit_code() {
    let world = World::start().await;
    let script = "echo \"$TOKENKEEP_TOKEN $1\"; exit 7";
    let ended = world.run(&["exec", "graph", "--", "sh", "-c", script, "sh", "an argument"]).await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    let token = world.run(&["get", "graph"]).await.data().to_owned();
    assert_eq!(ended.stdout, format!("{token} an argument\n"));
    assert_eq!(ended.stderr, "");
    assert_eq!(world.requests("graph"), 1);
}

#[tokio::test]
async fn the_variable_can_have_another_name() {
    let world = World::start().await;
    let script = "echo \"$GRAPH_TOKEN,$TOKENKEEP_TOKEN\"";
    let ended = world.run(&["exec", "graph", "--env", "GRAPH_TOKEN", "--", "sh", "-c", script]).await;
    let token = world.run(&["get", "graph"]).await.data().to_owned();
    assert_eq!(ended.data(), format!("{token},"));
    for name in ["", "1X", "A-B", "A=B"] {
        world.run(&["exec", "graph", "--env", name, "--", "true"]).await.failure(2);
    }
}

#[tokio::test]
async fn what_opens_the_server_is_not_handed_to_the_program() {
    let world = World::start().await;
    for (variable, value) in [
        ("TOKENKEEP_API_KEY", "a-key"),
        ("TOKENKEEP_API_KEY_FILE", "/a/file"),
        ("TOKENKEEP_CLIENT_CERTIFICATE", "/a/file"),
    ] {
        let script = format!("echo \"${variable},$TOKENKEEP_SERVER,$TOKENKEEP_TOKEN\"");
        let mut command = world.command(&["exec", "graph", "--", "sh", "-c", &script]);
        command.env(variable, value);
        let token = world.run(&["get", "graph"]).await.data().to_owned();
        assert_eq!(ended(command).await.data(), format!(",,{token}"), "{variable}");
    }
    let own = ["exec", "graph", "--env", "TOKENKEEP_API_KEY", "--", "sh", "-c", "echo \"$TOKENKEEP_API_KEY\""];
    assert_eq!(world.run(&own).await.data(), world.run(&["get", "graph"]).await.data());
}

#[tokio::test]
async fn without_a_token_the_program_is_not_started() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    let ended = world.run(&["exec", "graph", "--", "touch", "started"]).await;
    assert!(ended.failure(7).contains("503"), "{ended:?}");
    assert!(!world.path("started").exists());
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named_and_the_login_is_saved_all_the_same() {
    let world = World::start().await;
    let ended = world.run(&["exec", "calendar", "--", "./no-such-program"]).await;
    assert!(ended.failure(2).contains("cannot start ./no-such-program"), "{ended:?}");
    world.run(&["refresh", "calendar"]).await;
    let counters = world.sandbox.counters_of("calendar");
    assert_eq!((counters.issued, counters.reused_refresh_tokens), (2, 0));
    assert!(world.run(&["exec", "calendar"]).await.failure(2).contains("<PROGRAM>"));
}

#[tokio::test]
async fn signals_are_the_programs_own() {
    let world = World::start().await;
    let mut running = world.spawn(&["exec", "graph", "--", "sh", "-c", "echo ready >&2; exec sleep 100"]);
    running.hear("ready").await;
    running.signal(Signal::TERM);
    assert_eq!(running.end().await.code, None, "ended by the signal, not by tokenkeep");
}

#[tokio::test]
async fn a_signal_that_was_ignored_is_ignored_by_the_program_too() {
    let world = World::start().await;
    // What nohup does.
    let mut nohup = Command::new("sh");
    nohup.arg("-c").arg("trap '' HUP; exec \"$0\" exec graph -- sh -c 'kill -HUP $$; echo alive'");
    nohup.arg(env!("CARGO_BIN_EXE_tokenkeep"));
    nohup.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", world.home.path()).env("CLIENT_SECRET", CLIENT_SECRET);
    world.write_config(&World::graph_at(&world.sandbox.token_url()));
    nohup.current_dir(world.home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_eq!(ended(nohup).await.data(), "alive");
}
