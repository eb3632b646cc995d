//! Tokens that the API refuses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::api::{Api, Http, Tokens, callers, data, http1, next, number, read_head, status, steered, text};
use crate::world::World;

/// An API that refuses the tokens that were revoked, after it has read the whole request, and repeats the body of others.
async fn strict() -> (Api, World, Arc<Tokens>) {
    let known = Arc::new(OnceLock::<Arc<Tokens>>::new());
    let judge = Arc::clone(&known);
    let api = Api::start(move |request| {
        let judge = Arc::clone(&judge);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            if judge.get().unwrap().take(&parts) { Response::new(Body::from(body)) } else { status(401) }
        }
    })
    .await;
    let (setup, tokens) = api.setup();
    known.set(Arc::clone(&tokens)).unwrap();
    let world = setup.start().await;
    (api, world, tokens)
}

/// An API that takes the tokens it is told, gives the body back, and holds the first request for a path `held`.
async fn holding_api() -> (Api, Arc<OnceLock<Arc<Tokens>>>, mpsc::Receiver<()>, Arc<Semaphore>) {
    let known = Arc::new(OnceLock::<Arc<Tokens>>::new());
    let ((arrived, arrivals), held) = (mpsc::channel(1), Arc::new(Semaphore::new(0)));
    let (judge, holding) = (Arc::clone(&known), Arc::clone(&held));
    let api = Api::start(move |request| {
        let (judge, arrived, holding) = (Arc::clone(&judge), arrived.clone(), Arc::clone(&holding));
        async move {
            let (parts, body) = request.into_parts();
            if parts.uri.path().ends_with("held") && number(&parts) == 1 {
                arrived.send(()).await.unwrap();
                holding.acquire().await.unwrap().forget();
            }
            if !judge.get().unwrap().take(&parts) {
                return status(401);
            }
            http::Response::new(Body::from(body.collect().await.unwrap().to_bytes()))
        }
    })
    .await;
    (api, known, arrivals, held)
}

/// The API refuses all tokens that there are, and the issuer can be asked for another.
fn revoke(world: &World, tokens: &Tokens) {
    tokens.revoke();
    world.clock.advance(Duration::from_secs(2));
}

