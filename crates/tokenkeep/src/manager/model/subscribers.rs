//! Who subscribes sees the latest token, and none that was taken away.

use futures_util::FutureExt as _;

use super::in_many_schedules;
use super::world::world;

#[test]
fn a_subscriber_ends_with_the_latest_token() {
    in_many_schedules(async || {
        let world = world().await;
        let first = world.token().await;
        let refreshing = world.spawn(|world| async move { world.refresh().await.generation() });
        let rejecting = world.spawn(|world| async move {
            world.graph().reject(&first);
            world.token().await.generation()
        });
        let subscribing = world.spawn(|world| async move { world.graph().subscribe() });
        let newest = refreshing.await.unwrap().max(rejecting.await.unwrap());
        let mut subscriber = subscribing.await.unwrap();
        let latest = world.seen(subscriber.next().await.unwrap());
        assert_eq!(latest.generation(), newest);
        world.rest().await;
    });
}

#[test]
fn a_subscriber_that_follows_sees_each_token_at_most_once_up_to_the_latest() {
    in_many_schedules(async || {
        let world = world().await;
        let following = world.spawn(|world| async move {
            let mut subscriber = world.graph().subscribe();
            let mut seen = 0;
            while seen < 3 {
                let next = world.seen(subscriber.next().await.unwrap()).generation();
                assert!(next > seen, "{next} after {seen}");
                seen = next;
            }
        });
        let publishing = world.spawn(|world| async move {
            for _ in 0..2 {
                let token = world.token().await;
                world.graph().reject(&token);
            }
            assert_eq!(world.token().await.generation(), 3);
        });
        publishing.await.unwrap();
        following.await.unwrap();
        world.rest().await;
    });
}

#[test]
fn no_subscriber_sees_a_token_after_it_was_rejected() {
    in_many_schedules(async || {
        let world = world().await;
        let first = world.token().await;
        let early = world.graph().subscribe();
        let caller = world.caller();
        let rejecting = world.spawn(|world| async move {
            world.graph().reject(&first);
            for mut subscriber in [early, world.graph().subscribe()] {
                let at_once = subscriber.next().now_or_never().flatten();
                assert!(at_once.is_none_or(|token| token.generation() > 1));
            }
        });
        rejecting.await.unwrap();
        caller.await.unwrap();
        world.rest().await;
    });
}
