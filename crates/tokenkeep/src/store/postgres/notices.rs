//! Listens for what other processes write.
//!
//! The hard problem is silence, which may be the truth, or a connection that is gone without a word, or a pooler in
//! transaction mode, behind which nobody can listen, and whoever tries makes the server tell others. So before it listens,
//! it asks over two connections in turn which of the server's processes they are with: two that are open never share one
//! and keep theirs, unless a pooler deals them out. Then it has a notice sent to itself over the other connection: if that
//! does not come, none would. And now and then it asks whether the connection is alive, and still the same.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row as _;
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
            self.tasks.spawn(async move { shared.listen(&stop).await });
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
    async fn listen(&self, stop: &CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let rest = match self.listen_once(stop, &mut pause).await {
                Heard::Stop => return,
                Heard::Lost(fault) => {
                    tracing::debug!(store = %self.label, what = fault.what, "listening for changes failed and is tried again");
                    pause = (pause * 2).min(LAST_PAUSE);
                    pause.mul_f32(0.25 + fastrand::f32() / 4.0)
                }
                Heard::Nothing => {
                    tracing::warn!(
                        store = %self.label,
                        "no notices come over this connection, as behind a pooler in transaction mode; changes by other \
                         processes are seen once a second"
                    );
                    WITHOUT
                }
            };
            if stop.run_until_cancelled(sleep(rest)).await.is_none() {
                return;
            }
        }
    }

    async fn listen_once(&self, stop: &CancellationToken, pause: &mut Duration) -> Heard {
        let options = match self.connections.options().await {
            Ok(options) => options,
            Err(fault) => return Heard::Lost(fault),
        };
        // One connection beside the others. The crate's listener wants a pool to take it from.
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        // Nothing is slow before it has failed: what the log says of a server that starts, it says once, and not the pool.
        let patience = self.connections.url().connect_timeout;
        let pool = pool.acquire_timeout(patience).acquire_slow_threshold(patience).connect_lazy_with(options);
        let listening = async {
            match PgListener::connect_with(&pool).await {
                Ok(mut listener) => {
                    listener.eager_reconnect(false);
                    self.serve(&mut listener, pause).await.unwrap_or_else(|error| Heard::Lost(error.into()))
                }
                Err(error) => Heard::Lost(Fault::of_connecting(error)),
            }
        };
        let heard = stop.run_until_cancelled(listening).await.unwrap_or(Heard::Stop);
        timeout(CLOSING, pool.close()).await.ok();
        heard
    }

    async fn serve(&self, listener: &mut PgListener, pause: &mut Duration) -> Result<Heard, sqlx::Error> {
        let session = session(listener).await?;
        for _ in 0..LOOKS {
            let others = match self.connections.ask(SESSION, &[]).await {
                Ok((rows, _)) => rows.last().map(|row| row.try_get::<i32, _>(0)).transpose()?,
                Err(fault) => return Ok(Heard::Lost(fault)),
            };
            if others == Some(session) || self::session(listener).await? != session {
                return Ok(Heard::Nothing);
            }
        }
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
                let Ok(present) = timeout(CLOSING, self::session(listener)).await else {
                    return Ok(Heard::Lost(Fault::new("the connection is silent")));
                };
                if present? != session {
                    return Ok(Heard::Nothing);
                }
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

/// Which of the server's processes a connection is with.
async fn session(listener: &mut PgListener) -> Result<i32, sqlx::Error> {
    // A message of the simple protocol: nothing is prepared.
    let rows = sqlx::raw_sql(SESSION).fetch_all(listener).await?;
    rows.last().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}

/// How listening ended.
enum Heard {
    /// It was told to end.
    Stop,
    Lost(Fault),
    /// It is done, and does nothing.
    Nothing,
}

/// The one channel for all schemas of a database: names of channels are shorter than those of schemas can be.
pub(super) const CHANNEL: &str = "tokenkeep";
const SESSION: &str = "SELECT pg_backend_pid()";
/// How often it is looked whether a pooler deals out connections; one that has a single one is found by the first look.
const LOOKS: u32 = 8;
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
