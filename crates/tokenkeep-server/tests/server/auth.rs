//! `/auth/{key}`, as proxies ask it.

use std::time::Duration;

use reqwest::Response;
use tokenkeep::Secret;
use tokenkeep::provider::{ApiSettings, Grant, OwnHeader, Provider, TokenHeader};
use tokenkeep_sandbox::Fault;

use crate::raw;
use crate::secrets::{API_KEY, STATIC_TOKEN, VENDOR_TOKEN};
use crate::world::{Setup, client};

#[tokio::test]
async fn the_answer_is_the_header_to_copy_and_no_body() {
    let world = Setup::keyed().start().await;
    let answer = world.get("/auth/vendor:7").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["authorization"], format!("Bearer {VENDOR_TOKEN}"));
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-length"], "0");
    assert_eq!(answer.text().await.unwrap(), "");
    world.end().await;
}

#[tokio::test]
async fn any_method_and_any_path_below_are_taken_and_no_body_is_read() {
    let world = Setup::keyed().start().await;
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        for path in ["/auth/fixed", "/auth/fixed/", "/auth/fixed/v1/users?fixed=vendor", "/auth/fixed//../caf%E9/%2e"] {
            let head = format!(
                "{method} {path} HTTP/1.1\nHost: localhost\nConnection: close\nX-API-Key: {API_KEY}\n\
                 Content-Length: 1000000000\n\n"
            );
            let answer = raw::send(world.address, &head).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{method} {path}: {answer}");
            assert!(answer.contains(&format!("authorization: Bearer {STATIC_TOKEN}\r\n")), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_provider_with_a_header_of_its_own_has_it_here_too() {
    let mut setup = Setup::open();
    let header = TokenHeader::Own(OwnHeader::new(Some("X-Auth-Token"), "key={token}").unwrap());
    let provider = Provider::new("own", Grant::Static { token: Secret::new(STATIC_TOKEN) }).unwrap();
    setup.manager = setup.manager.provider(provider.with_api(ApiSettings::default().with_header(header)));
    let world = setup.start().await;
    let answer = world.get("/auth/own").await;
    assert_eq!(answer.headers()["x-auth-token"], format!("key={STATIC_TOKEN}"));
    assert_eq!(answer.headers().get("authorization"), None);
    world.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_a_status_that_is_not_of_the_api_behind_and_one_word() {
    let setup = Setup::open().caller("nginx", API_KEY, "\"reports\", \"vendor\"", "\"get\"").caller(
        "idle",
        "planted-other-key",
        "\"*\"",
        "\"refresh\"",
    );
    let world = Setup { key: Some(API_KEY), ..setup }.start().await;
    for path in ["/auth/fixed", "/auth/unknown", "/auth/vendor:7", "/auth/unknown/tokens/vendor"] {
        assert_eq!(refused(world.get(path).await).await, (403, "unknown_key".to_owned()), "{path}");
    }
    for path in ["/auth/a%20b", "/auth/%ff", "/auth/%2Fvendor"] {
        assert_eq!(refused(world.get(path).await).await, (403, "invalid_request".to_owned()), "{path}");
    }
    let idle = world.http.get(world.url("/auth/vendor")).header("x-api-key", "planted-other-key");
    assert_eq!(refused(idle.send().await.unwrap()).await, (403, "forbidden".to_owned()));
    assert_eq!(world.http.get(world.url("/auth/vendor")).send().await.unwrap().status(), 401);

    world.sandbox.set_fault(Fault::Status { status: 503, body: "down".to_owned() });
    let down = world.get("/auth/reports").await;
    assert_eq!(down.headers()["retry-after"], "1");
    assert_eq!(refused(down).await, (503, "unavailable".to_owned()));
    world.sandbox.set_fault(Fault::InvalidClient);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(refused(world.get("/auth/reports").await).await, (502, "refused".to_owned()));
    world.end().await;
}

/// The status and the word of an answer that says nothing else.
async fn refused(answer: Response) -> (u16, String) {
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers().get("authorization"), None);
    let word = answer.headers()["tokenkeep-problem"].to_str().unwrap().to_owned();
    let status = answer.status().as_u16();
    assert_eq!(answer.text().await.unwrap(), "");
    (status, word)
}

#[tokio::test]
async fn it_works_on_http2_and_no_token_is_logged() {
    let world = Setup::keyed().start().await;
    let http = client().http2_prior_knowledge().build().unwrap();
    let answer = http.get(world.url("/auth/vendor/users")).header("x-api-key", API_KEY).send().await.unwrap();
    assert_eq!(answer.headers()["authorization"], format!("Bearer {VENDOR_TOKEN}"));
    world.end().await;
}
