//! APIs that are not there, are slow or speak no HTTP, and whose answer it is that a caller has.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::api::{Api, callers, data, http1, read_head, status, steered, text};
use crate::world::World;

/// The status and the detail of a problem that is ours.
async fn problem(answer: http::Response<hyper::body::Incoming>, code: &str) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["tokenkeep-problem"], code);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let retry_after = answer.headers().contains_key("retry-after");
    let problem: Value = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!((&problem["code"], &problem["key"]), (&code.into(), &"api".into()));
    let detail = problem["detail"].as_str().unwrap();
    // What may have been done must not be tried again by a client that obeys.
    assert_eq!(retry_after, detail.contains("cannot be reached"), "{detail}");
    assert_eq!(problem["retry_after"].is_number(), retry_after);
    (status, detail.to_owned())
}

async fn ask(world: &World) -> http::Response<hyper::body::Incoming> {
    http1().request(Request::post(world.url("/proxy/api/?planted")).body(Body::from("planted")).unwrap()).await.unwrap()
}

#[tokio::test]
async fn an_api_that_is_not_there_is_a_502() {
    let api = Api::start(async |_| status(200)).await;
    let (setup, tokens) = api.setup();
    let address = api.address;
    drop(api);
    let world = setup.start().await;
    // Until the address is given up.
    let (status, detail) = problem(ask(&world).await, "unavailable").await;
    assert_eq!(status, 502);
    assert!(detail.starts_with(&format!("{address} cannot be reached: ")), "{detail}");
    assert_eq!(tokens.issued(), 1);
    world.end().await;
}

#[tokio::test]
async fn what_is_no_answer_is_a_502_and_the_request_was_sent_once() {
    for bytes in [
        "",
        "SSH-2.0-planted\r\n",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\nplanted",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let (asked, mut times) = mpsc::channel(8);
        let api = Api::raw(move |mut stream| {
            let asked = asked.clone();
            async move {
                read_head(&mut stream).await;
                asked.send(()).await.unwrap();
                stream.write_all(bytes.as_bytes()).await.ok();
            }
        })
        .await;
        let world = api.setup().0.start().await;
        let (status, detail) = problem(ask(&world).await, "unavailable").await;
        assert_eq!(status, 502);
        assert!(detail.starts_with(&format!("{} ", api.address)) && !detail.contains("planted"), "{detail}");
        world.end().await;
        drop(api);
        times.recv().await.unwrap();
        assert_eq!(times.recv().await, None, "{bytes:?} was asked for twice");
    }
}

#[tokio::test]
async fn an_api_that_does_not_answer_in_time_is_a_504() {
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-"] {
        let api = Api::raw(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(begun.as_bytes()).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.ok();
        })
        .await;
        let (mut setup, _) = api.setup();
        setup.limits.api_timeout = Duration::from_millis(300);
        let world = setup.start().await;
        let (status, detail) = problem(ask(&world).await, "unavailable").await;
        assert_eq!(status, 504);
        assert!(detail.contains("did not answer within 0.3 s"), "{detail}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_caller_that_does_not_go_on_with_its_body_is_told_so() {
    let api = Api::raw(async |mut stream| {
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    let (mut setup, _) = api.setup();
    setup.limits.api_timeout = Duration::from_millis(300);
    let world = setup.start().await;
    for http in callers() {
        let (words, body) = steered();
        words.send(data("text")).await.unwrap();
        let answer = http.request(Request::post(world.url("/proxy/api/")).body(body).unwrap()).await.unwrap();
        assert_eq!(problem(answer, "invalid_request").await.0, 408);
    }
    world.end().await;
}

#[tokio::test]
async fn an_upload_may_take_longer_than_an_answer() {
    let api = Api::start(async |request| {
        let length = super::api::length(request.into_body()).await.unwrap();
        Response::new(Body::from(length.to_string()))
    })
    .await;
    let (mut setup, _) = api.setup();
    setup.limits.api_timeout = Duration::from_secs(1);
    let world = setup.start().await;
    let (words, body) = steered();
    let sending = async {
        let mut timer = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..20 {
            timer.tick().await;
            words.send(data("text")).await.unwrap();
        }
        drop(words);
    };
    let http = http1();
    let asking = http.request(Request::post(world.url("/proxy/api/")).body(body).unwrap());
    let (answer, ()) = tokio::join!(asking, sending);
    assert_eq!(text(answer.unwrap()).await, "80");
    world.end().await;
}

#[tokio::test]
async fn a_connection_that_the_api_closed_meanwhile_is_not_used_again() {
    let (close, closing) = tokio::sync::broadcast::channel::<()>(4);
    let (closed, mut done) = mpsc::channel(4);
    let signal = close.clone();
    let api = Api::raw(move |mut stream| {
        let (mut closing, closed) = (signal.subscribe(), closed.clone());
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            closing.recv().await.ok();
            drop(stream);
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let world = api.setup().0.start().await;
    for _ in 0..5 {
        let answer = world.get("/proxy/api/").await;
        assert_eq!((answer.status().as_u16(), &*answer.text().await.unwrap()), (200, "ok"));
        close.send(()).unwrap();
        done.recv().await.unwrap();
    }
    drop(closing);
    world.end().await;
}

#[tokio::test]
async fn an_answer_of_the_api_that_looks_like_ours_is_told_apart() {
    let api = Api::start(async |_| {
        let answer = Response::builder().status(503).header("Tokenkeep-Problem", "unavailable");
        answer.header("Content-Type", "application/problem+json").body(Body::from("{}")).unwrap()
    })
    .await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(!answer.headers().contains_key("tokenkeep-problem"));
    }
    world.end().await;
}
