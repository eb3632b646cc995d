//! Promise 6: a failure is remembered and shared, and left again by itself.

use tokenkeep::source::{Fault, FetchError};
use tokenkeep::{Code, Demand, Event, KeyState, Warning};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn with_the_issuer_down_requests_keep_the_pace_of_the_back_off() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    pass(MINUTE * 40).await;
    let before = world.issuer.count();
    world.issuer.fail(Fault::Unavailable);
    for _ in 0..900 {
        pass(SECOND).await;
        world.get().await.ok();
    }
    let asked = world.issuer.count() - before;
    assert!((5..=60).contains(&asked), "{asked} requests in about ten minutes");
    assert!(world.issuer.shortest_gap("graph").unwrap() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn with_no_token_left_callers_are_told_when_to_come_back() {
    let world = world(MINUTE).await;
    world.issuer.fail(Fault::Unavailable);
    for _ in 0..50 {
        let error = world.get().await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        let wait = error.retry_after().unwrap();
        assert!(wait >= SECOND && wait <= SECOND * 10, "{wait:?}");
        pass(wait).await;
    }
    assert!(world.issuer.shortest_gap("graph").unwrap() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_back_is_noticed_without_anybody_asking() {
    let world = world(MINUTE).await;
    world.manager.start();
    let _subscriber = world.graph().subscribe();
    pass(SECOND * 5).await;
    world.issuer.fail(Fault::Unavailable);
    pass(MINUTE * 10).await;
    assert!(world.graph().current().is_none());
    world.issuer.reply(Reply::Token);
    pass(SECOND * 12).await;
    assert!(world.graph().current().is_some());
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed() {
    let world = world(MINUTE).await;
    let error = FetchError::new(Fault::RateLimited, "answered 429").with_retry_after(MINUTE * 20);
    world.issuer.reply(Reply::Fail(error));
    world.get().await.unwrap_err();
    world.issuer.reply(Reply::Token);
    for _ in 0..19 {
        pass(MINUTE).await;
        assert_eq!(world.get().await.unwrap_err().code(), Code::Unavailable);
    }
    pass(MINUTE * 2).await;
    world.get().await.unwrap();
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_holds_all_keys_of_the_registration_and_good_tokens_flow() {
    let world = world(HOUR).await;
    let good = world.manager.handle("graph:1").unwrap();
    good.token().await.unwrap();
    let error = FetchError::new(Fault::RateLimited, "answered 429").with_retry_after(MINUTE);
    world.issuer.reply(Reply::Fail(error));
    world.manager.token("graph:2").await.unwrap_err();
    world.issuer.reply(Reply::Token);
    let held = world.manager.token("graph:3").await.unwrap_err();
    assert_eq!(held.code(), Code::Unavailable);
    assert!(held.retry_after().unwrap() > SECOND * 50);
    good.token().await.unwrap();
    assert_eq!(world.issuer.count(), 2);
    pass(MINUTE + SECOND).await;
    world.manager.token("graph:3").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_the_issuer_is_left_alone_but_for_a_slow_probe() {
    let world = world(HOUR).await;
    world.manager.start();
    world.issuer.fail(Fault::Refused);
    for _ in 0..(6 * 3600) {
        assert_eq!(world.get().await.unwrap_err().code(), Code::Refused);
        pass(SECOND).await;
    }
    let asked = world.issuer.count();
    assert!((7..=10).contains(&asked), "{asked} requests in six hours: 5, 10, 20, 40 min, then hourly");
    // Mended at the issuer: the next probe notices.
    world.issuer.reply(Reply::Token);
    pass(HOUR + MINUTE * 10).await;
    world.get().await.ok();
    pass(SECOND).await;
    world.get().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_left_at_once_when_a_person_asks() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Refused);
    world.get().await.unwrap_err();
    world.issuer.reply(Reply::Token);
    world.get().await.unwrap_err();
    world.graph().refresh().await.unwrap();
    world.get().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn status_says_what_is_wrong_and_since_when() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Unavailable);
    for _ in 0..3 {
        let wait = world.get().await.unwrap_err().retry_after().unwrap();
        pass(wait + SECOND).await;
    }
    world.get().await.unwrap_err();
    let status = world.graph().status().await;
    assert_eq!((status.state, status.consecutive_failures), (KeyState::BackingOff, 4));
    assert_eq!(status.reason, "issuer.example said no");
    assert!(status.failure.unwrap().retry_in.unwrap() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_one_process_learned_the_next_one_knows() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Refused);
    world.get().await.unwrap_err();
    let next = world.another_process().await;
    assert_eq!(next.token("graph").await.unwrap_err().code(), Code::Refused);
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_success_ends_the_memory_of_failures() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Unavailable);
    world.get().await.unwrap_err();
    world.issuer.reply(Reply::Token);
    pass(SECOND * 11).await;
    world.get().await.unwrap();
    let status = world.graph().status().await;
    assert_eq!((status.state, status.consecutive_failures), (KeyState::Fresh, 0));
    assert!(status.failure.is_none(), "{status:?}");
    assert!(world.graph().get(Demand::default()).await.unwrap().warnings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn failures_that_come_and_go_are_told_and_so_are_callers_who_went_away() {
    let world = world(MINUTE).await;
    let mut events = world.manager.events();
    let codes = async || -> Vec<_> { world.graph().status().await.warnings.iter().map(Warning::code).collect() };
    for _ in 0..3 {
        pass(MINUTE * 2).await;
        world.issuer.fail(Fault::Unavailable);
        world.get().await.unwrap_err();
        world.issuer.reply(Reply::Token);
        pass(MINUTE * 10).await;
        world.get().await.unwrap();
    }
    assert_eq!(codes().await, ["frequent_failures", "no_token_for_callers"], "though there is a good token");
    let events: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
    assert_eq!(count(|event| matches!(event, Event::FrequentFailures { .. })), 1, "{events:?}");
    assert_eq!(count(|event| matches!(event, Event::NoTokenForCallers { .. })), 3, "{events:?}");
    pass(HOUR).await;
    world.get().await.unwrap();
    assert!(codes().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_back_off_ends_when_the_token_can_no_longer_be_handed_out() {
    let world = world(MINUTE * 10).await;
    world.manager.start();
    world.get().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    let mut turned_away = 0;
    for second in 0..700 {
        pass(SECOND).await;
        if second == 560 {
            world.issuer.reply(Reply::Token);
        }
        turned_away += u32::from(world.get().await.is_err());
    }
    assert_eq!(turned_away, 0, "the issuer was back ten seconds before the token's last");
}

#[tokio::test(start_paused = true)]
async fn the_longest_of_several_rate_limits_counts() {
    let world = world(HOUR).await;
    world.issuer.hold();
    let limited = |seconds: u64| {
        let retry_after = (seconds > 0).then(|| SECOND * u32::try_from(seconds).unwrap());
        FetchError::new(Fault::RateLimited, "answered 429").with_retry_after(retry_after)
    };
    let (one, two) = (world.manager.handle("graph:1").unwrap(), world.manager.handle("graph:2").unwrap());
    world.issuer.reply(Reply::Fail(limited(60)));
    let first = async {
        one.token().await.unwrap_err();
        world.issuer.reply(Reply::Fail(limited(0)));
    };
    let second = async {
        world.issuer.arrival(2).await;
        world.issuer.let_go();
    };
    let (_, (), ()) = tokio::join!(two.token(), first, second);
    let held = world.manager.token("graph:3").await.unwrap_err();
    assert!(held.retry_after().unwrap() > SECOND * 50, "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_that_is_over_does_not_hide_the_next() {
    let world = world(HOUR).await;
    let limit = |retry_after| FetchError::new(Fault::RateLimited, "429").with_retry_after(retry_after);
    world.issuer.reply(Reply::Fail(limit(HOUR)));
    world.manager.token("graph:0").await.unwrap_err();
    // By the wall clock the hour is over, by the other it is not.
    world.clock.set_wall_forward(HOUR * 2);
    pass(SECOND * 2).await;
    world.issuer.reply(Reply::Fail(limit(MINUTE)));
    for number in 1..=20 {
        world.manager.token(&format!("graph:{number}")).await.unwrap_err();
    }
    assert_eq!(world.issuer.count(), 2, "one request for each limit");
}

#[tokio::test(start_paused = true)]
async fn what_a_status_calls_good_after_a_clear_is_handed_out() {
    let world = world(MINUTE).await;
    let other = world.another_process().await;
    let limit = FetchError::new(Fault::RateLimited, "429").with_retry_after(SECOND * 3);
    world.issuer.reply(Reply::Fail(limit));
    world.graph().refresh().await.unwrap_err();
    pass(SECOND / 4).await;
    // It has the store looked at, which is done once a second at most.
    world.get().await.unwrap_err();
    world.issuer.reply(Reply::Token);
    world.graph().clear().await.unwrap();
    other.token("graph").await.unwrap();
    assert_eq!(world.graph().status().await.state, KeyState::Fresh);
    world.get().await.unwrap();
}
