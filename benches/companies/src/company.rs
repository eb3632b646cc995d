//! The companies: few that call all the time, some now and then, many seldom, more and more of them in the course of a
//! morning.

use std::sync::Arc;
use std::time::Duration;

use tokenkeep::{Demand, Token, TokenHandle};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::tally::{Outcome, Tally};
use crate::vendor::Vendor;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Company {
    pub(crate) number: usize,
    kind: Kind,
    /// Between two of its calls at noon, on average.
    pause: Duration,
}

/// How often a company calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Busy,
    Steady,
    Rare,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Busy, Self::Steady, Self::Rare];

    pub(crate) fn companies(self) -> usize {
        match self {
            Self::Busy => 25,
            Self::Steady => 125,
            Self::Rare => 350,
        }
    }

    /// Between two calls.
    pub(crate) fn pause(self) -> Duration {
        match self {
            Self::Busy => Duration::from_secs(2),
            Self::Steady => Duration::from_mins(1),
            Self::Rare => Duration::from_mins(40),
        }
    }
}

impl Company {
    /// All of them, each twice as busy as its kind or half as busy or anything between.
    pub(crate) fn all() -> Vec<Self> {
        let kinds = Kind::ALL.into_iter().flat_map(|kind| std::iter::repeat_n(kind, kind.companies()));
        let company = |(number, kind): (usize, Kind)| {
            let pause = kind.pause().mul_f64((fastrand::f64() * 2.0 - 1.0).exp2());
            Self { number, kind, pause }
        };
        kinds.enumerate().map(company).collect()
    }

    /// Calls again and again, without waiting for the calls before, until the time is over and all calls are done.
    pub(crate) async fn call_until(
        self,
        length: Duration,
        handle: TokenHandle,
        vendor: Arc<Vendor>,
        tally: Arc<Tally>,
    ) {
        let begun = Instant::now();
        let mut calls = JoinSet::new();
        loop {
            // Arrivals of the busiest hour, of which those are left out that come too early in the day.
            let pause = self.pause.mul_f64(-(1.0 - fastrand::f64()).ln());
            sleep(pause.min(length.saturating_sub(begun.elapsed()))).await;
            if begun.elapsed() >= length {
                break;
            }
            if fastrand::f64() >= business(begun.elapsed()) {
                continue;
            }
            let together = if fastrand::f64() < BURSTS { fastrand::usize(BURST) } else { 1 };
            for _ in 0..together {
                let (handle, vendor, tally) = (handle.clone(), Arc::clone(&vendor), Arc::clone(&tally));
                calls.spawn(async move { self.call(&handle, &vendor, &tally).await });
            }
            while calls.try_join_next().is_some() {}
        }
        calls.join_all().await;
    }

    /// Gets a token and calls the API with it, once more with another if that is refused.
    async fn call(self, handle: &TokenHandle, vendor: &Vendor, tally: &Tally) {
        let token = self.token(handle, tally).await;
        if vendor.serves(token.expose_secret()) {
            return;
        }
        handle.reject(&token);
        let token = self.token(handle, tally).await;
        if !vendor.serves(token.expose_secret()) {
            tally.refused_twice();
        }
    }

    /// Asks for a token, and again when it is told to, until it has one.
    async fn token(self, handle: &TokenHandle, tally: &Tally) -> Token {
        let (asked, minute) = (Instant::now(), tally.minute());
        let mut was_told = false;
        loop {
            let begun = std::time::Instant::now();
            let got = handle.get(Demand::default()).await;
            let took = begun.elapsed();
            match got {
                Ok(answer) => {
                    let waited = asked.elapsed();
                    let outcome = match (was_told, waited.is_zero()) {
                        (true, _) => Outcome::ToldToComeBack(waited),
                        (false, true) => Outcome::Hit(took),
                        (false, false) => Outcome::Waited(waited),
                    };
                    tally.count(self.kind, minute, outcome);
                    return answer.token;
                }
                Err(error) => {
                    was_told = true;
                    sleep(error.retry_after().unwrap_or(Duration::from_secs(1)).max(Duration::from_secs(1))).await;
                }
            }
        }
    }
}

/// Which part of the calls at noon comes at a time of the morning, from 8 to 10 o'clock.
fn business(since: Duration) -> f64 {
    let part = (since.as_secs_f64() / FULL.as_secs_f64()).min(1.0);
    EARLY + (1.0 - EARLY) * part * part * (3.0 - 2.0 * part)
}

/// Of the calls at noon, this part comes at 8 o'clock.
const EARLY: f64 = 0.1;
/// Then all are at work.
const FULL: Duration = Duration::from_mins(75);
/// The part of arrivals that are several calls at once, and how many.
const BURSTS: f64 = 0.2;
const BURST: std::ops::Range<usize> = 2..9;
