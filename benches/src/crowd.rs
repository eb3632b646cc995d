//! A thousand callers who ask one cache at the same moment: when all have an answer, how many have a token, and what
//! the issuer had to do for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::fixture::Issuer;
use crate::measure::Samples;
use crate::peers::{Cache, Kind, PEERS};

/// What came of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answers {
    /// Milliseconds until the last answer, at most [`PATIENCE`].
    pub(crate) time: f64,
    pub(crate) answered: usize,
    /// Answered with a token.
    pub(crate) served: usize,
    pub(crate) requests: u64,
}

/// All callers ask at once. Requests count from when the issuer had been asked `before` times, until those that the
/// callers left behind have come to an end.
pub(crate) async fn ask_at_once(cache: &Arc<dyn Cache>, issuer: &Issuer, before: u64) -> Answers {
    let asked_at = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let cache = Arc::clone(cache);
        callers.spawn(async move { cache.ask(&[0]).await == 1 });
    }
    let (mut answered, mut served) = (0, 0);
    let all = async {
        while let Some(answer) = callers.join_next().await {
            answered += 1;
            served += usize::from(matches!(answer, Ok(true)));
        }
    };
    tokio::time::timeout(PATIENCE, all).await.ok();
    let time = asked_at.elapsed().as_secs_f64() * 1e3;
    if answered == CALLERS {
        tokio::time::sleep(2 * ISSUER_TIME).await;
    }
    Answers { time, answered, served, requests: issuer.asked() - before }
}

/// What came of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Vec<Answers>);

impl Crowd {
    pub(crate) fn push(&mut self, answers: Answers) {
        self.0.push(answers);
    }

    /// Whether callers were still waiting when the patience of a round ended: another round would say the same.
    pub(crate) fn gave_up(&self) -> bool {
        self.0.iter().any(|answers| answers.answered < CALLERS)
    }

    pub(crate) fn times(&self) -> Samples {
        Samples::new(self.0.iter().map(|answers| answers.time).collect())
    }

    /// In the round with the most.
    pub(crate) fn requests(&self) -> u64 {
        self.0.iter().map(|answers| answers.requests).max().unwrap_or_default()
    }

    /// In the round with the fewest.
    pub(crate) fn served(&self) -> usize {
        self.0.iter().map(|answers| answers.served).min().unwrap_or_default()
    }

    /// For the table of peers.
    pub(crate) fn cell(&self) -> String {
        let waiting = CALLERS - self.0.iter().map(|answers| answers.answered).min().unwrap_or_default();
        let time = match waiting {
            0 => format!("{:.1} ms", self.times().median()),
            _ => format!("{waiting} still wait after {} s", PATIENCE.as_secs()),
        };
        let served = match self.served() {
            CALLERS => "all served".into(),
            0 => "none served".into(),
            served => format!("{served} served"),
        };
        format!("{time}: {served}, {}", requests(self.requests()))
    }
}

/// So many requests, in words.
pub(crate) fn requests(count: u64) -> String {
    match count {
        0 => "no request".into(),
        1 => "1 request".into(),
        _ => format!("{count} requests"),
    }
}

/// What came of all rounds, for each of the peers.
pub(crate) struct PeerCrowds([(&'static Kind, Crowd); PEERS.len()]);

impl PeerCrowds {
    pub(crate) fn new() -> Self {
        Self(PEERS.each_ref().map(|kind| (kind, Crowd::default())))
    }

    /// Those of which another round is worth while.
    pub(crate) fn patient(&mut self) -> impl Iterator<Item = (&'static Kind, &mut Crowd)> {
        self.0.iter_mut().filter(|(_, crowd)| !crowd.gave_up()).map(|(kind, crowd)| (*kind, crowd))
    }

    pub(crate) fn cells(&self) -> Vec<(&'static str, String)> {
        self.0.iter().map(|(kind, crowd)| (kind.name, crowd.cell())).collect()
    }
}

pub(crate) const CALLERS: usize = 1000;
/// How long the issuer takes.
pub(crate) const ISSUER_TIME: Duration = Duration::from_millis(100);
/// What may be added to the time of the limit.
pub(crate) const AIM_MS: f64 = 3.0;
/// How long the callers of a round are waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
