//! Listens for what other processes write.
//!
//! The hard problem is silence, which may be the truth, or a connection that is gone without a word, or a pooler in
//! transaction mode, behind which nobody can listen. So a listener asks now and then whether its connection is alive;
//! and to begin with it has a notice sent to itself, over another connection: if that does not come, none would.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::connections::Connections;
use super::fault::Fault;
use super::sql::Value;

/// The task that listens, from the first wait to the end of the store.
pub(super) struct Notices {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_when_dropped: DropGuard,
}

struct Shared {
    connections: Arc<Connections>,
    label: Box<str>,
    notice: Notify,
    /// What this process's own notices are known by.
    own: Box<str>,
}

impl Notices {
    /// Listens to nothing yet.
    pub(super) fn new(connections: Arc<Connections>, label: Box<str>) -> Self {
        let own = format!("{}-{:016x}", std::process::id(), fastrand::u64(..)).into();
        let shared = Arc::new(Shared { connections, label, notice: Notify::new(), own });
        let stop = CancellationToken::new();
        Self { shared, tasks: TaskTracker::new(), _stop_when_dropped: stop.clone().drop_guard(), stop }
    }

    /// What a write tells those who listen: where it was, and whose it was.
    pub(super) fn payload(&self) -> String {
        self.shared.payload()
    }

    /// Comes back when somebody else has written, or may have while nobody listened.
    pub(super) async fn changed(&self) {
        // The tracker is closed with the first task, and by the end of the store.
        if self.tasks.close() {
            let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
            self.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = shared.listen() => {}
                }
            });
        }
        self.shared.notice.notified().await;
    }

    /// Ends the task. No notice comes any more.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        timeout(CLOSING, self.tasks.wait()).await.ok();
    }
}

impl Shared {
    fn payload(&self) -> String {
        format!("{}/{}", self.connections.url().schema, self.own)
    }

    /// Listens again whenever it fails, after a while that grows.
    async fn listen(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.listen_once(&mut pause).await {
                Heard::Lost(fault) => {
                    tracing::debug!(store = %self.label, what = fault.what, "listening for changes failed and is tried again");
                    sleep(pause.mul_f32(0.5 + fastrand::f32() / 2.0)).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Heard::Nothing => {
                    tracing::warn!(
                        store = %self.label,
                        "no notices come over this connection, as behind a pooler in transaction mode; changes by other \
                         processes are seen once a second"
                    );
                    sleep(WITHOUT).await;
                }
            }
        }
    }

    async fn listen_once(&self, pause: &mut Duration) -> Heard {
        let options = match self.connections.options().await {
            Ok(options) => options,
            Err(fault) => return Heard::Lost(fault),
        };
        // One connection beside the others. The crate's listener wants a pool to take it from.
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.acquire_timeout(self.connections.url().connect_timeout).connect_lazy_with(options);
        let heard = match PgListener::connect_with(&pool).await {
            Ok(mut listener) => {
                listener.eager_reconnect(false);
                self.serve(&mut listener, pause).await.unwrap_or_else(|error| Heard::Lost(error.into()))
            }
            Err(error) => Heard::Lost(Fault::of_connecting(error)),
        };
        timeout(CLOSING, pool.close()).await.ok();
        heard
    }

    async fn serve(&self, listener: &mut PgListener, pause: &mut Duration) -> Result<Heard, sqlx::Error> {
        listener.listen(CHANNEL).await?;
        let probe = format!("{}{PROBE_END}", self.payload());
        if let Err(fault) = self.connections.ask(PROBE, &[Value::Text(CHANNEL), Value::Text(&probe)]).await {
            return Ok(Heard::Lost(fault));
        }
        let probing = async {
            loop {
                match listener.try_recv().await? {
                    Some(notice) if notice.payload() == probe => return Ok(true),
                    Some(_) => {}
                    None => return Err(sqlx::Error::PoolClosed),
                }
            }
        };
        if !timeout(PROBING, probing).await.unwrap_or(Ok(false))? {
            return Ok(Heard::Nothing);
        }
        *pause = FIRST_PAUSE;
        // What was written since the last notice was told to nobody.
        self.notice.notify_one();
        let (schema, own) = (format!("{}/", self.connections.url().schema), self.payload());
        loop {
            let Ok(notice) = timeout(SILENCE, listener.try_recv()).await else {
                let Ok(alive) = timeout(CLOSING, listener.execute("SELECT 1")).await else {
                    return Ok(Heard::Lost(Fault::new("the connection is silent")));
                };
                alive?;
                continue;
            };
            let Some(notice) = notice? else { return Ok(Heard::Lost(Fault::new("the connection was lost"))) };
            let payload = notice.payload();
            if payload.starts_with(&schema) && !payload.starts_with(&own) && !payload.ends_with(PROBE_END) {
                self.notice.notify_one();
            }
        }
    }
}

/// How listening ended.
enum Heard {
    Lost(Fault),
    /// It is done, and does nothing.
    Nothing,
}

/// The one channel for all schemas of a database: names of channels are shorter than those of schemas can be.
pub(super) const CHANNEL: &str = "tokenkeep";
const PROBE: &str = "SELECT pg_notify($1, $2)::text";
const PROBE_END: &str = "/probe";
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// How long a notice to oneself may take.
const PROBING: Duration = Duration::from_secs(3);
/// How long it is until listening is tried again where no notices come.
const WITHOUT: Duration = Duration::from_mins(5);
/// After so long without a notice it is asked whether the connection is there.
const SILENCE: Duration = Duration::from_secs(20);
const CLOSING: Duration = Duration::from_secs(2);
