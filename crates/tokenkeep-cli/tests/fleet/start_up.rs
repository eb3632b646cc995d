//! Members that start at the same moment, with much to do.

use std::time::Duration;

use tokenkeep_sandbox::Client;

use crate::fleet::{Fleet, SECRET, in_time, until};
use crate::place::Engine;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn members_that_start_together_share_the_keys_that_are_due() {
    one_request_for_each_due_key(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn members_that_start_together_share_the_keys_that_are_due_over_redis() {
    one_request_for_each_due_key(Engine::Redis).await;
}

/// Half of the keys had a token, which is over; the others never had one.
async fn one_request_for_each_due_key(engine: Engine) {
    let mut fleet = Fleet::on(engine, [Client::new("people", SECRET).life(Duration::from_secs(1))]).await;
    let lines = "grant = \"password\"\naccounts = \"stored\"\n";
    fleet.configure(&[fleet.provider("people", &format!("{lines}refresh = \"on_demand\""))]);
    fleet.start(1).await;
    let keys: Vec<_> = (0..KEYS).map(|account| format!("people:{account}")).collect();
    fleet.give_credentials(&keys).await;
    fleet.get_all(keys.iter().take(KEYS / 2).map(|key| (0, key.clone()))).await;
    fleet.members.pop().unwrap().stop().await;
    let before = fleet.sandbox.counters().total.token_requests;
    assert_eq!(before, KEYS as u64 / 2);
    fleet.sandbox.set_life("people", LIFE);

    fleet.configure(&[fleet.provider("people", &format!("{lines}refresh = \"always\""))]);
    let begun = fleet.now();
    fleet.start(MEMBERS).await;
    in_time("keys stay due", fleet.sandbox.wait_until(|counters| counters.total.issued >= before + KEYS as u64)).await;
    fleet.took("500 keys that were due at the start of 5 members", begun);
    let answers = fleet.get_all(keys.iter().enumerate().map(|(number, key)| (number % MEMBERS, key.clone()))).await;
    assert!(answers.iter().all(|(_, answer)| answer.status == 200), "{answers:#?}");
    until("requests stay under way", async || fleet.sandbox.counters().total.in_flight == 0).await;
    let total = fleet.sandbox.counters().total;
    println!("at most {} at once", total.max_in_flight);
    assert_eq!(total.token_requests, before + KEYS as u64);
}

const MEMBERS: usize = 5;
const KEYS: usize = 500;
const LIFE: Duration = Duration::from_hours(8);
