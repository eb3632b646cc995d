//! One flight for all who wait, which nobody can stop.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::in_many_schedules;
use super::world::world;
use crate::secret::Secret;
use crate::token::IssuedToken;

#[test]
fn callers_of_an_empty_slot_make_one_request_and_share_its_token() {
    in_many_schedules(async || {
        let world = world().await;
        for caller in [world.caller(), world.caller(), world.caller()] {
            assert_eq!(caller.await.unwrap(), 1);
        }
        assert_eq!(world.issuer.count(), 1);
        world.rest().await;
    });
}

#[test]
fn a_caller_who_leaves_stops_nothing_for_the_others() {
    in_many_schedules(async || {
        let world = world().await;
        let leaving = world.caller();
        let staying = [world.caller(), world.caller()];
        leaving.abort();
        for caller in staying {
            assert_eq!(caller.await.unwrap(), 1);
        }
        world.rest().await;
        assert_eq!(world.issuer.count(), 1);
        assert_eq!(world.store.record().await.unwrap().generation, 1);
    });
}

#[test]
fn a_flight_that_everybody_left_is_saved_and_published() {
    in_many_schedules(async || {
        let world = world().await;
        let leaving = [world.caller(), world.caller()];
        for caller in &leaving {
            caller.abort();
        }
        for caller in leaving {
            caller.await.ok();
        }
        world.rest().await;
        let present = world.current().map_or(0, |token| token.generation());
        assert_eq!(present, world.issuer.count());
        if present > 0 {
            assert_eq!(world.store.record().await.unwrap().generation, 1);
        }
    });
}

#[test]
fn a_good_token_is_handed_out_to_all_while_somebody_has_the_lock_of_its_key() {
    in_many_schedules(async || {
        let world = world().await;
        world.token().await;
        let graph = world.graph();
        let slot = world.manager.shared.slots.find("graph").unwrap();
        let locked = slot.lock();
        let tokens =
            [graph.token().now_or_never(), world.manager.token("graph").now_or_never(), graph.current().map(Ok)];
        drop(locked);
        for token in tokens {
            assert_eq!(token.unwrap().unwrap().generation(), 1);
        }
    });
}

#[test]
fn a_refresh_by_hand_brings_a_newer_token_than_there_was() {
    in_many_schedules(async || {
        let world = world().await;
        let caller = world.caller();
        let refreshing = [0; 2].map(|_| {
            world.spawn(|world| async move {
                let before = world.current().map_or(0, |token| token.generation());
                let brought = world.refresh().await.generation();
                assert!(brought > before, "{brought} after {before}");
                brought
            })
        });
        let mut newest = caller.await.unwrap();
        for refreshing in refreshing {
            newest = newest.max(refreshing.await.unwrap());
        }
        world.rest().await;
        assert_eq!(world.current().unwrap().generation(), newest);
        assert_eq!(world.issuer.count(), newest);
        assert_eq!(world.store.record().await.unwrap().generation, newest);
    });
}

#[test]
fn readers_see_the_old_token_or_the_new_and_never_none() {
    in_many_schedules(async || {
        let world = world().await;
        let first = world.token().await;
        let slot = world.manager.shared.slots.find("graph").unwrap();
        let live = slot.live().unwrap();
        // From here on it is handed out as a copy for each core.
        for _ in 0..READS_UNTIL_COPIED {
            live.share();
        }
        let text = Secret::new("token-2");
        let next = IssuedToken::new(text, Arc::clone(live.kind()), 2, live.sent_at(), live.expires_at());
        let readers = [0; 2].map(|_| {
            world.spawn(|world| async move {
                let seen = [0; 3].map(|_| world.current().unwrap().generation());
                assert!(seen.is_sorted(), "{seen:?}");
            })
        });
        slot.publish(&mut slot.lock(), &Arc::new(next), None, None, live.sent_at());
        for reader in readers {
            reader.await.unwrap();
        }
        assert_eq!((first.generation(), world.current().unwrap().generation()), (1, 2));
    });
}

const READS_UNTIL_COPIED: u32 = 3000;
