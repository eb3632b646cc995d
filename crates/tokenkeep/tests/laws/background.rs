//! Promise 11: background work cannot die, constructors spawn nothing, `stop` flushes and joins.

use std::sync::atomic::Ordering;

use tokenkeep::Event;
use tokenkeep::source::Fault;

use crate::support::*;

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn making_a_manager_and_a_handle_spawns_nothing() {
    let before = tasks();
    let world = world(HOUR).await;
    let _handle = world.graph();
    assert_eq!(tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn stop_ends_every_task_and_start_begins_anew() {
    let before = tasks();
    let world = world(HOUR).await;
    world.manager.start();
    world.manager.start();
    assert!(world.manager.is_running());
    world.get().await.unwrap();
    world.manager.stop().await.unwrap();
    assert!(!world.manager.is_running());
    assert_eq!(tasks(), before);
    world.get().await.unwrap();
    world.manager.start();
    pass(MINUTE * 50).await;
    world.get().await.unwrap();
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_a_flight_under_way_and_its_save() {
    let world = rotating_world(HOUR).await;
    world.issuer.hold();
    tokio::time::timeout(SECOND, world.get()).await.unwrap_err();
    let (stopped, ()) = tokio::join!(world.manager.stop(), async {
        pass(SECOND).await;
        world.issuer.let_go();
    });
    stopped.unwrap();
    assert_eq!(world.store.record("graph").await.unwrap().refresh_token.unwrap().expose_secret(), "rt-1");
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_is_dropped_without_stop_leaves_no_task() {
    let before = tasks();
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    drop(world);
    pass(SECOND * 3).await;
    assert_eq!(tasks(), before);
}

#[test]
fn background_work_ends_with_its_runtime_says_so_and_can_be_started_on_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let world = first.block_on(world(HOUR));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.manager.start())).unwrap_err();
    assert!(!world.manager.is_running(), "it was started outside of a runtime");
    first.block_on(async { world.manager.start() });
    assert!(world.manager.is_running());
    drop(first);
    assert!(!world.manager.is_running(), "its runtime has ended");
    let second = runtime();
    second.block_on(async {
        world.manager.start();
        assert!(world.manager.is_running());
        world.get().await.unwrap();
        world.manager.stop().await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn background_work_that_panics_is_started_again() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    world.clock.panic_once.store(true, Ordering::SeqCst);
    pass(SECOND * 5).await;
    assert!(!world.clock.panic_once.load(Ordering::SeqCst), "it did panic");
    pass(MINUTE * 47).await;
    assert_eq!(world.issuer.count(), 2, "renewal ahead goes on");
}

#[tokio::test(start_paused = true)]
async fn a_back_off_that_is_over_when_the_failure_has_been_saved_is_not_followed_by_another_wait() {
    let world = world(HOUR).await;
    world.manager.start();
    world.store.set(Trouble::SlowSaves(SECOND * 3));
    world.issuer.fail(Fault::Unavailable);
    world.get().await.unwrap_err();
    world.issuer.reply(Reply::Token);
    pass(SECOND * 10).await;
    assert!(world.graph().current().is_some(), "a key in use is tried again by itself");
}

#[tokio::test(start_paused = true)]
async fn background_renewal_survives_every_kind_of_answer() {
    let world = world(MINUTE).await;
    world.manager.start();
    let _subscriber = world.graph().subscribe();
    for fault in [Fault::Unavailable, Fault::RateLimited] {
        world.issuer.fail(fault);
        pass(MINUTE * 5).await;
        world.issuer.reply(Reply::Panic);
        pass(MINUTE * 5).await;
        world.issuer.reply(Reply::Token);
        pass(MINUTE * 5).await;
        assert!(world.graph().current().is_some(), "after {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_tell_a_tokens_life() {
    let world = world(HOUR).await;
    let mut events = world.manager.events();
    let token = world.get().await.unwrap();
    world.graph().reject(&token);
    world.get().await.unwrap();
    world.graph().clear().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    world.get().await.unwrap_err();
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(match event {
            Event::Obtained { generation, .. } => format!("obtained {generation}"),
            Event::Rejected { generation, .. } => format!("rejected {generation}"),
            Event::Cleared { .. } => "cleared".to_owned(),
            Event::Failed { count, .. } => format!("failed {count}"),
            Event::NoTokenForCallers { count, .. } => format!("{count} turned away"),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(seen, ["obtained 1", "rejected 1", "obtained 2", "cleared", "failed 1", "1 turned away"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_while_stop_waits_loses_no_plans() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    pass(SECOND * 3).await;
    let (stopped, ()) = tokio::join!(world.manager.stop(), async { world.manager.start() });
    stopped.unwrap();
    for lives in 2..=3 {
        for _ in 0..40 {
            pass(MINUTE).await;
            world.get().await.unwrap();
        }
        pass(MINUTE * 10).await;
        assert_eq!(world.issuer.count(), lives, "renewed ahead, though nobody asked in the last ten minutes");
    }
}

#[test]
fn keys_in_line_when_their_runtime_ends_are_renewed_in_the_next() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let first = runtime();
    let (world, _subscribers) = first.block_on(async {
        let world = world(HOUR).await;
        world.manager.start();
        world.issuer.hold();
        let handle = |number| world.manager.handle(&format!("graph:{number}")).unwrap();
        let subscribers: Vec<_> = (0..200).map(|number| handle(number).subscribe()).collect();
        world.issuer.arrival(64).await;
        pass(SECOND).await;
        (world, subscribers)
    });
    drop(first);
    runtime().block_on(async {
        world.issuer.let_go();
        world.manager.start();
        pass(MINUTE * 5).await;
        for number in 0..200 {
            let handle = world.manager.handle(&format!("graph:{number}")).unwrap();
            assert!(handle.current().is_some(), "{handle:?} was not renewed");
        }
    });
}
