//! Further ways to authenticate: used when the first fails as often as is configured, and left again.

use std::sync::Arc;
use std::time::Duration;

use tokenkeep::source::{Expiry, Fault, FetchError};
use tokenkeep::{Accounts, Code, Demand, Event, SourceSettings, Warning};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn when_the_first_way_fails_the_fallback_brings_the_token_at_once() {
    let Ways { world, second } = ways(1).await;
    let mut events = world.manager.events();
    world.issuer.fail(Fault::Unavailable);
    let answer = world.graph().get(Demand::default()).await.unwrap();
    assert_eq!((world.issuer.count(), second.count()), (1, 1));
    assert!(
        matches!(&*answer.warnings, [Warning::OnFallback { what, .. }] if what.contains("issuer.example")),
        "{:?}",
        answer.warnings
    );
    let used = std::iter::from_fn(|| events.try_recv().ok()).any(|event| matches!(event, Event::FallbackUsed { .. }));
    assert!(used, "nobody was told");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_waits_for_as_many_failures_as_configured() {
    let Ways { world, second } = ways(3).await;
    world.issuer.fail(Fault::Unavailable);
    for _ in 0..2 {
        let error = world.get().await.unwrap_err();
        assert_eq!(second.count(), 0);
        pass(error.retry_after().unwrap()).await;
    }
    world.get().await.unwrap();
    assert_eq!((world.issuer.count(), second.count()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn the_first_way_is_left_alone_for_five_minutes_and_then_tried_again() {
    let Ways { world, second } = ways(1).await;
    second.set_expiry(Expiry::In(MINUTE * 2));
    world.issuer.fail(Fault::Unavailable);
    world.get().await.unwrap();
    pass(MINUTE * 2).await;
    world.get().await.unwrap();
    assert_eq!((world.issuer.count(), second.count()), (1, 2));
    world.issuer.reply(Reply::Token);
    pass(MINUTE * 4).await;
    let answer = world.graph().get(Demand::default()).await.unwrap();
    assert_eq!((world.issuer.count(), second.count()), (2, 2));
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
}

#[tokio::test(start_paused = true)]
async fn when_all_ways_fail_the_error_says_so_of_each_and_requests_keep_the_back_off() {
    let Ways { world, second } = ways(1).await;
    world.issuer.fail(Fault::Refused);
    second.fail(Fault::Unavailable);
    let error = world.get().await.unwrap_err();
    assert_eq!(error.code(), Code::Refused);
    assert!(error.to_string().contains("; the fallback: "), "{error}");
    for _ in 0..100 {
        world.get().await.unwrap_err();
    }
    assert_eq!((world.issuer.count(), second.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_at_the_same_issuer_keeps_a_second_between_requests() {
    let second = Issuer::with_secret(HOUR, "another secret");
    let Ways { world, second } = ways_with(1, second).await;
    world.issuer.fail(Fault::Refused);
    world.get().await.unwrap();
    let (first, then) = (world.issuer.requests()[0].at, second.requests()[0].at);
    assert!(then >= first + SECOND, "asked at {first:?} and at {then:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_of_the_first_way_does_not_hold_the_fallback() {
    let Ways { world, second } = ways(1).await;
    world.issuer.fail(Fault::RateLimited);
    world.get().await.unwrap();
    assert_eq!(second.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_fallback_can_be_demanded() {
    let Ways { world, second } = ways(1).await;
    world.get().await.unwrap();
    assert_eq!(world.graph().refresh_by_fallback().await.unwrap().generation(), 2);
    assert_eq!((world.issuer.count(), second.count()), (1, 1));

    let alone = crate::support::world(HOUR).await;
    let error = alone.graph().refresh_by_fallback().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.to_string().contains("[[providers.graph.fallback]]"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_login_of_the_first_way_outlives_a_token_of_the_fallback() {
    let Ways { world, second } =
        ways_of(Issuer::rotating(MINUTE * 10), 1, Issuer::at("second.example", MINUTE * 10)).await;
    world.get().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    world.graph().refresh().await.unwrap();
    assert_eq!(second.requests()[0].refresh_token, None, "it was sent to another issuer");
    world.issuer.reply(Reply::Token);
    pass(MINUTE * 10).await;
    world.get().await.unwrap();
    assert_eq!(world.issuer.requests().last().unwrap().refresh_token.as_deref(), Some("rt-1"));
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_turns_to_the_fallback_at_once_however_many_failures_are_configured() {
    for fault in [Fault::Refused, Fault::LoginRequired] {
        let Ways { world, second } = ways(5).await;
        world.issuer.fail(fault);
        world.get().await.unwrap();
        assert_eq!((world.issuer.count(), second.count()), (1, 1), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_no_use_turns_to_the_fallback_too() {
    let Ways { world, second } = ways(1).await;
    world.issuer.set_expiry(Expiry::In(Duration::ZERO));
    world.get().await.unwrap();
    assert_eq!((world.issuer.count(), second.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_fails_on_demand_is_held_against_nobody() {
    let Ways { world, second } = ways(1).await;
    world.get().await.unwrap();
    second.fail(Fault::Refused);
    assert_eq!(world.graph().refresh_by_fallback().await.unwrap_err().code(), Code::Refused);
    pass(HOUR).await;
    world.get().await.unwrap();
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_keeps_all_keys_from_the_first_way_for_as_long_as_it_says() {
    let second = Issuer::at("second.example", HOUR);
    let settings = SourceSettings::default().with_accounts(Accounts::Any).with_fallback(Arc::new(second.clone()));
    let world = world_of(Issuer::new(HOUR), settings).await;
    second.set_clock(&world.clock);
    let limit = FetchError::new(Fault::RateLimited, "answered 429").with_retry_after(HOUR);
    world.issuer.reply(Reply::Fail(limit));
    for account in 0..50 {
        world.manager.token(&format!("graph:{account}")).await.unwrap();
    }
    assert_eq!((world.issuer.count(), second.count()), (1, 50));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_rotated_in_vain_is_saved_whatever_way_the_flight_ends() {
    let second = Issuer::at("second.example", HOUR);
    let settings = SourceSettings::default().with_fallback(Arc::new(second.clone()));
    let world = world_of(Issuer::rotating(MINUTE), settings).await;
    second.set_clock(&world.clock);
    let rotated = Some(tokenkeep::Secret::new("rt-new"));
    world.issuer.reply(Reply::Fail(FetchError::new(Fault::Unavailable, "no token in it").with_rotated(rotated)));
    for second_fails in [false, true] {
        if second_fails {
            second.fail(Fault::Unavailable);
        }
        assert_eq!(world.graph().refresh().await.is_err(), second_fails);
        let stored = world.store.record("graph").await.unwrap().refresh_token.unwrap();
        assert_eq!(stored.expose_secret(), "rt-new", "second fails: {second_fails}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_many_fallbacks_the_first_way_still_logs_in_without_the_refresh_token_that_is_refused() {
    let others: Vec<_> = ["b.example", "c.example", "d.example"].map(|host| Issuer::at(host, HOUR)).into();
    let sources = others.iter().map(|other| Arc::new(other.clone()) as Arc<dyn tokenkeep::source::TokenSource>);
    let settings = sources.fold(SourceSettings::default(), SourceSettings::with_fallback);
    let world = world_of(Issuer::rotating(HOUR), settings).await;
    for other in &others {
        other.set_clock(&world.clock);
        other.fail(Fault::Unavailable);
    }
    world.get().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    world.graph().refresh().await.unwrap_err();
    world.issuer.fail(Fault::RefreshTokenRefused);
    world.graph().refresh().await.unwrap_err();
    let sent: Vec<_> = world.issuer.requests().into_iter().skip(2).map(|request| request.refresh_token).collect();
    assert_eq!(sent, [Some("rt-1".to_owned()), None]);
}

struct Ways {
    world: World,
    second: Issuer,
}

async fn ways(max_failures: u32) -> Ways {
    ways_with(max_failures, Issuer::at("second.example", HOUR)).await
}

async fn ways_with(max_failures: u32, second: Issuer) -> Ways {
    ways_of(Issuer::new(HOUR), max_failures, second).await
}

async fn ways_of(first: Issuer, max_failures: u32, second: Issuer) -> Ways {
    let settings = SourceSettings::default().with_fallback(Arc::new(second.clone())).with_max_failures(max_failures);
    let world = world_of(first, settings).await;
    second.set_clock(&world.clock);
    Ways { world, second }
}
