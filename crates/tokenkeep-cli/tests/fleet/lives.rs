//! One life of a token after the other, with callers everywhere all the time.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use tokenkeep_sandbox::Client;
use tokio::task::JoinSet;

use crate::Extent;
use crate::fleet::{Fleet, PAUSE, SECRET, in_time, until};
use crate::place::Engine;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn a_life_costs_one_request_however_many_members_renew_it() {
    one_request_per_life(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn a_life_costs_one_request_however_many_members_renew_it_over_redis() {
    one_request_per_life(Engine::Redis).await;
}

/// Keys that are renewed ahead of their end, and keys that are renewed when somebody has to wait for it.
async fn one_request_per_life(engine: Engine) {
    let clients = KEYS.map(|(name, _)| Client::new(name, SECRET).life(LIFE));
    let mut fleet = Fleet::on(engine, clients).await;
    let table = |(name, lines)| fleet.provider(name, &format!("grant = \"client_credentials\"\n{lines}"));
    fleet.configure(&KEYS.map(table));
    fleet.start(MEMBERS).await;
    let lives = Extent::of_this_run().lives();
    let mut callers = JoinSet::new();
    for (key, member) in KEYS.iter().flat_map(|(key, _)| (0..MEMBERS).map(move |member| (*key, member))) {
        let caller = fleet.caller(member);
        callers.spawn(async move {
            let mut tokens = BTreeSet::new();
            loop {
                let answer = caller.ask(Method::GET, &format!("tokens/{key}"), None).await.unwrap();
                tokens.insert(answer.token().to_owned());
                if answer.generation() >= lives {
                    return tokens;
                }
                tokio::time::sleep(PAUSE * 2).await;
            }
        });
    }
    let mut tokens: BTreeSet<String> =
        in_time("lives do not go by", callers.join_all()).await.into_iter().flatten().collect();
    until("requests stay under way", async || fleet.sandbox.counters().total.in_flight == 0).await;
    let requests = fleet.sandbox.requests();
    for (key, _) in KEYS {
        tokens.extend(fleet.tokens(key).await);
    }
    // Asked for while there was one that served for some time to come.
    let is_early = |pair: &[&tokenkeep_sandbox::Arrival]| pair[1].millis - pair[0].millis < SERVES_AT_LEAST_MS;
    let of = |key: &str| requests.iter().filter(|request| request.client == key).collect::<Vec<_>>();
    let early: usize = KEYS.iter().map(|(key, _)| of(key).windows(2).filter(|pair| is_early(pair)).count()).sum();
    println!("{} requests for {} lives, {early} of them too early", requests.len(), tokens.len());
    let superfluous = requests.len().saturating_sub(tokens.len()) + early;
    assert!(tokens.len() as u64 >= lives * KEYS.len() as u64);
    assert!(superfluous * 100 <= requests.len(), "{requests:#?}");
}

const MEMBERS: usize = 5;
/// With what is said about their renewal.
const KEYS: [(&str, &str); 5] = [
    ("ahead-1", "refresh_before = \"400ms\""),
    ("ahead-2", "refresh_before = \"400ms\""),
    ("always", "refresh_before = \"400ms\"\nrefresh = \"always\""),
    ("waiting-1", "refresh = \"on_demand\""),
    ("waiting-2", "refresh = \"on_demand\""),
];
const LIFE: Duration = Duration::from_secs(3);
/// A life serves for 2.5 s at least, counted from when its token was asked for, and a request may take time to arrive. One
/// that is not needed comes as soon as the floor allows, after a second.
const SERVES_AT_LEAST_MS: u64 = 1_800;
