//! Several who do not share a slot: other processes, and callers of a key that is let go.

use super::in_many_schedules;
use super::world::{rotating_world, world};

#[test]
fn two_processes_that_need_a_token_make_one_request() {
    in_many_schedules(async || {
        let world = world().await;
        let other = world.another_process().await;
        for caller in [world.caller(), other.caller(), other.caller()] {
            assert_eq!(caller.await.unwrap(), 1);
        }
        assert_eq!(world.issuer.count(), 1);
        world.rest().await;
        other.rest().await;
    });
}

#[test]
fn two_processes_that_renew_at_once_spend_each_refresh_token_once() {
    in_many_schedules(async || {
        let world = rotating_world().await;
        let other = world.another_process().await;
        let refreshing = [&world, &other].map(|world| world.spawn(|world| async move { world.refresh().await }));
        for refreshing in refreshing {
            refreshing.await.unwrap();
        }
        world.rest().await;
        other.rest().await;
        let newest = format!("refresh-{}", world.issuer.count());
        assert_eq!(world.store.record().await.unwrap().refresh_token.unwrap().expose_secret(), newest);
    });
}

#[test]
fn a_key_that_is_let_go_while_somebody_asks_for_it_has_one_slot_all_the_same() {
    in_many_schedules(async || {
        let world = world().await;
        world.token().await;
        let letting_go = world.spawn(|world| async move {
            let slots = &world.manager.shared.slots;
            let slot = slots.find("graph").unwrap();
            slots.remove_if_unshared(&slot)
        });
        let holding = world.spawn(|world| async move {
            let handle = world.graph();
            // Whoever has a handle sees what is done through another.
            let token = handle.token().await.unwrap();
            world.graph().reject(&token);
            assert!(handle.token().await.unwrap().generation() > token.generation());
        });
        let caller = world.caller();
        holding.await.unwrap();
        letting_go.await.unwrap();
        caller.await.unwrap();
        world.rest().await;
    });
}
