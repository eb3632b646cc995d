//! Very many callers at once, on a store in which there is nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat_n;
use std::time::Duration;

use tokenkeep_sandbox::{Client, Fault};

use crate::fleet::{CALLERS, Fleet, SECRET};
use crate::place::Engine;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn a_thousand_callers_of_five_members_cause_one_request() {
    one_request_for_all(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn a_thousand_callers_of_five_members_cause_one_request_over_redis() {
    one_request_for_all(Engine::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn a_thousand_keys_that_all_members_are_asked_for_cause_a_thousand_requests() {
    one_request_for_each(Engine::Postgres).await;
}

async fn one_request_for_all(engine: Engine) {
    let mut fleet = Fleet::on(engine, [Client::new("graph", SECRET)]).await;
    fleet.configure(&[fleet.provider("graph", "grant = \"client_credentials\"")]);
    fleet.start(MEMBERS).await;
    // So that there is time for all to come while it is under way.
    fleet.sandbox.set_fault(Fault::Latency { millis: 500 });
    let begun = fleet.now();
    let asked = (0..MEMBERS).flat_map(|member| repeat_n((member, "graph".to_owned()), CALLERS));
    let answers = fleet.get_all(asked).await;
    fleet.took("1,000 callers of one key, of which the issuer took 500 ms", begun);
    let tokens: BTreeSet<_> = answers.iter().map(|(_, answer)| answer.token()).collect();
    let requests = fleet.sandbox.counters_of("graph").token_requests;
    assert_eq!((answers.len(), tokens.len(), requests), (MEMBERS * CALLERS, 1, 1));
}

async fn one_request_for_each(engine: Engine) {
    let mut fleet = Fleet::on(engine, [Client::new("people", SECRET).life(LIFE)]).await;
    fleet.configure(&[fleet.provider("people", "grant = \"password\"\naccounts = \"stored\"")]);
    fleet.start(MEMBERS).await;
    let keys: Vec<_> = (0..KEYS).map(|account| format!("people:{account}")).collect();
    let begun = fleet.now();
    fleet.give_credentials(&keys).await;
    fleet.took("credentials of 1,000 accounts", begun);
    let begun = fleet.now();
    let asked = keys.iter().flat_map(|key| (0..MEMBERS).map(|member| (member, key.clone())));
    let answers = fleet.get_all(asked).await;
    fleet.took("1,000 keys, each asked for at 5 members", begun);
    let mut tokens: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, answer) in &answers {
        tokens.entry(key).or_default().insert(answer.token());
    }
    assert!(tokens.len() == KEYS && tokens.values().all(|tokens| tokens.len() == 1), "{tokens:#?}");
    assert_eq!(fleet.sandbox.counters_of("people").token_requests, KEYS as u64);
}

const MEMBERS: usize = 5;
const KEYS: usize = 1_000;
const LIFE: Duration = Duration::from_hours(8);
