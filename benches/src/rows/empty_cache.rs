//! A thousand callers and no token: how many requests, and when the last caller has its answer.
//!
//! The limit is one request alone. The issuer is in memory and asleep for its 100 ms, or does the same on HTTP; and
//! once it is down, so that all callers have to hear that. The peers are asked beside ours on HTTP.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tokenkeep::expiry::Policy;

use super::Effort;
use crate::crowd::{AIM_MS, CALLERS, Crowd, ISSUER_TIME, PeerCrowds, ask_at_once, requests};
use crate::fixture::{HttpIssuer, Issuer, Mood, key_name, manager_builder, manager_over_http, two_workers};
use crate::measure::Samples;
use crate::peers::Cache;
use crate::table::{Line, millis};

pub(super) fn measure(effort: &Effort) -> Result<Vec<Line>> {
    let rounds = effort.rounds.div_ceil(2);
    let runtime = two_workers()?;
    runtime.block_on(async {
        Ok(vec![
            in_memory("1,000 callers, empty cache, issuer 100 ms", rounds, Mood::Well(ISSUER_TIME)).await?,
            over_http("1,000 callers, empty cache, issuer 100 ms on HTTP", rounds, Mood::Well(ISSUER_TIME)).await?,
            in_memory("1,000 callers, no token, issuer down", rounds, Mood::Down(ISSUER_TIME)).await?,
            over_http("1,000 callers, no token, issuer down on HTTP", rounds, Mood::Down(ISSUER_TIME)).await?,
        ])
    })
}

async fn in_memory(work: &str, rounds: usize, mood: Mood) -> Result<Line> {
    let (mut limit, mut ours) = (Vec::new(), Crowd::default());
    for _ in 0..rounds {
        let issuer = Arc::new(Issuer::in_mood(mood));
        let manager: Arc<dyn Cache> = Arc::new(manager_builder(&issuer, Policy::default()).build().await?);
        let alone = Instant::now();
        issuer.answer().await.ok();
        limit.push(alone.elapsed().as_secs_f64() * 1e3);
        ours.push(ask_at_once(&manager, &issuer, issuer.asked()).await);
    }
    Ok(line(work, mood, limit, &ours))
}

async fn over_http(work: &str, rounds: usize, mood: Mood) -> Result<Line> {
    let http = HttpIssuer::start().await?;
    http.issuer.set(mood);
    let (mut limit, mut ours, mut peers) = (Vec::new(), Crowd::default(), PeerCrowds::new());
    for _ in 0..rounds {
        // The limit's request opens a connection too.
        let alone = manager_over_http(&http)?.build().await?;
        let asked_at = Instant::now();
        alone.token(&key_name(0)).await.ok();
        limit.push(asked_at.elapsed().as_secs_f64() * 1e3);
        let manager: Arc<dyn Cache> = Arc::new(manager_over_http(&http)?.build().await?);
        ours.push(ask_at_once(&manager, &http.issuer, http.issuer.asked()).await);
        for (kind, crowd) in peers.patient() {
            let before = http.issuer.asked();
            let peer = kind.build(&http, 1).await?;
            crowd.push(ask_at_once(&peer, &http.issuer, before).await);
        }
    }
    Ok(line(work, mood, limit, &ours).beside(ours.cell(), peers.cells()))
}

fn line(work: &str, mood: Mood, limit: Vec<f64>, ours: &Crowd) -> Line {
    let (limit, times) = (Samples::new(limit), ours.times());
    let right = if matches!(mood, Mood::Well(_)) { ours.served() == CALLERS } else { ours.served() == 0 };
    Line {
        work: work.into(),
        limit: format!("one request alone: {}", millis(&limit)),
        ours: format!("all after {}, {}", millis(&times), requests(ours.requests())),
        ratio: Some(times.over(&limit).median()),
        aim: format!("1 request, ≤ {AIM_MS:.0} ms more"),
        met: Some(right && !ours.gave_up() && ours.requests() == 1 && times.median() - limit.median() <= AIM_MS),
        beside: None,
    }
}
