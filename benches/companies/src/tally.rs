//! What became of each call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::company::Kind;
use crate::time::{MINUTES, minute};

#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    refused_twice: u64,
}

/// One call for a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) minute: usize,
    pub(crate) outcome: Outcome,
}

/// How a caller came to its token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// It was there; how long the call took.
    Hit(Duration),
    /// It was obtained first; how long the caller waited.
    Waited(Duration),
    /// There was none, and the caller was told when to come back; until it had one.
    ToldToComeBack(Duration),
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), state: Mutex::default() }
    }

    pub(crate) fn minute(&self) -> usize {
        minute(self.begun.elapsed())
    }

    pub(crate) fn count(&self, kind: Kind, minute: usize, outcome: Outcome) {
        self.state().calls.push(Call { kind, minute, outcome });
    }

    pub(crate) fn refused_twice(&self) {
        self.state().refused_twice += 1;
    }

    /// How often a new token was refused too.
    pub(crate) fn twice(&self) -> u64 {
        self.state().refused_twice
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Calls of each minute: those that found a token, and all.
    pub(crate) fn by_minute(&self) -> Vec<(usize, usize)> {
        let mut minutes = vec![(0, 0); MINUTES];
        for call in &self.state().calls {
            minutes[call.minute].0 += usize::from(matches!(call.outcome, Outcome::Hit(_)));
            minutes[call.minute].1 += 1;
        }
        minutes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value below which this part of some sorted ones lies.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the number of values")]
#[expect(clippy::cast_precision_loss, reason = "a number of calls")]
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let index = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}
