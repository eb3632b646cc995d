//! Calls that must be changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::json;
use tokenkeep::{Accounts, SourceSettings};

use crate::fakes::Panicking;
use crate::world::Setup;

#[tokio::test]
async fn an_unknown_key_is_a_404_that_names_it_and_what_there_is() {
    let world = Setup::open().start().await;
    assert_eq!(
        world.json("/tokens/grahp:7").await,
        (
            404,
            json!({
                "code": "unknown_key",
                "title": "Unknown key",
                "detail": "there is no such provider; configured are: fixed, reports, vendor",
                "next": "configured are: fixed, reports, vendor",
                "key": "grahp:7",
            })
        )
    );
    let (status, problem) = world.json("/tokens/fixed:7/status").await;
    assert_eq!((status, &problem["code"], &problem["key"]), (404, &json!("unknown_key"), &json!("fixed:7")));
    world.end().await;
}

#[tokio::test]
async fn what_is_no_key_is_a_400() {
    let world = Setup::open().start().await;
    for path in ["/tokens/a%2Fb", "/tokens/vendor:", "/tokens/%20", "/tokens/%ff", "/tokens/vendor:%2e%2e/status"] {
        let (status, problem) = world.json(path).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn an_unknown_route_is_a_404_problem() {
    let world = Setup::open().start().await;
    for path in ["/", "/token", "/tokens/", "/tokens/fixed/", "/tokens/fixed/credential", "/livez/", "/%6civez"] {
        assert_eq!(
            world.json(path).await,
            (
                404,
                json!({
                    "code": "invalid_request",
                    "title": "Invalid request",
                    "detail": "there is no such route; /docs shows those that there are, /dashboard how the tokens are",
                })
            ),
            "{path}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn another_method_than_those_of_a_route_is_a_405_problem_that_names_them() {
    let world = Setup::open().start().await;
    for (path, allow) in [
        ("/tokens", "GET"),
        ("/tokens/fixed", "GET, DELETE"),
        ("/tokens/unknown", "GET, DELETE"),
        ("/tokens/fixed/status", "GET"),
        ("/tokens/fixed/refresh", "POST"),
        ("/tokens/fixed/reject", "POST"),
        ("/tokens/fixed/credentials", "PUT, DELETE"),
        ("/tokens/fixed/credentials/test", "POST"),
        ("/tokens/stats", "GET"),
        ("/tokens/cleanup", "POST"),
        ("/health", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/dashboard", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "PURGE"] {
            if allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let method: Method = method.parse().unwrap();
            let response = world.http.request(method.clone(), world.url(path)).send().await.unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], allow, "{method} {path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            if method != Method::HEAD {
                let problem: serde_json::Value = response.json().await.unwrap();
                assert_eq!(problem["detail"], format!("this route answers {allow} only"));
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_bad_parameter_is_a_400_that_names_it() {
    let world = Setup::open().start().await;
    for (path, named) in [
        ("/tokens/fixed?min_vaild=5m", "there is no parameter `min_vaild`; this route takes min_valid, max_wait"),
        ("/tokens/fixed?min_valid=1&min_valid=1", "parameter `min_valid` is there twice"),
        ("/tokens/fixed?min_valid=", "parameter `min_valid` is not a length of time"),
        ("/tokens/fixed?min_valid=soon", "parameter `min_valid` is not a length of time"),
        ("/tokens/fixed?min_valid=-5s", "parameter `min_valid` is not a length of time"),
        ("/tokens/fixed?min_valid=1.5", "parameter `min_valid` is not a length of time"),
        ("/tokens/fixed?min_valid=99999999999999999999", "parameter `min_valid` is not a length of time"),
        ("/tokens/fixed?min_valid=18446744073709551615", "parameter `min_valid` is more than"),
        ("/tokens/fixed?max_wait=6m", "parameter `max_wait` is more than 300 s"),
        ("/tokens/fixed?max_wait=%FF", "parameter `max_wait` is not a length of time"),
        ("/tokens/fixed/status?min_valid=1", "there is no parameter `min_valid`; this route takes none"),
        ("/tokens?limit=0", "parameter `limit` is not a number from 1 to 1000"),
        ("/tokens?limit=1001", "parameter `limit` is not a number from 1 to 1000"),
        ("/tokens?limit=all", "parameter `limit` is not a number from 1 to 1000"),
        ("/tokens?after=a/b", "parameter `after` is not a key"),
        ("/tokens?state=good", "parameter `state` is none of fresh, due, expiring, expired, absent, backing_off"),
        ("/tokens?provider=a%20b", "\"a b\" is not a key"),
        ("/tokens?page=2", "there is no parameter `page`; this route takes after, limit, provider, state"),
    ] {
        let (status, problem) = world.json(path).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{path}: {problem}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unknown_as_its_keys_are() {
    let world = Setup::open().start().await;
    for path in ["/tokens?provider=", "/tokens/stats?provider="] {
        for name in ["grahp", "vendor:7"] {
            let (status, problem) = world.json(&format!("{path}{name}")).await;
            assert_eq!((status, &problem["code"], &problem["key"]), (404, &json!("unknown_key"), &json!(name)));
            let detail = "there is no such provider; configured are: fixed, reports, vendor";
            assert_eq!((&problem["detail"], &problem["next"]), (&json!(detail), &json!(&detail[27..])));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_large_body_is_refused_and_a_small_one_is_not_read() {
    let world = Setup::open().start().await;
    let large = world.ask("/tokens/fixed").body(vec![b'x'; 64 * 1024 + 1]).send().await.unwrap();
    assert_eq!(large.status(), 413);
    assert_eq!(large.headers()["content-type"], "application/problem+json");
    let small = world.ask("/tokens/fixed").body("x").send().await.unwrap();
    assert_eq!(small.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_panic_is_a_500_problem_and_the_server_goes_on() {
    let source = Arc::new(Panicking::default());
    let mut setup = Setup::open();
    setup.manager = setup.manager.source(
        "panicking",
        Arc::<Panicking>::clone(&source),
        SourceSettings::default().with_accounts(Accounts::Any),
    );
    let world = setup.start().await;
    source.armed.store(true, Ordering::SeqCst);
    assert_eq!(
        world.json("/tokens/panicking/status").await,
        (
            500,
            json!({
                "code": "internal",
                "title": "Internal error",
                "detail": "a fault of the server; its log says more",
            })
        )
    );
    source.armed.store(false, Ordering::SeqCst);
    assert_eq!(world.json("/tokens/panicking/status").await.0, 200);
    world.end().await;
}
