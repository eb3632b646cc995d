//! Tokens that were rejected for requests that could not be sent again.
//!
//! Whether another token helps shows in the second try, and such a request has none. Were each of its refusals followed
//! by a new token, a caller without a right could have one obtained with every large body. So the next of its requests
//! is the second try: if the token that was obtained meanwhile is refused to it too, it was in vain.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokenkeep::Key;

/// By key and name of the caller: the generation of the token, and when it was rejected.
#[derive(Debug, Default)]
pub(super) struct Unrepeated(Mutex<Rejections>);

type Rejections = HashMap<(Key, Box<str>), (u64, Instant)>;

impl Unrepeated {
    /// Whether a new token was obtained for this caller in vain: this one is refused, and not long ago one before it
    /// was. If so, the next refusal is a first one again.
    pub(super) fn is_second(&self, key: &Key, caller: &str, generation: u64, now: Instant) -> bool {
        let mut rejections = self.lock();
        let id = (key.clone(), caller.into());
        let is_second =
            rejections.get(&id).is_some_and(|(before, at)| *before < generation && now.duration_since(*at) < RECENT);
        if is_second {
            rejections.remove(&id);
            return true;
        }
        if rejections.len() >= MANY {
            rejections.retain(|_, (_, at)| now.duration_since(*at) < RECENT);
        }
        if rejections.len() < MANY {
            rejections.insert(id, (generation, now));
        }
        false
    }

    /// A token was taken; whether there was a rejection before.
    pub(super) fn forget(&self, key: &Key, caller: &str) -> bool {
        self.lock().remove(&(key.clone(), caller.into())).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Rejections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a rejection is remembered: as long as the longest pause.
const RECENT: Duration = Duration::from_mins(5);
/// How many are kept.
const MANY: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stopwatch::now;

    #[test]
    fn a_token_is_obtained_in_vain_if_the_one_before_was_refused_not_long_ago_and_none_was_taken_since() {
        let (unrepeated, key, now) = (Unrepeated::default(), Key::parse("graph").unwrap(), now());
        let is_second = |generation, later| unrepeated.is_second(&key, "one", generation, now + later);
        let soon = Duration::from_secs(1);
        assert!(!is_second(1, soon));
        assert!(!is_second(1, soon), "others that had the same token");
        assert!(!unrepeated.is_second(&key, "other", 2, now));
        assert!(is_second(2, soon));
        assert!(!is_second(2, soon), "the pause is over");
        assert!(!is_second(3, soon + RECENT));
        assert!(unrepeated.forget(&key, "one"));
        assert!(!is_second(4, soon + RECENT));
    }
}
