//! Counts and times the work of a manager, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::provider::ProviderRuntime;
use super::{Shared, TokenManager};
use crate::clock::Moment;
use crate::clock::stopwatch::Stopwatch;
use crate::failure::FailureKind;
use crate::measurements::{BOUNDS_MS, Histogram, Measurements, ProviderMeasurements, StoreMeasurements};

impl TokenManager {
    /// What was measured since this manager was built, and what is under way now. Asks neither store nor issuer.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// manager.token("graph").await?;
    /// for provider in manager.measurements().providers {
    ///     println!("{}: {} tokens, {} callers wait", provider.name, provider.tokens, provider.waiters);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn measurements(&self) -> Measurements {
        let Shared { providers, slots, store_meters, clock, .. } = &*self.shared;
        let now = clock.now();
        let providers = providers.load_full();
        let mut measured: Vec<_> = providers.values().map(|provider| provider.measurements(now)).collect();
        measured.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        slots.for_each(|slot| {
            let name = slot.key().provider();
            if let Ok(at) = measured.binary_search_by(|provider| provider.name.as_str().cmp(name)) {
                measured[at].keys_in_memory += 1;
            }
        });
        Measurements { providers: measured, store: store_meters.read() }
    }
}

impl ProviderRuntime {
    fn measurements(&self, now: Moment) -> ProviderMeasurements {
        let meters = &self.meters;
        let budget = self.settings.budget;
        ProviderMeasurements {
            name: self.name.clone().into_string(),
            keys_in_memory: 0,
            flights: meters.flights.read(),
            waiters: meters.waiters.read(),
            requests: meters.requests.read(),
            tokens: meters.tokens.load(Ordering::Relaxed),
            failures: FailureKind::ALL.into_iter().map(|kind| (kind, meters.failures(kind))).collect(),
            lease_waits: meters.lease_waits.read(),
            budget,
            budget_left: budget.map(|budget| if meters.is_spent(now) { 0 } else { self.left_here(budget, now) }),
        }
    }
}

/// The meters of a provider. Whatever it is configured anew, they go on.
#[derive(Debug, Default)]
pub(super) struct ProviderMeters {
    pub(super) flights: Gauge,
    pub(super) waiters: Gauge,
    pub(super) lease_waits: Timings,
    requests: Timings,
    tokens: AtomicU64,
    failures: [AtomicU64; FailureKind::ALL.len()],
    /// Until when, on the boot clock, the store says that the budget is spent.
    spent_until_ms: AtomicI64,
}

impl ProviderMeters {
    /// A request to the issuer was answered, or was not in time.
    pub(super) fn asked(&self, took: Duration, failure: Option<FailureKind>) {
        self.requests.add(took);
        let outcome = match failure {
            None => &self.tokens,
            Some(kind) => &self.failures[index(kind)],
        };
        outcome.fetch_add(1, Ordering::Relaxed);
    }

    /// All who share the store have spent the budget, until this moment.
    pub(super) fn spent_until(&self, until: Moment) {
        self.spent_until_ms.fetch_max(until.boot_ms, Ordering::Relaxed);
    }

    fn is_spent(&self, now: Moment) -> bool {
        now.boot_ms < self.spent_until_ms.load(Ordering::Relaxed)
    }

    fn failures(&self, kind: FailureKind) -> u64 {
        self.failures[index(kind)].load(Ordering::Relaxed)
    }
}

/// The meters of the operations of a store.
#[derive(Debug, Default)]
pub(super) struct StoreMeters([(Timings, AtomicU64); OPERATIONS.len()]);

impl StoreMeters {
    /// A call of an operation came to its end.
    pub(super) fn called<T, E>(&self, operation: &str, took: Duration, outcome: &Result<T, E>) {
        let Some(at) = OPERATIONS.iter().position(|known| *known == operation) else { return };
        let (calls, failures) = &self.0[at];
        calls.add(took);
        failures.fetch_add(u64::from(outcome.is_err()), Ordering::Relaxed);
    }

    /// Of each operation that was called.
    fn read(&self) -> Vec<StoreMeasurements> {
        let all = OPERATIONS.iter().zip(&self.0).map(|(operation, (calls, failures))| StoreMeasurements {
            operation,
            calls: calls.read(),
            failures: failures.load(Ordering::Relaxed),
        });
        all.filter(|measured| measured.calls.count() > 0).collect()
    }
}

/// How many of something there are now.
#[derive(Debug, Default)]
pub(super) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// One more, until this is dropped.
    pub(super) fn enter(&self) -> Entered {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(Arc::clone(&self.0))
    }

    fn read(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of those that a [`Gauge`] counts.
#[derive(Debug)]
#[must_use]
pub(super) struct Entered(Arc<AtomicUsize>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long something took, each time.
#[derive(Debug, Default)]
pub(super) struct Timings {
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl Timings {
    pub(super) fn add(&self, took: Duration) {
        let bucket = BOUNDS_MS.partition_point(|bound| Duration::from_millis(*bound) < took);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Adds the time until this is dropped, however that comes about.
    pub(super) fn begin(&self) -> Begun<'_> {
        Begun(self, Stopwatch::start())
    }

    fn read(&self) -> Histogram {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed));
        Histogram { counts, sum_us: self.sum_us.load(Ordering::Relaxed) }
    }
}

/// Something that takes time.
#[must_use]
pub(super) struct Begun<'a>(&'a Timings, Stopwatch);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.add(self.1.read());
    }
}

fn index(kind: FailureKind) -> usize {
    FailureKind::ALL.iter().position(|known| *known == kind).unwrap_or(0)
}

/// The methods of a store that are measured, in the order of the contract.
const OPERATIONS: [&str; 18] = [
    "load",
    "save",
    "page",
    "page_ended",
    "unreadable",
    "changes",
    "newest_version",
    "claim_due",
    "acquire_lease",
    "renew_lease",
    "release_lease",
    "credentials",
    "save_credentials",
    "replace_credentials",
    "remove_credentials",
    "accounts",
    "spend",
    "purge",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let timings = Timings::default();
        for ms in [0, 1, 2, 3, 30_000, 30_001] {
            timings.add(Duration::from_millis(ms));
        }
        let histogram = timings.read();
        let within: Vec<_> = histogram.buckets().map(|(_, within)| within).collect();
        assert_eq!(within, [2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
        assert_eq!((histogram.count(), histogram.sum()), (6, Duration::from_millis(60_007)));
    }
}
