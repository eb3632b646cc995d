//! Bodies pass as they come, of any length, and none is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::api::{Api, callers, data, length, next, steered, text};

const MIB: usize = 1024 * 1024;

/// A body of so many MiB, and how many of them were asked for.
fn counted(mebibytes: usize) -> (Arc<AtomicUsize>, Body) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let piece = Bytes::from(vec![b'x'; MIB]);
    let pieces = stream::iter(0..mebibytes).map(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Frame::data(piece.clone()))
    });
    (asked, Body::new(StreamBody::new(pieces)))
}

#[tokio::test]
async fn each_event_is_there_before_the_next_one_is_sent() {
    let (bodies, waiting) = mpsc::channel(1);
    let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
    let api = Api::start(move |_| {
        let waiting = Arc::clone(&waiting);
        async move {
            let body = waiting.lock().await.recv().await.unwrap();
            Response::builder().header("Content-Type", "text/event-stream").body(body).unwrap()
        }
    })
    .await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let (events, body) = steered();
        bodies.send(body).await.unwrap();
        let mut answer = http.get(world.url("/proxy/api/stream").parse().unwrap()).await.unwrap().into_body();
        for event in ["data: one\n\n", "data: two\n\n", "data: [DONE]\n\n"] {
            events.send(data(event)).await.unwrap();
            assert_eq!(next(&mut answer).await.as_deref(), Some(event));
        }
        drop(events);
        assert_eq!(next(&mut answer).await, None);
    }
    world.end().await;
}

#[tokio::test]
async fn both_sides_can_talk_in_turns() {
    let api = Api::start(async |request| Response::new(request.into_body())).await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let (words, body) = steered();
        words.send(data("one")).await.unwrap();
        let request = Request::post(world.url("/proxy/api/")).body(body).unwrap();
        let mut answer = http.request(request).await.unwrap().into_body();
        assert_eq!(next(&mut answer).await.as_deref(), Some("one"));
        for word in ["two", "three"] {
            words.send(data(word)).await.unwrap();
            assert_eq!(next(&mut answer).await.as_deref(), Some(word));
        }
        drop(words);
        assert_eq!(next(&mut answer).await, None);
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_reaches_the_api_with_every_method() {
    let api = Api::start(async |request| Response::new(request.into_body())).await;
    let world = api.setup().0.start().await;
    for (http, is_http1) in callers().into_iter().zip([true, false]) {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            for body in [Body::from("text"), {
                let (words, body) = steered();
                words.send(data("text")).await.unwrap();
                body
            }] {
                let request = Request::builder().method(&method).uri(world.url("/proxy/api/"));
                // A client of ours too takes a GET for one without a body unless it is told.
                let is_told = is_http1 && method == Method::GET;
                let request = if is_told { request.header("Transfer-Encoding", "chunked") } else { request };
                let answer = http.request(request.body(body).unwrap()).await.unwrap();
                assert_eq!(text(answer).await, "text", "{method}");
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    // More than anybody holds; each frame of HTTP/2 is many lines of log.
    for (http, mebibytes) in callers().into_iter().zip([200, 8]) {
        let api = Api::start(move |request| async move {
            match *request.method() {
                Method::GET => Response::new(counted(mebibytes).1),
                _ => Response::new(Body::from(length(request.into_body()).await.unwrap().to_string())),
            }
        })
        .await;
        let world = api.setup().0.start().await;
        let answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap();
        assert_eq!(length(answer.into_body()).await, Some(mebibytes * MIB));
        let request = Request::put(world.url("/proxy/api/")).body(counted(mebibytes).1).unwrap();
        assert_eq!(text(http.request(request).await.unwrap()).await, (mebibytes * MIB).to_string());
        world.end().await;
    }
}

#[tokio::test]
async fn neither_side_is_read_faster_than_the_other_is_written_to() {
    let (bodies, waiting) = mpsc::channel(1);
    let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
    let (unread, held) = mpsc::channel(2);
    let api = Api::start(move |request| {
        let (waiting, unread) = (Arc::clone(&waiting), unread.clone());
        async move {
            if request.method() == Method::GET {
                return Response::new(waiting.lock().await.recv().await.unwrap());
            }
            unread.send(request).await.unwrap();
            std::future::pending().await
        }
    })
    .await;
    let (mut setup, _) = api.setup();
    // What nobody reads does not end by itself.
    setup.limits.drain_timeout = Duration::from_millis(100);
    let world = setup.start().await;
    for http in callers() {
        let (asked, answer) = counted(200);
        bodies.send(answer).await.unwrap();
        let answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap();
        let stopped_at = steady(&asked).await;
        assert!(stopped_at < 64, "{stopped_at} MiB of an answer that nobody read");
        drop(answer);

        let (asked, body) = counted(200);
        let mut sending = JoinSet::new();
        sending.spawn(http.request(Request::put(world.url("/proxy/api/")).body(body).unwrap()));
        let stopped_at = steady(&asked).await;
        assert!(stopped_at < 64, "{stopped_at} MiB of a request that nobody read");
    }
    drop(held);
    world.end().await;
}

/// Waits until a count no longer grows while everything else goes on.
async fn steady(count: &AtomicUsize) -> usize {
    let mut before = 0;
    let mut unchanged = 0;
    while unchanged < 3000 {
        tokio::task::yield_now().await;
        let now = count.load(Ordering::SeqCst);
        unchanged = if now == before && now > 0 { unchanged + 1 } else { 0 };
        before = now;
    }
    before
}
