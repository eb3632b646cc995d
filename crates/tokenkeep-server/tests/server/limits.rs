//! What one caller may ask, and how slowly.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::secrets::API_KEY;
use crate::world::{Setup, World, settings};

const OTHER: &str = "[[server.keys]]\nname = 'other'\nsha256 = '{hash}'\ntokens = ['*']\nrequests = '5/1m'\n";

/// Of `X-API-Key: other`.
const OTHER_HASH: &str = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

async fn limited() -> World {
    let mut setup = Setup::keyed();
    setup.toml =
        setup.toml.replace("[server]\n", "[server]\nrequests = '3/1m'\n") + &OTHER.replace("{hash}", OTHER_HASH);
    setup.start().await
}

async fn status(world: &World, key: &str) -> u16 {
    world.http.get(world.url("/tokens/fixed")).header("x-api-key", key).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_caller_that_makes_more_requests_than_it_may_is_told_when_to_come_again() {
    let world = limited().await;
    for path in ["/tokens/fixed", "/tokens/unknown", "/tokens"] {
        assert_ne!(world.get(path).await.status(), 429);
    }
    let answer = world.get("/tokens/fixed").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"20".parse().unwrap()));
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: tokenkeep_api::Problem = answer.json().await.unwrap();
    assert_eq!((problem.code, problem.retry_after), (tokenkeep_api::ProblemCode::Unavailable, Some(20)));
    world.clock.advance(Duration::from_secs(20));
    assert_eq!((status(&world, API_KEY).await, status(&world, API_KEY).await), (200, 429));
    world.end().await;
}

#[tokio::test]
async fn the_requests_of_one_caller_are_not_anothers() {
    let world = limited().await;
    for _ in 0..10 {
        assert_eq!(status(&world, "nobody's").await, 401);
        assert_eq!(world.http.get(world.url("/livez")).send().await.unwrap().status(), 200);
    }
    for count in 0..8 {
        assert_eq!(status(&world, API_KEY).await, if count < 3 { 200 } else { 429 });
        assert_eq!(status(&world, "other").await, if count < 5 { 200 } else { 429 });
    }
    world.end().await;
}

#[tokio::test]
async fn all_who_need_no_key_share_what_is_allowed_and_a_reload_changes_it() {
    let mut setup = Setup::open();
    setup.toml += "requests = '2/1m'\n";
    let world = setup.start().await;
    for expected in [200, 200, 429] {
        assert_eq!(world.get("/tokens/fixed").await.status(), expected);
    }
    world.control.reload(&settings("").await);
    for _ in 0..5 {
        assert_eq!(world.get("/tokens/fixed").await.status(), 200);
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused_and_gives_up_its_place() {
    let mut setup = Setup::open();
    setup.limits.body_timeout = Duration::from_millis(300);
    setup.limits.max_connections = 1;
    let world = setup.start().await;
    let route = "PUT /tokens/vendor:1/credentials HTTP/1.1\r\nHost: localhost\r\n";
    for rest in ["Content-Length: 50\r\n\r\n{\"user", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"us"] {
        let mut slow = TcpStream::connect(world.address).await.unwrap();
        slow.write_all(format!("{route}{rest}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("too slowly"), "{answer}");
    }
    assert_eq!(world.get("/livez").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_known_caller_counts_on_the_routes_that_are_open_to_everybody_too() {
    let world = limited().await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(world.get("/health").await.status(), expected);
    }
    assert_eq!(world.get("/readyz").await.status(), 429);
    for path in ["/health", "/readyz"] {
        for _ in 0..10 {
            assert_eq!(world.http.get(world.url(path)).send().await.unwrap().status(), 200);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_reload_gives_no_caller_its_requests_back_unless_it_may_make_others() {
    let toml = Setup::keyed().toml.replace("[server]\n", "[server]\nrequests = '3/1m'\n");
    let world = Setup { toml: toml.clone(), ..Setup::keyed() }.start().await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&world, API_KEY).await, expected);
    }
    world.control.reload(&settings(&toml).await);
    assert_eq!(status(&world, API_KEY).await, 429);
    world.control.reload(&settings(&toml.replace("3/1m", "4/1m")).await);
    assert_eq!(status(&world, API_KEY).await, 200);
    world.end().await;
}
