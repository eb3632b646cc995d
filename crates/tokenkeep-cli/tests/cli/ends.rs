//! Exit codes, and what is said with them.

use std::fs::OpenOptions;

use tokenkeep_sandbox::Fault;

use crate::world::{World, ended};

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code_and_says_what_to_try() {
    let world = World::start().await;
    let unknown = world.run(&["get", "grahp"]).await;
    assert_eq!(
        unknown.failure(4),
        "error: grahp: there is no such provider\nnext: configured are: billing, calendar, graph, legacy, people\n"
    );

    let no_key = world.run(&["get", "a/b"]).await;
    assert!(no_key.failure(2).contains("next: a key is provider or provider:account"), "{no_key:?}");

    let mut command = world.command(&["get", "calendar"]);
    command.env("SEED", "not-a-refresh-token");
    let login = ended(command).await;
    assert!(login.failure(5).contains("next: log in again"), "{login:?}");

    let mut command = world.command(&["get", "people"]);
    command.env("CLIENT_SECRET", "wrong");
    let refused = ended(command).await;
    assert!(refused.failure(6).contains("next: check client_id, client_secret"), "{refused:?}");

    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    let unavailable = world.run(&["get", "graph"]).await;
    assert!(unavailable.failure(7).contains("\nnext: try again in 1s\n"), "{unavailable:?}");
}

#[tokio::test]
async fn an_error_says_how_long_the_issuer_wants_to_be_left_alone() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::TooManyRequests { retry_after: Some(tokenkeep_sandbox::RetryAfter::Seconds(300)) });
    let ended = world.run(&["get", "graph"]).await;
    assert!(ended.failure(7).contains("next: try again in 5m\n"), "{ended:?}");
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_over_https_is_unavailable() {
    let world = World::without_config().await;
    world.write_config(&World::graph_at("https://127.0.0.1:1/token"));
    let ended = world.run(&["get", "graph"]).await;
    assert!(ended.failure(7).contains("127.0.0.1:1 cannot be reached"), "{ended:?}");
}

#[tokio::test]
async fn without_a_store_tokens_flow_with_a_warning_and_logins_are_not_risked() {
    let world = World::start().await;
    std::fs::create_dir(world.path("tokens.db")).unwrap();
    let ended = world.run(&["get", "graph"]).await;
    assert_eq!((ended.code, world.requests("graph")), (Some(0), 1), "{ended:?}");
    let warning = "warning: graph: the store does not work: sqlite:./tokens.db: is not a regular file; name another\n";
    assert!(ended.stderr.contains(warning), "{ended:?}");
    // Which refresh token is the newest is not known.
    let ended = world.run(&["get", "calendar"]).await;
    assert!(ended.failure(7).contains("\nnext: mend the store"), "{ended:?}");
    assert_eq!(world.requests("calendar"), 0);
    let ended = world.run(&["clear", "graph"]).await;
    assert!(ended.failure(7).contains("cleared here, but not in the store"), "{ended:?}");
}

#[tokio::test]
async fn a_wrong_call_exits_with_2_and_help_with_0() {
    let world = World::without_config().await;
    for args in [&["gte", "graph"][..], &["get"], &["get", "a", "--format", "xml"], &["dev", "--config", "x"], &[]] {
        world.run(args).await.failure(2);
    }
    for command in ["get", "status", "refresh", "request", "clear", "config", "serve", "dev"] {
        let help = world.run(&[command, "--help"]).await;
        assert!(help.data().contains("Usage: tokenkeep"), "{help:?}");
    }
    assert!(world.run(&["--help"]).await.data().contains("tokenkeep dev"));
}

#[tokio::test]
async fn a_reader_that_has_had_enough_is_no_error() {
    let world = World::start().await;
    for args in [&["status"][..], &["get", "graph"], &["dev", "--for", "20s"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = world.command(args);
        command.stdout(writer);
        let ended = ended(command).await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_token_that_cannot_be_printed_is_an_error() {
    let world = World::start().await;
    let mut command = world.command(&["get", "graph"]);
    command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let ended = ended(command).await;
    assert!(ended.failure(1).starts_with("error: cannot write to stdout: "), "{ended:?}");
}
