//! The vendor, a store, and brokers with the configuration that is shipped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokenkeep::clock::SystemClock;
use tokenkeep::token::ForeignToken;
use tokenkeep::{Clock, Imported, Moment, Secret, TokenManager};
use tokenkeep_sandbox::{Sandbox, VENDOR};
use tokenkeep_test_servers::Postgres;
use tokio::process::Command;

use super::broker::Broker;

/// Everything is gone when it is dropped.
pub(super) struct Vendor {
    pub(super) home: TempDir,
    pub(super) sandbox: Sandbox,
    /// The URL of the store.
    store: String,
}

impl Vendor {
    /// With a store of `sqlite:`.
    pub(super) async fn with_a_file() -> Self {
        let home = TempDir::new().unwrap();
        let store = format!("sqlite:{}", home.path().join("bluestakes.db").display());
        Self::with(home, store).await
    }

    /// With an empty database of PostgreSQL, which has this name.
    pub(super) async fn with_postgres() -> (Self, String) {
        let database = Postgres::shared().database();
        let store = format!("{}?sslmode=disable", Postgres::shared().url(&database));
        (Self::with(TempDir::new().unwrap(), store).await, database)
    }

    async fn with(home: TempDir, store: String) -> Self {
        let sandbox = Sandbox::builder().user(USERNAME, PASSWORD).vendor_life(Duration::from_hours(1)).start().await;
        Self { home, sandbox: sandbox.unwrap(), store }
    }

    /// Starts `tokenkeep serve` with the shipped configuration.
    pub(super) async fn serve(&self) -> Broker {
        self.serve_with(&[], "info").await
    }

    /// The same with more variables, and this level of the log.
    pub(super) async fn serve_with(&self, variables: &[(&str, &str)], level: &str) -> Broker {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(["--config".into(), shipped("tokenkeep.toml")]);
        command.envs(variables.iter().copied()).env("RUST_LOG", level);
        Broker::start(command).await
    }

    /// The binary in the home folder, which has the variables of the example's page.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        // Whoever runs the tests may ignore signals, e.g. by nohup; the binary would too.
        let mut command = Command::new("/usr/bin/env");
        command
            .arg("--default-signal=HUP,INT,QUIT,TERM")
            .arg(env!("CARGO_BIN_EXE_tokenkeep"))
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .envs(self.variables())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the binary with the shipped configuration; its exit code, what it printed and what it said.
    pub(super) async fn run(&self, config: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.command(args);
        command.args(["--config".into(), shipped(config)]);
        let output = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
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

    /// A manager of the shipped configuration with this clock, which is not started.
    pub(super) async fn manager(&self, clock: Arc<dyn Clock>) -> TokenManager {
        let variables: std::collections::HashMap<_, _> = self.variables().into_iter().collect();
        let config = TokenManager::builder().config_file(shipped("tokenkeep.toml")).clock(clock);
        let variables = move |name: &str| variables.get(name).cloned();
        config.environment(variables).build().await.unwrap()
    }

    fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("BLUESTAKES_API_BASE", self.sandbox.url()),
            ("BLUESTAKES_DATABASE_URL", self.store.clone()),
            ("BLUESTAKES_SEAL_KEY", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=".into()),
            ("BLUESTAKES_API_KEY_SHA256", hex(&Sha256::digest(API_KEY))),
            ("BLUESTAKES_USERNAME", USERNAME.into()),
            ("BLUESTAKES_PASSWORD", PASSWORD.into()),
        ]
    }

    /// How many logins the vendor was asked for.
    pub(super) fn logins(&self) -> u64 {
        self.sandbox.counters_of(VENDOR).by_grant.login
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

pub(super) const USERNAME: &str = "planted-user-3b77";
pub(super) const PASSWORD: &str = "planted-password-88a0";
pub(super) const API_KEY: &str = "planted-api-key-61c4";
