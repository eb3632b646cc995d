//! The vendor, a store, and brokers with the configuration that is shipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokenkeep::clock::SystemClock;
use tokenkeep::token::ForeignToken;
use tokenkeep::{Clock, Imported, Moment, Secret, TokenManager};
use tokenkeep_sandbox::{Sandbox, VENDOR};
use tokenkeep_test_servers::Postgres;

use super::broker::Broker;
use crate::support::{Example, SERVE};

/// The example at a vendor. Everything is gone when it is dropped.
pub(super) struct Vendor {
    pub(super) example: Example,
}

impl Vendor {
    /// With a store of `sqlite:`.
    pub(super) async fn with_a_file() -> Self {
        let sandbox = Sandbox::builder().user(USERNAME, PASSWORD).vendor_life(Duration::from_hours(1)).start().await;
        let sandbox = sandbox.unwrap();
        let base = sandbox.url();
        let hash = Sha256::digest(API_KEY).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let variables = [
            ("BLUESTAKES_API_BASE", &*base),
            ("BLUESTAKES_SEAL_KEY", SEAL_KEY),
            ("BLUESTAKES_API_KEY_SHA256", &hash),
            ("BLUESTAKES_USERNAME", USERNAME),
            ("BLUESTAKES_PASSWORD", PASSWORD),
        ];
        let mut example = Example::new("bluestakes", sandbox, &variables);
        let store = format!("sqlite:{}", example.path("bluestakes.db").display());
        example.set("BLUESTAKES_DATABASE_URL", &store);
        Self { example }
    }

    /// With an empty database of PostgreSQL, which has this name.
    pub(super) async fn with_postgres() -> (Self, String) {
        let database = Postgres::shared().database();
        let mut vendor = Self::with_a_file().await;
        let store = format!("{}?sslmode=disable", Postgres::shared().url(&database));
        vendor.example.set("BLUESTAKES_DATABASE_URL", &store);
        (vendor, database)
    }

    /// Has a configuration in place of the shipped one that is made of it.
    pub(super) fn configure(&mut self, change: impl Fn(&str) -> String) {
        let shipped = std::fs::read_to_string(&self.example.config).unwrap();
        let changed = change(&shipped);
        assert_ne!(changed, shipped);
        self.example.config = self.example.path("tokenkeep.toml");
        std::fs::write(&self.example.config, changed).unwrap();
    }

    /// Starts `tokenkeep serve`.
    pub(super) async fn serve(&self) -> Broker {
        self.serve_with(&[]).await
    }

    /// The same with more variables.
    pub(super) async fn serve_with(&self, variables: &[(&str, &str)]) -> Broker {
        let mut command = self.example.command(&SERVE);
        command.envs(variables.iter().copied());
        Broker::start(command).await
    }

    /// Has the store keep a token of a company that was obtained an hour before an end that lies so many seconds ahead,
    /// or behind. Nobody's clock goes by it but that of whoever writes it.
    pub(super) async fn keep(&self, company: &str, token: &str, ends_in: i64) {
        let now = SystemClock::new().now();
        let end = Moment { wall_ms: now.wall_ms + ends_in * 1_000, ..now }.to_system_time().unwrap();
        let manager = self.manager(Arc::new(Earlier(end - Duration::from_hours(1)))).await;
        let token = ForeignToken::new(Secret::new(token), end);
        let imported = manager.import(&format!("bluestakes:{company}"), token).await.unwrap();
        assert!(matches!(imported, Imported::Token(_)), "{imported:?}");
        manager.stop().await.unwrap();
    }

    /// A manager of the configuration with this clock, which is not started.
    pub(super) async fn manager(&self, clock: Arc<dyn Clock>) -> TokenManager {
        let variables = self.example.variables().clone();
        let config = TokenManager::builder().config_file(&self.example.config).clock(clock);
        config.environment(move |name: &str| variables.get(name).cloned()).build().await.unwrap()
    }

    /// How many logins the vendor was asked for.
    pub(super) fn logins(&self) -> u64 {
        self.example.sandbox.counters_of(VENDOR).by_grant.login
    }
}

/// A file of the example.
pub(super) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bluestakes").join(name)
}

/// A clock that stands at a moment that is gone.
#[derive(Debug)]
struct Earlier(SystemTime);

impl Clock for Earlier {
    fn now(&self) -> Moment {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Moment { wall_ms: i64::try_from(since.as_millis()).unwrap(), boot_ms: 1_000_000 }
    }

    fn boot_id(&self) -> &'static str {
        "another boot"
    }
}

pub(super) const USERNAME: &str = "planted-user-3b77";
pub(super) const PASSWORD: &str = "planted-password-88a0";
/// What opens and seals what is stored.
pub(super) const SEAL_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
pub(super) const API_KEY: &str = "planted-api-key-61c4";
