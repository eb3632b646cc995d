//! `GET /tokens/{key}/watch`: what comes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use serde_json::json;
use tokenkeep_sandbox::Fault;
use tokio::time::Instant;

use crate::watcher::{Event, Watcher, counting};
use crate::world::{Setup, World, client};

/// Has a new token obtained.
async fn refresh(world: &World, key: &str) {
    world.clock.advance(Duration::from_secs(2));
    world.manager.handle(key).unwrap().refresh().await.unwrap();
}

#[tokio::test]
async fn the_present_token_comes_at_once_and_then_each_new_one() {
    let world = Setup::open().start().await;
    let (_, present) = world.json("/tokens/vendor:7").await;
    let mut watcher = Watcher::open(&world, "vendor:7").await;
    assert_eq!(watcher.header(CONTENT_TYPE), "text/event-stream");
    assert_eq!(watcher.header(CACHE_CONTROL), "no-store");
    assert_eq!(watcher.header(HeaderName::from_static("x-accel-buffering")), "no");
    let Some(Event::Token { id, token }) = watcher.event().await else { panic!("no token") };
    assert_eq!(token, present);
    assert_eq!(id.split_once('-').unwrap().0, "1");
    for generation in 2..5 {
        refresh(&world, "vendor:7").await;
        assert_eq!(watcher.generation().await, generation);
    }
    world.end().await;
}

#[tokio::test]
async fn a_hundred_watchers_of_a_key_without_a_token_cost_the_issuer_one_request() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::Hang);
    let mut watchers = Vec::new();
    for _ in 0..100 {
        watchers.push(Watcher::open(&world, "reports").await);
    }
    world.sandbox.wait_for_requests("reports", 1).await;
    world.sandbox.clear_faults();
    world.sandbox.release();
    for watcher in &mut watchers {
        assert_eq!(watcher.generation().await, 1);
    }
    refresh(&world, "reports").await;
    for watcher in &mut watchers {
        assert_eq!(watcher.generation().await, 2);
    }
    assert_eq!(world.sandbox.counters_of("reports").token_requests, 2);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_watchers_of_a_key_that_fails_cost_the_issuer_one_request() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: "down".to_owned() });
    let mut watchers = Vec::new();
    for _ in 0..100 {
        watchers.push(Watcher::open(&world, "reports").await);
    }
    for watcher in &mut watchers {
        assert_eq!(watcher.problem().await["code"], "unavailable");
        for _ in 0..5 {
            assert_eq!(watcher.piece().await, Some(Event::Comment));
        }
    }
    assert_eq!(world.sandbox.counters_of("reports").token_requests, 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_watched_key_is_renewed_though_nobody_asks_and_one_no_longer_watched_is_not() {
    let (setup, source) = counting(Setup::open(), 0);
    let world = setup.start().await;
    let mut watcher = Watcher::open(&world, "counting:1").await;
    assert_eq!(watcher.generation().await, 1);
    for generation in 2..5 {
        world.clock.advance(Duration::from_mins(50));
        assert_eq!(watcher.generation().await, generation);
    }
    drop(watcher);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_mins(50));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    // Whoever was there until now has used it, so it may be renewed for two lives more.
    assert!(source.requests.load(Ordering::SeqCst) <= 4 + 3);
    world.end().await;
}

#[tokio::test]
async fn a_token_of_another_key_never_comes() {
    let (setup, _) = counting(Setup::open(), 0);
    let world = setup.start().await;
    let mut watchers = Vec::new();
    for account in 0..20 {
        watchers.push(Watcher::open(&world, &format!("counting:{account}")).await);
    }
    for generation in 1..4 {
        for (account, watcher) in watchers.iter_mut().enumerate() {
            let token = watcher.token().await;
            assert_eq!(
                (&token["key"], &token["generation"]),
                (&json!(format!("counting:{account}")), &json!(generation))
            );
            assert!(token["access_token"].as_str().unwrap().starts_with(&format!("planted-{account}-")), "{token}");
        }
        for account in 0..20 {
            refresh(&world, &format!("counting:{account}")).await;
        }
    }
    world.end().await;
}

