//! A thousand callers and no token: how many requests, and when the last caller has its answer.
//!
//! The limit is one request alone. The issuer is in memory and asleep for its 100 ms, or the sandbox on real HTTP;
//! and once it is down, so that all callers have to hear that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokenkeep::expiry::Policy;
use tokenkeep::provider::{ClientAuth, Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::{Secret, TokenManager};
use tokenkeep_sandbox::{Client, Fault, Sandbox};
use tokio::task::JoinSet;

use super::Effort;
use crate::fixture::{Issuer, Mood, NothingKept, PROVIDER, manager_builder, two_workers};
use crate::measure::Samples;
use crate::table::{Line, millis};

pub(super) fn measure(effort: &Effort) -> Result<Vec<Line>> {
    let rounds = effort.rounds.div_ceil(2);
    let runtime = two_workers()?;
    runtime.block_on(async {
        Ok(vec![
            in_memory("1,000 callers, empty cache, issuer 100 ms", rounds, Mood::Well(ISSUER_TIME)).await?,
            over_http("  the same, issuer on HTTP", rounds).await?,
            in_memory("1,000 callers, no token, issuer down", rounds, Mood::Down(ISSUER_TIME)).await?,
        ])
    })
}

async fn in_memory(work: &str, rounds: usize, mood: Mood) -> Result<Line> {
    let mut measured = Measured::default();
    for _ in 0..rounds {
        let issuer = Arc::new(Issuer::in_mood(mood));
        let manager = manager_builder(&issuer, Policy::default()).build().await?;
        let alone = Instant::now();
        issuer.answer().await.ok();
        measured.limit(alone);
        let before = issuer.asked();
        let asked_at = Instant::now();
        let tokens = ask_all(&manager).await;
        measured.ours(asked_at, issuer.asked() - before);
        ensure!(tokens == if matches!(mood, Mood::Well(_)) { CALLERS } else { 0 }, "{tokens} callers have a token");
    }
    Ok(measured.line(work))
}

async fn over_http(work: &str, rounds: usize) -> Result<Line> {
    let client = Client::new(CLIENT, "bench-secret").life(Duration::from_hours(1));
    let sandbox = Sandbox::builder().client(client).start().await?;
    sandbox.set_fault(Fault::Latency { millis: 100 });
    let mut measured = Measured::default();
    for _ in 0..rounds {
        // The limit's request opens a connection too.
        let alone = http_manager(&sandbox).await?;
        let asked_at = Instant::now();
        alone.token(PROVIDER).await?;
        measured.limit(asked_at);
        let manager = http_manager(&sandbox).await?;
        let before = sandbox.counters_of(CLIENT).token_requests;
        let asked_at = Instant::now();
        let tokens = ask_all(&manager).await;
        measured.ours(asked_at, sandbox.counters_of(CLIENT).token_requests - before);
        ensure!(tokens == CALLERS, "{tokens} callers have a token");
    }
    sandbox.stop().await;
    Ok(measured.line(work))
}

async fn http_manager(sandbox: &Sandbox) -> Result<TokenManager> {
    let grant = Grant::ClientCredentials(TokenEndpointSettings {
        token_url: TokenUrl::parse(&sandbox.token_url(), Transport::Secure)?,
        client_id: CLIENT.into(),
        client_secret: Some(Secret::new("bench-secret")),
        client_auth: ClientAuth::default(),
        scope: Vec::new(),
        extra: BTreeMap::new(),
    });
    let provider = Provider::new(PROVIDER, grant)?;
    Ok(TokenManager::builder().provider(provider).store(Arc::new(NothingKept)).build().await?)
}

/// All callers ask at once; how many of them have a token in the end.
async fn ask_all(manager: &TokenManager) -> usize {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let manager = manager.clone();
        callers.spawn(async move { manager.token(PROVIDER).await.is_ok() });
    }
    callers.join_all().await.into_iter().filter(|has_token| *has_token).count()
}

#[derive(Default)]
struct Measured {
    limit: Vec<f64>,
    ours: Vec<f64>,
    requests: Vec<u64>,
}

impl Measured {
    fn limit(&mut self, since: Instant) {
        self.limit.push(since.elapsed().as_secs_f64() * 1e3);
    }

    fn ours(&mut self, since: Instant, requests: u64) {
        self.ours.push(since.elapsed().as_secs_f64() * 1e3);
        self.requests.push(requests);
    }

    fn line(self, work: &str) -> Line {
        let (limit, ours) = (Samples::new(self.limit), Samples::new(self.ours));
        let requests = self.requests.iter().max().copied().unwrap_or_default();
        Line {
            work: work.into(),
            limit: format!("one request alone: {}", millis(&limit)),
            ours: format!("all after {}, requests {requests}", millis(&ours)),
            ratio: Some(ours.over(&limit).median()),
            aim: format!("1 request, ≤ {AIM_MS:.0} ms more"),
            met: Some(requests == 1 && ours.median() - limit.median() <= AIM_MS),
        }
    }
}

const CLIENT: &str = "bench";
const CALLERS: usize = 1000;
const ISSUER_TIME: Duration = Duration::from_millis(100);
const AIM_MS: f64 = 3.0;
