//! Section "when a token is renewed": ahead for keys in use, never for idle ones, never in a storm.

use std::sync::Arc;
use std::time::Duration;

use tokenkeep::expiry::{Policy, Refresh};
use tokenkeep::source::Expiry;
use tokenkeep::{Accounts, Clock, Code, Demand, Event, KeyState, SourceSettings, TokenManager, Warning};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_key_in_use_is_renewed_ahead_and_nobody_waits() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    for _ in 0..(5 * 60) {
        pass(MINUTE).await;
        assert!(world.graph().current().is_some() || world.graph().status().await.state == KeyState::Due);
        world.get().await.unwrap();
    }
    let lives = world.issuer.count();
    assert!((6..=8).contains(&lives), "{lives} requests in five hours of lives of one hour");
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_wakes_no_issuer_and_leaves_memory() {
    let world = world(HOUR).await;
    world.manager.start();
    for n in 0..100 {
        world.manager.token(&format!("graph:{n}")).await.unwrap();
    }
    assert_eq!(world.manager.keys_in_memory(), 100);
    pass(HOUR * 5).await;
    assert_eq!(world.manager.keys_in_memory(), 0);
    // Renewed while they still counted as in use, for two lives, and then no more.
    assert!(world.issuer.count() <= 400, "{} requests", world.issuer.count());
    let after = world.issuer.count();
    pass(HOUR * 24).await;
    assert_eq!(world.issuer.count(), after);
    // And it is had again at once, with the next generation.
    assert!(world.manager.token("graph:7").await.unwrap().generation() > 1);
}

