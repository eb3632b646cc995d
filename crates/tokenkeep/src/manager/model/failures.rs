//! A failure, of the issuer and of the store.

use std::sync::atomic::Ordering;

use super::in_many_schedules;
use super::world::{rotating_world, world};

#[test]
fn a_failure_is_shared_by_all_who_wait() {
    in_many_schedules(async || {
        let world = world().await;
        world.issuer.fails.store(true, Ordering::Relaxed);
        let callers = [0; 3].map(|_| world.spawn(|world| async move { world.graph().token().await }));
        for caller in callers {
            let error = caller.await.unwrap().unwrap_err();
            assert!(error.to_string().contains("failed 1 times"), "{error}");
        }
        assert_eq!(world.issuer.count(), 1);
        world.rest().await;
    });
}

#[test]
fn a_failure_displaces_no_good_token() {
    in_many_schedules(async || {
        let world = world().await;
        world.token().await;
        world.issuer.fails.store(true, Ordering::Relaxed);
        let refreshing = world.spawn(|world| async move { world.graph().refresh().await });
        for caller in [world.caller(), world.caller()] {
            assert_eq!(caller.await.unwrap(), 1);
        }
        refreshing.await.unwrap().unwrap_err();
        world.rest().await;
        assert_eq!(world.current().unwrap().generation(), 1);
        assert!(world.store.record().await.unwrap().token.is_some());
    });
}

#[test]
fn a_refresh_token_that_cannot_be_saved_is_used_next_and_saved_later() {
    in_many_schedules(async || {
        let world = rotating_world().await;
        world.token().await;
        world.store.saves_to_fail.store(2, Ordering::Relaxed);
        // The first is saved again while the second comes.
        world.refresh().await;
        world.refresh().await;
        world.store.saves_to_fail.store(0, Ordering::Relaxed);
        world.rest().await;
        let saved = world.store.record().await.unwrap().refresh_token;
        assert_eq!(saved.unwrap().expose_secret(), "refresh-3");
    });
}

#[test]
fn clearing_loses_no_refresh_token_that_is_not_saved_yet() {
    in_many_schedules(async || {
        let world = rotating_world().await;
        world.token().await;
        world.store.saves_to_fail.store(2, Ordering::Relaxed);
        let clearing = world.spawn(|world| async move { world.graph().clear().await });
        let refreshing = [0; 2].map(|_| world.spawn(|world| async move { world.refresh().await.generation() }));
        // It says so if the store did not do as it was told.
        clearing.await.unwrap().ok();
        for refreshing in refreshing {
            refreshing.await.unwrap();
        }
        world.store.saves_to_fail.store(0, Ordering::Relaxed);
        world.rest().await;
        let saved = world.store.record().await.unwrap().refresh_token;
        assert_eq!(saved.unwrap().expose_secret(), format!("refresh-{}", world.issuer.count()));
    });
}
