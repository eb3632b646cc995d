//! The log of token requests: who asked, how, when, and what became of it; never a secret.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{client::Grant, refusal::Refusal};

/// One request that arrived at the token endpoint or at `POST /login`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Its registered client, [`VENDOR`](crate::VENDOR) or [`UNKNOWN_CLIENT`](crate::UNKNOWN_CLIENT).
    pub client: String,
    /// How it asked.
    pub grant: Grant,
    /// Milliseconds since the sandbox started.
    pub millis: u64,
    /// What became of it so far.
    pub outcome: Outcome,
}

/// What became of a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not answered yet.
    Pending,
    /// A token was made and answered, perhaps in an odd body.
    Issued,
    /// Refused, by verdict or by a fault that refuses.
    Refused(Refusal),
    /// A fault answered or cut the connection; the issuer did nothing.
    Faulted,
    /// The issuer did its work, then the connection was cut.
    Lost,
    /// The caller left before the answer.
    Abandoned,
}

/// The newest [`ArrivalLog::CAPACITY`] arrivals.
pub(crate) struct ArrivalLog {
    entries: VecDeque<Arrival>,
    /// The number of the first entry that is still kept.
    first: u64,
}

impl ArrivalLog {
    pub(crate) const CAPACITY: usize = 10_000;

    pub(crate) fn new() -> Self {
        Self { entries: VecDeque::new(), first: 0 }
    }

    /// Adds an arrival and returns its number.
    pub(crate) fn push(&mut self, arrival: Arrival) -> u64 {
        if self.entries.len() >= Self::CAPACITY {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(arrival);
        self.first + self.entries.len() as u64 - 1
    }

    /// Notes what became of an arrival, if the log still has it.
    pub(crate) fn settle(&mut self, number: u64, outcome: Outcome) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(arrival) = index.and_then(|index| self.entries.get_mut(index)) {
            arrival.outcome = outcome;
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<Arrival> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_lands_on_its_arrival_after_older_ones_were_forgotten() {
        let arrival = |millis| Arrival { client: "c".into(), grant: Grant::Other, millis, outcome: Outcome::Pending };
        let mut log = ArrivalLog::new();
        let oldest = log.push(arrival(0));
        for millis in 1..ArrivalLog::CAPACITY as u64 {
            log.push(arrival(millis));
        }
        let newest = log.push(arrival(7));
        log.settle(oldest, Outcome::Lost);
        log.settle(newest, Outcome::Issued);

        let entries = log.to_vec();
        assert_eq!(entries.len(), ArrivalLog::CAPACITY);
        assert_eq!(entries.iter().filter(|entry| entry.outcome != Outcome::Pending).count(), 1);
        assert_eq!(entries.last().map(|entry| entry.outcome), Some(Outcome::Issued));
    }
}
