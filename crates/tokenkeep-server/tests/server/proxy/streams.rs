//! How streams end: by either side, by silence, by the server's own end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::api::{Api, callers, data, length, next, read_head, status, steered};
use crate::world::Setup;

/// An API whose answers are sent piece by piece, and what steers each.
type Steer = mpsc::Sender<Result<hyper::body::Frame<Bytes>, &'static str>>;

async fn steered_api() -> (Api, mpsc::Receiver<Steer>) {
    let (streams, opened) = mpsc::channel(4);
    let api = Api::start(move |_| {
        let streams = streams.clone();
        async move {
            let (events, body) = steered();
            streams.send(events).await.unwrap();
            Response::new(body)
        }
    })
    .await;
    (api, opened)
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_stream_of_the_api() {
    let (api, mut opened) = steered_api().await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let mut answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap().into_body();
        let events = opened.recv().await.unwrap();
        events.send(data("one")).await.unwrap();
        assert_eq!(next(&mut answer).await.as_deref(), Some("one"));
        drop((answer, http));
        events.closed().await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_before_the_answer_ends_the_request() {
    let (arrived, mut arrivals) = mpsc::channel::<mpsc::Receiver<()>>(1);
    let api = Api::start(move |request| {
        let arrived = arrived.clone();
        async move {
            let (alive, ended) = mpsc::channel::<()>(1);
            arrived.send(ended).await.unwrap();
            let _until_dropped = alive;
            match request.into_body().collect().await {
                Ok(_) => std::future::pending().await,
                Err(_) => status(400),
            }
        }
    })
    .await;
    let world = api.setup().0.start().await;
    for http in callers() {
        // With the whole request there, and in the middle of its body.
        for whole in [true, false] {
            let (words, body) = steered();
            words.send(data("text")).await.unwrap();
            let words = (!whole).then_some(words);
            let mut asking = JoinSet::new();
            asking.spawn(http.request(Request::post(world.url("/proxy/api/")).body(body).unwrap()));
            let mut ended = arrivals.recv().await.unwrap();
            asking.abort_all();
            while asking.join_next().await.is_some() {}
            drop(words);
            assert_eq!(ended.recv().await, None);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_request_that_breaks_off_is_never_taken_for_a_whole_one() {
    let (lengths, mut read) = mpsc::channel(1);
    let api = Api::start(move |request| {
        let lengths = lengths.clone();
        async move {
            let mut body = request.into_body();
            assert_eq!(next(&mut body).await.as_deref(), Some("text"));
            lengths.send(Some(4)).await.unwrap();
            lengths.send(length(body).await).await.unwrap();
            status(200)
        }
    })
    .await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let (words, body) = steered();
        words.send(data("text")).await.unwrap();
        let mut asking = JoinSet::new();
        asking.spawn(http.request(Request::post(world.url("/proxy/api/")).body(body).unwrap()));
        assert_eq!(read.recv().await.unwrap(), Some(4));
        words.send(Err("the caller stumbles")).await.unwrap();
        assert_eq!(read.recv().await.unwrap(), None);
        asking.join_next().await.unwrap().unwrap().unwrap_err();
    }
    world.end().await;
}

#[tokio::test]
async fn an_api_that_dies_in_its_answer_is_never_taken_for_one_that_ended() {
    let (api, mut opened) = steered_api().await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let mut answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap().into_body();
        let events = opened.recv().await.unwrap();
        events.send(data("one")).await.unwrap();
        assert_eq!(next(&mut answer).await.as_deref(), Some("one"));
        events.send(Err("the API stumbles")).await.unwrap();
        assert_eq!(length(answer).await, None);
    }
    world.end().await;
    for whole in ["Content-Length: 9\r\n\r\nshort", "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"] {
        let api = Api::saying(format!("HTTP/1.1 200 OK\r\n{whole}")).await;
        let world = api.setup().0.start().await;
        for http in callers() {
            let answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap();
            assert_eq!((answer.status().as_u16(), length(answer.into_body()).await), (200, None));
        }
        world.end().await;
    }
}

#[tokio::test]
async fn an_api_that_falls_silent_in_its_answer_is_cut_off() {
    let (api, mut opened) = steered_api().await;
    let (mut setup, _) = api.setup();
    setup.limits.api_timeout = Duration::from_secs(1);
    let world = setup.start().await;
    for http in callers() {
        let mut answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap().into_body();
        let events = opened.recv().await.unwrap();
        events.send(data("one")).await.unwrap();
        assert_eq!(next(&mut answer).await.as_deref(), Some("one"));
        assert_eq!(length(answer).await, None);
        events.closed().await;
    }
    world.end().await;
}

/// So short that a connection which seems idle is cut in the test.
fn impatient(setup: &mut Setup) {
    setup.limits.head_timeout = Duration::from_millis(300);
    setup.limits.write_timeout = Duration::from_millis(300);
}

#[tokio::test]
async fn a_stream_outlives_the_time_that_a_connection_may_be_idle() {
    let (api, mut opened) = steered_api().await;
    let (mut setup, _) = api.setup();
    impatient(&mut setup);
    let world = setup.start().await;
    for http in callers() {
        let mut answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap().into_body();
        let events = opened.recv().await.unwrap();
        events.send(data("one")).await.unwrap();
        assert_eq!(next(&mut answer).await.as_deref(), Some("one"));
        // Another connection without requests is cut meanwhile, several times over.
        for _ in 0..4 {
            let mut idle = TcpStream::connect(world.address).await.unwrap();
            assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
        }
        events.send(data("two")).await.unwrap();
        assert_eq!(next(&mut answer).await.as_deref(), Some("two"));
    }
    world.end().await;
}

#[tokio::test]
async fn a_caller_that_reads_nothing_does_not_stay_for_ever() {
    let (gone, mut ends) = mpsc::channel::<()>(1);
    let gone = Arc::new(std::sync::Mutex::new(Some(gone)));
    let api = Api::start(move |_| {
        let gone = gone.lock().unwrap().take();
        let endless = futures_util::stream::repeat(Bytes::from(vec![b'x'; 64 * 1024])).map(move |bytes| {
            let _until_dropped = &gone;
            Ok::<_, std::io::Error>(bytes)
        });
        std::future::ready(Response::new(Body::from_stream(endless)))
    })
    .await;
    let (mut setup, _) = api.setup();
    impatient(&mut setup);
    let world = setup.start().await;
    let mut lazy = TcpStream::connect(world.address).await.unwrap();
    lazy.write_all(b"GET /proxy/api/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read_head(&mut lazy).await;
    assert_eq!(ends.recv().await, None);
    world.end().await;
}

#[tokio::test]
async fn a_stream_is_finished_before_the_server_stops() {
    let (api, mut opened) = steered_api().await;
    let mut world = api.setup().0.start().await;
    let http = callers();
    let mut answer = http[0].get(world.url("/proxy/api/").parse().unwrap()).await.unwrap().into_body();
    let events = opened.recv().await.unwrap();
    events.send(data("one")).await.unwrap();
    assert_eq!(next(&mut answer).await.as_deref(), Some("one"));
    world.begin_to_stop();
    events.send(data("two")).await.unwrap();
    assert_eq!(next(&mut answer).await.as_deref(), Some("two"));
    drop(events);
    assert_eq!(next(&mut answer).await, None);
    world.stopped().await;
    world.end().await;
}

#[tokio::test]
async fn kept_connections_do_not_hold_up_the_end() {
    let api = Api::start(async |_| status(200)).await;
    let mut world = api.setup().0.start().await;
    for http in callers() {
        assert_eq!(http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap().status(), 200);
    }
    world.begin_to_stop();
    tokio::time::timeout(tokenkeep_server::Limits::default().drain_timeout, world.stopped()).await.unwrap();
    world.end().await;
}
