//! The policy of renewal: what is configured is a [`Policy`], what follows from it is decided by pure functions, which
//! read no clock and do nothing.
//!
//! `windows` fixes, once per token, how long before its end it is renewed and how long before its end it is no longer
//! handed out. `classify` says in which of its phases a token is at a moment, `Gate` says whether the issuer may be
//! asked, and `decide` turns both into the one thing to do.
//!
//! ```text
//!  sent          due                 no longer handed out    end
//!   │── Fresh ────│────── Due ────────│────── MustWait ───────│── Expired
//!                 └── refresh_before ─┴──── expiry_buffer ────┘
//! ```

use std::time::Duration;

use crate::clock::{Moment, millis};
use crate::failure::{Failure, FailureKind};
use crate::token::IssuedToken;

/// When the tokens of a provider are renewed. [`Policy::default`] is right for most.
///
/// ```
/// use std::time::Duration;
/// use tokenkeep::expiry::{Policy, Refresh};
///
/// let policy = Policy {
///     expiry_buffer: Some(Duration::from_mins(5)), // for requests that take minutes
///     refresh: Refresh::Always,                    // also at night, when nobody asks
///     ..Policy::default()
/// };
/// assert_eq!(policy.timeout, Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// A token with less life left than this is not handed out. `None`: [`MAX_BUFFER`] or a tenth of the life,
    /// whichever is less. A set value is obeyed, but takes at most half of the life.
    pub expiry_buffer: Option<Duration>,
    /// How long before its end a token is renewed in the background. `None`: what the issuer advised (`refresh_in`),
    /// else a quarter of the life within [`MIN_REFRESH_BEFORE`] and [`MAX_REFRESH_BEFORE`]. Takes at most half of the
    /// life.
    pub refresh_before: Option<Duration>,
    /// Whether tokens are renewed before anybody has to wait for it.
    pub refresh: Refresh,
    /// The life of a token when the issuer does not state one, nor the token itself where it is asked.
    pub lifetime: Duration,
    /// Whether a token is asked for its end when the issuer does not state one.
    pub unstated: Unstated,
    /// The life that the issuer's tokens should have: one that differs by more than [`USUAL_DEVIATION`] is warned of.
    pub expected_life: Option<Duration>,
    /// How long one request to the issuer may take.
    pub timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            expiry_buffer: None,
            refresh_before: None,
            refresh: Refresh::Ahead,
            lifetime: Duration::from_mins(5),
            unstated: Unstated::Assumed,
            expected_life: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// What is done about a token whose issuer does not say how long it lives.
///
/// ```
/// use tokenkeep::expiry::{Policy, Unstated};
///
/// let policy = Policy { unstated: Unstated::Jwt, ..Policy::default() };
/// assert_eq!(Policy::default().unstated, Unstated::Assumed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unstated {
    /// [`Policy::lifetime`] is assumed.
    Assumed,
    /// A token that is a JWT says it itself, by its `exp` (RFC 7519 section 4.1.4); else as above.
    Jwt,
}

/// Whether tokens are renewed before anybody has to wait for it.
///
/// ```
/// use std::time::Duration;
/// use tokenkeep::expiry::{Policy, Refresh};
///
/// // The vendor ends tokens after an hour, whatever it states.
/// let policy = Policy { refresh: Refresh::Every(Duration::from_mins(45)), ..Policy::default() };
/// assert_eq!(Policy::default().refresh, Refresh::Ahead);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refresh {
    /// Keys that were used within their last [`IN_USE_LIVES`] lives are renewed ahead of their end.
    Ahead,
    /// All keys that are known are renewed ahead of their end, whether anybody uses them or not, from the start on.
    Always,
    /// As [`Refresh::Always`], and also when a token is so old, however long it lives; at least [`MIN_EVERY`].
    Every(Duration),
    /// A token is renewed when somebody asks and it can no longer be handed out.
    OnDemand,
}

impl Refresh {
    /// Whether keys that nobody uses are renewed too.
    pub(crate) fn is_always(self) -> bool {
        matches!(self, Self::Always | Self::Every(_))
    }
}

/// How long before the end of one token what happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    /// From here on it is not handed out.
    pub(crate) buffer_ms: u32,
    /// From here on it is renewed; never less than `buffer_ms`.
    pub(crate) refresh_before_ms: u32,
}

