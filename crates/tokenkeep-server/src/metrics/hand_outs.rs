//! Counts who asked for which key's token, and what came of it.
//!
//! A caller may be allowed to ask for any account of a provider, so the number of keys has no bound of its own. The first
//! [`MAX_KEYS`] that are there are counted each; all others of a provider together. The first [`MAX_SHOWN`] have lines of
//! their own, so that a line that is there once stays, and only goes up.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokenkeep::Key;
use tokenkeep_api::ProblemCode;

use super::names::HAND_OUTS;
use super::text::Page;

/// What came of a call for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandOut {
    /// It was there.
    Hit,
    /// It was obtained, or fetched from the store, first.
    Waited,
    /// There was none.
    Failed(ProblemCode),
    /// The caller did not wait for it.
    CallerLeft,
}

impl HandOut {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Waited => "waited",
            Self::Failed(code) => code.as_str(),
            Self::CallerLeft => "caller_left",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct HandOuts {
    hasher: RandomState,
    shards: [RwLock<HashMap<Key, Arc<Counts>>>; SHARDS],
    counted: AtomicUsize,
    /// By provider.
    others: RwLock<HashMap<Box<str>, Arc<Counts>>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// How many keys were counted before this one.
    rank: usize,
    by_result: [AtomicU64; RESULTS.len()],
}

impl HandOuts {
    pub(super) fn count(&self, key: &Key, hand_out: HandOut) {
        let found = self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone);
        let counts = found.unwrap_or_else(|| match hand_out {
            // Anybody who may ask for all accounts can name as many as it likes that are not there.
            HandOut::Failed(ProblemCode::UnknownKey) => self.of_others(key),
            _ => self.begin(key),
        });
        if let Some(at) = RESULTS.iter().position(|result| *result == hand_out.as_str()) {
            counts.by_result[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many asked for a key's token; of a key that is not counted by itself, none.
    pub(super) fn total(&self, key: &Key) -> u64 {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(key).map_or(0, |counts| counts.read().iter().sum())
    }

    /// Of the keys that a caller may see; those that are not counted by themselves only for who sees all.
    pub(super) fn write(&self, page: &mut Page, sees_all: bool, may_see: impl Fn(&Key) -> bool) {
        let mut shown: BTreeMap<Key, [u64; RESULTS.len()]> = BTreeMap::new();
        let mut together: BTreeMap<Box<str>, [u64; RESULTS.len()]> = BTreeMap::new();
        for shard in &self.shards {
            for (key, counts) in shard.read().unwrap_or_else(PoisonError::into_inner).iter() {
                if !may_see(key) {
                    continue;
                }
                if counts.rank < MAX_SHOWN {
                    shown.insert(key.clone(), counts.read());
                } else {
                    add(together.entry(key.provider().into()).or_default(), counts.read());
                }
            }
        }
        if sees_all {
            for (provider, counts) in self.others.read().unwrap_or_else(PoisonError::into_inner).iter() {
                add(together.entry(provider.clone()).or_default(), counts.read());
            }
        }
        page.family(&HAND_OUTS, |samples| {
            let shown = shown.iter().map(|(key, counts)| (key.provider(), key.as_str(), counts));
            let together = together.iter().map(|(provider, counts)| (&**provider, "", counts));
            for (provider, key, counts) in shown.chain(together) {
                for (result, count) in RESULTS.iter().zip(counts).filter(|(_, count)| **count > 0) {
                    samples.add(&[("provider", provider), ("key", key), ("result", result)], count);
                }
            }
        });
    }

    fn begin(&self, key: &Key) -> Arc<Counts> {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = shard.get(key) {
            return Arc::clone(counts);
        }
        if let Ok(rank) = self
            .counted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |counted| (counted < MAX_KEYS).then_some(counted + 1))
        {
            return Arc::clone(shard.entry(key.clone()).or_insert(Arc::new(Counts { rank, ..Counts::default() })));
        }
        self.of_others(key)
    }

    fn of_others(&self, key: &Key) -> Arc<Counts> {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(others.entry(key.provider().into()).or_default())
    }

    fn shard(&self, key: &Key) -> &RwLock<HashMap<Key, Arc<Counts>>> {
        let hash = self.hasher.hash_one(key.as_str());
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}

impl Counts {
    fn read(&self) -> [u64; RESULTS.len()] {
        std::array::from_fn(|at| self.by_result[at].load(Ordering::Relaxed))
    }
}

fn add(sum: &mut [u64; RESULTS.len()], counts: [u64; RESULTS.len()]) {
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// All that [`HandOut::as_str`] can be for a key that is known.
const RESULTS: [&str; 11] = [
    "hit",
    "waited",
    "invalid_request",
    "unauthenticated",
    "forbidden",
    "unknown_key",
    "login_required",
    "refused",
    "unavailable",
    "internal",
    "caller_left",
];
/// Keys that are counted each, in a few MB.
const MAX_KEYS: usize = 10_000;
/// Keys that have lines of their own.
pub(super) const MAX_SHOWN: usize = 1000;
const SHARDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_no_call_is_lost() {
        let hand_outs = HandOuts::default();
        let key = |account: usize| Key::parse(&format!("vendor:{account}")).unwrap();
        let accounts = MAX_KEYS + 5;
        for account in 0..accounts {
            hand_outs.count(&key(account), HandOut::Hit);
        }
        hand_outs.count(&key(0), HandOut::Failed(ProblemCode::Unavailable));
        assert_eq!((hand_outs.total(&key(0)), hand_outs.total(&key(accounts - 1))), (2, 0));
        let lines = |sees_all, may_see: &dyn Fn(&Key) -> bool| {
            let mut page = Page::default();
            hand_outs.write(&mut page, sees_all, may_see);
            let values = page.into_text();
            let counts = values.lines().filter_map(|line| line.rsplit_once("} ")?.1.parse::<usize>().ok());
            (counts.clone().count(), counts.sum::<usize>())
        };
        assert_eq!(lines(true, &|_| true), (MAX_SHOWN + 2, accounts + 1));
        // A few of the keys: nothing of the others.
        assert_eq!(lines(false, &|seen| *seen == key(3) || *seen == key(MAX_SHOWN + 3)), (2, 2));
    }
}
