//! The vendor: logins within its limit, tokens of an hour that it does not say anything of, and refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::Secret;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::source::{Ask, Fault, FetchError, Fetched, TokenSource};
use tokio::time::{Instant, sleep, sleep_until};

#[derive(Debug)]
pub(crate) struct Vendor {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When each login came, and whether it was allowed.
    logins: Vec<(Duration, bool)>,
    /// The newest token of each company.
    sessions: BTreeMap<String, u64>,
    revoked: BTreeSet<u64>,
    refused_calls: u64,
    limited_until: Duration,
}

impl Vendor {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), state: Mutex::default() }
    }

    /// Whether a call of the API with this token is served.
    pub(crate) fn serves(&self, token: &str) -> bool {
        let number = token.rsplit('-').next().and_then(|number| number.parse().ok());
        let mut state = self.state();
        let is_served = number.is_some_and(|number| !state.revoked.contains(&number));
        state.refused_calls += u64::from(!is_served);
        is_served
    }

    /// When each login came, and whether it was allowed.
    pub(crate) fn logins(&self) -> Vec<(Duration, bool)> {
        self.state().logins.clone()
    }

    pub(crate) fn refused_calls(&self) -> u64 {
        self.state().refused_calls
    }

    /// How many logins came in any minute, at most.
    pub(crate) fn most_in_a_window(&self) -> usize {
        let logins = self.logins();
        let within = |from: usize| logins[from..].iter().take_while(|(at, _)| *at < logins[from].0 + WINDOW).count();
        (0..logins.len()).map(within).max().unwrap_or(0)
    }

    fn since(&self) -> Duration {
        self.begun.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a login: the number of its token, or how long to stay away.
    fn admit(&self, company: &str) -> Result<u64, Duration> {
        let now = self.since();
        let mut state = self.state();
        let in_window: Vec<_> = state.logins.iter().rev().take_while(|(at, _)| *at + WINDOW > now).collect();
        let mut wait = state.limited_until.saturating_sub(now);
        if let Some((oldest, _)) = in_window.get(ALLOWED - 1) {
            wait = wait.max((*oldest + WINDOW).saturating_sub(now));
        }
        state.logins.push((now, wait.is_zero()));
        if !wait.is_zero() {
            return Err(wait);
        }
        let number = state.logins.len() as u64;
        state.sessions.insert(company.to_owned(), number);
        Ok(number)
    }

    /// Ends the sessions of some companies, whichever.
    fn revoke(&self, some: usize) {
        let mut state = self.state();
        let mut present: Vec<_> = state.sessions.values().copied().collect();
        fastrand::shuffle(&mut present);
        state.revoked.extend(present.into_iter().take(some));
    }
}

#[async_trait]
impl TokenSource for Vendor {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let admitted = self.admit(ask.key.account());
        sleep(Duration::from_millis(fastrand::u64(LOGIN_MS))).await;
        match admitted {
            Ok(number) => Ok(Fetched::new(Secret::new(format!("{}-{number}", ask.key.account())))),
            Err(wait) => Err(FetchError::new(Fault::RateLimited, "too many logins").with_retry_after(wait)),
        }
    }

    fn issuer(&self) -> &'static str {
        "vendor.example"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("vendor", "example")])
    }
}

/// Ends a session each minute and, once, those of many at once; and lets nobody log in for a while.
pub(crate) async fn refuse_now_and_then(vendor: Arc<Vendor>, length: Duration) {
    let mut at = Duration::ZERO;
    while at < length {
        at += Duration::from_mins(1);
        sleep_until(vendor.begun + at).await;
        vendor.revoke(if at == LOSS.0 { LOSS.1 } else { 1 });
        if at == LIMITED.0 {
            vendor.state().limited_until = at + LIMITED.1;
        }
    }
}

const ALLOWED: usize = 10;
const WINDOW: Duration = Duration::from_mins(1);
/// How long a login takes.
const LOGIN_MS: std::ops::Range<u64> = 150..600;
/// When all logins are answered with 429, and for how long.
pub(crate) const LIMITED: (Duration, Duration) = (Duration::from_mins(70), Duration::from_mins(3));
/// When sessions are lost together, and how many.
pub(crate) const LOSS: (Duration, usize) = (Duration::from_mins(95), 30);
