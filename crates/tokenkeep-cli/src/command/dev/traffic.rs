//! Light traffic: callers that get a token from the broker and call the API with it, as services do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokenkeep_api::TokenAnswer;
use tokenkeep_api::client::{Client, Demand};
use tokio::task::JoinSet;

use super::world::{Origin, SYSTEMS, System};
use crate::exit::Failure;

/// What happened to the calls of one key.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Calls that were given a token.
    pub(super) served: AtomicU64,
    /// Calls for which there was none.
    pub(super) turned_away: AtomicU64,
    /// Tokens that the API refused.
    pub(super) refused: AtomicU64,
}

/// Callers of all keys, at work until dropped.
#[derive(Debug)]
pub(super) struct Traffic {
    /// One for each of [`SYSTEMS`].
    pub(super) tallies: Arc<[Tally]>,
    callers: JoinSet<()>,
}

impl Traffic {
    /// Sets them to work.
    pub(super) fn start(broker_url: &str, api_url: &str) -> Result<Self, Failure> {
        // Only this machine is called: neither certificates nor a proxy are wanted.
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().timeout(PATIENCE).build();
        let http = http.map_err(|error| Failure::internal("no HTTP client", &error))?;
        let broker = Client::new(broker_url).map_err(|error| Failure::internal("no client of the broker", &error))?;
        let tallies: Arc<[Tally]> = SYSTEMS.iter().map(|_| Tally::default()).collect();
        let mut callers = JoinSet::new();
        for (at, system) in SYSTEMS.into_iter().enumerate() {
            for number in 0..CALLERS_PER_KEY {
                let caller = Caller {
                    system,
                    broker: broker.clone(),
                    tallies: Arc::clone(&tallies),
                    at,
                    http: http.clone(),
                    url: format!("{api_url}/{}", system.key),
                };
                callers.spawn(caller.work(PAUSE.mul_f32(0.8 + 0.2 * f32::from(number))));
            }
        }
        Ok(Self { tallies, callers })
    }

    /// Has all of them stop in the middle of whatever they do: a caller that leaves harms nothing.
    pub(super) async fn stop(&mut self) {
        self.callers.shutdown().await;
    }
}

struct Caller {
    system: System,
    broker: Client,
    tallies: Arc<[Tally]>,
    at: usize,
    http: reqwest::Client,
    url: String,
}

impl Caller {
    async fn work(self, pause: Duration) {
        let tally = &self.tallies[self.at];
        loop {
            match self.broker.get(self.system.key, Demand::default().with_max_wait(PATIENCE)).await {
                Ok(token) => {
                    tally.served.fetch_add(1, Ordering::Relaxed);
                    if matches!(self.system.origin, Origin::Issuer(_)) {
                        self.call(&token, tally).await;
                    }
                }
                Err(_) => {
                    tally.turned_away.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Calls the API. What else than 401 it answers is a fault that somebody has set.
    async fn call(&self, token: &TokenAnswer, tally: &Tally) {
        let answer = self.http.get(&self.url).bearer_auth(&token.access_token).send().await;
        if answer.is_ok_and(|answer| answer.status() == 401) {
            tally.refused.fetch_add(1, Ordering::Relaxed);
            // If the broker cannot be told, the next call is refused as well, and tells it.
            self.broker.reject(&token.key, token.generation).await.ok();
        }
    }
}

/// Callers of each key.
pub(super) const CALLERS_PER_KEY: u8 = 3;
/// How long each of them waits between two calls, about.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a caller waits for a token, and for the API.
const PATIENCE: Duration = Duration::from_secs(5);
