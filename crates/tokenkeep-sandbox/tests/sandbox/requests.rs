//! The log of arrivals, and waiting for them.

use crate::{World, status_of};
use tokenkeep_sandbox::{Arrival, Grant, Outcome, Refusal, UNKNOWN_CLIENT};

#[tokio::test]
async fn each_arrival_is_logged_with_its_client_grant_and_outcome() {
    let world = World::start().await;
    status_of(world.client_credentials("reports")).await;
    status_of(world.client_credentials("nobody")).await;
    let requests = world.sandbox.requests();
    let expected = [("reports", Outcome::Issued), (UNKNOWN_CLIENT, Outcome::Refused(Refusal::InvalidClient))];
    assert_eq!(requests.len(), expected.len());
    for (Arrival { client, grant, outcome, .. }, expected) in requests.iter().zip(expected) {
        assert_eq!((client.as_str(), *outcome), expected);
        assert_eq!(*grant, Grant::ClientCredentials);
    }
    assert!(requests[0].millis <= requests[1].millis);
}

#[tokio::test]
async fn waiting_for_what_has_arrived_already_returns_at_once() {
    let world = World::start().await;
    status_of(world.client_credentials("reports")).await;
    world.sandbox.wait_for_requests("reports", 1).await;
    world.sandbox.wait_until(|counters| counters.total.issued == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_after_the_wait_is_never_missed() {
    let world = World::start().await;
    world.sandbox.set_fault(tokenkeep_sandbox::Fault::Hang);
    for round in 1..=50 {
        let mut callers = tokio::task::JoinSet::new();
        callers.spawn(status_of(world.client_credentials("reports")));
        world.sandbox.wait_for_requests("reports", round).await;
        world.sandbox.release();
        assert_eq!(callers.join_all().await, [200]);
    }
}