#[tokio::test(start_paused = true)]
async fn without_start_nothing_happens_in_the_background() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    pass(MINUTE * 50).await;
    world.get().await.unwrap();
    settle().await;
    assert_eq!(world.issuer.count(), 1, "the token is due, and still good");
    pass(HOUR).await;
    assert_eq!(world.issuer.count(), 1);
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn on_demand_a_token_is_renewed_when_it_can_no_longer_be_handed_out() {
    let policy = Policy { refresh: Refresh::OnDemand, ..Policy::default() };
    let world = world_with(Issuer::new(HOUR), policy).await;
    world.manager.start();
    for _ in 0..59 {
        world.get().await.unwrap();
        pass(MINUTE).await;
    }
    assert_eq!(world.issuer.count(), 1);
    assert_eq!(world.graph().status().await.refresh_in, None, "it is not renewed by itself");
    pass(SECOND * 31).await;
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_life_of_five_seconds_and_a_buffer_of_five_minutes_make_at_most_one_request_a_second() {
    let policy = Policy { expiry_buffer: Some(MINUTE * 5), ..Policy::default() };
    let world = world_with(Issuer::new(SECOND * 5), policy).await;
    world.manager.start();
    for _ in 0..600 {
        let answer = world.graph().get(Demand::default()).await.unwrap();
        let left = answer.token.expires_in().unwrap();
        assert!(left > Duration::from_millis(2500), "half of the life is the buffer, {left:?} left");
        assert!(answer.warnings.iter().any(|warning| matches!(warning, Warning::BufferClamped { .. })));
        pass(Duration::from_millis(100)).await;
    }
    assert!(world.issuer.shortest_gap("graph").unwrap() >= SECOND);
    assert!((20..=40).contains(&world.issuer.count()), "{} requests a minute", world.issuer.count());
}

#[tokio::test(start_paused = true)]
async fn however_short_the_life_there_is_at_most_one_request_a_second() {
    for life_ms in [1, 50, 500, 999, 1500] {
        let world = world(Duration::from_millis(life_ms)).await;
        world.manager.start();
        for _ in 0..200 {
            let demand = Demand::default().with_max_wait(SECOND * 3);
            world.graph().get(demand).await.ok();
            pass(Duration::from_millis(10)).await;
        }
        assert!(world.issuer.shortest_gap("graph").unwrap() >= SECOND, "life of {life_ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn the_issuers_advice_when_to_renew_is_followed() {
    let world = world(HOUR * 24).await;
    world.issuer.advise_refresh_in(HOUR * 12);
    world.manager.start();
    world.get().await.unwrap();
    pass(HOUR * 9).await;
    assert_eq!(world.issuer.count(), 1);
    pass(HOUR * 3 + MINUTE).await;
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn jitter_is_drawn_once_and_renews_earlier_only() {
    let world = world(HOUR).await;
    world.manager.start();
    let subscribers: Vec<_> =
        (0..200).map(|n| world.manager.handle(&format!("graph:{n}")).unwrap().subscribe()).collect();
    pass(SECOND * 2).await;
    assert_eq!(world.issuer.count(), 200);
    pass(MINUTE * 41 + SECOND * 57).await;
    assert_eq!(world.issuer.count(), 200, "none before a quarter of the life and a fifth of that");
    pass(MINUTE * 3 + SECOND * 3).await;
    assert_eq!(world.issuer.count(), 400, "all by a quarter of the life");
    drop(subscribers);
}

#[tokio::test(start_paused = true)]
async fn no_stated_life_means_the_configured_one() {
    let policy = Policy { lifetime: MINUTE * 7, ..Policy::default() };
    let world = world_with(Issuer::new(HOUR), policy).await;
    world.issuer.set_expiry(Expiry::Unstated);
    assert_eq!(world.get().await.unwrap().expires_in(), Some(MINUTE * 7));
}

#[tokio::test(start_paused = true)]
async fn a_life_that_cannot_be_is_the_issuers_trouble_and_loses_no_refresh_token() {
    let world = rotating_world(HOUR).await;
    for expiry in [Expiry::In(Duration::ZERO), Expiry::In(HOUR * 24 * 366 * 1000)] {
        world.issuer.set_expiry(expiry);
        let error = world.get().await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error}");
        pass(MINUTE).await;
    }
    world.issuer.set_expiry(Expiry::In(HOUR));
    world.get().await.unwrap();
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_without_end_is_asked_for_once() {
    let world = world(HOUR).await;
    world.issuer.set_expiry(Expiry::Never);
    world.manager.start();
    assert_eq!(world.get().await.unwrap().expires_in(), None);
    world.clock.suspend(HOUR * 24 * 365);
    pass(HOUR).await;
    assert_eq!(world.get().await.unwrap().generation(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_renewals_at_once_are_all_made_and_bounded() {
    let world = world(HOUR).await;
    world.manager.start();
    let subscribers: Vec<_> =
        (0..10_000).map(|n| world.manager.handle(&format!("graph:{n}")).unwrap().subscribe()).collect();
    pass(SECOND * 2).await;
    assert_eq!(world.issuer.count(), 10_000);
    assert!(world.issuer.max_in_flight() <= 64);
    drop(subscribers);
}

#[tokio::test(start_paused = true)]
async fn one_slow_issuer_delays_no_other_and_its_requests_are_bounded() {
    let slow = world(HOUR).await;
    let fast = Issuer::new(HOUR);
    fast.set_clock(&slow.clock);
    let manager = tokenkeep::TokenManager::builder()
        .clock(std::sync::Arc::clone(&slow.clock) as _)
        .source(
            "slow",
            std::sync::Arc::new(slow.issuer.clone()),
            SourceSettings::default().with_accounts(Accounts::Any),
        )
        .source("fast", std::sync::Arc::new(fast.clone()), SourceSettings::default().with_accounts(Accounts::Any))
        .build()
        .await
        .unwrap();
    slow.issuer.hold();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..500 {
        let handle = manager.handle(&format!("slow:{n}")).unwrap();
        callers.spawn(async move { handle.token().await });
    }
    settle().await;
    manager.token("fast").await.unwrap();
    assert_eq!(slow.issuer.count(), 64);
    slow.issuer.let_go();
    assert!(callers.join_all().await.iter().all(Result::is_ok));
    assert_eq!(slow.issuer.max_in_flight(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_useless_answer_without_a_refresh_token_leaves_the_login_as_it_was() {
    let world = rotating_world(MINUTE).await;
    world.get().await.unwrap();
    world.issuer.say_no_refresh_token();
    world.issuer.set_expiry(Expiry::In(Duration::ZERO));
    pass(MINUTE).await;
    world.get().await.unwrap_err();
    assert_eq!(world.store.record("graph").await.unwrap().refresh_token.unwrap().expose_secret(), "rt-1");
    world.issuer.set_expiry(Expiry::In(MINUTE));
    pass(SECOND * 11).await;
    world.get().await.unwrap();
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_over_when_it_comes_is_the_issuers_trouble_and_backed_off() {
    let world = world(SECOND).await;
    world.issuer.hold();
    let graph = world.graph();
    let (answer, ()) = tokio::join!(graph.token(), async {
        world.issuer.arrival(1).await;
        pass(SECOND * 2).await;
        world.issuer.let_go();
    });
    let error = answer.unwrap_err();
    assert!(error.to_string().contains("was over when it came"), "{error}");
    assert_eq!(graph.status().await.state, KeyState::BackingOff);
}

#[tokio::test(start_paused = true)]
async fn who_needs_nearly_all_of_the_life_is_told_after_one_new_token() {
    let world = world(SECOND * 10).await;
    world.issuer.hold();
    let demand = Demand::default().with_min_valid(Duration::from_millis(9_900));
    let graph = world.graph();
    let (answer, ()) = tokio::join!(graph.get(demand), async {
        for arrived in 1..=5 {
            let arrival = tokio::time::timeout(SECOND * 3, world.issuer.arrival(arrived));
            if arrival.await.is_err() {
                break;
            }
            pass(Duration::from_millis(300)).await;
            world.issuer.let_go();
            settle().await;
            world.issuer.hold();
        }
        world.issuer.let_go();
    });
    assert_eq!(answer.unwrap_err().code(), Code::InvalidRequest);
    assert!(world.issuer.count() <= 4, "{} requests for one call", world.issuer.count());
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_in_the_middle_of_many_renewals_loses_none_of_them() {
    let world = world(HOUR).await;
    world.manager.start();
    world.issuer.hold();
    let subscribers: Vec<_> =
        (0..500).map(|n| world.manager.handle(&format!("graph:{n}")).unwrap().subscribe()).collect();
    world.issuer.arrival(64).await;
    world.issuer.fail(tokenkeep::source::Fault::RateLimited);
    world.issuer.let_go();
    pass(SECOND).await;
    world.issuer.reply(Reply::Token);
    pass(MINUTE * 2).await;
    for n in 0..500 {
        assert!(world.manager.handle(&format!("graph:{n}")).unwrap().current().is_some(), "graph:{n} was forgotten");
    }
    drop(subscribers);
}

#[tokio::test(start_paused = true)]
async fn looking_at_a_key_asks_nobody() {
    let world = world(HOUR).await;
    world.manager.start();
    for _ in 0..5 {
        assert_eq!(world.graph().status().await.state, KeyState::Absent);
        pass(MINUTE).await;
    }
    assert_eq!(world.issuer.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_in_use_for_two_lives_of_the_token_that_it_has() {
    let month = HOUR * 24 * 30;
    let idle_after = world(month).await;
    idle_after.manager.start();
    let long = idle_after.get().await.unwrap();
    idle_after.issuer.set_expiry(Expiry::In(MINUTE * 5));
    idle_after.graph().reject(&long);
    idle_after.get().await.unwrap();
    pass(MINUTE * 15).await;
    let asked = idle_after.issuer.count();
    pass(HOUR * 24).await;
    assert_eq!(idle_after.issuer.count(), asked, "the lives became shorter, and nobody asked for many of them");

    let in_use = world(SECOND * 40).await;
    in_use.manager.start();
    in_use.get().await.unwrap();
    in_use.issuer.set_expiry(Expiry::In(HOUR));
    pass(SECOND * 35).await;
    assert_eq!(in_use.issuer.count(), 2);
    pass(MINUTE * 50).await;
    assert_eq!(in_use.issuer.count(), 3, "the lives became longer, and somebody asked within the last two");
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_that_is_used_again_is_renewed_ahead() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    pass(HOUR * 6).await;
    // By hand, which is no use.
    world.graph().refresh().await.unwrap();
    pass(MINUTE * 40).await;
    world.get().await.unwrap();
    let asked = world.issuer.count();
    pass(MINUTE * 10).await;
    assert_eq!(world.issuer.count(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_always_kept_is_renewed_though_nobody_asks_also_after_a_restart() {
    for claims in [true, false] {
        let policy = Policy { refresh: Refresh::Always, ..Policy::default() };
        let world = world_with(Issuer::new(HOUR), policy.clone()).await;
        if !claims {
            world.store.end_claims();
        }
        world.manager.start();
        world.get().await.unwrap();
        pass(HOUR * 10).await;
        assert!((11..=15).contains(&world.issuer.count()), "{} requests in ten lives", world.issuer.count());
        world.manager.stop().await.unwrap();
        let before = world.issuer.count();
        let restarted = manager(&world.clock, &world.store, &world.issuer, policy).await;
        restarted.start();
        pass(HOUR * 10).await;
        let asked = world.issuer.count() - before;
        assert!((9..=15).contains(&asked), "{asked} requests in ten more");
        assert_eq!(restarted.keys_in_memory(), usize::from(!claims), "who leaves it to the store need not keep it");
        restarted.token("graph").await.unwrap();
        assert_eq!(world.issuer.count() - before, asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_always_kept_has_its_token_before_anybody_asks() {
    let clock = Arc::new(TestClock::new());
    let policy = Policy { refresh: Refresh::Always, ..Policy::default() };
    let issuer = Issuer::new(HOUR);
    issuer.set_clock(&clock);
    let manager = TokenManager::builder()
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .source("graph", Arc::new(issuer.clone()), SourceSettings::default().with_policy(policy))
        .build()
        .await
        .unwrap();
    pass(MINUTE).await;
    assert_eq!(issuer.count(), 0, "nothing happens before the start");
    manager.start();
    pass(SECOND * 3).await;
    assert_eq!(issuer.count(), 1);
    assert!(manager.handle("graph").unwrap().current().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_at_the_start_only_delays_the_keys_that_are_always_kept() {
    let policy = Policy { refresh: Refresh::Always, ..Policy::default() };
    let world = world_with(Issuer::new(HOUR), policy.clone()).await;
    world.get().await.unwrap();
    let restarted = manager(&world.clock, &world.store, &world.issuer, policy).await;
    world.store.set(Trouble::Gone);
    restarted.start();
    pass(HOUR).await;
    world.store.set(Trouble::None);
    pass(MINUTE).await;
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn in_intervals_a_token_is_renewed_at_that_age_or_before_its_end() {
    let world =
        world_with(Issuer::new(HOUR * 24), Policy { refresh: Refresh::Every(MINUTE * 45), ..Policy::default() }).await;
    world.manager.start();
    world.get().await.unwrap();
    assert_eq!(world.graph().status().await.refresh_in, Some(MINUTE * 45));
    pass(HOUR * 3 + MINUTE).await;
    assert_eq!(world.issuer.count(), 5);
    world.issuer.set_expiry(Expiry::In(MINUTE * 20));
    pass(HOUR).await;
    let asked = world.issuer.count();
    pass(HOUR).await;
    assert!((3..=5).contains(&(world.issuer.count() - asked)), "lives are shorter than the interval");
}

#[tokio::test(start_paused = true)]
async fn in_intervals_a_token_without_end_is_renewed_too_and_an_issuer_that_is_down_is_left_alone() {
    let world =
        world_with(Issuer::new(HOUR), Policy { refresh: Refresh::Every(MINUTE * 45), ..Policy::default() }).await;
    world.issuer.set_expiry(Expiry::Never);
    world.manager.start();
    world.get().await.unwrap();
    pass(HOUR).await;
    assert_eq!(world.issuer.count(), 2);
    world.issuer.fail(tokenkeep::source::Fault::Unavailable);
    pass(HOUR).await;
    let asked = world.issuer.count() - 2;
    assert!((10..=120).contains(&asked), "{asked} requests in half an hour of back-off");
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_life_that_is_not_the_expected_one_is_a_warning_and_an_event() {
    let policy = Policy { expected_life: Some(HOUR), ..Policy::default() };
    let world = world_with(Issuer::new(MINUTE * 55), policy).await;
    let mut events = world.manager.events();
    world.get().await.unwrap();
    assert!(world.graph().status().await.warnings.is_empty(), "a little less is usual");
    world.issuer.set_expiry(Expiry::In(MINUTE * 30));
    world.graph().refresh().await.unwrap();
    let unusual = Warning::UnusualLife { expected: HOUR, life: MINUTE * 30 };
    assert_eq!(world.graph().status().await.warnings, std::slice::from_ref(&unusual));
    assert_eq!(world.graph().get(Demand::default()).await.unwrap().warnings, [unusual]);
    let events: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let unusual = |event: &&Event| matches!(event, Event::UnusualLife { .. });
    assert_eq!(events.iter().filter(unusual).count(), 1, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_leaves_the_store_though_no_other_can_be_had() {
    for refresh in [Refresh::Ahead, Refresh::Always] {
        let world = world_with(Issuer::new(HOUR * 24), Policy { refresh, ..Policy::default() }).await;
        world.manager.start();
        let token = world.get().await.unwrap();
        world.issuer.fail(tokenkeep::source::Fault::LoginRequired);
        world.graph().refresh().await.unwrap_err();
        world.graph().reject(&token);
        pass(MINUTE).await;
        assert!(world.store.record("graph").await.unwrap().token.is_none(), "{refresh:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_only_looked_at_is_not_kept_always() {
    let world = world_with(Issuer::new(HOUR), Policy { refresh: Refresh::Always, ..Policy::default() }).await;
    world.issuer.fail(tokenkeep::source::Fault::Refused);
    world.manager.start();
    for number in 0..50 {
        world.manager.handle(&format!("graph:nobody{number}")).unwrap().status().await;
    }
    pass(HOUR * 2).await;
    assert_eq!((world.manager.keys_in_memory(), world.issuer.count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_interval_is_so_short_that_it_is_a_storm() {
    let world =
        world_with(Issuer::new(HOUR), Policy { refresh: Refresh::Every(SECOND / 10), ..Policy::default() }).await;
    world.manager.start();
    world.get().await.unwrap();
    pass(MINUTE).await;
    assert!((5..=8).contains(&world.issuer.count()), "{} requests in a minute", world.issuer.count());
}
