//! Keys for which a new token did not help.
//!
//! There are APIs that answer a missing right as they do a bad token. Were every such answer followed by a new token, a
//! single caller without a right would cost one a second, and all others would wait for it each time. So after a new
//! token was refused too, refusals of that key are passed on for a while, which doubles each time until one helps.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokenkeep::Key;

/// For which keys, and for how long.
#[derive(Debug, Default)]
pub(super) struct InVain(Mutex<HashMap<Key, Pause>>);

#[derive(Debug)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl InVain {
    /// Whether a new token is not to be tried for this key now.
    pub(super) fn is_known(&self, key: &Key, now: Instant) -> bool {
        self.lock().get(key).is_some_and(|pause| now < pause.until)
    }

    /// A new token was refused as the one before.
    pub(super) fn record(&self, key: &Key, now: Instant) {
        let mut pauses = self.lock();
        if pauses.len() >= MANY {
            pauses.retain(|_, pause| now < pause.until);
        }
        let length = match pauses.get(key) {
            // Others tried at the same time.
            Some(pause) if now < pause.until => return,
            Some(pause) => (pause.length * 2).min(LONGEST),
            None => SHORTEST,
        };
        pauses.insert(key.clone(), Pause { length, until: now + length });
    }

    /// A new token was taken.
    pub(super) fn clear(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Short, because a token that was just obtained may also have been withdrawn at that moment.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(5);
/// How many are kept before those that are over are looked for.
const MANY: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_until_a_new_token_helps() {
        let (in_vain, key) = (InVain::default(), Key::parse("graph").unwrap());
        let mut now = super::super::now();
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert!(!in_vain.is_known(&key, now));
            in_vain.record(&key, now);
            in_vain.record(&key, now);
            assert!(in_vain.is_known(&key, now + Duration::from_secs(seconds - 1)));
            now += Duration::from_secs(seconds);
        }
        in_vain.clear(&key);
        in_vain.record(&key, now);
        assert!(!in_vain.is_known(&key, now + SHORTEST));
        assert!(!in_vain.is_known(&Key::parse("graph:1").unwrap(), now));
    }
}
