//! Members that are killed, or stand still and come back, while the issuer spends a refresh token with each answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use tokenkeep_sandbox::{Client, Fault};
use tokio::task::JoinSet;

use crate::Extent;
use crate::fleet::{Fleet, SECRET, in_time, until};
use crate::member::Answer;
use crate::place::Engine;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn a_login_is_lost_only_to_a_death_between_answer_and_save() {
    rounds_of_deaths(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn a_login_is_lost_only_to_a_death_between_answer_and_save_over_redis() {
    rounds_of_deaths(Engine::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn a_member_that_stood_still_past_its_lease_overwrites_nothing() {
    late_write(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn a_member_that_stood_still_past_its_lease_overwrites_nothing_over_redis() {
    late_write(Engine::Redis).await;
}

/// In each round members refresh logins, two of them are killed or stopped at random moments, and the others take over
/// what they were at when their leases have ended. Then those that were stopped go on, and write too late.
async fn rounds_of_deaths(engine: Engine) {
    let mut fleet = fleet_with_logins(engine, LOGINS).await;
    fleet.start(MEMBERS).await;
    for key in logins(LOGINS) {
        fleet.get(0, &key).await.token();
    }
    let (mut known, mut stood_still) = (Known::default(), 0);
    for round in 0..Extent::of_this_run().rounds() {
        let suspects = deaths(&mut fleet).await;
        for key in logins(LOGINS) {
            until("the members do not agree", async || fleet.tokens(&key).await.len() == 1).await;
        }
        let found = Known::of(&fleet).await;
        for (key, now) in &found.0 {
            let before = known.0.get(key).copied().unwrap_or_default();
            let (lost, reused) = (now.lost - before.lost, now.reused - before.reused);
            let is_explained = match suspects.get(key) {
                None => lost == 0 && reused == 0,
                Some(signal) if *signal == Signal::STOP && lost == 0 => {
                    // Between its last look at the end of its lease and the system call that sends the request.
                    stood_still += reused;
                    reused <= 1
                }
                Some(_) => lost <= 1 && reused <= lost,
            };
            let requests = || fleet.sandbox.requests().into_iter().filter(|request| request.client == *key);
            let requests = || requests().collect::<Vec<_>>();
            assert!(is_explained, "round {round}, {suspects:?}: {key}: {before:?}, {now:?}: {:#?}", requests());
        }
        known = found;
    }
    let (lost, reused) = known.0.values().fold((0, 0), |sum, login| (sum.0 + login.lost, sum.1 + login.reused));
    println!("answers lost to deaths before their save: {lost}; refresh tokens that came twice: {reused}");
    println!("of these by a member that stood still between its last look and its request: {stood_still}");
}

/// One round; the logins that victims were at, and what was done to those.
async fn deaths(fleet: &mut Fleet) -> BTreeMap<String, Signal> {
    let mut order: Vec<usize> = (0..MEMBERS).collect();
    fastrand::shuffle(&mut order);
    let (victims, survivors) = order.split_at(2);
    let harm = |victim: &usize| (*victim, if fastrand::bool() { Signal::KILL } else { Signal::STOP });
    let victims: Vec<_> = victims.iter().map(harm).collect();
    let latency = Fault::Latency { millis: fastrand::u64(0..100) };
    fleet.sandbox.set_fault(if fastrand::bool() { Fault::HoldAnswer } else { latency });
    let before = fleet.sandbox.counters().total.token_requests;

    let (mut suspects, mut by_victims, mut by_survivors) = (BTreeMap::new(), JoinSet::new(), JoinSet::new());
    for key in logins(LOGINS) {
        let first = order[fastrand::usize(..MEMBERS)];
        let refresh = |member| fleet.try_to_ask(member, Method::POST, &format!("tokens/{key}/refresh"), None);
        if let Some((_, signal)) = victims.iter().find(|(victim, _)| *victim == first) {
            by_victims.spawn(refresh(first));
            suspects.insert(key.clone(), *signal);
        } else {
            by_survivors.spawn(refresh(first));
        }
        by_survivors.spawn(refresh(survivors[fastrand::usize(..survivors.len())]));
    }
    for (victim, signal) in &victims {
        let arrived = before + fastrand::u64(0..=LOGINS / 2);
        in_time("nobody asks", fleet.sandbox.wait_until(|counters| counters.total.token_requests >= arrived)).await;
        fleet.members[*victim].signal(*signal);
    }
    fleet.sandbox.clear_faults();
    fleet.sandbox.release();
    let taken_over: Vec<reqwest::Result<Answer>> = in_time("nobody takes over", by_survivors.join_all()).await;
    assert!(
        taken_over.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)),
        "{taken_over:#?}"
    );
    for (victim, signal) in &victims {
        if *signal == Signal::STOP {
            fleet.members[*victim].signal(Signal::CONT);
        } else {
            fleet.start_again(*victim).await;
        }
    }
    // Of those that were stopped; the others' connections are gone.
    in_time("who was stopped does not end what it was at", by_victims.join_all()).await;
    suspects
}

/// An answer that is on its way to a member that stands still.
async fn late_write(engine: Engine) {
    let mut fleet = fleet_with_logins(engine, 1).await;
    fleet.start(2).await;
    let key = &*logins(1).next().unwrap();
    fleet.get(0, key).await.token();
    fleet.sandbox.set_fault(Fault::HoldAnswer.times(1));
    let refresh = format!("tokens/{key}/refresh");
    let mut late = JoinSet::new();
    late.spawn(fleet.try_to_ask(0, Method::POST, &refresh, None));
    in_time("nobody asks", fleet.sandbox.wait_until(|counters| counters.total.issued == 2)).await;
    fleet.members[0].signal(Signal::STOP);
    fleet.sandbox.release();

    let begun = fleet.now();
    let taken_over = fleet.ask(1, Method::POST, &refresh, None).await;
    fleet.took("taken over from a member that stands still, whose lease is 7 s", begun);
    assert_eq!(taken_over.status, 200, "{}", taken_over.body);
    let token = fleet.get(1, key).await.token().to_owned();
    fleet.members[0].signal(Signal::CONT);
    let late = in_time("who was stopped does not end what it was at", late.join_all()).await;
    assert_eq!(late[0].as_ref().unwrap().status, 200, "{late:?}");
    until("the late one is not corrected", async || fleet.tokens(key).await.len() == 1).await;
    assert_eq!(fleet.tokens(key).await, BTreeSet::from([token]));

    // What the issuer gave the other one is what is used next, by both.
    for member in [0, 1] {
        assert_eq!(fleet.ask(member, Method::POST, &refresh, None).await.status, 200);
    }
    let counters = fleet.sandbox.counters_of(key);
    // That of the answer that nobody could save in time came twice; for it the password was sent again.
    assert_eq!((counters.reused_refresh_tokens, counters.refused, counters.logins, counters.issued), (1, 1, 2, 5));
}

/// What is known of each login by the issuer and by the members.
#[derive(Debug, Default)]
struct Known(BTreeMap<String, Login>);

#[derive(Debug, Clone, Copy, Default)]
struct Login {
    /// Answers that were never saved.
    lost: u64,
    /// Refresh tokens that came twice.
    reused: u64,
}

impl Known {
    async fn of(fleet: &Fleet) -> Self {
        let mut known = BTreeMap::new();
        for key in logins(LOGINS) {
            let generation = fleet.get(0, &key).await.generation();
            let counters = fleet.sandbox.counters_of(&key);
            let lost =
                counters.issued.checked_sub(generation).unwrap_or_else(|| panic!("{key}: {generation}, {counters:?}"));
            known.insert(key, Login { lost, reused: counters.reused_refresh_tokens });
        }
        Self(known)
    }
}

/// Each login has a client of its own at the issuer, so that it is counted by itself, and a password for when it is lost.
async fn fleet_with_logins(engine: Engine, count: u64) -> Fleet {
    let client = |name: String| Client::new(name, SECRET).life(LIFE).with_refresh_tokens();
    let fleet = Fleet::on(engine, logins(count).map(client)).await;
    let lines = "grant = \"password\"\nusername = \"backend\"\npassword = { env = \"SECRET\" }\ntimeout = \"2s\"";
    let providers: Vec<_> = logins(count).map(|name| fleet.provider(&name, lines)).collect();
    fleet.configure(&providers);
    fleet
}

fn logins(count: u64) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("login-{number}"))
}

const MEMBERS: usize = 5;
const LOGINS: u64 = 20;
/// Nothing is renewed but what the law has renewed.
const LIFE: Duration = Duration::from_hours(8);
