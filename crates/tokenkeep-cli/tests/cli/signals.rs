//! What signals do to a command that does one thing.

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