/// The id of the first token of a key.
async fn first_id(world: &World, key: &str) -> String {
    match Watcher::open(world, key).await.event().await {
        Some(Event::Token { id, .. }) => id,
        other => panic!("no token but {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_watcher_has_does_not_come_again() {
    let world = Setup::open().start().await;
    for (key, id) in [("vendor:1", first_id(&world, "vendor:1").await), ("vendor:2", "1".to_owned())] {
        world.get(&format!("/tokens/{key}")).await;
        let mut resumed = Watcher::resume(&world, key, &id).await;
        assert_eq!(resumed.piece().await, Some(Event::Comment), "{id}");
        refresh(&world, key).await;
        assert_eq!(resumed.generation().await, 2);
    }
    world.end().await;
}

#[tokio::test]
async fn a_token_that_a_watcher_does_not_have_comes_whatever_it_has() {
    let world = Setup::open().start().await;
    let id = first_id(&world, "vendor").await;
    let (_, run) = id.split_once('-').unwrap();
    let other_run = format!("1-{:08x}", u32::from_str_radix(run, 16).unwrap() ^ 1);
    for has in [&*other_run, "0", "7", &format!("7-{run}")] {
        assert_eq!(Watcher::resume(&world, "vendor", has).await.generation().await, 1, "{has}");
    }
    world.end().await;
}

#[tokio::test]
async fn an_id_that_is_none_and_a_parameter_are_mistakes_and_other_methods_are_not_there() {
    let world = Setup::open().start().await;
    for has in ["", "one", "1-", "-1", "1-x", "1 "] {
        let response = world.ask("/tokens/vendor/watch").header("last-event-id", has).send().await.unwrap();
        let expected = if has == "1 " { 200 } else { 400 };
        assert_eq!(response.status(), expected, "{has:?}");
    }
    assert_eq!(world.get("/tokens/vendor/watch?min_valid=5m").await.status(), 400);
    assert_eq!(world.get("/tokens/unknown/watch").await.status(), 404);
    for method in [Method::HEAD, Method::POST] {
        let response = world.http.request(method, world.url("/tokens/vendor/watch")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "GET"));
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "reads the paused clock that the server's timers go by")]
async fn a_comment_comes_every_15_s_and_a_watcher_is_never_taken_for_idle() {
    let world = Setup::open().start().await;
    let mut watcher = Watcher::open(&world, "vendor").await;
    watcher.token().await;
    let before = Instant::now();
    for _ in 0..100 {
        assert_eq!(watcher.piece().await, Some(Event::Comment));
    }
    // The paused clock may jump on while a comment is under way.
    assert!((100 * 15..102 * 15).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    refresh(&world, "vendor").await;
    assert_eq!(watcher.generation().await, 2);
    world.end().await;
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_a_problem_and_comes_when_it_can() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: "down".to_owned() });
    let mut watcher = Watcher::open(&world, "reports").await;
    let problem = watcher.problem().await;
    assert_eq!((&problem["code"], &problem["key"]), (&json!("unavailable"), &json!("reports")));
    world.sandbox.clear_faults();
    refresh(&world, "reports").await;
    assert_eq!(watcher.generation().await, 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_over_and_not_renewed_is_told_once() {
    let world = Setup::open().start().await;
    let mut watcher = Watcher::open(&world, "reports").await;
    assert_eq!(watcher.generation().await, 1);
    world.sandbox.set_fault(Fault::InvalidClient);
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(watcher.problem().await["code"], "refused");
    for _ in 0..4 {
        assert_eq!(watcher.piece().await, Some(Event::Comment));
    }
    world.sandbox.clear_faults();
    refresh(&world, "reports").await;
    assert_eq!(watcher.generation().await, 2);
    world.end().await;
}

#[tokio::test]
async fn who_reads_late_gets_the_newest_token_and_keeps_nobody_waiting() {
    let (setup, source) = counting(Setup::open(), 15_000);
    let mut world = setup.start().await;
    // On one connection, on which little may be sent of what is not read.
    let http = client().http2_prior_knowledge().http2_initial_stream_window_size(64 * 1024);
    world.http = http.build().unwrap();
    let mut late = Watcher::open(&world, "counting").await;
    let mut prompt = Watcher::open(&world, "counting").await;
    assert_eq!(prompt.generation().await, 1);
    for generation in 2..=LAST {
        refresh(&world, "counting").await;
        assert_eq!(prompt.generation().await, generation);
    }
    let mut read = vec![late.generation().await];
    while read.last() != Some(&LAST) {
        read.push(late.generation().await);
    }
    assert!(read.is_sorted_by(|one, other| one < other) && read.len() < MANY, "{read:?}");
    assert_eq!(source.requests.load(Ordering::SeqCst), MANY);
    world.end().await;
}

/// More tokens than all buffers between a server and one who does not read take.
const MANY: usize = 80;
const LAST: u64 = MANY as u64;
