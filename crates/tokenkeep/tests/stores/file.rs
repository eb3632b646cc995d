//! What the file store promises beyond the contract: about its files, to programs that use them too, and to processes
//! that share them.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{FileStore, Store};

struct Files {
    clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new()), folder: tempfile::tempdir().unwrap() }
    }
}

#[async_trait]
impl StoreFixture for Files {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        Arc::new(FileStore::open(&self.folder.path().join("tokens"), clock).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_file_store_keeps_the_laws() {
    contract::run_all(async || Files::new()).await;
}

#[tokio::test]
async fn the_file_store_keeps_the_laws_on_one_thread() {
    contract::run_all(async || Files::new()).await;
}
