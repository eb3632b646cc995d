//! How many requests an issuer allows in a window of time.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::friendly::SpanParser;

use crate::clock::Moment;

/// So many requests in any window of this length. The window slides: it is not a calendar minute.
///
/// ```
/// use tokenkeep::budget::Budget;
///
/// let budget = Budget::parse("10/1m")?;
/// assert_eq!((budget.requests(), budget.window().as_secs()), (10, 60));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    requests: NonZeroU32,
    window: Duration,
}

impl Budget {
    /// Reads e.g. `10/1m`: requests, a slash, and a duration between a second and 24 hours, the number 1 of which may be
    /// left out (`10/h`).
    ///
    /// ```
    /// # use tokenkeep::budget::Budget;
    /// assert_eq!(Budget::parse("100/h")?, Budget::parse("100/60m")?);
    /// assert!(Budget::parse("100").is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, InvalidBudget> {
        let (requests, window) = text.split_once('/').ok_or(InvalidBudget)?;
        let requests: NonZeroU32 = requests.trim().parse().map_err(|_| InvalidBudget)?;
        let window = window.trim();
        let spelt =
            if window.starts_with(|c: char| c.is_ascii_digit()) { window.to_owned() } else { format!("1{window}") };
        let window = SPANS.parse_duration(&spelt).ok().and_then(|span: SignedDuration| Duration::try_from(span).ok());
        let window = window.filter(|window| (MIN_WINDOW..=MAX_WINDOW).contains(window)).ok_or(InvalidBudget)?;
        if requests.get() > MAX_REQUESTS { Err(InvalidBudget) } else { Ok(Self { requests, window }) }
    }

    /// How many requests; at most [`MAX_REQUESTS`].
    ///
    /// ```
    /// # use tokenkeep::budget::Budget;
    /// assert_eq!(Budget::parse("10/1m")?.requests(), 10);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn requests(self) -> u32 {
        self.requests.get()
    }

    /// In how long a time.
    ///
    /// ```
    /// # use tokenkeep::budget::Budget;
    /// assert_eq!(Budget::parse("10/1m")?.window(), std::time::Duration::from_mins(1));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn window(self) -> Duration {
        self.window
    }

    /// What is counted so that the issuer, too, sees no more in any window: a request arrives later than it is counted, and
    /// the next one may take less time.
    pub(crate) fn as_counted(self) -> Self {
        Self { window: self.window.saturating_add(UNDER_WAY), ..self }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests in {} s", self.requests, self.window.as_secs_f32())
    }
}

/// What became of an attempt to spend a request of a budget.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use tokenkeep::budget::{Budget, Spending};
/// use tokenkeep::clock::SystemClock;
/// use tokenkeep::store::{MemoryStore, Store};
///
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// let budget = Budget::parse("1/h")?;
/// assert_eq!(store.spend("graph", budget).await?, Spending::Counted);
/// assert!(matches!(store.spend("graph", budget).await?, Spending::Exhausted(left) if !left.is_zero()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Spending {
    /// It is counted, and may be made.
    Counted,
    /// There is none left for so long.
    Exhausted(Duration),
}

/// When, on the boot clock, requests were counted, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<i64>);

impl Window {
    /// Counts a request, unless as many as the budget allows lie within its window.
    pub(crate) fn spend(&mut self, budget: Budget, now: Moment) -> Spending {
        let window_ms = self.slide(budget, now);
        let Self(counted) = self;
        if let Some(at) = counted.len().checked_sub(budget.requests() as usize).and_then(|over| counted.get(over)) {
            let left_ms = at.saturating_add(window_ms).saturating_sub(now.boot_ms);
            return Spending::Exhausted(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)));
        }
        counted.push_back(now.boot_ms);
        Spending::Counted
    }

    /// How many requests it leaves room for.
    pub(crate) fn left(&mut self, budget: Budget, now: Moment) -> u32 {
        self.slide(budget, now);
        budget.requests().saturating_sub(u32::try_from(self.0.len()).unwrap_or(u32::MAX))
    }

    /// Forgets what lies before the window that ends now; how long that is.
    fn slide(&mut self, budget: Budget, now: Moment) -> i64 {
        let window_ms = i64::try_from(budget.window.as_millis()).unwrap_or(i64::MAX);
        while self.0.front().is_some_and(|at| now.boot_ms.saturating_sub(*at) >= window_ms) {
            self.0.pop_front();
        }
        window_ms
    }

    /// Takes back the last request.
    pub(crate) fn give_back(&mut self) {
        self.0.pop_back();
    }
}

/// Says what a budget looks like.
///
/// ```
/// # use tokenkeep::budget::Budget;
/// let error = Budget::parse("10 per minute").unwrap_err();
/// assert!(error.to_string().contains("10/1m")); // it says what one looks like
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a budget; write e.g. \"10/1m\": at most 10000 requests, in a window of 1s to 24h")]
pub struct InvalidBudget;

/// The largest budget: each of its requests is remembered for a window.
pub const MAX_REQUESTS: u32 = 10_000;

/// By how much longer one request may be under way than another, from when it is counted.
const UNDER_WAY: Duration = Duration::from_secs(1);
const MIN_WINDOW: Duration = Duration::from_secs(1);
const MAX_WINDOW: Duration = Duration::from_hours(24);
static SPANS: SpanParser = SpanParser::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_of_requests_in_a_window() {
        for (text, requests, window_s) in
            [("10/1m", 10, 60), ("1/s", 1, 1), ("100 / 1h 30m", 100, 5400), ("5/24h", 5, 86_400)]
        {
            let budget = Budget::parse(text).unwrap_or_else(|error| panic!("{text} {error}"));
            assert_eq!((budget.requests(), budget.window()), (requests, Duration::from_secs(window_s)), "{text}");
        }
        for text in ["", "10", "0/1m", "-1/1m", "10/", "10/0s", "10/1ms", "10/25h", "99999/1m", "1m/10", "10/1m/2"] {
            assert_eq!(Budget::parse(text), Err(InvalidBudget), "{text:?}");
        }
    }
}
