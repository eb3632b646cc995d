//! Connections, a bounded number of them, and the messages that go over them.
//!
//! The hard problem is a call that is dropped half-way, or a server that was replaced: a connection in the middle of
//! something must not be anybody's next one, and counts until the server is done with it. So each message has a task, which
//! goes on to the answer though nobody waits for it any more. Only a connection whose message was answered to its end is
//! kept; every other one is closed. After one was lost, none that is as old is trusted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::fault::{Fault, FaultKind};
use super::sql::{self, Value};
use super::url::{Place, PostgresUrl, TlsMode};
use crate::clock::{Clock, Moment};

/// The connections of a store.
pub(super) struct Connections {
    url: PostgresUrl,
    clock: Arc<dyn Clock>,
    permits: Arc<Semaphore>,
    /// Messages under way. Each has a permit and ends within its time.
    tasks: TaskTracker,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last is taken first, so that the others can grow old.
    connections: Vec<Kept>,
    /// Connections of earlier epochs are not kept.
    epoch: u64,
}

/// A connection that waits for its next message.
struct Kept {
    connection: PgConnection,
    opened_at: Moment,
    used_at: Moment,
    epoch: u64,
}

/// What is known of an answer whose connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    /// The first one went over a connection that was kept and is gone; it may have been done or not.
    Second,
}

impl Connections {
    /// Opens nothing yet.
    pub(super) fn new(url: PostgresUrl, clock: Arc<dyn Clock>) -> Self {
        let permits = Arc::new(Semaphore::new(url.max_connections));
        Self { url, clock, permits, tasks: TaskTracker::new(), idle: Mutex::default() }
    }

    pub(super) fn url(&self) -> &PostgresUrl {
        &self.url
    }

    /// The rows that a statement gives, and whether it was sent a second time: a connection that was kept can be gone
    /// without anybody having noticed, so its message is sent again over a new one.
    pub(super) async fn ask(
        self: &Arc<Self>,
        template: &str,
        values: &[Value<'_>],
    ) -> Result<(Vec<PgRow>, Attempt), Fault> {
        let message = self.message(template, values);
        let permit = self.permit().await?;
        let own = Arc::clone(self);
        let asking = self.tasks.spawn(async move {
            let answer = own.ask_in_turn(&message).await;
            drop(permit);
            answer
        });
        asking.await.unwrap_or_else(|_| Err(Fault::new("the call broke off; the log says where")))
    }

    async fn ask_in_turn(&self, message: &Arc<str>) -> Result<(Vec<PgRow>, Attempt), Fault> {
        let Some(kept) = self.take() else {
            let kept = self.open().await?;
            return self.send(kept, message).await.map(|rows| (rows, Attempt::First));
        };
        match self.send(kept, message).await {
            Err(Fault { kind: FaultKind::Lost, .. }) => {}
            outcome => return outcome.map(|rows| (rows, Attempt::First)),
        }
        let kept = self.open().await?;
        self.send(kept, message).await.map(|rows| (rows, Attempt::Second))
    }

    /// A connection of its own, for what takes several messages.
    pub(super) async fn connect(&self) -> Result<PgConnection, Fault> {
        self.open().await.map(|kept| kept.connection)
    }

    /// Waits for what is under way, for a while, and closes all.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.url.max_connections).unwrap_or(u32::MAX);
        timeout(self.url.statement_timeout, self.permits.acquire_many(all)).await.ok();
        self.permits.close();
        for kept in self.forget_all() {
            timeout(Duration::from_secs(1), kept.connection.close()).await.ok();
        }
    }

