//! Callers whom a new token did not help.
//!
//! There are APIs that answer a missing right as they do a bad token. Were every such answer followed by a new token, a
//! single caller without a right would cost one a second, and all others would wait for it each time. So after a new
//! token was refused too, what that caller is refused with that key is passed on for a while, which doubles each time
//! until one helps. Only that caller's: for the others a token that was really withdrawn is replaced as ever.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokenkeep::Key;

/// For whom, with which keys, and for how long.
#[derive(Debug, Default)]
pub(super) struct InVain(Mutex<Pauses>);

/// By key and name of the caller.
type Pauses = HashMap<(Key, Box<str>), Pause>;

#[derive(Debug)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl InVain {
    /// Whether a new token is not to be tried for this caller now.
    pub(super) fn is_known(&self, key: &Key, caller: &str, now: Instant) -> bool {
        self.lock().get(&(key.clone(), caller.into())).is_some_and(|pause| now < pause.until)
    }

    /// A new token was refused as the one before.
    pub(super) fn record(&self, key: &Key, caller: &str, now: Instant) {
        let mut pauses = self.lock();
        let id = (key.clone(), caller.into());
        let length = match pauses.get(&id) {
            // Others tried at the same time.
            Some(pause) if now < pause.until => return,
            Some(pause) => (pause.length * 2).min(LONGEST),
            None => SHORTEST,
        };
        if pauses.len() >= MANY {
            make_room(&mut pauses, now);
        }
        pauses.insert(id, Pause { length, until: now + length });
    }

    /// A new token was taken.
    pub(super) fn clear(&self, key: &Key, caller: &str) {
        self.lock().remove(&(key.clone(), caller.into()));
    }

    fn lock(&self) -> MutexGuard<'_, Pauses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the pauses that are over, or else the one that is over first.
fn make_room(pauses: &mut Pauses, now: Instant) {
    pauses.retain(|_, pause| now < pause.until);
    if pauses.len() >= MANY
        && let Some(first) = pauses.iter().min_by_key(|(_, pause)| pause.until).map(|(id, _)| id.clone())
    {
        pauses.remove(&first);
    }
}

/// Short, because a token that was just obtained may also have been withdrawn at that moment.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(5);
/// How many are kept.
const MANY: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stopwatch::now;

    #[test]
    fn the_pause_doubles_until_a_new_token_helps() {
        let (in_vain, key) = (InVain::default(), Key::parse("graph").unwrap());
        let mut now = now();
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert!(!in_vain.is_known(&key, "one", now));
            in_vain.record(&key, "one", now);
            in_vain.record(&key, "one", now);
            assert!(in_vain.is_known(&key, "one", now + Duration::from_secs(seconds - 1)));
            now += Duration::from_secs(seconds);
        }
        in_vain.clear(&key, "one");
        in_vain.record(&key, "one", now);
        assert!(!in_vain.is_known(&key, "one", now + SHORTEST));
        assert!(!in_vain.is_known(&Key::parse("graph:1").unwrap(), "one", now));
        assert!(!in_vain.is_known(&key, "other", now));
    }

    #[test]
    fn pauses_are_bounded_and_the_newest_stay() {
        let (in_vain, now) = (InVain::default(), now());
        let key = |account: usize| Key::parse(&format!("vendor:{account}")).unwrap();
        let at = |account: usize| now + Duration::from_micros(account as u64);
        for account in 0..MANY + 3 {
            in_vain.record(&key(account), "one", at(account));
        }
        assert_eq!(in_vain.lock().len(), MANY);
        let is_known = [0, 2, 3, MANY + 2].map(|account| in_vain.is_known(&key(account), "one", now));
        assert_eq!(is_known, [false, false, true, true]);
    }
}
