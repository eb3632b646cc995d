//! The laws that every store keeps, as a suite that a store's tests run unchanged.
//!
//! It comes with the feature `store-contract`, which belongs into your `[dev-dependencies]`. A store that is tested brings
//! a [`StoreFixture`], which opens handles on one set of data and has the [`ManualClock`] by which its leases end. What a
//! store does not promise, its fixture says, and no law of it is checked.
//!
//! In a test, mark it `#[tokio::test(flavor = "multi_thread")]`: some laws have many tasks meet.
//!
//! ```
//! # use std::sync::Arc;
//! # use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
//! # use tokenkeep::store::{MemoryStore, Store};
//! /// One process has this store to itself, so that each handle is the same one.
//! struct Memory(Arc<ManualClock>, Arc<MemoryStore>);
//!
//! #[async_trait::async_trait]
//! impl StoreFixture for Memory {
//!     fn clock(&self) -> &ManualClock {
//!         &self.0
//!     }
//!     async fn open(&self) -> Arc<dyn Store> {
//!         self.1.clone()
//!     }
//!     fn is_durable(&self) -> bool {
//!         false
//!     }
//!     fn gives_due_keys(&self) -> bool {
//!         true
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() {
//! contract::run_all(async || {
//!     let clock = Arc::new(ManualClock::new());
//!     Memory(clock.clone(), Arc::new(MemoryStore::new(clock)))
//! })
//! .await;
//! # }
//! ```

mod accounts;
mod budgets;
mod claims;
mod clock;
mod leases;
mod notices;
mod records;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::{SaveOutcome, Store, StoreError, Version};
use crate::key::Key;

pub use clock::ManualClock;

/// One set of data, empty at first, as several processes see it: a folder, a schema, a prefix of its own.
///
/// It lives as long as its law is checked; what it leaves behind is removed when it is dropped. A method that cannot do
/// its work may panic, which breaks the law.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// use tokenkeep::store::contract::{LAWS, ManualClock, StoreFixture};
/// use tokenkeep::store::{FileStore, Store};
///
/// struct Folder(Arc<ManualClock>, tempfile::TempDir);
///
/// #[async_trait::async_trait]
/// impl StoreFixture for Folder {
///     fn clock(&self) -> &ManualClock {
///         &self.0
///     }
///     async fn open(&self) -> Arc<dyn Store> {
///         Arc::new(FileStore::open(self.1.path(), self.0.clone()).await.expect("a folder of its own"))
///     }
/// }
/// # LAWS[0].check(Folder(Arc::new(ManualClock::new()), tempfile::tempdir()?)).await;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait StoreFixture: Send + Sync + 'static {
    /// The clock that was given to the handles. A store that has a server's clock never reads it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # use tokenkeep::store::contract::StoreFixture;
    /// # fn main() {
    /// use std::time::Duration;
    /// use tokenkeep::Clock;
    ///
    /// let fixture = Memory::new();
    /// let before = fixture.clock().now();
    /// fixture.clock().set_wall_back(Duration::from_mins(5)); // a law has somebody do it
    /// assert!(fixture.clock().now().wall_ms < before.wall_ms);
    /// # }
    /// ```
    fn clock(&self) -> &ManualClock;

    /// One more handle on the data, as another process would open it. A store that one process has to itself gives the
    /// same one again.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::contract::StoreFixture;
    /// # let fixture = Memory::new();
    /// let (one, other) = (fixture.open().await, fixture.open().await);
    /// let _saved = one.save(&key("graph"), &record(1), None).await?;
    /// assert!(other.load(&key("graph")).await?.is_some()); // they are on the same data
    /// # Ok(())
    /// # }
    /// ```
    async fn open(&self) -> Arc<dyn Store>;

    /// Lets time pass for leases and budgets. A store that has a server's clock does it in its own way, e.g. by moving
    /// the ends that are stored.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use tokenkeep::store::{Holder, LeaseOutcome, contract::StoreFixture};
    /// # let fixture = Memory::new();
    /// # let (store, one, other, ttl) = (fixture.open().await, Holder::unique(), Holder::unique(), Duration::from_secs(30));
    /// let _acquired = store.acquire_lease(&key("graph"), &one, ttl).await?;
    /// fixture.advance(ttl).await;
    /// assert_eq!(store.acquire_lease(&key("graph"), &other, ttl).await?, LeaseOutcome::Acquired);
    /// # Ok(())
    /// # }
    /// ```
    async fn advance(&self, by: Duration) {
        self.clock().advance(by);
    }

    /// Whether records outlive the closing of all handles.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::contract::{LAWS, StoreFixture};
    /// # let law = LAWS.iter().find(|law| law.name == "records_outlive_closing").ok_or("no such law")?;
    /// let memory = Memory::new(); // what is in memory ends with its process, and its fixture says so
    /// assert!(!memory.is_durable());
    /// law.check(memory).await; // "records_outlive_closing" asks nothing of it
    /// # Ok(())
    /// # }
    /// ```
    fn is_durable(&self) -> bool {
        true
    }

    /// Whether it keeps credentials of accounts, as [`Store::keeps_credentials`] must say, too.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::contract::{LAWS, StoreFixture};
    /// # let law = LAWS.iter().find(|law| law.name == "a_store_says_whether_it_keeps_credentials").ok_or("no such law")?;
    /// let memory = Memory::new();
    /// assert_eq!(memory.keeps_credentials(), memory.open().await.keeps_credentials());
    /// law.check(memory).await; // "a_store_says_whether_it_keeps_credentials"
    /// # Ok(())
    /// # }
    /// ```
    fn keeps_credentials(&self) -> bool {
        true
    }

    /// Whether it counts budgets.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::budget::Budget;
    /// # use tokenkeep::store::contract::StoreFixture;
    /// let memory = Memory::new();
    /// let spent = memory.open().await.spend("graph", Budget::parse("10/1m")?).await;
    /// assert_eq!(memory.counts_budgets(), spent.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    fn counts_budgets(&self) -> bool {
        true
    }

    /// Whether [`Store::changed`] tells what other handles have written.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::contract::{LAWS, StoreFixture};
    /// # let law = LAWS.iter().find(|law| law.name == "a_write_of_another_handle_is_noticed").ok_or("no such law")?;
    /// let memory = Memory::new();
    /// assert!(!memory.gives_notices()); // as long as the fixture does not say that it does
    /// law.check(memory).await; // "a_write_of_another_handle_is_noticed" asks nothing of it
    /// # Ok(())
    /// # }
    /// ```
    fn gives_notices(&self) -> bool {
        false
    }

    /// Whether [`Store::claim_due`] gives what is due.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use tokenkeep::store::contract::{LAWS, StoreFixture};
    /// # let law = LAWS.iter().find(|law| law.name == "a_store_says_whether_it_gives_what_is_due").ok_or("no such law")?;
    /// let memory = Memory::new();
    /// let claimed = memory.open().await.claim_due(0, Duration::from_mins(1)).await?; // takes nothing, and says it
    /// assert_eq!(memory.gives_due_keys(), claimed.is_some());
    /// law.check(memory).await; // "a_store_says_whether_it_gives_what_is_due"
    /// # Ok(())
    /// # }
    /// ```
    fn gives_due_keys(&self) -> bool {
        false
    }
}

