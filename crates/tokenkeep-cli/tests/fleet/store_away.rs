//! A store that nobody reaches for a while, behind links that are cut and links that swallow what they are given.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use tokenkeep_sandbox::{Client, Fault};
use tokenkeep_test_servers::Link;
use tokio::task::JoinSet;

use crate::Extent;
use crate::fleet::{Fleet, PAUSE, SECRET, in_time, until};
use crate::place::Engine;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn a_store_that_is_away_is_noticed_by_operators_and_by_no_caller() {
    store_away(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn a_store_that_is_away_is_noticed_by_operators_and_by_no_caller_over_redis() {
    store_away(Engine::Redis).await;
}

async fn store_away(engine: Engine) {
    let mut fleet = fleet_with_lives(engine).await;
    fleet.start(MEMBERS).await;
    for key in ["steady", "login"] {
        assert_eq!(fleet.tokens(key).await.len(), 1);
    }
    let (goes_on, mut callers) = (Arc::new(AtomicBool::new(true)), JoinSet::new());
    for caller in (0..MEMBERS).map(|member| fleet.caller(member)) {
        let goes_on = Arc::clone(&goes_on);
        callers.spawn(async move {
            let mut tokens = BTreeSet::new();
            while goes_on.load(Ordering::Relaxed) {
                // Who had to wait would notice.
                let answer = caller.ask(Method::GET, "tokens/steady?max_wait=1s", None).await.unwrap();
                assert!(answer.warnings().iter().all(|warning| *warning == STORE_FAILING), "{answer:?}");
                tokens.insert(answer.token().to_owned());
                tokio::time::sleep(PAUSE).await;
            }
            tokens
        });
    }

    // The issuer has spent the refresh token, and its answer comes when there is no store to put it into.
    fleet.sandbox.set_fault_for("login", Fault::HoldAnswer.times(1));
    let mut renewing = JoinSet::new();
    renewing.spawn(fleet.try_to_ask(0, Method::POST, "tokens/login/refresh", None));
    in_time("nobody asks", fleet.sandbox.wait_until(|counters| counters.clients["login"].issued == 2)).await;
    let begun = fleet.now();
    for (number, member) in fleet.members.iter().enumerate() {
        member.link.set(if number % 2 == 0 { Link::Silent } else { Link::Cut });
    }
    fleet.sandbox.release();
    let renewed = in_time("the answer is not passed on", renewing.join_all()).await;
    assert_eq!(renewed[0].as_ref().unwrap().status, 200, "{renewed:?}");
    let unsaved = fleet.get(0, "login").await.token().to_owned();

    for member in 0..MEMBERS {
        until("health does not say it", async || health(&fleet, member).await == [STORE_FAILING]).await;
        let status = fleet.ask(member, Method::GET, "tokens/steady/status", None).await;
        assert!(status.warnings().contains(&STORE_FAILING), "{status:?}");
    }
    // What ends meanwhile each member obtains by itself.
    let mut living = JoinSet::new();
    for caller in (0..MEMBERS).map(|member| fleet.caller(member)) {
        living.spawn(async move {
            let mut tokens = BTreeSet::new();
            while tokens.len() < Extent::of_this_run().tokens_meanwhile() {
                tokens.insert(caller.ask(Method::GET, "tokens/brief", None).await.unwrap().token().to_owned());
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    living.join_all().await;
    fleet.took("the store was away", begun);

    let back = fleet.now();
    fleet.link(Link::Well);
    for member in 0..MEMBERS {
        until("a member does not recover", async || health(&fleet, member).await.is_empty()).await;
    }
    fleet.took("from its return until all are well", back);
    until("it is not saved", async || fleet.tokens("login").await == BTreeSet::from([unsaved.clone()])).await;
    fleet.took("from its return until all have the token that could not be saved", back);
    goes_on.store(false, Ordering::Relaxed);
    let tokens: BTreeSet<String> = in_time("callers wait", callers.join_all()).await.into_iter().flatten().collect();
    assert_eq!((tokens.len(), fleet.sandbox.counters_of("steady").token_requests), (1, 1));

    // Who had obtained it is not needed any longer.
    fleet.members[0].kill().await;
    for member in 1..MEMBERS {
        assert_eq!(fleet.ask(member, Method::POST, "tokens/login/refresh", None).await.status, 200);
    }
    let login = fleet.sandbox.counters_of("login");
    assert_eq!((login.reused_refresh_tokens, login.logins, login.refused), (0, 1, 0));
}

/// What a member's health says of its store.
async fn health(fleet: &Fleet, member: usize) -> Vec<String> {
    let health = fleet.ask(member, Method::GET, "health", None).await;
    assert_eq!(health.status, 200, "{health:?}");
    health.warnings().into_iter().map(str::to_owned).collect()
}

async fn fleet_with_lives(engine: Engine) -> Fleet {
    let client = |name: &str, life| Client::new(name, SECRET).life(life);
    let clients =
        [client("steady", LONG_LIFE), client("brief", SHORT_LIFE), client("login", LONG_LIFE).with_refresh_tokens()];
    let fleet = Fleet::on(engine, clients).await;
    let password = "grant = \"password\"\nusername = \"backend\"\npassword = { env = \"SECRET\" }";
    fleet.configure(&[
        fleet.provider("steady", "grant = \"client_credentials\""),
        fleet.provider("brief", "grant = \"client_credentials\""),
        fleet.provider("login", password),
    ]);
    fleet
}

/// The code of the warning.
const STORE_FAILING: &str = "store_failing";
const MEMBERS: usize = 5;
const LONG_LIFE: Duration = Duration::from_hours(8);
const SHORT_LIFE: Duration = Duration::from_secs(10);
