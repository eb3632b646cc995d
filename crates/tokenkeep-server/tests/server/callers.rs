//! Who is served: with a key configured, and without.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::secrets::{API_KEY, log};
use crate::world::{Setup, caller, client, settings};

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
            "detail": "no caller has this API key, user or certificate; send the key as X-API-Key or Authorization: Bearer",
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

#[tokio::test]
async fn the_log_says_which_callers_a_reload_brings_changes_and_takes_away() {
    let toml = |callers: &[(&str, &str)]| {
        let tables = callers.iter().map(|(name, tokens)| caller(name, name, tokens, "\"get\""));
        format!("[server]\n{}", tables.collect::<String>())
    };
    let mut setup = Setup::open();
    setup.toml +=
        &toml(&[("stays-c5", "\"*\""), ("grows-c5", "\"fixed\""), ("goes-c5", "\"*\"")]).replace("[server]\n", "");
    let world = setup.start().await;
    let next = [("stays-c5", "\"*\""), ("grows-c5", "\"*\""), ("comes-c5", "\"*\"")];
    for _ in 0..2 {
        world.control.reload(&settings(&toml(&next)).await);
    }
    let said = log();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("-c5") && line.contains("took over")).collect();
    assert_eq!(lines.len(), 1, "the second changes nothing: {lines:?}");
    let words = "took over the callers added=\"comes-c5\" changed=\"grows-c5\" removed=\"goes-c5\"";
    assert!(lines[0].contains(words), "{lines:?}");
    world.end().await;
}

#[tokio::test]
async fn that_everybody_may_do_everything_is_in_the_log() {
    let world = Setup::open().start().await;
    assert_eq!(world.get("/livez").await.status(), 200);
    let line = |level: &str| {
        let address = world.address.to_string();
        let words = "no callers are configured: everybody who reaches an address may do everything";
        log().lines().any(|line| line.contains(level) && line.contains(words) && line.contains(&address))
    };
    assert!(line("INFO"));
    world.control.reload(&settings(&caller("one", API_KEY, "\"*\"", "\"get\"")).await);
    assert!(!line("WARN"));
    world.control.reload(&settings("").await);
    assert!(line("WARN"), "it is so from now on");
    world.end().await;
}

#[tokio::test]
async fn who_was_known_on_a_connection_is_told_to_connect_anew_when_nobody_is_known_any_more() {
    let world = Setup::keyed().start().await;
    let mut kept = TcpStream::connect(world.address).await.unwrap();
    let http2 = client().http2_prior_knowledge().build().unwrap();
    let by_http2 = async || http2.get(world.url("/tokens/fixed")).header("x-api-key", API_KEY).send().await.unwrap();
    assert_eq!(by_http2().await.status(), 200);
    let request = format!("GET /tokens/fixed HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {API_KEY}\r\n\r\n");
    kept.write_all(request.as_bytes()).await.unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"}") {
        assert!(kept.read_buf(&mut first).await.unwrap() > 0);
    }
    world.control.reload(&settings("").await);
    kept.write_all(request.as_bytes()).await.unwrap();
    let mut second = String::new();
    kept.read_to_string(&mut second).await.unwrap();
    assert!(second.starts_with("HTTP/1.1 401 ") && second.contains("connection: close\r\n"), "{second}");
    assert!(second.contains("connect anew: the callers changed"), "{second}");
    let told = by_http2().await;
    assert_eq!(told.status(), 401);
    assert!(told.text().await.unwrap().contains("connect anew: the callers changed"));
    // The connection may take another request before its client has heard that it ends.
    while by_http2().await.status() != 200 {}
    world.end().await;
}
