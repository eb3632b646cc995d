//! How long the issuer is left alone after a failure.

use std::time::Duration;

use crate::expiry::REQUEST_FLOOR;
use crate::failure::FailureKind;

/// Whether callers still have something to live on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Present {
    /// A token that can be handed out for so long: there is time until then.
    Alive(Duration),
    /// None: callers are turned away, so recovery must be noticed soon.
    Over,
}

/// The time from the `count`th failure in a row to the next attempt; `None` if there is to be none.
///
/// `draw` is uniform in 0 to 1 (full jitter). What the issuer asked for is obeyed up to [`MAX_RETRY_AFTER`].
pub(crate) fn delay(
    kind: FailureKind,
    count: u32,
    present: Present,
    retry_after: Option<Duration>,
    draw: f32,
) -> Option<Duration> {
    let draw = draw.clamp(0.0, 1.0);
    let asked_for = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
    match kind {
        FailureKind::Unavailable | FailureKind::RateLimited => {
            let cap = match present {
                Present::Alive(left) => CAP_WHILE_ALIVE.min(left.max(CAP_WHILE_OVER)),
                Present::Over => CAP_WHILE_OVER,
            };
            Some(doubled(FIRST, count, cap).mul_f32(draw).max(REQUEST_FLOOR).max(asked_for))
        }
        FailureKind::Refused => {
            let probe = doubled(FIRST_PROBE, count, LAST_PROBE);
            Some(probe.mul_f32(1.0 + draw * PROBE_JITTER).max(asked_for))
        }
        FailureKind::LoginRequired => None,
    }
}

fn doubled(first: Duration, count: u32, cap: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1).min(16))).min(cap)
}

const FIRST: Duration = Duration::from_secs(1);
/// The longest back-off while a token lives.
pub(crate) const CAP_WHILE_ALIVE: Duration = Duration::from_mins(1);
/// The longest back-off while callers are turned away.
pub(crate) const CAP_WHILE_OVER: Duration = Duration::from_secs(10);
/// The longest wait that an issuer can demand.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// The first probe of an issuer that refused.
pub(crate) const FIRST_PROBE: Duration = Duration::from_mins(5);
/// The slowest probe of an issuer that refuses.
pub(crate) const LAST_PROBE: Duration = Duration::from_hours(1);
const PROBE_JITTER: f32 = 0.1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn transient() -> impl Strategy<Value = FailureKind> {
        prop_oneof![Just(FailureKind::Unavailable), Just(FailureKind::RateLimited)]
    }

    proptest! {
        #[test]
        fn no_delay_is_shorter_than_the_floor_or_longer_than_its_cap(
            kind in transient(), count in 0..u32::MAX, draw in 0.0_f32..=1.0, alive in any::<bool>(),
        ) {
            let (present, cap) = if alive { (Present::Alive(LONG), CAP_WHILE_ALIVE) } else { (Present::Over, CAP_WHILE_OVER) };
            let delay = delay(kind, count, present, None, draw).unwrap();
            prop_assert!(delay >= REQUEST_FLOOR && delay <= cap, "{delay:?}");
        }

        #[test]
        fn retry_after_is_obeyed_up_to_an_hour(
            kind in transient(), count in 1..40_u32, draw in 0.0_f32..=1.0, seconds in 0..100_000_u64,
        ) {
            let asked = Duration::from_secs(seconds);
            let delay = delay(kind, count, Present::Over, Some(asked), draw).unwrap();
            prop_assert!(delay >= asked.min(MAX_RETRY_AFTER));
            prop_assert!(delay <= asked.min(MAX_RETRY_AFTER).max(CAP_WHILE_OVER));
        }

        #[test]
        fn full_jitter_reaches_the_whole_range(count in 1..7_u32) {
            let longest = delay(FailureKind::Unavailable, count, Present::Alive(LONG), None, 1.0).unwrap();
            prop_assert_eq!(longest, Duration::from_secs(1 << (count - 1)).min(CAP_WHILE_ALIVE));
            prop_assert_eq!(delay(FailureKind::Unavailable, count, Present::Alive(LONG), None, 0.0), Some(REQUEST_FLOOR));
        }

        #[test]
        fn a_refusal_is_probed_between_five_minutes_and_about_an_hour(count in 1..u32::MAX, draw in 0.0_f32..=1.0) {
            let delay = delay(FailureKind::Refused, count, Present::Over, None, draw).unwrap();
            prop_assert!(delay >= FIRST_PROBE && delay <= LAST_PROBE.mul_f32(1.0 + PROBE_JITTER));
        }
    }

    #[test]
    fn a_back_off_does_not_outlive_the_token_by_long() {
        let delay = delay(FailureKind::Unavailable, 9, Present::Alive(Duration::from_secs(20)), None, 1.0).unwrap();
        assert_eq!(delay, Duration::from_secs(20));
    }

    #[test]
    fn a_login_that_is_required_is_not_probed() {
        assert_eq!(delay(FailureKind::LoginRequired, 1, Present::Over, None, 0.5), None);
    }
}