/// A law and how it is checked.
///
/// ```
/// use tokenkeep::store::contract::LAWS;
///
/// assert!(LAWS.iter().any(|law| law.name == "a_release_by_another_changes_nothing"));
/// ```
#[derive(Clone, Copy)]
pub struct Law {
    /// The law as a sentence.
    pub name: &'static str,
    check: fn(Box<dyn StoreFixture>) -> Checked,
}

type Checked = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Law {
    /// Checks it on data that nobody has used yet. One of what the store does not promise holds always.
    ///
    /// # Panics
    /// If the law is broken. Outside of a tokio runtime.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::contract::LAWS;
    /// for law in LAWS.iter().filter(|law| law.name.contains("lease")) {
    ///     law.check(Memory::new()).await; // while one works at leases
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check(&self, fixture: impl StoreFixture) {
        (self.check)(Box::new(fixture)).await;
    }
}

impl fmt::Debug for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Law").field(&self.name).finish()
    }
}

/// Checks every law, each on fresh data: one fixture for each, one after the other.
///
/// # Panics
/// If a law is broken; the message names each that is. Outside of a tokio runtime.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::store::contract;
///
/// contract::run_all(async || Memory::new()).await; // each law on a store of its own
/// # Ok(())
/// # }
/// ```
pub async fn run_all<F: StoreFixture>(fresh: impl AsyncFn() -> F) {
    let mut broken = Vec::new();
    for law in LAWS {
        // In a task of its own, so that a panic ends only this law.
        let mut task = JoinSet::new();
        task.spawn((law.check)(Box::new(fresh().await)));
        if let Some(Err(error)) = task.join_next().await {
            broken.push(format!("\n  {}: {error}", law.name));
        }
    }
    assert!(broken.is_empty(), "{} of {} laws are broken:{}", broken.len(), LAWS.len(), broken.concat());
}

