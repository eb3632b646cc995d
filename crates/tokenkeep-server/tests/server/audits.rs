//! Whoever was handed a token stands in the log, and whoever was refused one.

use reqwest::Method;
use tokenkeep_sandbox::Fault;

use crate::secrets::log;
use crate::world::{Setup, World};

#[tokio::test]
async fn each_hand_out_leaves_one_line_with_who_what_and_outcome() {
    let world = Setup::keyed().start().await;
    let lines = audited(&world, "audit-of-a-hand-out", "/tokens/reports").await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    for said in [
        "INFO",
        "tokenkeep::audit",
        "caller=\"all\"",
        "action=\"get\"",
        "key=\"reports\"",
        "outcome=\"ok\"",
        "generation=1",
        "request_id=\"audit-of-a-hand-out\"",
    ] {
        assert!(line.contains(said), "{said} is not in {line}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_token_that_was_not_handed_out_is_a_line_with_the_code_and_without_a_generation() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::ConnectionReset);
    let lines = audited(&world, "audit-of-a-failure", "/tokens/reports").await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.contains("caller=\"anonymous\"") && line.contains("outcome=\"unavailable\""), "{line}");
    assert!(line.contains("key=\"reports\"") && !line.contains("generation"), "{line}");
    world.end().await;
}

#[tokio::test]
async fn each_call_that_manages_something_leaves_a_line_also_one_that_fails() {
    let world = Setup::open().start().await;
    world.get("/tokens/vendor:7").await;
    let calls = [
        (Method::POST, "/tokens/vendor:7/refresh", "action=\"refresh\" key=\"vendor:7\" outcome=\"ok\""),
        (
            Method::POST,
            "/tokens/vendor:7/refresh?nonsense=1",
            "action=\"refresh\" key=\"vendor:7\" outcome=\"invalid_request\"",
        ),
        (Method::POST, "/tokens/vendor:7/reject?generation=1", "action=\"reject\" key=\"vendor:7\" outcome=\"ok\""),
        (Method::DELETE, "/tokens/vendor:7", "action=\"clear\" key=\"vendor:7\" outcome=\"ok\""),
        (Method::DELETE, "/tokens/vendor:7/credentials", "action=\"remove_credentials\" key=\"vendor:7\" outcome="),
        (
            Method::PUT,
            "/tokens/vendor:7/credentials",
            "action=\"store_credentials\" key=\"vendor:7\" outcome=\"invalid_request\"",
        ),
        (Method::POST, "/tokens/vendor:7/credentials/test", "action=\"test_credentials\" key=\"vendor:7\" outcome="),
        (Method::POST, "/tokens/cleanup", "action=\"cleanup\" outcome=\"ok\""),
    ];
    for (at, (method, path, said)) in calls.into_iter().enumerate() {
        let name = format!("audit-of-call-{at}");
        world.http.request(method, world.url(path)).header("x-request-id", &name).send().await.unwrap();
        let lines = lines_of(&name);
        assert!(matches!(&lines[..], [line] if line.contains(said)), "{path}: {lines:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_no_key_is_not_repeated() {
    let world = Setup::open().start().await;
    let lines = audited(&world, "audit-of-nonsense", "/tokens/planted-token%20pasted").await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.contains("outcome=\"invalid_request\"") && !line.contains("key="), "{line}");
    world.end().await;
}

/// The audit lines of one request.
async fn audited(world: &World, name: &str, path: &str) -> Vec<String> {
    world.ask(path).header("x-request-id", name).send().await.unwrap();
    lines_of(name)
}

fn lines_of(name: &str) -> Vec<String> {
    let is_its = |line: &&str| line.contains("tokenkeep::audit") && line.contains(name);
    log().lines().filter(is_its).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn what_is_no_known_key_is_not_repeated_either() {
    let world = Setup::keyed().with_accounts().start().await;
    for (at, path) in ["/tokens/planted-nobody", "/tokens/bluestakes:planted-nobody", "/auth/planted-nobody:1"]
        .into_iter()
        .enumerate()
    {
        let lines = audited(&world, &format!("audit-of-unknown-{at}"), path).await;
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.contains("outcome=\"unknown_key\"") && !line.contains("key=\""), "{line}");
    }
    world.end().await;
}
