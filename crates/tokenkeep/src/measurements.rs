//! What a manager measures of its work: numbers for a monitoring system, never a secret.
//!
//! All of it is measured where somebody waits anyway: at requests to issuers, at calls of the store, in flights. Handing
//! out a good token measures nothing, for that would cost more than the handing out.

use std::time::Duration;

use crate::budget::Budget;
use crate::failure::FailureKind;

/// What was measured since a manager was built, and what is under way now.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// manager.token("graph").await?;
/// let measured = manager.measurements();
/// let providers = measured.providers.iter().map(|provider| (provider.name.as_str(), provider.requests.count()));
/// assert_eq!(providers.collect::<Vec<_>>(), [("bluestakes", 0), ("cloud", 0), ("graph", 1)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measurements {
    /// Of each configured provider, sorted by name.
    pub providers: Vec<ProviderMeasurements>,
    /// Of each operation of the store that was called, in the order of the methods of [`crate::store::Store`].
    pub store: Vec<StoreMeasurements>,
}

/// What was measured of one provider. The counts go on when its configuration changes.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// use tokenkeep::failure::FailureKind;
///
/// # sandbox.set_fault(tokenkeep_sandbox::Fault::ConnectionReset);
/// manager.token("graph").await.unwrap_err();
/// let measured = manager.measurements();
/// let graph = measured.providers.iter().find(|provider| provider.name == "graph").ok_or("none")?;
/// assert_eq!((graph.flights, graph.waiters, graph.tokens), (0, 0, 0)); // nothing goes on, nothing came
/// assert!(graph.failures.contains(&(FailureKind::Unavailable, 1)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderMeasurements {
    /// Its name.
    pub name: String,
    /// How many of its keys are in memory.
    pub keys_in_memory: usize,
    /// How many flights are under way.
    pub flights: usize,
    /// How many callers wait for them.
    pub waiters: usize,
    /// How long its issuer took to answer the requests of flights, good answers and failures.
    pub requests: Histogram,
    /// How many of these brought a token.
    pub tokens: u64,
    /// How many did not, by what was done about it; all reasons, also those that never occurred.
    pub failures: Vec<(FailureKind, u64)>,
    /// How long flights waited for a key's lease while another process had it.
    pub lease_waits: Histogram,
    /// What its issuer allows, if that is configured.
    pub budget: Option<Budget>,
    /// How many requests are left of it now, as far as this process knows: those that it made itself are counted, and
    /// there are none while the store says that all who share it have spent it.
    pub budget_left: Option<u32>,
}

/// What was measured of one operation of the store.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// manager.token("graph").await?;
/// let measured = manager.measurements();
/// let save = measured.store.iter().find(|measured| measured.operation == "save").ok_or("none")?;
/// assert_eq!((save.calls.count(), save.failures), (1, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreMeasurements {
    /// The name of the method of [`crate::store::Store`].
    pub operation: &'static str,
    /// How long its calls took, good ones and failures.
    pub calls: Histogram,
    /// How many of them failed, or gave no answer in time.
    pub failures: u64,
}

/// How long something took, each time: counted in buckets, as Prometheus has them.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// manager.token("graph").await?;
/// let measured = manager.measurements();
/// let graph = measured.providers.iter().find(|provider| provider.name == "graph").ok_or("none")?;
/// let (bound, within_it) = graph.requests.buckets().last().ok_or("none")?;
/// assert_eq!((bound, within_it, graph.requests.count()), (Duration::from_secs(30), 1, 1));
/// assert!(graph.requests.sum() < bound);
/// # Ok(())
/// # }
/// # use std::time::Duration;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many fell between a bound and the one before; the last lie above all bounds.
    pub(crate) counts: [u64; BOUNDS_MS.len() + 1],
    pub(crate) sum_us: u64,
}

impl Histogram {
    /// How many took at most so long, for each bound; the bounds grow, and so the counts.
    ///
    /// ```
    /// # use tokenkeep::measurements::Histogram;
    /// let bounds = Histogram::default().buckets().map(|(bound, _)| bound).collect::<Vec<_>>();
    /// assert!(bounds.is_sorted());
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut within = 0;
        BOUNDS_MS.iter().zip(&self.counts).map(move |(bound, count)| {
            within += count;
            (Duration::from_millis(*bound), within)
        })
    }

    /// How many there were.
    ///
    /// ```
    /// # use tokenkeep::measurements::Histogram;
    /// assert_eq!(Histogram::default().count(), 0);
    /// ```
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long all of them took together.
    ///
    /// ```
    /// # use tokenkeep::measurements::Histogram;
    /// assert!(Histogram::default().sum().is_zero());
    /// ```
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }
}

/// The upper bounds of the buckets: from a store on this machine to an issuer that is waited for in vain.
pub(crate) const BOUNDS_MS: [u64; 14] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];