macro_rules! laws {
    ($($file:ident::$law:ident),+ $(,)?) => {
        &[$(Law {
            name: stringify!($law),
            check: |fixture| Box::pin(async move {
                if $file::are_asked(&*fixture) {
                    $file::$law(&*fixture).await;
                }
            }),
        }),+]
    };
}

/// All laws; a law's name says what it demands.
pub const LAWS: &[Law] = laws![
    records::nothing_saved_is_nothing_loaded,
    records::the_longest_keys_that_differ_in_their_last_byte_are_two,
    records::a_saved_record_is_loaded_as_it_was_written,
    records::a_save_at_the_wrong_version_conflicts_and_changes_nothing,
    records::of_64_simultaneous_saves_at_one_version_exactly_one_wins,
    records::versions_grow_over_all_keys,
    records::a_write_is_seen_by_another_handle_at_once,
    records::pages_are_ordered_complete_and_without_repeats_while_others_write,
    records::an_index_of_ends_gives_what_has_ended_and_nothing_else,
    records::changes_name_each_changed_key_once_with_its_newest_version,
    records::a_dropped_save_is_done_or_not_done,
    records::records_outlive_closing,
    records::debug_shows_no_secret,
    records::a_store_says_whether_it_keeps_credentials,
    records::a_store_says_whether_it_gives_what_is_due,
    leases::of_64_simultaneous_takers_one_gets_the_lease,
    leases::a_lease_ends_by_itself,
    leases::a_held_lease_names_the_time_left,
    leases::a_renewed_lease_lasts_from_the_renewal,
    leases::a_lease_that_has_ended_is_not_renewed,
    leases::a_lease_is_renewed_by_its_holder_only,
    leases::a_release_by_another_changes_nothing,
    leases::a_released_lease_is_free,
    leases::a_holder_may_take_its_lease_again,
    leases::leases_of_different_keys_do_not_touch,
    leases::a_holder_of_two_leases_ends_and_renews_each_by_itself,
    leases::a_lease_is_not_cut_to_whole_seconds,
    leases::a_clock_set_back_does_not_keep_a_lease_alive,
    leases::a_clock_set_forward_ends_no_lease,
    notices::a_write_of_another_handle_is_noticed,
    notices::a_notice_that_comes_while_nobody_waits_is_kept,
    notices::a_wait_that_is_dropped_takes_no_notice_with_it,
    notices::a_store_that_was_closed_gives_no_notice_and_does_not_fail,
    claims::a_claim_of_nothing_takes_nothing,
    claims::what_is_due_is_loaded_as_it_was_written,
    claims::only_what_is_due_is_claimed_the_longest_due_first,
    claims::a_key_becomes_due_when_its_time_comes,
    claims::a_claimed_key_is_due_again_when_nobody_has_saved_it_meanwhile,
    claims::a_claimed_key_that_is_saved_is_due_when_the_record_says,
    claims::what_is_due_no_more_is_claimed_no_more,
    claims::of_64_simultaneous_claims_each_key_is_in_one,
    claims::a_claim_changes_no_record_and_takes_no_lease,
    claims::what_is_due_outlives_closing,
    accounts::saved_credentials_are_read_as_they_were_written,
    accounts::credentials_are_replaced_and_removed_for_one_key_only,
    accounts::credentials_that_are_others_by_now_are_not_replaced,
    accounts::accounts_are_paged_in_order,
    accounts::credentials_outlive_closing,
    budgets::of_64_simultaneous_requests_a_budget_allows_its_number,
    budgets::a_window_slides,
    budgets::an_exhausted_budget_names_the_time_until_there_is_room,
    budgets::budgets_of_different_names_do_not_touch,
    budgets::what_was_spent_outlives_closing,
    budgets::a_clock_that_is_set_gives_no_budget_back,
];

trait Expected<T> {
    /// What the store gave; no law allows it to fail.
    fn given(self) -> T;
}

impl<T> Expected<T> for Result<T, StoreError> {
    #[track_caller]
    fn given(self) -> T {
        self.unwrap_or_else(|error| panic!("the store failed: {error}"))
    }
}

impl Expected<Version> for SaveOutcome {
    #[track_caller]
    fn given(self) -> Version {
        match self {
            Self::Saved(version) => version,
            Self::Conflict => panic!("a save at the right version was refused"),
        }
    }
}

#[track_caller]
fn key(text: &str) -> Key {
    Key::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Several handles, to be used in turn by tasks that play as many processes.
async fn handles(fixture: &dyn StoreFixture) -> Vec<Arc<dyn Store>> {
    let mut handles = Vec::new();
    for _ in 0..4 {
        handles.push(fixture.open().await);
    }
    handles
}

const MANY: usize = 64;
