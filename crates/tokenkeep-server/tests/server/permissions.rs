//! What a caller may not see is not there for it, on no route.

use serde_json::{Value, json};

use crate::secrets::PASSWORD;
use crate::world::{Setup, World, caller};

/// All routes that name a key, with what a caller needs there.
const ROUTES: [(&str, &str, &str); 14] = [
    ("GET", "/tokens/KEY", "get"),
    ("POST", "/tokens/KEY/reject?generation=9", "get"),
    ("GET", "/tokens/KEY/watch", "get"),
    ("GET", "/proxy/KEY/users", "proxy"),
    ("POST", "/proxy/KEY", "proxy"),
    ("GET", "/tokens/KEY/status", ""),
    ("GET", "/api/debug/token?key=KEY", ""),
    ("GET", "/health?key=KEY", ""),
    ("POST", "/tokens/KEY/refresh", "refresh"),
    ("DELETE", "/tokens/KEY", "refresh"),
    ("PUT", "/tokens/KEY/credentials", "credentials"),
    ("POST", "/tokens/KEY/credentials/test", "credentials"),
    ("POST", "/tokens/credentials/KEY", "credentials"),
    ("DELETE", "/tokens/KEY/credentials", "credentials"),
];
const ACTIONS: [&str; 5] = ["get", "proxy", "refresh", "credentials", "admin"];

fn setup() -> Setup {
    let one = "\"bluestakes:1\"";
    let setup = ACTIONS.iter().fold(Setup::keyed().with_accounts(), |setup, action| {
        setup.caller(action, &key_of(action), one, &format!("\"{action}\""))
    });
    setup
        .caller("accounts", "k-accounts", "\"bluestakes:*\"", "\"get\"")
        .caller("at-all", "k-at-all", "\"*:1\"", "\"get\"")
}

fn key_of(action: &str) -> String {
    format!("key-of-{action}")
}

async fn give(world: &World, account: &str) {
    let ann = json!({ "username": "ann", "password": PASSWORD });
    let path = format!("/tokens/bluestakes:{account}/credentials");
    assert_eq!(world.send("PUT", &path).json(&ann).send().await.unwrap().status(), 204);
}

