//! A thousand callers and a token that is good: with nothing due, and due while the issuer is slow or down.
//!
//! The limit is as many tasks that load an `ArcSwap` and look at the clock. Ours is made due by its clock; a peer has
//! none that could be moved, so its first token lives so briefly that it is due from the start. A cache that renews
//! ahead is asked when its request is on the way.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::Effort;
use super::by_handle::Cached;
use super::issuer_down::LIFE_LEFT;
use crate::crowd::{AIM_MS, Answers, CALLERS, Crowd, ISSUER_TIME, PeerCrowds, ask_at_once, requests};
use crate::fixture::{HttpIssuer, Issuer, LIFE, Mood, MovableClock, fill, manager_over_http, two_workers};
use crate::peers::{Cache, Kind, Renews};
use crate::table::{Line, millis};

pub(super) fn measure(effort: &Effort) -> Result<Vec<Line>> {
    let rounds = effort.rounds.div_ceil(3);
    let runtime = two_workers()?;
    runtime.block_on(async {
        Ok(vec![
            line("1,000 callers, token good, nothing due", rounds, State::Fresh).await?,
            line("1,000 callers, token good but due, issuer 100 ms", rounds, State::Due(Mood::Well(ISSUER_TIME)))
                .await?,
            line("1,000 callers, token good but due, issuer down", rounds, State::Due(Mood::Down(ISSUER_TIME))).await?,
        ])
    })
}

/// Of the token, and of the issuer that is to renew it.
#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    Due(Mood),
}

async fn line(work: &str, rounds: usize, state: State) -> Result<Line> {
    let http = HttpIssuer::start().await?;
    let bare: Arc<dyn Cache> = Arc::new(Bare(ArcSwap::from_pointee(Cached::new())));
    let (mut limit, mut ours, mut peers) = (Crowd::default(), Crowd::default(), PeerCrowds::new());
    for _ in 0..rounds {
        limit.push(ask_at_once(&bare, &http.issuer, http.issuer.asked()).await);
        ours.push(ask_ours(&http, state).await?);
        for (kind, crowd) in peers.patient() {
            crowd.push(ask_peer(kind, &http, state).await.with_context(|| kind.name)?);
        }
    }
    let (limit, times) = (limit.times(), ours.times());
    let due = u64::from(matches!(state, State::Due(_)));
    let in_time = times.median() - limit.median() <= AIM_MS;
    let line = Line {
        work: work.into(),
        limit: format!("as many tasks, ArcSwap load + Instant::now: {}", millis(&limit)),
        ours: format!("all after {}, {}", millis(&times), requests(ours.requests())),
        ratio: Some(times.over(&limit).median()),
        aim: format!("all served, {}, ≤ {AIM_MS:.0} ms more", requests(due)),
        met: Some(ours.served() == CALLERS && ours.requests() == due && in_time),
        beside: None,
    };
    Ok(line.beside(ours.cell(), peers.cells()))
}

async fn ask_ours(http: &HttpIssuer, state: State) -> Result<Answers> {
    http.issuer.set(Mood::Well(Duration::ZERO));
    let clock = Arc::new(MovableClock::new());
    let manager = manager_over_http(http)?.clock(Arc::<MovableClock>::clone(&clock)).build().await?;
    fill(&manager, 1).await?;
    manager.start();
    let before = http.issuer.asked();
    if let State::Due(mood) = state {
        http.issuer.set(mood);
        clock.pass(LIFE.saturating_sub(LIFE_LEFT));
        renewal_begins(&http.issuer, before).await?;
    }
    let cache: Arc<dyn Cache> = Arc::new(manager.clone());
    let answers = ask_at_once(&cache, &http.issuer, before).await;
    manager.stop().await?;
    Ok(answers)
}

async fn ask_peer(kind: &Kind, http: &HttpIssuer, state: State) -> Result<Answers> {
    http.issuer.set(Mood::Well(Duration::ZERO));
    if matches!(state, State::Due(_)) {
        http.issuer.set_life(kind.due_life);
    }
    let cache = kind.build_filled(http, 1).await?;
    http.issuer.set_life(LIFE);
    let before = http.issuer.asked();
    if let State::Due(mood) = state {
        http.issuer.set(mood);
        match kind.renews {
            Renews::Ahead => renewal_begins(&http.issuer, before).await?,
            Renews::WhenAsked => tokio::time::sleep(JUST_OBTAINED).await,
        }
    }
    Ok(ask_at_once(&cache, &http.issuer, before).await)
}

/// Waits until the issuer has one more request.
async fn renewal_begins(issuer: &Issuer, before: u64) -> Result<()> {
    let begun = async {
        while issuer.asked() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), begun).await.context("nothing was renewed")
}

/// The least that a cache does.
struct Bare(ArcSwap<Cached>);

#[async_trait]
impl Cache for Bare {
    async fn ask(&self, keys: &[usize]) -> usize {
        for _ in keys {
            self.0.load().look();
        }
        keys.len()
    }
}

/// A cache may keep what it has just obtained, due or not.
const JUST_OBTAINED: Duration = Duration::from_millis(200);
