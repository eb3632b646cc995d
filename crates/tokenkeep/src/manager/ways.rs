//! The ways in which a provider can authenticate: the first, and those that stand in for it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::sync::Mutex;
use crate::clock::Moment;
use crate::expiry::REQUEST_FLOOR;
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::source::{Fault, FetchError, TokenSource};

/// The ways of a provider, and for which keys the first one fails.
#[derive(Debug)]
pub(crate) struct Ways {
    first: Arc<dyn TokenSource>,
    fallbacks: Vec<Arc<dyn TokenSource>>,
    max_failures: u32,
    outages: Mutex<HashMap<Key, Outage>>,
    /// Until when the first way's issuer wants to be left alone by all keys.
    held: Mutex<Option<Moment>>,
}

/// How the first way fails for a key.
#[derive(Debug, Clone)]
pub(crate) struct Outage {
    /// What happened last, in a lowercase fragment.
    pub(crate) what: String,
    /// Since when.
    pub(crate) since: Moment,
    failures: u32,
    /// When the first way is tried again before the others.
    retry_at: Moment,
}

/// Which ways a flight may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The first, and the others when it fails as often as is configured.
    AsConfigured,
    /// Only those that stand in for the first, because a person wants it so.
    FallbackOnly,
}

/// The index of a way; the first is [`FIRST`].
pub(crate) type Way = usize;

impl Ways {
    pub(crate) fn new(first: Arc<dyn TokenSource>, fallbacks: Vec<Arc<dyn TokenSource>>, max_failures: u32) -> Self {
        Self { first, fallbacks, max_failures: max_failures.max(1), outages: Mutex::default(), held: Mutex::default() }
    }

    pub(crate) fn first(&self) -> &dyn TokenSource {
        &*self.first
    }

    /// The source that goes this way.
    pub(crate) fn source(&self, way: Way) -> &dyn TokenSource {
        way.checked_sub(1).and_then(|at| self.fallbacks.get(at)).map_or(&*self.first, |source| &**source)
    }

    /// Those that stand in for the first.
    pub(crate) fn others(&self) -> impl Iterator<Item = Way> {
        FIRST + 1..=self.fallbacks.len()
    }

    pub(crate) fn has_fallback(&self) -> bool {
        !self.fallbacks.is_empty()
    }

    /// Whether any of them spends a refresh token that only a person can replace.
    pub(crate) fn rotates(&self) -> bool {
        self.first.rotates() || self.fallbacks.iter().any(|source| source.rotates())
    }

    /// What all ways shape together: a token of one counts as one of the others.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let others: Vec<_> = self.fallbacks.iter().map(|source| source.fingerprint()).collect();
        self.first.fingerprint().with_fallbacks(others.iter())
    }

    /// In which order a flight for this key takes the ways; what comes after a failure is added then.
    pub(crate) fn order(&self, key: &Key, choice: Choice, now: Moment) -> Vec<Way> {
        let is_out = self.bypassed(key).is_some_and(|outage| !outage.retry_at.is_reached(now));
        let first = match (self.is_held(now), is_out) {
            (true, _) => First::Held,
            (false, true) => First::Out,
            (false, false) => First::Open,
        };
        order(self.fallbacks.len(), choice, first)
    }

    /// Whether this way asks the issuer that the provider's budget and rate limits are of.
    pub(crate) fn is_first_issuer(&self, way: Way) -> bool {
        self.source(way).issuer() == self.first.issuer()
    }

    fn is_held(&self, now: Moment) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some_and(|until| until.is_reached(now)) {
            *held = None;
        }
        held.is_some()
    }

    /// Notes that the first way failed for a key, after so many failures in a row that are known of it; whether the
    /// others are to be taken now. A refusal is not asked for again soon, so there is nothing to wait for.
    pub(crate) fn first_failed(&self, key: &Key, fault: &FetchError, before: u32, now: Moment) -> bool {
        if self.fallbacks.is_empty() {
            return false;
        }
        let is_transient = match fault.fault {
            Fault::Unavailable => true,
            Fault::RateLimited => {
                let until = now.plus(fault.retry_after.unwrap_or(REQUEST_FLOOR));
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                false
            }
            Fault::Refused | Fault::RefreshTokenRefused | Fault::LoginRequired => false,
        };
        let wait = fault.retry_after.unwrap_or_default().max(RETURN_AFTER);
        let mut outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        if outages.len() >= MAX_OUTAGES && !outages.contains_key(key) {
            outages.retain(|_, outage| !outage.retry_at.is_reached(now));
        }
        let is_room = outages.len() < MAX_OUTAGES || outages.contains_key(key);
        let outage = outages.get(key);
        let known = outage.map_or(0, |outage| outage.failures).max(before).saturating_add(1);
        let failures = if is_transient { known } else { known.max(self.max_failures) };
        let since = outage.map_or(now, |outage| outage.since);
        if is_room {
            outages.insert(key.clone(), Outage { what: fault.what.clone(), since, failures, retry_at: now.plus(wait) });
        }
        failures >= self.max_failures
    }

    /// Notes that the first way works for a key, or may work again.
    pub(crate) fn first_works(&self, key: &Key) {
        if self.has_fallback() {
            self.outages.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
    }

    /// How the first way fails for a key, if it does so often that the others are used.
    pub(crate) fn bypassed(&self, key: &Key) -> Option<Outage> {
        if self.fallbacks.is_empty() {
            return None;
        }
        let outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        outages.get(key).filter(|outage| outage.failures >= self.max_failures).cloned()
    }
}

/// How the first way stands for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Open,
    /// It fails so often that the others are taken.
    Out,
    /// Its issuer limits requests.
    Held,
}

fn order(fallbacks: usize, choice: Choice, first: First) -> Vec<Way> {
    let others = FIRST + 1..=fallbacks;
    match (choice, first) {
        (Choice::FallbackOnly, _) | (Choice::AsConfigured, First::Held) => others.collect(),
        // Nothing is lost by asking the first way in the end, if the others fail too.
        (Choice::AsConfigured, First::Out) => others.chain([FIRST]).collect(),
        (Choice::AsConfigured, First::Open) => vec![FIRST],
    }
}

/// The way that is configured as the provider itself.
pub(crate) const FIRST: Way = 0;
/// For how long the first way is left alone once the others are used.
const RETURN_AFTER: Duration = Duration::from_mins(5);
/// For how many keys an outage is remembered; beyond it the first way is tried each time.
const MAX_OUTAGES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_is_taken_first_unless_it_is_out_or_not_wanted() {
        assert_eq!(order(2, Choice::AsConfigured, First::Open), [0]);
        assert_eq!(order(2, Choice::AsConfigured, First::Out), [1, 2, 0]);
        assert_eq!(order(2, Choice::AsConfigured, First::Held), [1, 2]);
        assert_eq!(order(2, Choice::FallbackOnly, First::Open), [1, 2]);
        assert_eq!(order(0, Choice::AsConfigured, First::Open), [0]);
    }
}