async fn ask(world: &World, key: &str, method: &str, path: &str) -> (u16, Value) {
    let request = world.http.request(method.parse().unwrap(), world.url(path)).header("x-api-key", key);
    let body = json!({ "username": "ann", "password": PASSWORD });
    let takes_body = path.contains("credentials") && method != "DELETE";
    let request = if takes_body { request.json(&body) } else { request };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status == 200 && path.ends_with("/watch") {
        return (status, Value::Null); // it does not end
    }
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_caller_may_what_its_action_says_and_is_told_so_otherwise() {
    let world = setup().start().await;
    for action in ACTIONS {
        for (method, path, needed) in ROUTES {
            give(&world, "1").await;
            let (status, problem) = ask(&world, &key_of(action), method, &path.replace("KEY", "bluestakes:1")).await;
            let is_allowed = needed.is_empty() || needed == action || action == "admin";
            if is_allowed {
                assert!(![401, 403, 404].contains(&status), "{action}: {method} {path}: {status} {problem}");
            } else {
                assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{action}: {method} {path}");
                assert_eq!(problem["key"], "bluestakes:1");
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn what_a_caller_may_not_see_is_answered_as_if_it_were_not_there() {
    let world = setup().start().await;
    give(&world, "1").await;
    give(&world, "2").await;
    world.json("/tokens/bluestakes:2").await;
    for action in ACTIONS {
        for (method, path, _) in ROUTES {
            let mut answers = Vec::new();
            // There, not there; another provider, no provider; an account by its bare name, and a provider's name as one.
            for name in
                ["bluestakes:2", "bluestakes:3", "bluestakes", "fixed", "nobody", "nobody:1", "2", "3", "vendor:1"]
            {
                let (status, mut problem) = ask(&world, &key_of(action), method, &path.replace("KEY", name)).await;
                assert_eq!((status, problem["key"].take()), (404, json!(name)), "{action}: {method} {path}");
                answers.push(problem);
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{action}: {method} {path}: {answers:?}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn the_protocols_of_others_tell_a_caller_no_more() {
    let world = setup().start().await;
    for account in ["1", "2"] {
        give(&world, account).await;
        world.json(&format!("/tokens/bluestakes:{account}")).await;
    }
    for action in ACTIONS {
        let key = key_of(action);
        let auth = async |name: &str| {
            let request = world.http.get(world.url(&format!("/auth/{name}"))).header("x-api-key", &key);
            request.send().await.unwrap()
        };
        let token = async |name: &str| {
            let form = format!("grant_type=client_credentials&scope={name}&client_id={action}&client_secret={key}");
            let request = world.http.post(world.url("/oauth2/token"));
            let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        };
        let is_allowed = action == "get" || action == "admin";
        assert_eq!(auth("bluestakes:1").await.status(), if is_allowed { 200 } else { 403 }, "{action}");
        assert_eq!(token("bluestakes:1").await.0 == 200, is_allowed, "{action}");
        let mut answers = Vec::new();
        for name in ["bluestakes:2", "bluestakes:3", "fixed", "nobody", "2", "3", "vendor:1"] {
            let refused = auth(name).await;
            assert_eq!(
                (refused.status().as_u16(), &refused.headers()["tokenkeep-problem"]),
                (403, &"unknown_key".parse().unwrap())
            );
            assert_eq!(refused.bytes().await.unwrap().len(), 0);
            answers.push(token(name).await);
        }
        answers.dedup();
        assert!(matches!(&answers[..], [(400, error)] if error["error"] == "invalid_scope"), "{action}: {answers:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn metrics_name_only_what_a_caller_may_see() {
    let world = setup().start().await;
    for account in ["1", "2"] {
        give(&world, account).await;
        world.json(&format!("/tokens/bluestakes:{account}")).await;
    }
    world.json("/tokens/reports").await;
    for action in ACTIONS {
        let request = world.http.get(world.url("/metrics")).header("x-api-key", key_of(action));
        let page = request.send().await.unwrap().text().await.unwrap();
        assert!(page.contains("key=\"bluestakes:1\""), "{page}");
        for hidden in ["bluestakes:2", "reports", "fixed", "vendor", "tokenkeep_http_requests_total{"] {
            assert!(!page.contains(hidden), "{hidden}: {page}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn lists_sums_and_filters_know_only_what_a_caller_may_see() {
    let world = setup().start().await;
    for account in ["1", "2", "12"] {
        give(&world, account).await;
        world.json(&format!("/tokens/bluestakes:{account}")).await;
    }
    let keys = async |key: &str, path: &str| {
        let (status, page) = ask(&world, key, "GET", path).await;
        assert_eq!(status, 200, "{page}");
        page["tokens"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for action in ACTIONS {
        let key = key_of(action);
        assert_eq!(keys(&key, "/tokens").await, ["bluestakes:1"]);
        assert_eq!(keys(&key, "/tokens?after=bluestakes:0").await, ["bluestakes:1"]);
        assert_eq!(keys(&key, "/tokens?after=bluestakes:1").await, [""; 0]);
        assert_eq!(keys(&key, "/tokens?provider=bluestakes").await, ["bluestakes:1"]);
        assert_eq!(ask(&world, &key, "GET", "/tokens/stats").await.1["total_cached"], 1);
        for provider in ["fixed", "nobody"] {
            let (status, problem) = ask(&world, &key, "GET", &format!("/tokens?provider={provider}")).await;
            let detail = "there is no such key, or it is not for this caller";
            assert_eq!((status, &problem["key"], &problem["detail"]), (404, &json!(provider), &json!(detail)));
        }
        assert_eq!(ask(&world, &key, "POST", "/tokens/cleanup").await.0, 403);
    }
    let accounts = ["bluestakes", "bluestakes:1", "bluestakes:12", "bluestakes:2"];
    assert_eq!(keys("k-accounts", "/tokens").await, accounts);
    assert_eq!(keys("k-accounts", "/tokens?limit=2&after=bluestakes").await, accounts[1..3]);
    // At `vendor` any account may ask.
    assert_eq!(keys("k-at-all", "/tokens").await, ["bluestakes:1", "vendor:1"]);
    world.end().await;
}

#[tokio::test]
async fn every_page_of_what_a_caller_may_see_follows_the_one_before() {
    let setup = setup();
    let setup = setup.caller("mixed", "k-mixed", "\"vendor:b\", \"bluestakes:*\", \"vendor:a\", \"fixed\"", "\"get\"");
    let world = setup.start().await;
    give(&world, "1").await;
    for key in ["vendor:a", "vendor:b", "vendor:c"] {
        world.json(&format!("/tokens/{key}")).await;
    }
    let mut seen = Vec::new();
    let mut path = "/tokens?limit=1".to_owned();
    loop {
        let (_, page) = ask(&world, "k-mixed", "GET", &path).await;
        seen.extend(page["tokens"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/tokens?limit=1&after={next}");
    }
    assert_eq!(seen, ["bluestakes", "bluestakes:1", "fixed", "vendor:a", "vendor:b"]);
    world.end().await;
}

#[tokio::test]
async fn who_may_ask_changes_with_the_configuration_while_the_server_runs() {
    let world = setup().start().await;
    give(&world, "1").await;
    assert_eq!(ask(&world, "key-of-get", "GET", "/tokens/bluestakes:1").await.0, 200);
    let toml = format!("[server]\n{}", caller("new", "key-of-new", "\"fixed\"", "\"get\""));
    world.control.reload(&crate::world::settings(&toml).await);
    assert_eq!(ask(&world, "key-of-get", "GET", "/tokens/bluestakes:1").await.0, 401);
    assert_eq!(ask(&world, "key-of-new", "GET", "/tokens/fixed").await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn a_caller_cannot_find_out_whether_there_is_a_default_provider() {
    let mut answers = Vec::new();
    for setup in [Setup::keyed().with_accounts(), Setup::keyed()] {
        let world = setup.caller("one", "key-of-one", "\"fixed\"", "\"get\"").start().await;
        let long = [244, 245, 246, 250, 254, 255, 256].map(|length| "x".repeat(length));
        let mut told = Vec::new();
        for name in ["a@b", "x", "%C3%BC"].into_iter().chain(long.iter().map(String::as_str)) {
            told.push(ask(&world, "key-of-one", "GET", &format!("/tokens/{name}")).await);
        }
        for path in ["/tokens/credentials/7", "/tokens/credentials/test", "/tokens/credentials/reports"] {
            told.push(ask(&world, "key-of-one", "POST", path).await);
        }
        assert!(told.iter().all(|(status, _)| *status == 404), "{told:?}");
        for name in ["a%20b", ".x", "..", &"x".repeat(257)] {
            told.push(ask(&world, "key-of-one", "GET", &format!("/tokens/{name}")).await);
        }
        answers.push(told);
        world.end().await;
    }
    assert_eq!(answers[0], answers[1]);
}
