//! Counts who asked for which key's token, and what came of it.
//!
//! A caller may be allowed to ask for any account of a provider, so the number of keys has no bound of its own. The first
//! [`MAX_KEYS`] that are there are counted each; all others of a provider together. The first [`MAX_SHOWN`] have lines of
//! their own, so that a line that is there once stays, and only goes up. Keys that the configuration names are counted and
//! shown beside these: who may see only them must not see by them how many others there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use tokenkeep::Key;
use tokenkeep::config::KeyPattern;
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

    /// Whether it shows that the key is there. Whoever may ask for all accounts can name as many as it likes that are not.
    fn shows_the_key(self) -> bool {
        match self {
            Self::Hit | Self::Waited | Self::Failed(ProblemCode::LoginRequired | ProblemCode::Refused) => true,
            Self::Failed(_) | Self::CallerLeft => false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct HandOuts {
    hasher: RandomState,
    shards: [RwLock<HashMap<Key, Arc<Counts>>>; SHARDS],
    counted: AtomicUsize,
    /// Those that the configuration names.
    named: ArcSwap<Vec<KeyPattern>>,
    /// By provider.
    others: RwLock<HashMap<Box<str>, Arc<Counts>>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// How many keys were counted before this one that the configuration does not name either.
    rank: usize,
    by_result: [AtomicU64; RESULTS.len()],
}

impl HandOuts {
    pub(super) fn count(&self, key: &Key, hand_out: HandOut) {
        let found = self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone);
        let counts = found.unwrap_or_else(|| {
            let is_providers = key.account() == Key::DEFAULT_ACCOUNT;
            if is_providers || hand_out.shows_the_key() || self.names(key) {
                self.begin(key)
            } else {
                self.of_others(key)
            }
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

    /// Takes over the patterns of callers. Those that stand for all accounts name no key.
    pub(super) fn name(&self, patterns: impl Iterator<Item = KeyPattern>) {
        self.named.store(Arc::new(patterns.filter(|pattern| pattern.account().is_some()).collect()));
    }

    /// Whether the configuration names this key.
    pub(super) fn names(&self, key: &Key) -> bool {
        self.named.load().iter().any(|pattern| pattern.matches(key))
    }

    /// Of these keys, which the configuration names. No other is looked at, so that how long it takes tells nothing.
    pub(super) fn write_of(&self, page: &mut Page, keys: &BTreeSet<Key>) {
        let found = keys.iter().filter_map(|key| {
            let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
            Some((key.clone(), shard.get(key)?.read()))
        });
        write(page, &found.collect(), &BTreeMap::new());
    }

    /// Of the keys that a caller may see; those that are not counted by themselves if it sees the whole provider.
    pub(super) fn write(&self, page: &mut Page, may_see: impl Fn(&Key) -> bool, sees_whole: impl Fn(&str) -> bool) {
        let mut shown: Shown = BTreeMap::new();
        let mut together: Together = BTreeMap::new();
        for shard in &self.shards {
            for (key, counts) in shard.read().unwrap_or_else(PoisonError::into_inner).iter() {
                if !may_see(key) {
                    continue;
                }
                if counts.rank < MAX_SHOWN || self.names(key) {
                    shown.insert(key.clone(), counts.read());
                } else {
                    add(together.entry(key.provider().into()).or_default(), counts.read());
                }
            }
        }
        for (provider, counts) in self.others.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if sees_whole(provider) {
                add(together.entry(provider.clone()).or_default(), counts.read());
            }
        }
        write(page, &shown, &together);
    }

    fn begin(&self, key: &Key) -> Arc<Counts> {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = shard.get(key) {
            return Arc::clone(counts);
        }
        let next = |counted| (counted < MAX_KEYS).then_some(counted + 1);
        let rank = if self.names(key) {
            Some(MAX_KEYS)
        } else {
            self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()
        };
        let Some(rank) = rank else { return self.of_others(key) };
        Arc::clone(shard.entry(key.clone()).or_insert(Arc::new(Counts { rank, ..Counts::default() })))
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

fn write(page: &mut Page, shown: &Shown, together: &Together) {
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

fn add(sum: &mut [u64; RESULTS.len()], counts: [u64; RESULTS.len()]) {
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

type Shown = BTreeMap<Key, [u64; RESULTS.len()]>;
/// By provider.
type Together = BTreeMap<Box<str>, [u64; RESULTS.len()]>;

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
        let mut page = Page::default();
        hand_outs.write(&mut page, |_| true, |_| true);
        assert_eq!(lines(page), (MAX_SHOWN + 2, accounts + 1));
        // A few of the keys: nothing of the others.
        let mut page = Page::default();
        hand_outs.write_of(&mut page, &[key(3), key(MAX_SHOWN + 3), key(accounts - 1)].into());
        assert_eq!(lines(page), (2, 2));
    }

    #[test]
    fn a_key_that_the_configuration_names_has_its_line_however_many_others_there_are() {
        let hand_outs = HandOuts::default();
        let key = |account: usize| Key::parse(&format!("vendor:{account}")).unwrap();
        for account in 0..MAX_KEYS {
            hand_outs.count(&key(account), HandOut::Hit);
        }
        let named = key(MAX_KEYS + 7);
        hand_outs
            .name([KeyPattern::parse(named.as_str()).unwrap(), KeyPattern::parse("vendor:*").unwrap()].into_iter());
        hand_outs.count(&named, HandOut::Failed(ProblemCode::Unavailable));
        hand_outs.count(&key(MAX_KEYS + 8), HandOut::Hit);
        assert_eq!((hand_outs.total(&named), hand_outs.total(&key(MAX_KEYS + 8))), (1, 0));
        let mut page = Page::default();
        hand_outs.write_of(&mut page, &[named.clone()].into());
        assert_eq!(lines(page), (1, 1));
        let mut page = Page::default();
        hand_outs.write(&mut page, |seen| *seen == named, |_| false);
        assert_eq!(lines(page), (1, 1));
    }

    /// How many samples there are, and their sum.
    fn lines(page: Page) -> (usize, usize) {
        let values = page.into_text();
        let counts = values.lines().filter_map(|line| line.rsplit_once("} ")?.1.parse::<usize>().ok());
        (counts.clone().count(), counts.sum::<usize>())
    }
}
