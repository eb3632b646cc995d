//! A budget that all members share, counted where it matters: at the issuer, by its clock.

use std::time::Duration;

use reqwest::Method;
use tokenkeep_sandbox::Client;
use tokio::task::JoinSet;

use crate::Extent;
use crate::fleet::{Fleet, SECRET, in_time};
use crate::place::Engine;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn no_window_has_more_requests_than_the_budget_over_members_and_restarts() {
    never_more_than_the_budget(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn no_window_has_more_requests_than_the_budget_over_members_and_restarts_over_redis() {
    never_more_than_the_budget(Engine::Redis).await;
}

/// 500 companies want a token all the time, and members are killed and started again meanwhile.
async fn never_more_than_the_budget(engine: Engine) {
    let mut fleet = Fleet::on(engine, [Client::new("bluestakes", SECRET).life(LIFE)]).await;
    let lines = format!("grant = \"password\"\naccounts = \"stored\"\nbudget = \"{BUDGET}/{}s\"", WINDOW.as_secs());
    fleet.configure(&[fleet.provider("bluestakes", &lines)]);
    fleet.start(MEMBERS).await;
    let keys: Vec<_> = (0..COMPANIES).map(|company| format!("bluestakes:{company}")).collect();
    fleet.give_credentials(&keys).await;

    let begun = fleet.now();
    let mut wanting = JoinSet::new();
    for key in keys {
        wanting.spawn(want(&fleet, key, Duration::ZERO));
    }
    let (mut served, mut deaths) = (0, 0);
    while served < Extent::of_this_run().companies() {
        let (key, answer) = in_time("nobody is served", wanting.join_next()).await.unwrap().unwrap();
        match answer {
            Ok(answer) if answer.status == 200 => {
                served += 1;
                if served % SERVED_BETWEEN_DEATHS == 0 {
                    let victim = fastrand::usize(..MEMBERS);
                    fleet.members[victim].kill().await;
                    fleet.start_again(victim).await;
                    deaths += 1;
                }
            }
            Ok(answer) => {
                assert_eq!((answer.status, &answer.body["code"]), (503, &"unavailable".into()), "{answer:?}");
                let seconds = answer.body["retry_after"].as_u64().unwrap_or(1);
                wanting.spawn(want(&fleet, key, Duration::from_secs(seconds)));
            }
            // Who was asked was killed.
            Err(_) => drop(wanting.spawn(want(&fleet, key, Duration::ZERO))),
        }
    }
    fleet.took(&format!("{served} companies served, over {deaths} deaths"), begun);
    let requests = fleet.sandbox.requests();
    let span = |requests: &[tokenkeep_sandbox::Arrival]| requests[BUDGET].millis - requests[0].millis;
    let shortest = requests.windows(BUDGET + 1).map(span).min().unwrap();
    println!("the {BUDGET} requests before an {}th were made within {shortest} ms or more", BUDGET + 1);
    assert!(u128::from(shortest) >= WINDOW.as_millis(), "{shortest} ms: {requests:#?}");
}

/// One company that asks any member after it has waited as it was told.
fn want(
    fleet: &Fleet,
    key: String,
    wait: Duration,
) -> impl Future<Output = (String, reqwest::Result<crate::member::Answer>)> + Send + use<> {
    let answer = fleet.try_to_ask(fastrand::usize(..MEMBERS), Method::GET, &format!("tokens/{key}"), None);
    async move {
        tokio::time::sleep(wait).await;
        (key, answer.await)
    }
}

const MEMBERS: usize = 5;
const COMPANIES: usize = 500;
const BUDGET: usize = 10;
/// Sixty times as fast as ten a minute.
const WINDOW: Duration = Duration::from_secs(1);
const SERVED_BETWEEN_DEATHS: usize = 20;
const LIFE: Duration = Duration::from_hours(8);
