//! How far an issuer's clock is from that of this machine.

use std::time::Duration;

use serde::Serialize;
use tokenkeep::diagnosis::IssuerClock;

/// What is told of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Clock {
    /// Seconds by which the issuer's is ahead.
    pub(super) difference: Option<i64>,
    /// By how many seconds that may be wrong.
    pub(super) uncertainty: Option<i64>,
    /// Why it is not known, otherwise.
    pub(super) why: Option<String>,
}

impl Clock {
    pub(super) fn of(clock: &IssuerClock) -> Self {
        let unknown = |why: String| Self { difference: None, uncertainty: None, why: Some(why) };
        match clock {
            IssuerClock::Read { at_least_ms, at_most_ms } => Self {
                difference: Some((at_least_ms + at_most_ms) / 2000),
                uncertainty: Some((at_most_ms - at_least_ms) / 2000 + 1),
                why: None,
            },
            IssuerClock::Unknown(why) => unknown((*why).to_owned()),
            IssuerClock::Unreachable(what) => unknown(format!("the issuer {what}")),
            _ => unknown("it was not told".to_owned()),
        }
    }

    pub(super) fn in_words(&self) -> String {
        match (self.difference, self.uncertainty, &self.why) {
            (Some(difference), Some(uncertainty), _) if difference.abs() <= uncertainty => {
                format!("as here, within {} s", difference.abs() + uncertainty)
            }
            (Some(difference), Some(uncertainty), _) => {
                let side = if difference > 0 { "ahead" } else { "behind" };
                format!("{} s {side}, give or take {uncertainty} s", difference.unsigned_abs())
            }
            (.., why) => format!("not known: {}", why.as_deref().unwrap_or_default()),
        }
    }
}

/// Whether the difference is surely more than this.
pub(super) fn differs_by_more(clock: &IssuerClock, than: Duration) -> bool {
    let than = i64::try_from(than.as_millis()).unwrap_or(i64::MAX);
    matches!(clock, IssuerClock::Read { at_least_ms, at_most_ms } if *at_least_ms > than || *at_most_ms < -than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_when_it_is_sure() {
        let read = |at_least_ms, at_most_ms| IssuerClock::Read { at_least_ms, at_most_ms };
        let buffer = Duration::from_secs(30);
        assert!(differs_by_more(&read(30_001, 31_100), buffer) && differs_by_more(&read(-32_000, -30_500), buffer));
        assert!(!differs_by_more(&read(29_500, 30_600), buffer), "it may be less");
        assert!(!differs_by_more(&read(-900, 200), buffer));
    }

    #[test]
    fn a_difference_is_told_with_how_sure_it_is() {
        let told = |at_least_ms, at_most_ms| Clock::of(&IssuerClock::Read { at_least_ms, at_most_ms }).in_words();
        assert_eq!(told(-400, 620), "as here, within 1 s");
        assert_eq!(told(-3_000, 200), "as here, within 3 s");
        assert_eq!(told(7_199_700, 7_200_800), "7200 s ahead, give or take 1 s");
        assert_eq!(told(-7_200_800, -7_199_700), "7200 s behind, give or take 1 s");
    }
}