async fn post(http: &Http, world: &World, body: Body) -> http::Response<hyper::body::Incoming> {
    http.request(Request::post(world.url("/proxy/api/")).body(body).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_request_sent_once_more() {
    let (api, world, tokens) = strict().await;
    for http in callers() {
        assert_eq!(post(&http, &world, Body::from("first")).await.status(), 200);
        let before = (api.seen().len(), tokens.issued());
        revoke(&world, &tokens);
        let answer = post(&http, &world, Body::from("once more")).await;
        assert_eq!((answer.status().as_u16(), &*text(answer).await), (200, "once more"));
        assert_eq!((api.seen().len(), tokens.issued()), (before.0 + 2, before.1 + 1));
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_sent_once_more_and_one_byte_more_is_not() {
    let (api, world, tokens) = strict().await;
    for http in callers() {
        for steer in [false, true] {
            let body = |length: usize| {
                let bytes = Bytes::from(vec![b'x'; length]);
                if !steer {
                    return Body::from(bytes);
                }
                let (sender, body) = steered();
                sender.try_send(Ok(Frame::data(bytes))).unwrap();
                body
            };
            assert_eq!(post(&http, &world, Body::empty()).await.status(), 200);
            revoke(&world, &tokens);
            let answer = post(&http, &world, body(1024 * 1024)).await;
            assert_eq!((answer.status().as_u16(), text(answer).await.len()), (200, 1024 * 1024));

            let (asked, issued) = (api.seen().len(), tokens.issued());
            revoke(&world, &tokens);
            let answer = post(&http, &world, body(1024 * 1024 + 1)).await;
            assert_eq!((answer.status().as_u16(), api.seen().len()), (401, asked + 1));
            assert!(!answer.headers().contains_key("tokenkeep-problem"));
            // The next one is well.
            assert_eq!(post(&http, &world, body(1024 * 1024 + 1)).await.status(), 200);
            assert_eq!(tokens.issued(), issued + 1);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_body_loses_nothing_of_it() {
    let refusals = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&refusals);
    let api = Api::start(move |request| {
        let (tokens, count) = (number(&parts_of(&request)), Arc::clone(&count));
        async move {
            let mut body = request.into_body();
            if tokens % 2 == 1 {
                assert_eq!(next(&mut body).await.as_deref(), Some("one "));
                count.fetch_add(1, Ordering::SeqCst);
                return Response::builder().status(401).body(Body::from("who?")).unwrap();
            }
            Response::new(body)
        }
    })
    .await;
    let (setup, tokens) = api.setup();
    let world = setup.start().await;
    for http in callers() {
        world.manager.handle("api").unwrap().token().await.unwrap();
        world.clock.advance(Duration::from_secs(2));
        let (words, body) = steered();
        words.send(data("one ")).await.unwrap();
        let mut answer = post(&http, &world, body).await.into_body();
        assert_eq!(next(&mut answer).await.as_deref(), Some("one "));
        words.send(data("two")).await.unwrap();
        drop(words);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "two");
        // Odd again.
        world.clock.advance(Duration::from_secs(2));
        world.manager.handle("api").unwrap().refresh().await.unwrap();
    }
    assert_eq!((refusals.load(Ordering::SeqCst), tokens.issued()), (2, 5));
    world.end().await;
}

fn parts_of(request: &axum::extract::Request) -> http::request::Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.headers = request.headers().clone();
    parts
}

#[tokio::test]
async fn sixty_four_streams_through_many_revocations_lose_nothing() {
    let (streams, mut opened) = mpsc::channel(64);
    let known = Arc::new(OnceLock::<Arc<Tokens>>::new());
    let judge = Arc::clone(&known);
    let api = Api::start(move |request| {
        let (judge, streams) = (Arc::clone(&judge), streams.clone());
        async move {
            let (parts, body) = request.into_parts();
            let asked = body.collect().await.unwrap().to_bytes();
            if !judge.get().unwrap().take(&parts) {
                return status(401);
            }
            let (events, body) = steered();
            streams.send((asked, events)).await.unwrap();
            Response::new(body)
        }
    })
    .await;
    let (setup, tokens) = api.setup();
    known.set(Arc::clone(&tokens)).unwrap();
    let world = setup.start().await;
    let clients = callers();
    let mut before = Vec::new();
    for round in 1..=8_u64 {
        let mut callers = JoinSet::new();
        for caller in 0..64 {
            let (http, url) = (clients[caller % 2].clone(), world.url("/proxy/api/stream"));
            callers.spawn(async move {
                let body = format!("{round}/{caller} ").repeat(5000);
                let answer = http.request(Request::post(url).body(Body::from(body.clone())).unwrap()).await.unwrap();
                assert_eq!(answer.status(), 200);
                assert_eq!(text(answer).await, format!("{body}and the end"));
            });
        }
        let mut now = Vec::new();
        while now.len() < 64 {
            now.push(opened.recv().await.unwrap());
        }
        for (asked, events) in &now {
            events.send(Ok(Frame::data(asked.clone()))).await.unwrap();
        }
        // All of this round stream while the token that they came with is refused to the next round.
        revoke(&world, &tokens);
        for (events, mut ended) in std::mem::replace(&mut before, vec![(now, callers)]) {
            for (_, events) in events {
                events.send(data("and the end")).await.unwrap();
            }
            while let Some(caller) = ended.join_next().await {
                caller.unwrap();
            }
        }
        assert_eq!(tokens.issued(), round);
        // Nobody was asked more than twice, and nobody twice who was answered.
        let (asked, refused) = (api.seen().len() as u64, api.seen().iter().filter(|seen| number(seen) < round).count());
        assert!(asked <= 64 * (2 * round - 1), "{asked}");
        assert!(refused as u64 <= 64 * 2 * (round - 1));
    }
    for (events, mut ended) in before {
        for (_, events) in events {
            events.send(data("and the end")).await.unwrap();
        }
        while let Some(caller) = ended.join_next().await {
            caller.unwrap();
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_missing_right_costs_one_token_and_not_one_for_each_request() {
    let api =
        Api::start(async |request| status(if request.uri().path().ends_with("secret") { 401 } else { 200 })).await;
    let (setup, tokens) = api.setup();
    let world = setup.start().await;
    assert_eq!(world.get("/proxy/api/x").await.status(), 200);
    world.clock.advance(Duration::from_secs(2));
    for (times, sent) in [(1, 2), (2, 1), (3, 1)] {
        let before = api.seen().len();
        assert_eq!(world.get("/proxy/api/secret").await.status(), 401);
        assert_eq!(api.seen().len(), before + sent, "request {times}");
        assert_eq!(world.get("/proxy/api/x").await.status(), 200);
        world.clock.advance(Duration::from_secs(2));
    }
    assert_eq!(tokens.issued(), 2);
    world.end().await;
}

#[tokio::test]
async fn when_a_token_was_withdrawn_with_the_one_before_it_the_request_is_answered_with_a_third() {
    for renewal_is_there in [true, false] {
        let (api, tokens_of_api, mut arrivals, held) = holding_api().await;
        let (setup, tokens) = api.setup();
        tokens_of_api.set(Arc::clone(&tokens)).unwrap();
        let world = setup.start().await;
        assert_eq!(world.get("/proxy/api/x").await.status(), 200);
        let send = async || {
            let request = Request::post(world.url("/proxy/api/held")).body(Body::from("once")).unwrap();
            http1().request(request).await.unwrap()
        };
        let (answer, ()) = tokio::join!(send(), async {
            arrivals.recv().await.unwrap();
            world.clock.advance(Duration::from_secs(2));
            let delivery = tokens.delivery.lock().await;
            let refresh = world.send("POST", "/tokens/api/refresh").send();
            if renewal_is_there {
                drop(delivery);
                assert_eq!(refresh.await.unwrap().status(), 200);
                revoke(&world, &tokens);
                held.add_permits(1);
                return;
            }
            // It is on its way when both are withdrawn.
            let withdraw = async {
                while tokens.issued() < 2 {
                    tokio::task::yield_now().await;
                }
                revoke(&world, &tokens);
                held.add_permits(1);
                while world.manager.handle("api").unwrap().current().is_some() {
                    tokio::task::yield_now().await;
                }
                drop(delivery);
            };
            let (refreshed, ()) = tokio::join!(refresh, withdraw);
            assert_eq!(refreshed.unwrap().status(), 200);
        });
        assert_eq!((answer.status().as_u16(), tokens.issued()), (200, 3), "{renewal_is_there}");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "once", "{renewal_is_there}");
        assert_eq!(world.get("/proxy/api/x").await.status(), 200);
        world.end().await;
    }
}

#[tokio::test]
async fn a_caller_without_a_right_does_not_keep_the_others_from_a_new_token() {
    const ONE: &str = "planted-key-without-a-right";
    const OTHER: &str = "planted-key-with-all-rights";
    let known = Arc::new(OnceLock::<Arc<Tokens>>::new());
    let judge = Arc::clone(&known);
    let api = Api::start(move |request| {
        let parts = parts_of(&request);
        let may = !request.uri().path().ends_with("secret") && judge.get().unwrap().take(&parts);
        std::future::ready(status(if may { 200 } else { 401 }))
    })
    .await;
    let (setup, tokens) = api.setup();
    known.set(Arc::clone(&tokens)).unwrap();
    let setup = setup.caller("one", ONE, "\"*\"", "\"proxy\"").caller("other", OTHER, "\"*\"", "\"proxy\"");
    let world = setup.start().await;
    let ask = async |key: &str, path: &str| {
        let before = api.seen().len();
        let answer = world.ask(path).header("x-api-key", key).send().await.unwrap();
        (answer.status().as_u16(), api.seen().len() - before, tokens.issued())
    };
    assert_eq!(ask(ONE, "/proxy/api/x").await, (200, 1, 1));
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(ask(ONE, "/proxy/api/secret").await, (401, 2, 2));
    revoke(&world, &tokens);
    assert_eq!(ask(ONE, "/proxy/api/x").await, (401, 1, 2), "what it says of the token is not believed for a while");
    assert_eq!(ask(OTHER, "/proxy/api/x").await, (200, 2, 3));
    assert_eq!(ask(ONE, "/proxy/api/x").await, (200, 1, 3));
    world.end().await;
}

#[tokio::test]
async fn a_missing_right_costs_few_tokens_for_bodies_that_are_too_long_to_be_sent_again() {
    let api = Api::start(async |request| {
        let refused = request.uri().path().ends_with("secret");
        request.into_body().collect().await.unwrap();
        status(if refused { 401 } else { 200 })
    })
    .await;
    let (setup, tokens) = api.setup();
    let world = setup.start().await;
    let too_long = async |path: &str| {
        let body = Body::from(vec![b'x'; 1024 * 1024 + 1]);
        http1().request(Request::post(world.url(path)).body(body).unwrap()).await.unwrap().status()
    };
    for _ in 0..10 {
        assert_eq!(too_long("/proxy/api/secret").await, 401);
        assert_eq!(world.get("/proxy/api/x").await.status(), 200);
        assert_eq!(too_long("/proxy/api/x").await, 200, "whatever else it may");
        world.clock.advance(Duration::from_secs(2));
    }
    // One more if all that took longer than the first pause.
    assert!(tokens.issued() <= 3, "{}", tokens.issued());
    world.end().await;
}

#[tokio::test]
async fn a_refused_body_that_is_too_long_to_be_sent_again_holds_up_no_other_request_of_its_caller() {
    let (_api, world, tokens) = strict().await;
    let http = http1();
    assert_eq!(post(&http, &world, Body::empty()).await.status(), 200);
    for round in 1..=3 {
        revoke(&world, &tokens);
        let too_long = Body::from(vec![b'x'; 1024 * 1024 + 1]);
        assert_eq!(post(&http, &world, too_long).await.status(), 401);
        for _ in 0..3 {
            assert_eq!(post(&http, &world, Body::empty()).await.status(), 200, "round {round}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_no_refusal_is_not_sent_again() {
    for answer in [200, 204, 302, 400, 403, 404, 407, 408, 421, 425, 429, 500, 502, 503, 504] {
        let api = Api::start(move |_| std::future::ready(status(answer))).await;
        let (setup, tokens) = api.setup();
        let world = setup.start().await;
        assert_eq!(post(&http1(), &world, Body::from("text")).await.status(), answer);
        assert_eq!((api.seen().len(), tokens.issued()), (1, 1));
        world.end().await;
    }
}

#[tokio::test]
async fn the_statuses_that_refuse_a_token_are_those_of_the_configuration() {
    let api = Api::start(async |request| match number(&parts_of(&request)) {
        1 => status(403),
        _ => status(401),
    })
    .await;
    let (setup, tokens) = api.setup_with(|api| api.with_reject_on([403]));
    let world = setup.start().await;
    world.manager.handle("api").unwrap().token().await.unwrap();
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.get("/proxy/api/").await.status(), 401);
    assert_eq!(tokens.issued(), 2);
    world.end().await;
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_problem_says_when_to_come_again() {
    let api = Api::start(async |_| status(401)).await;
    let (setup, tokens) = api.setup();
    tokens.down.store(true, Ordering::SeqCst);
    let world = setup.start().await;
    let answer = world.get("/proxy/api/").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["tokenkeep-problem"]),
        (503, &"unavailable".parse().unwrap())
    );
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(api.seen().len(), 0);
    world.end().await;
}

#[tokio::test]
async fn a_refusal_without_another_token_is_told_as_the_lack_of_one() {
    let (api, world, tokens) = strict().await;
    assert_eq!(world.get("/proxy/api/").await.status(), 200);
    revoke(&world, &tokens);
    tokens.down.store(true, Ordering::SeqCst);
    let answer = world.get("/proxy/api/").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["tokenkeep-problem"]),
        (503, &"unavailable".parse().unwrap())
    );
    assert_eq!(api.seen().len(), 2);
    world.end().await;
}

/// A server whose key `same` has a token for this API that is always the same.
async fn with_one_token(api: &Api) -> World {
    use tokenkeep::provider::{ApiBase, ApiSettings, Grant, Provider, Transport};
    let (mut setup, _) = api.setup();
    let base = ApiBase::parse(&format!("http://{}/", api.address), Transport::Secure).unwrap();
    let token = tokenkeep::Secret::new(crate::secrets::STATIC_TOKEN);
    let provider = Provider::new("same", Grant::Static { token }).unwrap();
    setup.manager = setup.manager.provider(provider.with_api(ApiSettings::default().with_base(base)));
    setup.start().await
}

#[tokio::test]
async fn a_token_that_stays_the_same_is_not_sent_twice_nor_sought_each_time() {
    let api = Api::start(async |_| Response::builder().status(401).body(Body::from("who?")).unwrap()).await;
    let world = with_one_token(&api).await;
    for asked in 1..=3 {
        let answer = world.get("/proxy/same/").await;
        assert_eq!((answer.status().as_u16(), &*answer.text().await.unwrap()), (401, "who?"));
        assert_eq!(api.seen().len(), asked);
        world.clock.advance(Duration::from_secs(2));
    }
    assert_eq!(world.manager.handle("same").unwrap().token().await.unwrap().generation(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_refusal_that_is_passed_on_is_whole_though_the_request_is_still_on_its_way() {
    let api = Api::raw(async |mut stream| {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 401 \r\nConnection: close\r\nContent-Length: 8\r\n\r\nwho ").await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"two") {
            if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                return;
            }
        }
        stream.write_all(b"asks").await.unwrap();
    })
    .await;
    let world = with_one_token(&api).await;
    for http in callers() {
        let (words, body) = steered();
        words.send(data("one ")).await.unwrap();
        let request = Request::post(world.url("/proxy/same/")).header("Content-Length", "7").body(body).unwrap();
        let answer = http.request(request).await.unwrap();
        assert_eq!(answer.status(), 401);
        words.send(data("two")).await.unwrap();
        assert_eq!(text(answer).await, "who asks");
    }
    world.end().await;
}