    /// How to connect. The files of TLS are read anew each time, since certificates are replaced while programs run.
    pub(super) async fn options(&self) -> Result<PgConnectOptions, Fault> {
        let url = &self.url;
        let options = PgConnectOptions::new_without_pgpass()
            .port(url.port)
            .username(&url.user)
            .password(url.password.as_ref().map_or("", |password| password.expose_secret()))
            .database(&url.database)
            .application_name(&url.application_name)
            // Poolers refuse a session's parameters that they do not know.
            .extra_float_digits(None)
            .statement_cache_capacity(0)
            // What stands in statements belongs in no log.
            .disable_statement_logging()
            .ssl_mode(match url.tls.mode {
                TlsMode::Disable => PgSslMode::Disable,
                TlsMode::Prefer => PgSslMode::Prefer,
                TlsMode::Require => PgSslMode::Require,
                TlsMode::VerifyCa => PgSslMode::VerifyCa,
                TlsMode::VerifyFull => PgSslMode::VerifyFull,
            });
        let mut options = match &url.place {
            Place::Host(host) => options.host(host),
            Place::Socket(folder) => options.socket(folder).ssl_mode(PgSslMode::Disable),
        };
        if let Some(path) = &url.tls.root_cert {
            options = options.ssl_root_cert_from_pem(read("sslrootcert", path.clone()).await?);
        }
        if let Some((certificate, key)) = &url.tls.client {
            options = options.ssl_client_cert_from_pem(read("sslcert", certificate.clone()).await?);
            options = options.ssl_client_key_from_pem(read("sslkey", key.clone()).await?);
        }
        Ok(options)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Fault> {
        match timeout(self.url.statement_timeout, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Fault::new("the store is closed")),
            Err(_) => Err(Fault::busy(format!(
                "all {} connections were in use for too long; see max_connections in the URL",
                self.url.max_connections
            ))),
        }
    }

    async fn open(&self) -> Result<Kept, Fault> {
        let options = self.options().await?;
        let epoch = self.idle().epoch;
        let connecting = PgConnection::connect_with(&options);
        let Ok(connected) = timeout(self.url.connect_timeout, connecting).await else {
            let seconds = self.url.connect_timeout.as_secs();
            return Err(Fault { what: format!("did not answer within {seconds} s"), kind: FaultKind::Lost });
        };
        let connection = connected.map_err(Fault::of_connecting)?;
        let now = self.clock.now();
        Ok(Kept { connection, opened_at: now, used_at: now, epoch })
    }

    fn message(&self, template: &str, values: &[Value<'_>]) -> Arc<str> {
        let AssertSqlSafe(statement) = sql::message(template, &self.url.schema, values);
        let limit_ms = self.url.statement_timeout.as_millis();
        // For this transaction alone: the next one on the server's connection may be another program's.
        format!("SET LOCAL statement_timeout = {limit_ms}; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {statement}")
            .into()
    }

    async fn send(&self, mut kept: Kept, message: &Arc<str>) -> Result<Vec<PgRow>, Fault> {
        let asking = sqlx::raw_sql(AssertSqlSafe(Arc::clone(message))).fetch_all(&mut kept.connection);
        let Ok(outcome) = timeout(self.url.statement_timeout + GRACE, asking).await else {
            self.forget_all();
            let seconds = (self.url.statement_timeout + GRACE).as_secs();
            return Err(Fault::busy(format!("the server did not answer within {seconds} s")));
        };
        let outcome = outcome.map_err(Fault::from);
        match &outcome {
            Err(Fault { kind: FaultKind::Lost | FaultKind::ReadOnly, .. }) => drop(self.forget_all()),
            Ok(_) | Err(_) => self.keep(kept),
        }
        outcome
    }

    fn take(&self) -> Option<Kept> {
        self.idle().connections.pop()
    }

    fn keep(&self, mut kept: Kept) {
        let now = self.clock.now();
        kept.used_at = now;
        let mut idle = self.idle();
        let epoch = idle.epoch;
        if !self.permits.is_closed() && kept.epoch == epoch {
            idle.connections.push(kept);
        }
        idle.connections.retain(|kept| now.since(kept.used_at) < MAX_IDLE && now.since(kept.opened_at) < MAX_AGE);
    }

    fn forget_all(&self) -> Vec<Kept> {
        let mut idle = self.idle();
        idle.epoch += 1;
        std::mem::take(&mut idle.connections)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(option: &str, path: std::path::PathBuf) -> Result<Vec<u8>, Fault> {
    let shown = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
    let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map_err(|error| Fault::new(format!("cannot read {option} {shown}: {error}")))
}

/// How much longer than a server's own limit its answer may take.
const GRACE: Duration = Duration::from_secs(1);
/// A connection that was not used for so long is closed.
const MAX_IDLE: Duration = Duration::from_mins(5);
/// One that is so old is closed, so that what a name leads to by now is found.
const MAX_AGE: Duration = Duration::from_mins(30);
