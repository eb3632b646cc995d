//! What many statuses come to.

use std::time::Duration;

use tokenkeep::{KeyState, Stats, Status, TokenManager};
use tokenkeep_api::StatsAnswer;

use crate::answer;
use crate::sight::Sight;

/// Counts over statuses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sums {
    pub(crate) stats: StatsAnswer,
    /// Whether there is a token that can be handed out.
    pub(crate) has_good: bool,
    /// Life left of the good token that ends first.
    pub(crate) expires_in: Option<Duration>,
    /// The most attempts in a row that failed for one key.
    pub(crate) consecutive_failures: u32,
}

impl Sums {
    /// Over all statuses in sight, some at a time.
    pub(crate) async fn of(manager: &TokenManager, mut sight: Sight) -> Self {
        let mut sums = Self::over(&[]);
        loop {
            let found = sight.next(manager, CHUNK).await;
            if found.is_empty() {
                return sums;
            }
            sums.add(Self::over(&found));
        }
    }

    /// Over these.
    pub(crate) fn over(statuses: &[Status]) -> Self {
        let good = statuses.iter().filter(|status| is_good(status));
        Self {
            stats: answer::stats(&Stats::of(statuses)),
            has_good: good.clone().next().is_some(),
            expires_in: good.filter_map(|status| status.expires_in).min(),
            consecutive_failures: statuses.iter().map(|status| status.consecutive_failures).max().unwrap_or(0),
        }
    }

    fn add(&mut self, other: Self) {
        self.stats.total_cached += other.stats.total_cached;
        self.stats.valid_tokens += other.stats.valid_tokens;
        self.stats.expired_tokens += other.stats.expired_tokens;
        self.stats.expiring_soon += other.stats.expiring_soon;
        self.has_good |= other.has_good;
        self.expires_in = [self.expires_in, other.expires_in].into_iter().flatten().min();
        self.consecutive_failures = self.consecutive_failures.max(other.consecutive_failures);
    }
}

/// Whether there is a token that can be handed out.
pub(crate) fn is_good(status: &Status) -> bool {
    matches!(status.state, KeyState::Fresh | KeyState::Due)
}

const CHUNK: usize = 1000;
