//! Whoever was handed a token stands in the log, and whoever was refused one.

use reqwest::Method;
use tokenkeep::store::StoreUrl;
use tokenkeep_sandbox::Fault;

use crate::secrets::{PASSWORD, log};
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
        "requests=1",
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

#[tokio::test]
async fn whoever_shows_no_key_or_a_wrong_one_leaves_a_line() {
    let world = Setup::keyed().start().await;
    for (at, (path, action)) in [
        ("/tokens/reports", "get"),
        ("/proxy/reports/x", "proxy"),
        ("/auth/reports", "auth"),
        ("/tokens", "-"),
        ("/nowhere", "-"),
        ("/health?key=reports", "-"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("audit-of-a-stranger-{at}");
        let asked = world.http.get(world.url(path)).header("x-api-key", "planted-wrong-key");
        assert_eq!(asked.header("x-request-id", &name).send().await.unwrap().status(), 401, "{path}");
        let lines = lines_of(&name);
        let said = format!("peer=\"127.0.0.1\" action=\"{action}\" outcome=\"unauthenticated\"");
        assert!(matches!(&lines[..], [line] if line.contains(&said)), "{path}: {lines:?}");
        assert!(!lines[0].contains("caller=") && !lines[0].contains("key="), "{}", lines[0]);
    }
    let form = "grant_type=client_credentials&client_id=fixed&client_secret=planted-wrong-secret";
    let asked = world
        .http
        .post(world.url("/oauth2/token"))
        .header("x-request-id", "audit-of-a-client")
        .header("content-type", FORM)
        .body(form);
    assert_eq!(asked.send().await.unwrap().status(), 401);
    let lines = lines_of("audit-of-a-client");
    let said = "action=\"oauth2_token\" outcome=\"unauthenticated\"";
    assert!(matches!(&lines[..], [line] if line.contains(said)), "{lines:?}");
    world.end().await;
}

#[tokio::test]
async fn a_flood_of_wrong_keys_is_a_few_lines_a_second_and_a_count_of_the_others() {
    let world = Setup::keyed().start().await;
    let ask = async |name: &str| {
        world.http.get(world.url("/tokens/reports")).header("x-request-id", name).send().await.unwrap();
    };
    for _ in 0..50 {
        ask("audit-of-a-flood").await;
    }
    let lines = lines_of("audit-of-a-flood");
    assert!(lines.len() == 10 && !lines.iter().any(|line| line.contains("left_out")), "{lines:?}");
    world.clock.advance(std::time::Duration::from_secs(1));
    for (name, said) in [("audit-after-a-flood", "left_out=40"), ("audit-of-the-next", "outcome=\"unauthenticated\"")] {
        ask(name).await;
        let lines = lines_of(name);
        assert!(matches!(&lines[..], [line] if line.contains(said)), "{lines:?}");
    }
    assert!(!lines_of("audit-of-the-next")[0].contains("left_out"));
    world.end().await;
}

#[tokio::test]
async fn a_trial_leaves_a_line_with_what_came_of_it() {
    let world = Setup::open().with_accounts().start().await;
    for (at, (path, username, key, outcome)) in [
        ("/tokens/bluestakes:1/credentials/test", "nobody", "bluestakes:1", "refused"),
        ("/tokens/bluestakes:1/credentials/test", "ann", "bluestakes:1", "ok"),
        ("/tokens/credentials/test", "nobody", "bluestakes", "refused"),
        ("/tokens/credentials/test", "ann", "bluestakes", "ok"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("audit-of-trial-{at}");
        let given = serde_json::json!({ "username": username, "password": PASSWORD });
        let asked = world.send("POST", path).header("x-request-id", &name).json(&given);
        assert_eq!(asked.send().await.unwrap().status(), 200);
        let said = format!("action=\"test_credentials\" key=\"{key}\" outcome=\"{outcome}\"");
        let lines = lines_of(&name);
        assert!(matches!(&lines[..], [line] if line.contains(&said)), "{said}: {lines:?}");
    }
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

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_token_that_was_pasted_as_an_account_is_in_no_line_whatever_became_of_the_call() {
    let look = |setup: Setup| setup.caller("look", "key-of-look", "\"bluestakes:*\", \"fixed\"", "\"refresh\"");
    let world = look(Setup::keyed().with_accounts()).start().await;
    let mut failing = look(Setup::keyed().with_accounts());
    failing.manager = failing.manager.store_url(StoreUrl::parse("sqlite:/dev/null/x/s.db").unwrap());
    let mut failing = failing.start().await;
    for (at, (world, method, path, outcome)) in [
        (&world, "GET", "/tokens/bluestakes:planted-pasted", "forbidden"),
        (&world, "POST", "/tokens/bluestakes:planted-pasted/refresh?nonsense=1", "invalid_request"),
        (&world, "DELETE", "/tokens/bluestakes:planted-pasted", "ok"),
        (&world, "PUT", "/tokens/bluestakes:planted-pasted/credentials", "invalid_request"),
        (&failing, "POST", "/tokens/bluestakes:pasted/refresh", "unavailable"),
        (&failing, "DELETE", "/tokens/bluestakes:pasted", "unavailable"),
        (&failing, "GET", "/auth/bluestakes:planted-pasted", "forbidden"),
        (&failing, "POST", "/tokens/bluestakes:planted-pasted/credentials/test", "forbidden"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("audit-of-pasted-{at}");
        let request = world.http.request(method.parse().unwrap(), world.url(path)).header("x-api-key", "key-of-look");
        request.header("x-request-id", &name).send().await.unwrap();
        let lines = lines_of(&name);
        let said = format!("outcome=\"{outcome}\"");
        assert!(matches!(&lines[..], [line] if line.contains(&said)), "{method} {path}: {lines:?}");
        assert!(!lines[0].contains("key=\""), "{}", lines[0]);
    }
    let refused = world.http.get(world.url("/tokens/fixed")).header("x-api-key", "key-of-look");
    refused.header("x-request-id", "audit-of-a-known-key").send().await.unwrap();
    assert!(lines_of("audit-of-a-known-key")[0].contains("key=\"fixed\" outcome=\"forbidden\""));
    failing.begin_to_stop();
    failing.stopped().await;
    world.end().await;
}
