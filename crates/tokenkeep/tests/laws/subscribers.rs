//! Subscribers: the present token at once, each new one after it, and harm to nobody.

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_subscriber_has_the_present_token_at_once_and_each_new_one() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    let mut subscriber = world.graph().subscribe();
    assert_eq!(subscriber.next().await.unwrap().generation(), 1);
    world.graph().refresh().await.unwrap();
    assert_eq!(subscriber.next().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_misses_those_between_and_delays_nobody() {
    let world = world(HOUR).await;
    let mut subscriber = world.graph().subscribe();
    for generation in 1..=5 {
        assert_eq!(world.graph().refresh().await.unwrap().generation(), generation);
    }
    assert_eq!(subscriber.next().await.unwrap().generation(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_subscribers_cause_one_request_a_life() {
    let world = world(HOUR).await;
    world.manager.start();
    let mut subscribers: Vec<_> = (0..100).map(|_| world.graph().subscribe()).collect();
    pass(HOUR).await;
    assert_eq!(world.issuer.count(), 2);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next().await.unwrap().generation(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn while_somebody_subscribes_the_key_is_kept_fresh() {
    let world = world(HOUR).await;
    world.manager.start();
    let subscriber = world.graph().subscribe();
    pass(HOUR * 24).await;
    let with_subscriber = world.issuer.count();
    assert!(with_subscriber >= 24, "{with_subscriber}");
    drop(subscriber);
    pass(HOUR * 24).await;
    assert!(world.issuer.count() <= with_subscriber + 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_never_gets_a_token_that_is_over() {
    let world = world(MINUTE).await;
    world.get().await.unwrap();
    let mut subscriber = world.graph().subscribe();
    pass(MINUTE).await;
    let next = tokio::time::timeout(SECOND, subscriber.next()).await;
    next.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_ends_with_its_manager() {
    let world = world(HOUR).await;
    let mut subscriber = world.graph().subscribe();
    drop(world);
    assert!(subscriber.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_never_gets_a_token_that_was_rejected_or_cleared() {
    let world = world(HOUR).await;
    let mut slow = world.graph().subscribe();
    let token = world.get().await.unwrap();
    world.graph().reject(&token);
    let mut late = world.graph().subscribe();
    for subscriber in [&mut slow, &mut late] {
        tokio::time::timeout(SECOND, subscriber.next()).await.unwrap_err();
    }
    world.get().await.unwrap();
    assert_eq!(slow.next().await.unwrap().generation(), 2);
    world.graph().clear().await.unwrap();
    tokio::time::timeout(SECOND, late.next()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_gets_no_token_within_its_expiry_buffer() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    let mut subscriber = world.graph().subscribe();
    pass(MINUTE * 59 + SECOND * 45).await;
    tokio::time::timeout(SECOND, subscriber.next()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn on_demand_too_a_subscriber_lives_as_long_as_its_manager() {
    let policy = tokenkeep::expiry::Policy { refresh: tokenkeep::expiry::Refresh::OnDemand, ..Default::default() };
    let world = world_with(Issuer::new(MINUTE), policy).await;
    world.manager.start();
    let mut subscriber = world.manager.handle("graph").unwrap().subscribe();
    world.get().await.unwrap();
    subscriber.next().await.unwrap();
    pass(HOUR).await;
    world.get().await.unwrap();
    assert_eq!(subscriber.next().await.unwrap().generation(), 2);
}
