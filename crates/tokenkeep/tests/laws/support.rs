//! A world to state laws in: a clock, an issuer, a store and a manager.

mod clock;
mod issuer;
mod store;

use std::sync::Arc;
use std::time::Duration;

use tokenkeep::expiry::Policy;
use tokenkeep::store::{MemoryStore, Store};
use tokenkeep::{Accounts, Clock, Error, SourceSettings, Token, TokenHandle, TokenManager};

pub(crate) use clock::TestClock;
pub(crate) use issuer::{Issuer, Reply};
pub(crate) use store::{Trouble, UnreliableStore, store_hook};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) issuer: Issuer,
    pub(crate) store: Arc<UnreliableStore>,
    pub(crate) manager: TokenManager,
}

/// A manager with the provider `graph`, whose tokens live so long.
pub(crate) async fn world(life: Duration) -> World {
    world_with(Issuer::new(life), Policy::default()).await
}

/// The same with an issuer that spends a refresh token with each answer.
pub(crate) async fn rotating_world(life: Duration) -> World {
    world_with(Issuer::rotating(life), Policy::default()).await
}

pub(crate) async fn world_with(issuer: Issuer, policy: Policy) -> World {
    let clock = Arc::new(TestClock::new());
    let memory = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let store = Arc::new(UnreliableStore::new(memory));
    let manager = manager(&clock, &store, &issuer, policy).await;
    World { clock, issuer, store, manager }
}

/// One more manager on the same store and issuer, as another process would have.
pub(crate) async fn manager(
    clock: &Arc<TestClock>,
    store: &Arc<UnreliableStore>,
    issuer: &Issuer,
    policy: Policy,
) -> TokenManager {
    let settings = SourceSettings::default().with_policy(policy).with_accounts(Accounts::Any);
    manager_with(clock, store, issuer, settings).await
}

/// The same with other settings.
pub(crate) async fn manager_with(
    clock: &Arc<TestClock>,
    store: &Arc<UnreliableStore>,
    issuer: &Issuer,
    settings: SourceSettings,
) -> TokenManager {
    issuer.set_clock(clock);
    TokenManager::builder()
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .store(Arc::clone(store) as Arc<dyn Store>)
        .source("graph", Arc::new(issuer.clone()), settings)
        .build()
        .await
        .unwrap()
}

/// A manager with the provider `graph` of these settings.
pub(crate) async fn world_of(issuer: Issuer, settings: SourceSettings) -> World {
    let clock = Arc::new(TestClock::new());
    let memory = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let store = Arc::new(UnreliableStore::new(memory));
    let manager = manager_with(&clock, &store, &issuer, settings).await;
    World { clock, issuer, store, manager }
}

impl World {
    pub(crate) fn graph(&self) -> TokenHandle {
        self.manager.handle("graph").unwrap()
    }

    pub(crate) async fn get(&self) -> Result<Token, Error> {
        self.graph().token().await
    }

    pub(crate) async fn another_process(&self) -> TokenManager {
        manager(&self.clock, &self.store, &self.issuer, Policy::default()).await
    }
}

/// Lets virtual time pass, and everything happen that is due in it. Only for tests with a paused clock.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Lets other tasks run until nothing more happens at this moment.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