/// Computes the windows of a token. `jitter` (0 to 1) is drawn once per token and moves the renewal earlier only.
pub(crate) fn windows(life: Duration, refresh_in: Option<Duration>, jitter: f32, policy: &Policy) -> Windows {
    let half = life / 2;
    let buffer = policy.expiry_buffer.unwrap_or_else(|| (life / 10).min(MAX_BUFFER)).max(CLOCK_SLACK).min(half);
    let ahead = policy
        .refresh_before
        .or_else(|| refresh_in.map(|after| life.saturating_sub(after)))
        .unwrap_or_else(|| (life / 4).clamp(MIN_REFRESH_BEFORE, MAX_REFRESH_BEFORE))
        .min(half);
    let refresh_before = match policy.refresh {
        Refresh::Ahead | Refresh::Always | Refresh::Every(_) => {
            ahead.mul_f32(1.0 + MAX_JITTER * jitter.clamp(0.0, 1.0)).max(buffer)
        }
        Refresh::OnDemand => buffer,
    };
    Windows { buffer_ms: short_millis(buffer), refresh_before_ms: short_millis(refresh_before) }
}

/// The configured expiry buffer if this life is too short to obey it.
pub(crate) fn clamped_buffer(life: Duration, policy: &Policy) -> Option<Duration> {
    policy.expiry_buffer.filter(|configured| *configured > life / 2)
}

/// When a token is renewed; with [`Refresh::OnDemand`] from when on it would be.
pub(crate) fn renewal(token: &IssuedToken, policy: &Policy) -> Moment {
    let ahead = token.expires_at().minus(Duration::from_millis(token.windows().refresh_before_ms.into()));
    match policy.refresh {
        Refresh::Ahead | Refresh::Always | Refresh::OnDemand => ahead,
        Refresh::Every(interval) => {
            let old = token.sent_at().plus(interval.max(MIN_EVERY));
            if old.boot_ms < ahead.boot_ms { old } else { ahead }
        }
    }
}

/// The expected life if this one differs from it by much.
pub(crate) fn missed_life(life: Duration, policy: &Policy) -> Option<Duration> {
    policy.expected_life.filter(|expected| life.abs_diff(*expected) > expected.mul_f32(USUAL_DEVIATION))
}

/// In which phase of its life a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Good, nothing to do.
    Fresh,
    /// Good, and time to renew it.
    Due,
    /// Alive, but with too little life left to be handed out.
    MustWait,
    /// Over.
    Expired,
    /// There is none.
    Absent,
}

/// Says in which phase of its life a token is for somebody who needs it for `min_valid`.
pub(crate) fn classify(token: Option<&IssuedToken>, now: Moment, min_valid: Duration) -> Phase {
    let Some(token) = token else { return Phase::Absent };
    if token.expires_at().is_never() {
        return Phase::Fresh;
    }
    let left_ms = token.expires_at().millis_left(now);
    let windows = token.windows();
    if left_ms <= 0 {
        Phase::Expired
    } else if left_ms <= windows.buffer_ms.into() || left_ms < millis(min_valid) {
        Phase::MustWait
    } else if left_ms <= windows.refresh_before_ms.into() {
        Phase::Due
    } else {
        Phase::Fresh
    }
}

/// Whether the issuer may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Open,
    /// Not before this moment: the last attempt failed for a reason that passes.
    BackingOff(Moment),
    /// Not before this moment, and it will hardly help then: the issuer said no.
    Refused(Moment),
}

impl Gate {
    /// The gate that a remembered failure leaves.
    pub(crate) fn after(failure: Option<&Failure>, now: Moment) -> Self {
        match failure {
            None => Self::Open,
            Some(failure) if failure.retry_at.is_reached(now) => Self::Open,
            Some(failure) => match failure.kind {
                FailureKind::Unavailable | FailureKind::RateLimited => Self::BackingOff(failure.retry_at),
                FailureKind::Refused | FailureKind::LoginRequired => Self::Refused(failure.retry_at),
            },
        }
    }
}

/// The one thing to do for somebody who asks for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Hand out the present token.
    HandOut,
    /// Hand out the present token and renew it in the background.
    HandOutAndRefresh,
    /// Have one obtained and wait for it.
    Wait,
    /// Answer with the remembered failure.
    Decline,
}

