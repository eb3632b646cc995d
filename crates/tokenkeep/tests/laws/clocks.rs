//! Promise 8: two clocks.

use tokenkeep::expiry::{Policy, Unstated};
use tokenkeep::source::Expiry;
use tokenkeep::{Clock as _, Demand, KeyState};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_an_hour_revives_no_token_and_makes_no_storm() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    pass(MINUTE * 50).await;
    world.clock.set_wall_back(HOUR);
    // 10 min are left, whatever the wall clock says.
    let left = world.get().await.unwrap().expires_in().unwrap();
    assert!(left <= MINUTE * 10, "{left:?}");
    pass(MINUTE * 11).await;
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_keeps_nobody_from_starting_anew() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    pass(MINUTE * 59).await;
    world.clock.set_wall_back(HOUR);
    let restarted = world.another_process().await;
    pass(MINUTE * 2).await;
    // The record's boot time says that it is over, though its wall time lies ahead.
    assert_eq!(restarted.token("graph").await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_an_hour_ends_a_token_and_asks_once() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    world.clock.set_wall_forward(HOUR);
    assert_eq!(world.get().await.unwrap().generation(), 2);
    for _ in 0..600 {
        pass(SECOND).await;
        world.get().await.unwrap();
    }
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_hours_of_suspend_end_a_token_of_one_hour_and_ask_once() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    world.clock.suspend(HOUR * 2);
    assert_ne!(world.graph().status().await.state, KeyState::Fresh);
    assert_eq!(world.get().await.unwrap().generation(), 2);
    for _ in 0..600 {
        pass(SECOND).await;
        world.get().await.unwrap();
    }
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn suspended_and_set_back_at_once_a_token_is_still_over() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    world.clock.suspend(HOUR * 2);
    world.clock.set_wall_back(HOUR * 2);
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_keys_after_a_suspend_ask_once_each() {
    let world = world(HOUR).await;
    world.manager.start();
    let handles: Vec<_> = (0..1000).map(|n| world.manager.handle(&format!("graph:{n}")).unwrap()).collect();
    for handle in &handles {
        handle.token().await.unwrap();
    }
    assert_eq!(world.issuer.count(), 1000);
    world.clock.suspend(HOUR + MINUTE);
    pass(MINUTE).await;
    assert_eq!(world.issuer.count(), 2000, "all were in use, so all are renewed, once");
    assert!(world.issuer.max_in_flight() <= 64);
}

#[tokio::test(start_paused = true)]
async fn life_is_counted_from_when_the_request_was_sent() {
    let world = world(MINUTE).await;
    world.issuer.hold();
    let answer = world.graph();
    let (token, ()) = tokio::join!(answer.get(Demand::default()), async {
        world.issuer.arrival(1).await;
        pass(SECOND * 5).await;
        world.issuer.let_go();
    });
    let left = token.unwrap().token.expires_in().unwrap();
    assert!(left <= SECOND * 55, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_a_jwt_says_its_end_where_the_issuer_does_not_and_it_is_asked() {
    let end = TestClock::new().now().to_system_time().unwrap() + HOUR * 2;
    let seconds = end.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = |claims: String| format!("e30.{}.c2ln", base64url(claims.as_bytes()));
    for (token, unstated, life) in [
        (claims(format!("{{\"exp\":{seconds}}}")), Unstated::Jwt, HOUR * 2),
        (claims(format!("{{\"exp\":{seconds}}}")), Unstated::Assumed, MINUTE * 5),
        (claims("{}".to_owned()), Unstated::Jwt, MINUTE * 5),
        ("opaque".to_owned(), Unstated::Jwt, MINUTE * 5),
    ] {
        let world = world_with(Issuer::new(HOUR), Policy { unstated, ..Policy::default() }).await;
        world.issuer.set_expiry(Expiry::Unstated);
        world.issuer.set_token(&token);
        let left = world.get().await.unwrap().expires_in().unwrap();
        assert!(left <= life && left + SECOND * 2 >= life, "{token} {unstated:?}: {left:?}");
    }
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
