//! Which ways one flight takes, one after the other, and what went wrong on each.

use std::collections::VecDeque;

use crate::clock::Moment;
use crate::key::Key;
use crate::manager::ways::{FIRST, Way, Ways};
use crate::source::{Fault, FetchError};

/// The way that is taken now, those that come after it, and the failures so far.
pub(super) struct Route {
    pub(super) way: Way,
    ahead: VecDeque<Way>,
    taken: Vec<Way>,
    faults: Vec<(Way, FetchError)>,
}

impl Route {
    pub(super) fn new(order: Vec<Way>) -> Self {
        let mut ahead = VecDeque::from(order);
        let way = ahead.pop_front().unwrap_or(FIRST);
        Self { way, ahead, taken: vec![way], faults: Vec::new() }
    }

    /// Whether this way's issuer may have been asked just now. One that the flight turns to because another failed was
    /// not.
    pub(super) fn keeps_floor(&self, ways: &Ways) -> bool {
        let issuer = ways.source(self.way).issuer();
        self.faults.is_empty() || self.faults.iter().any(|(way, _)| ways.source(*way).issuer() == issuer)
    }

    /// Notes how the present way failed at this moment, after so many failures of the key in a row.
    pub(super) fn note_failure(&mut self, fault: FetchError, ways: &Ways, key: &Key, before: u32, now: Moment) {
        if self.way == FIRST && ways.first_failed(key, &fault, before, now) {
            let others = ways.others().filter(|way| !self.taken.contains(way) && !self.ahead.contains(way));
            self.ahead.extend(others.collect::<Vec<_>>());
        }
        self.faults.push((self.way, fault));
    }

    /// Turns to the next way, if there is one.
    pub(super) fn go_on(&mut self) -> bool {
        let Some(next) = self.ahead.pop_front() else { return false };
        self.way = next;
        self.taken.push(next);
        true
    }

    /// What is remembered when all ways failed: the first one's failure if that was tried, with what the others said.
    pub(super) fn fault(&self) -> FetchError {
        let (first, others): (Vec<_>, Vec<_>) = self.faults.iter().cloned().partition(|(way, _)| *way == FIRST);
        let mut faults = first.into_iter().chain(others).map(|(_, fault)| fault);
        let nothing = || FetchError::new(Fault::Unavailable, "there is no way left to authenticate");
        let mut fault = faults.next().unwrap_or_else(nothing);
        for other in faults {
            fault.what = format!("{}; the fallback: {}", fault.what, other.what);
        }
        fault
    }
}
