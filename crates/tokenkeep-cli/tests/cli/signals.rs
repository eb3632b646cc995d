//! What signals do to a command that does one thing.

use std::time::Duration;

use rustix::process::Signal;
use tokenkeep_sandbox::Fault;

use crate::world::World;

#[tokio::test]
async fn the_first_signal_lets_a_rotation_finish_and_the_new_refresh_token_is_saved() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let world = World::start().await;
        world.sandbox.set_fault(Fault::HoldAnswer.times(1));
        let mut get = world.spawn(&["get", "calendar"]);
        world.issued("calendar", 1).await;
        get.signal(signal);
        get.hear("finishing what is under way").await;
        world.sandbox.release();
        get.end().await.failure(code);

        world.run(&["refresh", "calendar"]).await;
        let counters = world.sandbox.counters_of("calendar");
        assert_eq!((counters.issued, counters.reused_refresh_tokens), (2, 0));
    }
}

#[tokio::test]
async fn the_second_signal_ends_it_at_once() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Hang);
    let mut get = world.spawn(&["get", "graph"]);
    world.arrived("graph", 1).await;
    get.signal(Signal::TERM);
    get.hear("finishing what is under way").await;
    get.signal(Signal::INT);
    get.end().await.failure(130);
}

#[tokio::test]
async fn a_process_that_was_stopped_for_longer_than_its_timeout_reads_the_answer_that_came_meanwhile() {
    let world = World::start().await;
    world.write_config(&world.usual_config().replace("refresh_token = {", "timeout = \"1s\"\nrefresh_token = {"));
    world.sandbox.set_fault(Fault::HoldAnswer.times(1));
    let refresh = world.spawn(&["refresh", "calendar"]);
    world.issued("calendar", 1).await;
    refresh.signal(Signal::STOP);
    world.sandbox.release();
    // What the law is about: more time than the request has, and a timer that is late by more than a second.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    refresh.signal(Signal::CONT);
    let ended = refresh.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    world.run(&["refresh", "calendar"]).await;
    assert_eq!(world.sandbox.counters_of("calendar").reused_refresh_tokens, 0);
}
