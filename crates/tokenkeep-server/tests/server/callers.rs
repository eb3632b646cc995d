//! Who is served: with a key configured, and without.

use serde_json::{Value, json};

use crate::secrets::API_KEY;
use crate::world::Setup;

const CLOSED: [&str; 7] = [
    "/tokens",
    "/tokens/fixed",
    "/tokens/unknown",
    "/tokens/fixed/status",
    "/tokens/unknown/status",
    "/tokens/fixed?nonsense=1",
    "/nowhere",
];

#[tokio::test]
async fn without_the_right_key_every_path_looks_the_same() {
    let world = Setup::keyed().start().await;
    let wrong: [&[(&str, &str)]; 10] = [
        &[],
        &[("x-api-key", "wrong")],
        &[("x-api-key", "")],
        &[("x-api-key", "planted-api-ke")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "Bearer")],
        &[("authorization", "Basic planted-api-key")],
        &[("authorization", API_KEY)],
        &[("x-api-key", "wrong"), ("authorization", "Bearer planted-api-key")],
        &[("x-api-key", API_KEY), ("x-api-key", API_KEY)],
    ];
    let mut answers = Vec::new();
    for path in CLOSED {
        for headers in wrong {
            for method in [reqwest::Method::GET, reqwest::Method::POST] {
                let mut request = world.http.request(method, world.url(path));
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 401, "{path} {headers:?}");
                assert_eq!(response.headers()["www-authenticate"], "Bearer");
                assert_eq!(response.headers()["content-type"], "application/problem+json");
                assert_eq!(response.headers().get("allow"), None);
                answers.push(response.json::<Value>().await.unwrap());
            }
        }
    }
    answers.dedup();
    assert_eq!(
        answers,
        [json!({
            "code": "unauthenticated",
            "title": "Unknown caller",
            "detail": "send the API key in the header X-API-Key, or as Authorization: Bearer",
        })]
    );
    world.end().await;
}

#[tokio::test]
async fn the_right_key_opens_every_route_in_either_header() {
    let world = Setup::keyed().start().await;
    for (path, status) in [
        ("/tokens", 200),
        ("/tokens/fixed", 200),
        ("/tokens/fixed/status", 200),
        ("/tokens/unknown", 404),
        ("/nowhere", 404),
        ("/livez", 200),
        ("/readyz", 200),
    ] {
        for (name, value) in [
            ("X-API-Key", API_KEY),
            ("Authorization", "Bearer planted-api-key"),
            ("Authorization", "bearer  planted-api-key "),
        ] {
            let response = world.http.get(world.url(path)).header(name, value).send().await.unwrap();
            assert_eq!(response.status(), status, "{path} {name}: {value}");
        }
    }
    let both = world.http.get(world.url("/tokens/fixed")).header("x-api-key", API_KEY).bearer_auth("of somebody else");
    assert_eq!(both.send().await.unwrap().status(), 200);
    world.end().await;
}

#[tokio::test]
async fn without_a_configured_key_everybody_on_this_machine_is_served() {
    let world = Setup::open().start().await;
    assert_eq!(world.get("/tokens/fixed").await.status(), 200);
    let with_key = world.http.get(world.url("/tokens/fixed")).header("x-api-key", "anything");
    assert_eq!(with_key.send().await.unwrap().status(), 200);
    world.end().await;
}
