//! Two issuers on real HTTP, managers of the shipped configuration, and a clock that can be put forward.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokenkeep::clock::SystemClock;
use tokenkeep::{Clock, Moment, TokenHandle, TokenManager};
use tokenkeep_sandbox::{Client, Fault, Sandbox};

/// What a law needs around a manager.
pub(super) struct World {
    pub(super) first: Sandbox,
    /// For the fallback.
    pub(super) second: Sandbox,
    clock: Arc<Journey>,
}

impl World {
    /// Tokens of both issuers live for two hours.
    pub(super) async fn start() -> Self {
        let issuer = || {
            let client = |id: &str| Client::new(id, SECRET).life(LIFE);
            Sandbox::builder().client(client("sales")).client(client("support")).start()
        };
        let (first, second) = tokio::try_join!(issuer(), issuer()).unwrap();
        let clock = Arc::new(Journey { system: SystemClock::new(), ahead_ms: AtomicI64::new(0) });
        Self { first, second, clock }
    }

    /// What the configuration wants to know, as an application's environment has it with a prefix.
    pub(super) fn variables(&self, prefix: &str, client: &str) -> HashMap<String, String> {
        let variables = [
            ("LLM_TOKEN_URL", self.first.token_url()),
            ("LLM_API_BASE", self.first.llm_url()),
            ("LLM_CLIENT_ID", client.to_owned()),
            ("LLM_CLIENT_SECRET", SECRET.to_owned()),
            ("LLM_FALLBACK_TOKEN_URL", self.second.token_url()),
            ("LLM_FALLBACK_CLIENT_ID", client.to_owned()),
            ("LLM_FALLBACK_CLIENT_SECRET", SECRET.to_owned()),
        ];
        variables.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect()
    }

    /// A manager of an environment in which two applications have variables, and these besides.
    pub(super) async fn manager(&self, prefix: &str, besides: &[(&str, &str)]) -> TokenManager {
        let mut environment = self.variables("SALES_", "sales");
        environment.extend(self.variables("SUPPORT_", "support"));
        environment.extend(besides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let builder = TokenManager::builder().config_text(revos::CONFIG).environment(environment).env_prefix(prefix);
        builder.clock(Arc::clone(&self.clock) as Arc<dyn Clock>).build().await.unwrap()
    }

    /// The manager of sales, not started, and the handle of its only key.
    pub(super) async fn sales(&self, besides: &[(&str, &str)]) -> (TokenManager, TokenHandle) {
        let manager = self.manager("SALES_", besides).await;
        let llm = manager.handle("llm").unwrap();
        (manager, llm)
    }

    /// Puts the managers' clock forward.
    pub(super) fn pass(&self, time: Duration) {
        self.clock.ahead_ms.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Neither way to authenticate works.
    pub(super) fn break_issuers(&self) {
        self.first.set_fault(down());
        self.second.set_fault(down());
    }

    pub(super) fn mend_issuers(&self) {
        self.first.clear_faults();
        self.second.clear_faults();
    }

    /// Token requests so far, at the first issuer and at that of the fallback.
    pub(super) fn requests(&self) -> (u64, u64) {
        (self.first.counters().total.token_requests, self.second.counters().total.token_requests)
    }
}

/// An issuer that is there and does not work.
pub(super) fn down() -> Fault {
    Fault::Status { status: 503, body: "down".into() }
}

/// The system's clock, ahead of its time.
#[derive(Debug)]
struct Journey {
    system: SystemClock,
    ahead_ms: AtomicI64,
}

impl Clock for Journey {
    fn now(&self) -> Moment {
        let (now, ahead_ms) = (self.system.now(), self.ahead_ms.load(Ordering::SeqCst));
        Moment { wall_ms: now.wall_ms + ahead_ms, boot_ms: now.boot_ms + ahead_ms }
    }

    fn boot_id(&self) -> &str {
        self.system.boot_id()
    }
}

pub(super) const LIFE: Duration = Duration::from_hours(2);
/// Longer than the least time between two requests.
pub(super) const MOMENT: Duration = Duration::from_secs(2);
const SECRET: &str = "planted-revos-secret-77ab";
