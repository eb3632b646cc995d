//! What has gone wrong with a key lately, though it may be over: failures that come and go, and callers who went away
//! without a token. It is told to operators, and forgotten after [`LATELY`].

use std::time::Duration;

use crate::clock::Moment;
use crate::status::Warning;

#[derive(Debug, Default)]
pub(crate) struct Lately {
    /// When the last attempts failed, the oldest first.
    failures: [Option<Moment>; FREQUENT],
    turned_away: Option<TurnedAway>,
}

/// Callers who went away without a token, in a row of which none came [`LATELY`] after the one before.
#[derive(Debug)]
struct TurnedAway {
    count: u64,
    last: Moment,
    /// When it was last said.
    said: Moment,
}

impl Lately {
    /// Notes that an attempt failed; how long the last [`FREQUENT`] took, if failures became frequent by this one.
    pub(crate) fn note_failure(&mut self, now: Moment) -> Option<Duration> {
        let before = self.frequent(now);
        self.failures.rotate_left(1);
        self.failures[FREQUENT - 1] = Some(now);
        self.frequent(now).filter(|_| before.is_none())
    }

    /// Notes that a caller went away without a token; how many have, if it is to be said now.
    pub(crate) fn note_turned_away(&mut self, now: Moment) -> Option<u64> {
        let Some(away) = self.turned_away.as_mut().filter(|away| now.since(away.last) < LATELY) else {
            self.turned_away = Some(TurnedAway { count: 1, last: now, said: now });
            return Some(1);
        };
        away.count = away.count.saturating_add(1);
        away.last = now;
        let is_due = now.since(away.said) >= BETWEEN_SAYINGS;
        if is_due {
            away.said = now;
        }
        is_due.then_some(away.count)
    }

    /// What an operator is to know of it.
    pub(crate) fn warnings(&self, now: Moment) -> impl Iterator<Item = Warning> {
        let frequent = self.frequent(now).map(|within| Warning::FrequentFailures { count: FREQUENT, within });
        let away = self.turned_away.as_ref().filter(|away| now.since(away.last) < LATELY);
        let away = away.map(|away| Warning::NoTokenForCallers { count: away.count, last: now.since(away.last) });
        frequent.into_iter().chain(away)
    }

    /// Whether there is nothing to tell any more.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        let is_old = |moment: Moment| now.since(moment) >= LATELY;
        self.failures.into_iter().flatten().all(is_old)
            && self.turned_away.as_ref().is_none_or(|away| is_old(away.last))
    }

    /// How long ago the first of the last [`FREQUENT`] failures was, if all were lately.
    fn frequent(&self, now: Moment) -> Option<Duration> {
        self.failures[0].map(|first| now.since(first)).filter(|within| *within < LATELY)
    }
}

/// So many failed attempts within [`LATELY`] are many, though each may be followed by one that brings a token.
const FREQUENT: usize = 3;
/// For so long it is told.
const LATELY: Duration = Duration::from_hours(1);
/// How often the log says that callers go away without a token.
const BETWEEN_SAYINGS: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn codes(lately: &Lately, now: Moment) -> Vec<&'static str> {
        lately.warnings(now).map(|warning| warning.code()).collect()
    }

    #[test]
    fn three_failures_within_an_hour_are_frequent_and_said_once() {
        let start = Moment { wall_ms: 1_700_000_000_000, boot_ms: 1 };
        let mut lately = Lately::default();
        let said = [0, 25, 50, 55].map(|minute| lately.note_failure(start.plus(MINUTE * minute)));
        assert_eq!(said, [None, None, Some(MINUTE * 50), None]);
        assert_eq!(codes(&lately, start.plus(MINUTE * 60)), ["frequent_failures"]);
        // The first that counts was at 25.
        assert!(codes(&lately, start.plus(MINUTE * 85)).is_empty());
        assert!(!lately.is_over(start.plus(MINUTE * 114)) && lately.is_over(start.plus(MINUTE * 115)));
        let mut seldom = Lately::default();
        assert!([0, 40, 80, 120].iter().all(|minute| seldom.note_failure(start.plus(MINUTE * *minute)).is_none()));
    }

    #[test]
    fn callers_who_go_away_are_counted_and_said_once_a_minute() {
        let start = Moment { wall_ms: 1_700_000_000_000, boot_ms: 1 };
        let mut lately = Lately::default();
        let said = [0, 1, 59, 60, 61].map(|second| lately.note_turned_away(start.plus(Duration::from_secs(second))));
        assert_eq!(said, [Some(1), None, None, Some(4), None]);
        assert_eq!(codes(&lately, start.plus(MINUTE * 2)), ["no_token_for_callers"]);
        assert!(codes(&lately, start.plus(MINUTE * 62)).is_empty());
        assert_eq!(lately.note_turned_away(start.plus(MINUTE * 62)), Some(1), "another outage");
    }
}
