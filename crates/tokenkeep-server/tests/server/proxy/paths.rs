//! Where a request goes: below the `api_base`, whatever its path says.

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokenkeep::SourceSettings;

use super::api::{Api, callers, text};
use crate::fakes::Vendor;
use crate::raw;
use crate::world::Setup;

#[tokio::test]
async fn a_path_is_added_to_that_of_the_api_as_it_is_written() {
    let api = Api::start(async |_| Response::default()).await;
    let world = api.setup().0.start().await;
    for (asked, got) in [
        ("/proxy/api", "/base"),
        ("/proxy/api/", "/base/"),
        ("/proxy/api?a=1", "/base?a=1"),
        ("/proxy/api/things/1?a=1&b=%20c?d", "/base/things/1?a=1&b=%20c?d"),
        ("/proxy/api/a%2Fb%20c/%FF/%c3%bc", "/base/a%2Fb%20c/%FF/%c3%bc"),
        ("/proxy/api/a/../b/./c//d", "/base/b/c//d"),
        ("/proxy/api/@other.example/https://other.example", "/base/@other.example/https://other.example"),
        ("/proxy/api:somebody/a:b;c=1", "/base/a:b;c=1"),
        ("/proxy/api%3Asomebody/a", "/base/a"),
    ] {
        let answer = raw::get(world.address, asked, "Host: localhost").await;
        assert_eq!(answer.0, 200, "{asked}: {}", answer.1);
        assert_eq!(api.seen().pop().unwrap().uri.to_string(), got);
    }
    let port = world.address.port();
    let (status, _) = raw::get(world.address, &format!("http://localhost:{port}/proxy/api/x"), "Host: localhost").await;
    assert_eq!((status, api.seen().pop().unwrap().uri.to_string()), (200, "/base/x".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn no_path_leads_a_token_away_from_the_api() {
    let api = Api::start(async |_| Response::default()).await;
    let world = api.setup().0.start().await;
    for path in [
        "/proxy/api/..",
        "/proxy/api/../admin",
        "/proxy/api/a/../../admin",
        "/proxy/api/%2e%2e/admin",
        "/proxy/api/.%2E/admin",
        "/proxy/api/..%2fadmin",
        "/proxy/api/..%5Cadmin",
        "/proxy/api/..;/admin",
        "/proxy/api/a//../../admin",
        "/proxy/api//other.example/x",
        "/proxy/api/\\other.example/x",
        "/proxy/api/..\\admin",
        "/proxy/../proxy/api/x",
        "/proxy/api%2F..%2Fx/y",
        "/proxy/api@other.example/x",
        "/proxy//api/x",
        "http://other.example/proxy/api/x",
        "https://localhost@other.example/proxy/api/x",
    ] {
        let (status, answer) = raw::get(world.address, path, "Host: localhost").await;
        assert!([400, 403, 404].contains(&status), "{path}: {answer}");
        let has_code = answer.contains("\r\ntokenkeep-problem: ");
        // What HTTP cannot carry is refused before it has a path.
        assert!(has_code || answer.contains("\r\ncontent-length: 0\r\n"), "{path}: {answer}");
    }
    assert_eq!(api.seen().len(), 0);
    world.end().await;
}

#[tokio::test]
async fn a_redirect_is_passed_on_with_its_body_and_not_followed() {
    let elsewhere = Api::start(async |_| Response::default()).await;
    let place = format!("http://{}/", elsewhere.address);
    for status in [301, 302, 303, 307, 308] {
        let location = place.clone();
        let api = Api::start(move |_| {
            let answer = Response::builder().status(status).header("Location", &location);
            std::future::ready(answer.body(Body::from("over there")).unwrap())
        })
        .await;
        let world = api.setup().0.start().await;
        for http in callers() {
            let answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (status, &*place));
            assert_eq!(text(answer).await, "over there");
        }
        world.end().await;
    }
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn a_caller_reaches_the_apis_that_it_may_use_and_no_other() {
    let api = Api::start(async |_| Response::default()).await;
    let (mut setup, _) = api.setup();
    let keyed = Setup::keyed();
    let with = |tokens: &str, allow: &str| {
        keyed.toml.replace("[\"*\"]", &format!("[\"{tokens}\"]")).replace("[\"admin\"]", &format!("[\"{allow}\"]"))
    };
    (setup.toml, setup.key) = (with("api:7", "proxy"), keyed.key);
    let world = setup.start().await;
    assert_eq!(world.get("/proxy/api:7/x").await.status(), 200);
    for key in ["api", "api:8", "fixed", "unknown"] {
        let answer = world.get(&format!("/proxy/{key}/x")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["tokenkeep-problem"]),
            (404, &"unknown_key".parse().unwrap())
        );
    }
    let nobody = world.http.get(world.url("/proxy/api:7/x")).send().await.unwrap();
    assert_eq!(
        (nobody.status().as_u16(), &nobody.headers()["tokenkeep-problem"]),
        (401, &"unauthenticated".parse().unwrap())
    );
    world.end().await;

    let (mut setup, _) = api.setup();
    (setup.toml, setup.key) = (with("*", "get"), keyed.key);
    let world = setup.start().await;
    let answer = world.get("/proxy/api/x").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["tokenkeep-problem"]),
        (403, &"forbidden".parse().unwrap())
    );
    assert_eq!(api.seen().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn without_an_api_base_nothing_is_sent() {
    let mut setup = Setup::open();
    setup.manager = setup.manager.source("nowhere", std::sync::Arc::new(Vendor), SourceSettings::default());
    let world = setup.start().await;
    let (status, problem) = world.json("/proxy/nowhere/x").await;
    assert_eq!((status, problem["code"].as_str().unwrap()), (400, "invalid_request"));
    assert!(problem["detail"].as_str().unwrap().contains("write api_base = "), "{problem}");
    world.end().await;
}

#[tokio::test]
async fn a_path_that_no_request_can_carry_is_a_problem() {
    let api = Api::start(async |_| Response::default()).await;
    let world = api.setup().0.start().await;
    let request = Request::get(format!("http://{}/proxy/api/{}", world.address, "x".repeat(65_500)));
    let answer = callers()[1].request(request.body(Body::empty()).unwrap()).await.unwrap();
    assert!([400, 414, 431].contains(&answer.status().as_u16()), "{}", answer.status());
    assert_eq!(api.seen().len(), 0);
    world.end().await;
}
