//! What is done at one member, as the others and their watchers see it.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokenkeep_sandbox::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fleet::{Fleet, SECRET, in_time, until};
use crate::place::Engine;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn what_is_cleared_or_rejected_at_one_member_is_so_at_all_and_watchers_get_the_next() {
    told_to_all(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis: run ./test"]
async fn what_is_cleared_or_rejected_at_one_member_is_so_at_all_over_redis() {
    told_to_all(Engine::Redis).await;
}

async fn told_to_all(engine: Engine) {
    let mut fleet = Fleet::on(engine, [Client::new("graph", SECRET).life(LIFE)]).await;
    fleet.configure(&[fleet.provider("graph", "grant = \"client_credentials\"")]);
    fleet.start(MEMBERS).await;
    let mut watchers = Vec::new();
    for member in &fleet.members {
        watchers.push(Watcher::of(&format!("{}/tokens/graph/watch", member.url)).await);
    }
    for round in 1..=ROUNDS {
        for watcher in &mut watchers {
            in_time("a watcher is not told", watcher.generation.wait_for(|generation| *generation == round))
                .await
                .unwrap();
        }
        assert_eq!(fleet.tokens("graph").await.len(), 1);
        let (member, begun) = (fastrand::usize(..MEMBERS), fleet.now());
        let what = if round % 2 == 0 {
            let cleared = fleet.ask(member, Method::DELETE, "tokens/graph", None).await;
            assert_eq!(cleared.status, 204, "{cleared:?}");
            "cleared"
        } else {
            let rejected =
                fleet.ask(member, Method::POST, "tokens/graph/reject", Some(json!({ "generation": round }))).await;
            assert_eq!(rejected.body["rejected"], true, "{rejected:?}");
            "rejected"
        };
        // The floor between two requests may hold up the next token, but nobody has this one any longer.
        for member in 0..MEMBERS {
            until("it is still handed out", async || {
                let status = fleet.ask(member, Method::GET, "tokens/graph/status", None).await;
                status.body["generation"] != round || status.body["expires_at"].is_null()
            })
            .await;
        }
        fleet.took(&format!("{what} at one member, gone at all"), begun);
        in_time("no new token", fleet.sandbox.wait_until(|counters| counters.total.issued > round)).await;
        let issued = fleet.now();
        for watcher in &mut watchers {
            in_time("a watcher is not told", watcher.generation.wait_for(|generation| *generation > round))
                .await
                .unwrap();
        }
        fleet.took("from the issuer to all watchers", issued);
    }
    assert_eq!(fleet.sandbox.counters_of("graph").token_requests, ROUNDS + 1);
}

/// Somebody who watches a key.
struct Watcher {
    /// Of the newest token that came.
    generation: watch::Receiver<u64>,
    _reading: JoinSet<()>,
}

impl Watcher {
    async fn of(url: &str) -> Self {
        let mut answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
        let (sender, generation) = watch::channel(0);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut read = String::new();
            while let Ok(Some(chunk)) = answer.chunk().await {
                read.push_str(std::str::from_utf8(&chunk).unwrap());
                while let Some((line, rest)) = read.split_once('\n') {
                    if let Some(data) = line.strip_prefix("data:") {
                        let token: serde_json::Value = serde_json::from_str(data).unwrap();
                        sender.send_replace(token["generation"].as_u64().unwrap_or_else(|| panic!("{token}")));
                    }
                    read = rest.to_owned();
                }
            }
        });
        Self { generation, _reading: reading }
    }
}

const MEMBERS: usize = 5;
const ROUNDS: u64 = 6;
const LIFE: Duration = Duration::from_mins(10);
