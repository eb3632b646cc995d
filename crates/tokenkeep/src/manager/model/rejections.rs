//! A token that was refused, and one that was cleared.

use super::in_many_schedules;
use super::world::world;

#[test]
fn a_rejected_token_is_handed_out_to_nobody_who_asks_afterwards() {
    in_many_schedules(async || {
        let world = world().await;
        let first = world.token().await;
        let others = [world.caller(), world.spawn(|world| async move { world.refresh().await.generation() })];
        let rejecting = world.spawn(|world| async move {
            world.graph().reject(&first);
            assert!(world.lowest_from_now_on().await > 1);
        });
        rejecting.await.unwrap();
        for other in others {
            other.await.unwrap();
        }
        assert!(world.lowest_from_now_on().await > 1);
        world.rest().await;
    });
}

#[test]
fn a_token_that_is_rejected_before_a_flight_brings_it_is_not_handed_out() {
    in_many_schedules(async || {
        let world = world().await;
        let other = world.another_process().await;
        let caller = world.caller();
        let rejecting = world.spawn(|world| async move {
            // Saved by a flight here and had there before it is published, or the other way round.
            let token = other.token().await;
            world.graph().reject(&token);
            assert!(world.lowest_from_now_on().await > token.generation());
            other.rest().await;
        });
        rejecting.await.unwrap();
        caller.await.unwrap();
        assert_eq!(world.issuer.count(), 2);
        world.rest().await;
    });
}

#[test]
fn callers_who_reject_the_same_token_early_or_late_make_one_request() {
    in_many_schedules(async || {
        let world = world().await;
        let first = world.token().await;
        let callers = [0; 3].map(|_| {
            let first = first.clone();
            world.spawn(|world| async move {
                world.graph().reject(&first);
                assert_eq!(world.token().await.generation(), 2);
                world.graph().reject(&first);
                assert_eq!(world.token().await.generation(), 2);
            })
        });
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(world.issuer.count(), 2);
        world.rest().await;
    });
}

#[test]
fn a_late_rejection_takes_no_newer_token_away() {
    in_many_schedules(async || {
        let world = world().await;
        let first = world.token().await;
        let late = world.spawn({
            let first = first.clone();
            |world| async move { world.graph().reject(&first) }
        });
        world.graph().reject(&first);
        world.token().await;
        late.await.unwrap();
        assert_eq!(world.current().unwrap().generation(), 2);
        world.rest().await;
    });
}

#[test]
fn a_flight_that_lands_while_the_token_before_is_rejected_is_published() {
    in_many_schedules(async || {
        let world = world().await;
        let first = world.token().await;
        let caller = world.caller();
        let refreshing = world.spawn(|world| async move { world.refresh().await.generation() });
        let rejecting = world.spawn(|world| async move { world.graph().reject(&first) });
        rejecting.await.unwrap();
        let newest = refreshing.await.unwrap().max(caller.await.unwrap());
        world.rest().await;
        assert_eq!(world.current().unwrap().generation(), newest);
        assert_eq!(world.issuer.count(), newest);
    });
}

#[test]
fn a_cleared_token_is_handed_out_to_nobody_who_asks_afterwards() {
    in_many_schedules(async || {
        let world = world().await;
        let caller = world.caller();
        let refreshing = world.spawn(|world| async move { world.refresh().await.generation() });
        let clearing = world.spawn(|world| async move {
            // What its flight has saved is cleared, though nobody may have it yet.
            let before = world.store.record().await.map_or(0, |record| record.generation);
            world.graph().clear().await.unwrap();
            let after = world.lowest_from_now_on().await;
            assert!(after > before, "{after} after {before} was cleared");
        });
        clearing.await.unwrap();
        caller.await.unwrap();
        refreshing.await.unwrap();
        world.rest().await;
        let present = world.token().await.generation();
        assert_eq!(world.store.record().await.unwrap().generation, present);
    });
}
