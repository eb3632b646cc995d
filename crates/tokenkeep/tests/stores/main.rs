//! Every store keeps the laws of `tokenkeep::store::contract`; what only one of them promises has its own file.

mod file;
#[cfg(feature = "sqlite")]
mod key_file;
mod own;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sealed;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{MemoryStore, Store};

struct Memory {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

#[async_trait]
impl StoreFixture for Memory {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn gives_due_keys(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_the_laws() {
    contract::run_all(async || {
        let clock = Arc::new(ManualClock::new());
        Memory { store: Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock))), clock }
    })
    .await;
}
