//! Callers whose refusals are not followed by a new token for a while.
//!
//! There are APIs that answer a missing right as they do a bad token. Were every such answer followed by a new token, a
//! single caller without a right would cost one a second, and all others would wait for it each time. So there are
//! pauses, in which what a caller is refused with a key is passed on, and which double until a new token helps. Only that
//! caller's: for the others a token that was really withdrawn is replaced as ever.
//!
//! After a new token was refused to the same request, nothing of the caller is believed. New is one that was asked for after
//! the refusal: another may have been withdrawn with the first, and the request is tried with a third. A request that could
//! not be sent again proves nothing: its token may have been withdrawn, or not. So its refusal rejects one token and begins
//! a pause for requests of that kind only, whatever else is answered to the caller meanwhile: what it may do says nothing of
//! what it may not. Its other requests find out by their second try, and end both pauses if that succeeds.
//!
//! A pause holds back rejections and nothing else. What a person mends, in the configuration or at the issuer, is used as
//! soon as there is a token that came after it, whoever has it obtained.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokenkeep::Key;

/// For whom, with which keys, and for how long.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<ByCaller>);

/// By key and name of the caller.
type ByCaller = HashMap<(Key, Box<str>), Pause>;

#[derive(Debug)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl Pauses {
    /// Whether there is one for this caller now.
    pub(super) fn has(&self, key: &Key, caller: &str, now: Instant) -> bool {
        self.lock().get(&(key.clone(), caller.into())).is_some_and(|pause| now < pause.until)
    }

    /// Begins one, longer than the one before if that was not long ago.
    pub(super) fn begin(&self, key: &Key, caller: &str, now: Instant) {
        let mut pauses = self.lock();
        let id = (key.clone(), caller.into());
        let length = match pauses.get(&id) {
            // Others tried at the same time.
            Some(pause) if now < pause.until => return,
            Some(pause) if now < pause.until + LONGEST => (pause.length * 2).min(LONGEST),
            Some(_) | None => SHORTEST,
        };
        if pauses.len() >= MANY {
            make_room(&mut pauses, now);
        }
        pauses.insert(id, Pause { length, until: now + length });
    }

    /// A new token helped.
    pub(super) fn clear(&self, key: &Key, caller: &str) {
        self.lock().remove(&(key.clone(), caller.into()));
    }

    fn lock(&self) -> MutexGuard<'_, ByCaller> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the pauses that are over, or else the one that is over first.
fn make_room(pauses: &mut ByCaller, now: Instant) {
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
    fn the_pause_doubles_until_a_new_token_helps_or_it_was_long_ago() {
        let (pauses, key) = (Pauses::default(), Key::parse("graph").unwrap());
        let mut now = now();
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert!(!pauses.has(&key, "one", now));
            pauses.begin(&key, "one", now);
            pauses.begin(&key, "one", now);
            assert!(pauses.has(&key, "one", now + Duration::from_secs(seconds - 1)));
            now += Duration::from_secs(seconds);
        }
        pauses.clear(&key, "one");
        pauses.begin(&key, "one", now);
        assert!(!pauses.has(&key, "one", now + SHORTEST));
        now += SHORTEST + LONGEST;
        pauses.begin(&key, "one", now);
        assert!(!pauses.has(&key, "one", now + SHORTEST));
        assert!(!pauses.has(&Key::parse("graph:1").unwrap(), "one", now));
        assert!(!pauses.has(&key, "other", now));
    }

    #[test]
    fn pauses_are_bounded_and_the_newest_stay() {
        let (pauses, now) = (Pauses::default(), now());
        let key = |account: usize| Key::parse(&format!("vendor:{account}")).unwrap();
        let at = |account: usize| now + Duration::from_micros(account as u64);
        for account in 0..MANY + 3 {
            pauses.begin(&key(account), "one", at(account));
        }
        assert_eq!(pauses.lock().len(), MANY);
        let has = [0, 2, 3, MANY + 2].map(|account| pauses.has(&key(account), "one", now));
        assert_eq!(has, [false, false, true, true]);
    }
}
