//! One store of each kind, to be opened by as many instances as want it, and the clock that they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;
use tokenkeep::clock::SystemClock;
use tokenkeep::seal::SealKey;
use tokenkeep::store::{self, MemoryStore, Store, StoreUrl};
use tokenkeep::{Clock, Moment};
use tokenkeep_test_servers::{Postgres, Redis};

/// The stores, and what they run on.
pub(crate) struct Places {
    pub(crate) all: Vec<Place>,
    _servers: (TempDir, Postgres, Redis),
}

pub(crate) struct Place {
    pub(crate) name: &'static str,
    url: StoreUrl,
    seal_keys: Vec<SealKey>,
    /// Of a store that only this process has.
    shared: Option<Arc<dyn Store>>,
}

impl Places {
    /// Servers write to the disk as they come, Redis as `docs/stores.md` has it.
    pub(crate) fn start(clock: &Arc<LaterClock>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let postgres = Postgres::start(&[("fsync", "on"), ("full_page_writes", "on")]);
        let redis = Redis::start(&[("appendonly", "yes")]);
        let urls = [
            ("`memory:`", "memory:".to_owned()),
            ("`sqlite:`", format!("sqlite:{}", folder.path().join("tokens.db").display())),
            ("`redis://`", redis.url()),
            ("`postgres://`", postgres.url(&postgres.database())),
        ];
        let (seal_key, _) = SealKey::generate()?;
        let place = |(name, url): (_, String)| {
            let url = StoreUrl::parse(&url).map_err(anyhow::Error::msg)?;
            let shared: Option<Arc<dyn Store>> =
                (url == StoreUrl::Memory).then(|| Arc::new(MemoryStore::new(clock.clone())) as _);
            Ok(Place { name, url, seal_keys: vec![seal_key.clone()], shared })
        };
        let all = urls.into_iter().map(place).collect::<Result<_>>()?;
        Ok(Self { all, _servers: (folder, postgres, redis) })
    }
}

impl Place {
    /// With connections of its own, and sealed, as a program opens it.
    pub(crate) async fn open(&self, clock: &Arc<LaterClock>) -> Result<Arc<dyn Store>> {
        if let Some(shared) = &self.shared {
            return Ok(Arc::clone(shared));
        }
        let clock: Arc<dyn Clock> = clock.clone();
        Ok(store::open(&self.url, &self.seal_keys, &clock).await?)
    }
}

/// The system's clock, set forward: tokens of an hour expire between two rounds, without anybody waiting.
#[derive(Debug, Default)]
pub(crate) struct LaterClock {
    system: SystemClock,
    later_secs: AtomicU64,
}

impl LaterClock {
    /// All tokens expire, nobody wants them for so long that no instance renews them by itself, and every issuer may be
    /// asked again.
    pub(crate) fn pass_lives(&self) {
        self.later_secs.fetch_add(LIVES.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for LaterClock {
    fn now(&self) -> Moment {
        self.system.now().plus(Duration::from_secs(self.later_secs.load(Ordering::Relaxed)))
    }

    fn boot_id(&self) -> &str {
        self.system.boot_id()
    }
}

/// More than `tokenkeep::expiry::IN_USE_LIVES` of [`crate::issuer::LIFE`].
const LIVES: Duration = Duration::from_hours(3);
