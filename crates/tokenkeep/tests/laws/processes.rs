//! Promise 9: across processes. Two managers on one store stand for two processes.

use std::time::Duration;

use tokenkeep::source::{Fault, FetchError};
use tokenkeep::store::{Holder, LeaseOutcome, Record, SaveOutcome, Store as _};
use tokenkeep::{Code, Key, Secret};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn fifty_processes_at_once_make_one_request() {
    let world = rotating_world(HOUR).await;
    world.issuer.hold();
    let mut processes = JoinSet::new();
    for _ in 0..50 {
        let process = world.another_process().await;
        processes.spawn(async move { process.token("graph").await.unwrap().expose_secret().to_owned() });
    }
    world.issuer.arrival(1).await;
    pass(SECOND * 3).await;
    world.issuer.let_go();
    assert!(processes.join_all().await.iter().all(|token| token == "graph-token-1"));
    assert_eq!((world.issuer.count(), world.issuer.reused()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn processes_that_wait_share_a_failure_too() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Unavailable);
    world.issuer.hold();
    let mut processes = JoinSet::new();
    for _ in 0..50 {
        let process = world.another_process().await;
        processes.spawn(async move { process.token("graph").await.unwrap_err().code() });
    }
    world.issuer.arrival(1).await;
    pass(Duration::from_millis(200)).await;
    world.issuer.let_go();
    assert!(processes.join_all().await.iter().all(|code| *code == Code::Unavailable));
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_dead_process_ends_by_itself() {
    let world = world(HOUR).await;
    let key = Key::parse("graph").unwrap();
    let dead = Holder::unique();
    assert_eq!(world.store.acquire_lease(&key, &dead, SECOND * 15).await.unwrap(), LeaseOutcome::Acquired);
    let waiting = tokio::time::timeout(SECOND * 14, world.get()).await;
    waiting.unwrap_err();
    assert_eq!(world.issuer.count(), 0);
    pass(SECOND * 2).await;
    assert_eq!(world.get().await.unwrap().generation(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_never_let_go_is_not_waited_for_for_ever() {
    let world = world(HOUR).await;
    let key = Key::parse("graph").unwrap();
    let other = Holder::unique();
    assert_eq!(world.store.acquire_lease(&key, &other, HOUR).await.unwrap(), LeaseOutcome::Acquired);
    let error = world.get().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(world.issuer.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_outlives_a_slow_request() {
    let policy = tokenkeep::expiry::Policy { timeout: SECOND * 25, ..Default::default() };
    let world = world_with(Issuer::rotating(HOUR), policy.clone()).await;
    let other = manager(&world.clock, &world.store, &world.issuer, policy).await;
    world.issuer.hold();
    let slow = world.graph();
    let (one, two, ()) = tokio::join!(slow.token(), other.token("graph"), async {
        world.issuer.arrival(1).await;
        pass(SECOND * 24).await;
        world.issuer.let_go();
    });
    assert_eq!(one.unwrap().expose_secret(), two.unwrap().expose_secret());
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_outlives_a_slow_save() {
    let policy = tokenkeep::expiry::Policy { timeout: SECOND, ..Default::default() };
    let world = world_with(Issuer::rotating(HOUR), policy.clone()).await;
    let other = manager(&world.clock, &world.store, &world.issuer, policy).await;
    world.get().await.unwrap();
    pass(SECOND * 2).await;
    world.store.set(Trouble::SlowSaves(SECOND * 9));
    let (slow, late) = (world.graph(), other.handle("graph").unwrap());
    let (slow, late) = tokio::join!(slow.refresh(), async {
        pass(Duration::from_millis(500)).await;
        late.refresh().await
    });
    assert_eq!(slow.unwrap().generation(), 2);
    late.unwrap();
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_refresh_token_is_read_under_the_lease() {
    let world = rotating_world(MINUTE).await;
    let other = world.another_process().await;
    world.get().await.unwrap();
    other.token("graph").await.unwrap();
    for _ in 0..20 {
        pass(MINUTE).await;
        world.get().await.unwrap();
        pass(MINUTE).await;
        other.token("graph").await.unwrap();
    }
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_another_process_obtained_is_taken_from_the_store() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    world.get().await.unwrap();
    assert_eq!(other.token("graph").await.unwrap().generation(), 1);
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restart_asks_for_nothing_while_the_token_is_good() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    pass(MINUTE * 20).await;
    let token = world.another_process().await.token("graph").await.unwrap();
    assert_eq!((token.generation(), token.expires_in()), (1, Some(MINUTE * 40)));
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_did_is_noticed_within_two_seconds() {
    let world = world(HOUR).await;
    world.manager.start();
    let other = world.another_process().await;
    world.get().await.unwrap();
    pass(SECOND * 2).await;
    other.handle("graph").unwrap().refresh().await.unwrap();
    pass(SECOND * 2).await;
    assert_eq!(world.graph().current().unwrap().generation(), 2);
    other.handle("graph").unwrap().clear().await.unwrap();
    pass(SECOND * 2).await;
    assert!(world.graph().current().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_that_comes_back_late_overwrites_nothing() {
    let world = world(HOUR).await;
    let policy = tokenkeep::expiry::Policy::default();
    let other_issuer = Issuer::new(HOUR);
    let other = manager(&world.clock, &world.store, &other_issuer, policy).await;
    world.issuer.hold();
    let late = world.graph();
    let (late, ()) = tokio::join!(late.token(), async {
        world.issuer.arrival(1).await;
        // The first process stands still: its lease is not renewed, and ends.
        world.store.end_lease("graph").await;
        assert_eq!(other.token("graph").await.unwrap().generation(), 1);
        world.issuer.let_go();
    });
    assert_eq!(late.unwrap().generation(), 1, "what the store has is handed out");
    let stored = world.store.record("graph").await.unwrap();
    assert_eq!(stored.generation, 1, "the late answer is not written over the newer one");
    assert_eq!(other.token("graph").await.unwrap().generation(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_failed_late_takes_the_token_that_another_got() {
    let down = FetchError::new(Fault::Unavailable, "issuer.example is down");
    takes_anothers_token_after(&world(HOUR).await, down).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_answer_was_of_no_use_takes_the_token_that_another_got() {
    let useless = FetchError::new(Fault::Unavailable, "issuer.example answered with an empty access_token");
    takes_anothers_token_after(&rotating_world(HOUR).await, useless.with_rotated(Some(Secret::new("rt-2")))).await;
}

async fn takes_anothers_token_after(world: &World, failure: FetchError) {
    world.manager.start();
    let other_issuer = Issuer::new(HOUR);
    let other = manager(&world.clock, &world.store, &other_issuer, tokenkeep::expiry::Policy::default()).await;
    world.get().await.unwrap();
    pass(SECOND * 2).await;
    world.issuer.hold();
    world.issuer.reply(Reply::Fail(failure));
    let graph = world.graph();
    let (late, ()) = tokio::join!(graph.refresh(), async {
        world.issuer.arrival(2).await;
        // The first process stands still: its lease is not renewed, and ends.
        world.store.end_lease("graph").await;
        assert_eq!(other.handle("graph").unwrap().refresh().await.unwrap().generation(), 2);
        world.issuer.let_go();
    });
    assert_eq!(late.unwrap().generation(), 2);
    let answer = world.graph().get(tokenkeep::Demand::default()).await.unwrap();
    assert_eq!((answer.token.generation(), answer.warnings), (2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_by_hand_that_fails_takes_the_token_that_another_got() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    let other = world.another_process().await;
    other.token("graph").await.unwrap();
    pass(SECOND * 2).await;
    world.graph().refresh().await.unwrap();
    pass(SECOND * 2).await;
    world.issuer.fail(Fault::Unavailable);
    // What it finds in the store is no new one, since somebody wants one that is newer than all that there are.
    other.handle("graph").unwrap().refresh().await.unwrap_err();
    assert_eq!(other.token("graph").await.unwrap().generation(), 2);
    other.start();
    pass(SECOND * 3).await;
    assert_eq!(other.token("graph").await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_cleared_elsewhere_while_a_request_failed_is_gone() {
    let world = world(HOUR).await;
    world.manager.start();
    let other = world.another_process().await;
    world.get().await.unwrap();
    pass(SECOND * 2).await;
    world.issuer.hold();
    world.issuer.fail(Fault::Unavailable);
    let graph = world.graph();
    let (late, ()) = tokio::join!(graph.refresh(), async {
        world.issuer.arrival(2).await;
        other.handle("graph").unwrap().clear().await.unwrap();
        world.issuer.let_go();
    });
    assert_eq!(late.unwrap_err().code(), Code::Unavailable);
    pass(SECOND * 2).await;
    assert!(world.graph().current().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_saved_in_time_gives_way_to_what_another_process_saved() {
    let world = world(HOUR).await;
    world.issuer.set_token("the-late-token");
    let other_issuer = Issuer::new(HOUR);
    let other = manager(&world.clock, &world.store, &other_issuer, tokenkeep::expiry::Policy::default()).await;
    world.store.set(Trouble::NoSaves);
    assert_eq!(world.get().await.unwrap().expose_secret(), "the-late-token");
    world.store.set(Trouble::None);
    // The first process stands still: its lease is not renewed, and ends.
    world.store.end_lease("graph").await;
    other.token("graph").await.unwrap();
    let written = world.store.newest_version().await.unwrap();
    pass(MINUTE).await;
    assert_eq!(world.store.newest_version().await.unwrap(), written, "written over the token of the other process");
    let answer = world.graph().get(tokenkeep::Demand::default()).await.unwrap();
    assert!(!answer.warnings.contains(&tokenkeep::Warning::Unsaved), "{:?}", answer.warnings);
    assert_eq!(world.manager.store_trouble(), None, "nothing is left to save, and the store works");
    assert_eq!(answer.token.expose_secret(), "graph-token-1", "both are the first of their key; one is stored");
}

#[tokio::test(start_paused = true)]
async fn two_configurations_of_one_key_do_not_take_each_others_token_away() {
    let world = world(HOUR).await;
    world.manager.start();
    let other_issuer = world.issuer.reconfigured("another login");
    let other = manager(&world.clock, &world.store, &other_issuer, tokenkeep::expiry::Policy::default()).await;
    other.start();
    for _ in 0..60 {
        world.get().await.unwrap();
        other.token("graph").await.unwrap();
        pass(SECOND).await;
    }
    assert_eq!((world.issuer.count(), other_issuer.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_login_outlives_a_change_of_scope() {
    let world = rotating_world(HOUR).await;
    world.get().await.unwrap();
    let changed = world.issuer.reconfigured("seed");
    let other = manager(&world.clock, &world.store, &changed, tokenkeep::expiry::Policy::default()).await;
    pass(SECOND).await;
    assert_eq!(other.token("graph").await.unwrap().generation(), 2);
    assert_eq!(changed.requests()[0].refresh_token.as_deref(), Some("rt-1"));
    assert_eq!(changed.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_a_refresh_token_is_in_memory_only_no_other_process_uses_the_one_before() {
    let world = rotating_world(MINUTE).await;
    let other = world.another_process().await;
    world.get().await.unwrap();
    world.store.set(Trouble::NoSaves);
    pass(MINUTE).await;
    world.get().await.unwrap();
    let (answer, ()) = tokio::join!(other.token("graph"), async {
        pass(SECOND * 3).await;
        world.store.set(Trouble::None);
    });
    assert_eq!(answer.unwrap().generation(), 2);
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_another_process_made_good_is_noticed_without_start() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    world.issuer.fail(Fault::LoginRequired);
    world.get().await.unwrap_err();
    world.issuer.reply(Reply::Token);
    other.handle("graph").unwrap().refresh().await.unwrap();
    pass(SECOND).await;
    assert_eq!(world.get().await.unwrap().generation(), 1);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_into_the_store_asks_the_issuer_for_nothing() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Refused);
    for _ in 0..100 {
        assert_eq!(world.get().await.unwrap_err().code(), Code::Refused);
        pass(SECOND).await;
    }
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_for_longer_than_its_lease_spends_no_old_refresh_token() {
    let world = rotating_world(HOUR).await;
    let other = world.another_process().await;
    world.get().await.unwrap();
    // Under its lease it waits for the second to pass that lies between two requests.
    let graph = world.graph();
    let (late, ()) = tokio::join!(graph.refresh(), async {
        pass(Duration::from_millis(500)).await;
        // Here it stands still; its lease ends, and the other process has its turn.
        world.store.end_lease("graph").await;
        other.handle("graph").unwrap().refresh().await.unwrap();
    });
    late.unwrap();
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_for_longer_than_its_lease_takes_the_token_that_another_got() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    let first = world.get().await.unwrap();
    world.graph().reject(&first);
    let (late, ()) = tokio::join!(world.get(), async {
        pass(Duration::from_millis(500)).await;
        // Both clocks went on, the timer by which it waits for the floor did not.
        world.clock.suspend(MINUTE);
        other.handle("graph").unwrap().refresh().await.unwrap();
    });
    assert_eq!(late.unwrap().generation(), 2);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_while_its_lease_was_renewed_spends_no_old_refresh_token() {
    let world = rotating_world(HOUR).await;
    let other = world.another_process().await;
    world.get().await.unwrap();
    pass(SECOND * 2).await;
    world.store.set(Trouble::LateRenewals);
    let graph = world.graph();
    let (late, ()) = tokio::join!(graph.refresh(), async {
        pass(Duration::from_millis(500)).await;
        // The store has answered that the lease is renewed, and nobody reads it: both clocks go on, the timers do not.
        world.clock.suspend(MINUTE);
        world.store.set(Trouble::None);
        other.handle("graph").unwrap().refresh().await.unwrap();
        world.store.notify();
    });
    late.unwrap();
    assert_eq!((world.issuer.count(), world.issuer.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_while_it_connected_to_the_issuer_spends_no_old_refresh_token() {
    let world = rotating_world(HOUR).await;
    let other = world.another_process().await;
    world.get().await.unwrap();
    pass(SECOND * 2).await;
    let connection = world.issuer.hold_connection();
    let graph = world.graph();
    let (late, ()) = tokio::join!(graph.refresh(), async {
        pass(Duration::from_millis(500)).await;
        // Both clocks go on, the timers of the first process do not.
        world.clock.suspend(MINUTE);
        world.store.end_lease("graph").await;
        other.handle("graph").unwrap().refresh().await.unwrap();
        connection.notify_one();
    });
    assert_eq!(late.unwrap().generation(), 2);
    assert_eq!((world.issuer.count(), world.issuer.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_one_process_rejected_no_other_hands_out_however_long_the_issuer_takes() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    other.start();
    let first = world.get().await.unwrap();
    assert_eq!(other.token("graph").await.unwrap().generation(), 1);
    pass(SECOND * 2).await;
    world.issuer.hold();
    world.graph().reject(&first);
    let graph = world.graph();
    let (next, ()) = tokio::join!(graph.token(), async {
        world.issuer.arrival(2).await;
        pass(SECOND * 2).await;
        assert!(other.handle("graph").unwrap().current().is_none());
        world.issuer.let_go();
    });
    assert_eq!(next.unwrap().generation(), 2);
    assert_eq!(other.token("graph").await.unwrap().generation(), 2);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_elsewhere_while_a_request_is_under_way_is_not_handed_out_meanwhile() {
    let world = world(HOUR).await;
    world.manager.start();
    let other = world.another_process().await;
    let first = world.get().await.unwrap();
    other.token("graph").await.unwrap();
    pass(SECOND * 2).await;
    world.issuer.hold();
    let graph = world.graph();
    let (next, ()) = tokio::join!(graph.refresh(), async {
        world.issuer.arrival(2).await;
        other.handle("graph").unwrap().reject(&first);
        pass(SECOND * 2).await;
        assert!(world.graph().current().is_none(), "a token that was rejected two seconds ago");
        world.issuer.let_go();
    });
    assert_eq!(next.unwrap().generation(), 2);
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_rejected_elsewhere_stays_gone_though_the_next_request_fails() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    let first = world.get().await.unwrap();
    other.token("graph").await.unwrap();
    pass(MINUTE * 50).await;
    other.handle("graph").unwrap().reject(&first);
    settle().await;
    world.issuer.fail(Fault::Unavailable);
    // It is due here, so the record is read by a flight before anybody looks for changes.
    world.manager.start();
    world.issuer.arrival(2).await;
    pass(SECOND * 2).await;
    assert!(world.graph().current().is_none(), "a token that was rejected two seconds ago");
}

#[tokio::test(start_paused = true)]
async fn what_was_rejected_elsewhere_stays_gone_though_the_failure_after_it_is_read_first() {
    let world = world(HOUR).await;
    let other_issuer = Issuer::new(HOUR);
    let other = manager(&world.clock, &world.store, &other_issuer, tokenkeep::expiry::Policy::default()).await;
    let first = world.get().await.unwrap();
    other.token("graph").await.unwrap();
    pass(MINUTE * 50).await;
    other_issuer.hold();
    other_issuer.fail(Fault::Refused);
    let theirs = other.handle("graph").unwrap();
    theirs.reject(&first);
    let (failed, ()) = tokio::join!(theirs.token(), async {
        other_issuer.arrival(1).await;
        // It is due here, and waits for the lease.
        world.manager.start();
        pass(Duration::from_millis(500)).await;
        other_issuer.let_go();
    });
    failed.unwrap_err();
    pass(SECOND * 2).await;
    assert_eq!(world.issuer.count(), 1, "the failure holds for both");
    assert!(world.graph().current().is_none(), "a token that was rejected two seconds ago");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_saved_late_does_not_take_the_place_of_a_newer_one() {
    let world = rotating_world(HOUR).await;
    world.get().await.unwrap();
    pass(SECOND * 2).await;
    world.issuer.hold();
    let graph = world.graph();
    let (late, ()) = tokio::join!(graph.refresh(), async {
        world.issuer.arrival(2).await;
        // The process stands still for days: others renew, and in the end throw out a token that is over.
        world.store.end_lease("graph").await;
        let key = Key::parse("graph").unwrap();
        let stored = world.store.load(&key).await.unwrap().unwrap();
        let newer = Record {
            generation: 9,
            token: None,
            refresh_token: Some(Secret::new("the-newest-login")),
            ..stored.record
        };
        let saved = world.store.save(&key, &newer, Some(stored.version)).await.unwrap();
        assert_ne!(saved, SaveOutcome::Conflict);
        world.issuer.let_go();
    });
    assert_eq!(late.unwrap().generation(), 10);
    let login = world.store.record("graph").await.unwrap().refresh_token.unwrap();
    assert_eq!(login.expose_secret(), "the-newest-login");
}

#[tokio::test(start_paused = true)]
async fn while_another_program_locks_the_store_no_refresh_token_is_spent() {
    let world = rotating_world(MINUTE).await;
    world.get().await.unwrap();
    world.store.set(Trouble::Busy);
    pass(MINUTE).await;
    assert_eq!(world.get().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(world.issuer.count(), 1);
    world.store.set(Trouble::None);
    pass(SECOND * 11).await;
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_lost_its_turn_to_one_that_cannot_save_ends() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    let first = world.get().await.unwrap();
    world.graph().reject(&first);
    let graph = world.graph();
    let (late, ()) = tokio::join!(tokio::time::timeout(MINUTE, graph.refresh()), async {
        pass(Duration::from_millis(500)).await;
        world.clock.suspend(MINUTE);
        world.store.set(Trouble::NoSaves);
        // Its token is in its memory only, so it keeps the lease.
        other.handle("graph").unwrap().refresh().await.unwrap();
    });
    late.expect("the flight did not end").unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_notice_of_the_store_brings_anothers_token_before_the_second_is_over() {
    let world = world(HOUR).await;
    world.manager.start();
    assert_eq!(world.get().await.unwrap().generation(), 1);
    pass(SECOND * 3 / 2).await;
    let another = world.another_process().await;
    another.handle("graph").unwrap().refresh().await.unwrap();
    assert_eq!(world.get().await.unwrap().generation(), 1, "nobody has told it yet");
    world.store.notify();
    pass(SECOND / 10).await;
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn however_many_notices_there_are_looks_are_bounded() {
    let world = world(HOUR).await;
    world.manager.start();
    for _ in 0..1_000 {
        world.store.notify();
        pass(SECOND / 1_000).await;
    }
    assert!((10..=25).contains(&world.store.looks()), "{} looks in a second", world.store.looks());
}