/// Decides what to do for somebody who asks for a token.
pub(crate) fn decide(phase: Phase, gate: Gate) -> Decision {
    match (phase, gate) {
        (Phase::Fresh, _) | (Phase::Due, Gate::BackingOff(_) | Gate::Refused(_)) => Decision::HandOut,
        (Phase::Due, Gate::Open) => Decision::HandOutAndRefresh,
        (Phase::MustWait | Phase::Expired | Phase::Absent, Gate::Open) => Decision::Wait,
        (Phase::MustWait | Phase::Expired | Phase::Absent, Gate::BackingOff(_) | Gate::Refused(_)) => Decision::Decline,
    }
}

/// Whether a stated life can be believed: positive and at most [`MAX_LIFE`].
pub(crate) fn is_plausible_life(life: Duration) -> bool {
    !life.is_zero() && life <= MAX_LIFE
}

fn short_millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// The expiry buffer when none is set, unless a tenth of the life is less.
pub const MAX_BUFFER: Duration = Duration::from_secs(30);
/// Coarse clocks lag by up to this; no token is handed out closer to its end.
pub const CLOCK_SLACK: Duration = Duration::from_millis(20);
/// The latest renewal ahead when a quarter of the life is less (and half of the life is more).
pub const MIN_REFRESH_BEFORE: Duration = Duration::from_secs(10);
/// The earliest renewal ahead when a quarter of the life is more.
pub const MAX_REFRESH_BEFORE: Duration = Duration::from_mins(15);
/// The part of `refresh_before` by which jitter can move a renewal earlier.
pub(crate) const MAX_JITTER: f32 = 0.2;
/// The part of an expected life by which a life may differ from it.
pub const USUAL_DEVIATION: f32 = 0.1;
/// The shortest interval of [`Refresh::Every`].
pub const MIN_EVERY: Duration = Duration::from_secs(10);
/// A key counts as in use for this many lives of its token after it was last asked for.
pub const IN_USE_LIVES: u32 = 2;
/// At least this long passes between two requests of one key to an issuer.
pub const REQUEST_FLOOR: Duration = Duration::from_secs(1);
/// A longer life is taken for nonsense.
pub const MAX_LIFE: Duration = Duration::from_hours(10 * 366 * 24);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_windows_lie_within_half_of_the_life_but_for_jitter(
            life_ms in 1..10_000_000_000_u64,
            buffer in prop::option::of(0..100_000_u64), before in prop::option::of(0..10_000_000_u64),
            advice in prop::option::of(0..10_000_000_u64), jitter in 0.0_f32..=1.0, on_demand in any::<bool>(),
        ) {
            let life = Duration::from_millis(life_ms);
            let policy = Policy {
                expiry_buffer: buffer.map(Duration::from_millis),
                refresh_before: before.map(Duration::from_millis),
                refresh: if on_demand { Refresh::OnDemand } else { Refresh::Ahead },
                ..Policy::default()
            };
            let windows = windows(life, advice.map(Duration::from_millis), jitter, &policy);
            prop_assert!(u64::from(windows.buffer_ms) <= life_ms / 2);
            prop_assert!(windows.buffer_ms <= windows.refresh_before_ms);
            prop_assert!(u64::from(windows.refresh_before_ms) <= (life_ms / 2) * 6 / 5 + 1 || windows.refresh_before_ms == windows.buffer_ms);
            if buffer.is_none() {
                prop_assert!(u128::from(windows.buffer_ms) <= MAX_BUFFER.as_millis());
            }
        }

        #[test]
        fn a_good_token_is_always_handed_out_and_no_other_ever(phase in 0..5_u8, gate in 0..3_u8) {
            let phase = [Phase::Fresh, Phase::Due, Phase::MustWait, Phase::Expired, Phase::Absent][usize::from(phase)];
            let until = Moment { wall_ms: 1, boot_ms: 1 };
            let gate = [Gate::Open, Gate::BackingOff(until), Gate::Refused(until)][usize::from(gate)];
            let handed_out = matches!(decide(phase, gate), Decision::HandOut | Decision::HandOutAndRefresh);
            prop_assert_eq!(handed_out, matches!(phase, Phase::Fresh | Phase::Due));
            let asks = matches!(decide(phase, gate), Decision::HandOutAndRefresh | Decision::Wait);
            prop_assert!(!asks || gate == Gate::Open, "a closed gate was passed");
        }
    }
}
