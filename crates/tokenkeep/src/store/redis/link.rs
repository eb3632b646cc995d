//! The connection to the server that has the store: found, made, watched, and made anew when it is over.
//!
//! All calls share one connection, and notices of other processes come on it too (RESP3), so that the look that is
//! taken each second is also what finds out that the server is gone. Where the server is can change: Sentinels and nodes
//! of a cluster are asked each time a connection is made. A place that did not answer is asked last the next time, also
//! when whoever was waiting has given up meanwhile.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, RedisResult, TlsCertificates, Value,
};
use tokio::sync::{Mutex, Notify};

use super::fault::{Fault, Then, WRITTEN_LATER};
use super::names::{FORM, Names};
use super::url::{Host, Login, Places, RedisUrl, Tls};
use crate::clock::{Clock, Moment};

/// Has a connection when one is wanted.
pub(super) struct Link {
    url: RedisUrl,
    names: Arc<Names>,
    clock: Arc<dyn Clock>,
    live: RwLock<Option<Live>>,
    /// Held while a connection is made: what came of it the last times.
    failures: Mutex<Failures>,
    /// Which of several hosts is asked first.
    first: AtomicUsize,
    notices: Arc<Notify>,
    is_closed: AtomicBool,
    is_deaf: AtomicBool,
}

/// A connection, until it is over.
#[derive(Clone)]
pub(super) struct Live {
    connection: MultiplexedConnection,
    place: Option<Host>,
    is_over: Arc<AtomicBool>,
}

#[derive(Default)]
struct Failures {
    count: u32,
    last: Option<(Fault, Moment, Duration)>,
}

/// Whether a call that was perhaps done may be made once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Done twice, it is as if it had been done once.
    Harmless,
    /// The second answer would not be that of the first.
    Never,
}

impl Link {
    pub(super) fn new(url: RedisUrl, names: Arc<Names>, clock: Arc<dyn Clock>) -> Self {
        Self {
            url,
            names,
            clock,
            live: RwLock::default(),
            failures: Mutex::default(),
            first: AtomicUsize::new(0),
            notices: Arc::default(),
            is_closed: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
        }
    }

    /// Has the server do something. If the connection is found to be over, it is tried once more on a new one, where
    /// that can do no harm.
    pub(super) async fn run<T, F>(
        &self,
        repeat: Repeat,
        call: impl Fn(MultiplexedConnection) -> F + Send + Sync,
    ) -> Result<T, Fault>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let mut is_first = true;
        loop {
            let live = self.live().await?;
            let fault = match call(live.connection.clone()).await {
                Ok(done) => return Ok(done),
                Err(error) => Fault::from(error),
            };
            if fault.then != Then::Stay {
                self.let_go(&live);
            }
            let can_repeat = match fault.then {
                Then::Stay | Then::TimedOut => false,
                Then::Lost => repeat == Repeat::Harmless,
                Then::LookElsewhere => true,
            };
            if !can_repeat || !is_first {
                return Err(fault.at(live.place.as_ref().filter(|_| self.url.names_several())));
            }
            is_first = false;
        }
    }

    /// Resolves when another process has perhaps written, or the connection has changed.
    pub(super) async fn changed(&self) {
        self.notices.notified().await;
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.set_live(None);
    }

    async fn live(&self) -> Result<Live, Fault> {
        if let Some(live) = self.present() {
            return Ok(live);
        }
        let mut failures = self.failures.lock().await;
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Fault::new("the store is closed"));
        }
        if let Some(live) = self.present() {
            return Ok(live);
        }
        let now = self.clock.now();
        if let Some((fault, ..)) = failures.last.as_ref().filter(|(_, at, pause)| now.since(*at) < *pause) {
            return Err(fault.clone());
        }
        let dialled = tokio::time::timeout(DIAL_TIMEOUT, self.dial()).await;
        match dialled.unwrap_or_else(|_| Err(Fault::new("nobody answered in time"))) {
            Ok(live) => {
                *failures = Failures::default();
                self.set_live(Some(live.clone()));
                if self.is_closed.load(Ordering::Acquire) {
                    self.set_live(None);
                }
                // What was written while there was no connection, nobody has told.
                self.notices.notify_one();
                Ok(live)
            }
            Err(fault) => {
                let pause = pause_after(failures.count);
                failures.count += 1;
                failures.last = Some((fault.clone(), self.clock.now(), pause));
                Err(fault)
            }
        }
    }

    fn present(&self) -> Option<Live> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        live.filter(|live| !live.is_over.load(Ordering::Acquire))
    }

    fn set_live(&self, live: Option<Live>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Others may have made a new one already.
    fn let_go(&self, over: &Live) {
        over.is_over.store(true, Ordering::Release);
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(&live.is_over, &over.is_over)) {
            *live = None;
        }
    }

    async fn dial(&self) -> Result<Live, Fault> {
        match &self.url.places {
            Places::Server(host) => self.connect(Place::Host(host)).await,
            Places::Socket(path) => self.connect(Place::Socket(path)).await,
            Places::Sentinels { hosts, master, login } => {
                self.first_of(hosts, |sentinel| self.by_sentinel(sentinel, master, login)).await
            }
            Places::Cluster(hosts) => self.first_of(hosts, |node| self.by_node(node)).await,
        }
    }

    /// Goes through the hosts until one leads to a connection.
    async fn first_of<'a, F>(&self, hosts: &'a [Host], dial: impl Fn(&'a Host) -> F) -> Result<Live, Fault>
    where
        F: Future<Output = Result<Live, Fault>>,
    {
        let mut last = Fault::new("no host is named");
        for _ in hosts {
            let at = self.first.load(Ordering::Relaxed) % hosts.len();
            self.first.store(at + 1, Ordering::Relaxed);
            match dial(&hosts[at]).await {
                Ok(live) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(live);
                }
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    async fn by_sentinel(&self, sentinel: &Host, master: &str, login: &Login) -> Result<Live, Fault> {
        let asked = async {
            let client = self.client(Place::Host(sentinel), login, 0).await?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&timeouts()).await?;
            let mut question = redis::cmd("SENTINEL");
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
            Ok(question.query_async::<Option<(String, u16)>>(&mut connection).await?)
        };
        let found = asked.await.map_err(|fault: Fault| fault.at(Some(sentinel)))?;
        let Some((name, port)) = found else {
            return Err(Fault::new(format!("this Sentinel knows no master '{master}'")).at(Some(sentinel)));
        };
        let host = Host { name: name.into(), port };
        let mut live = self.connect(Place::Host(&host)).await?;
        // While a new master is being chosen, Sentinels may still name the one that is none any more.
        let role: Vec<Value> = match redis::cmd("ROLE").query_async(&mut live.connection).await {
            Ok(role) => role,
            Err(error) => match Fault::from(error) {
                // A user who may not ask finds out when it writes.
                Fault { then: Then::Stay, .. } => return Ok(live),
                fault => return Err(fault.at(Some(&host))),
            },
        };
        match role.first() {
            Some(Value::BulkString(role)) if role == b"slave" => {
                Err(Fault::new("the Sentinels still name a replica as the master").at(Some(&host)))
            }
            _ => Ok(live),
        }
    }

    async fn by_node(&self, node: &Host) -> Result<Live, Fault> {
        let mut node = node.clone();
        for _ in 0..MAX_REDIRECTIONS {
            let fault = match self.connect(Place::Host(&node)).await {
                Ok(live) => return Ok(live),
                Err(fault) => fault,
            };
            let Some(next) = fault.moved_to.as_deref() else { return Err(fault) };
            let Some(mut next) = Host::parse_node(next) else { return Err(fault) };
            if next.name.is_empty() {
                // A node that does not know its own address means the one by which it was reached.
                next.name = node.name;
            }
            node = next;
        }
        Err(Fault::new("the nodes of the cluster send from one to another").at(Some(&node)))
    }

    /// A connection that gets notices, to a server that has the store's slot and whose data this program understands.
    async fn connect(&self, place: Place<'_>) -> Result<Live, Fault> {
        let host = place.host().cloned();
        self.try_connect(place).await.map_err(|fault| fault.at(host.as_ref().filter(|_| self.url.names_several())))
    }

    async fn try_connect(&self, place: Place<'_>) -> Result<Live, Fault> {
        let place_of_live = place.host().cloned();
        let client = self.client(place, &self.url.login, self.url.database).await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let config = timeouts().set_push_sender(self.listener(Arc::clone(&is_over)));
        let connected = client.get_multiplexed_async_connection_with_config(&config).await.map_err(Fault::from);
        let mut connection = connected.map_err(|fault| self.unconnected(fault))?;
        let form: Option<u32> = redis::cmd("GET").arg(&*self.names.form).query_async(&mut connection).await?;
        if form.is_some_and(|form| form > FORM) {
            return Err(Fault::new(WRITTEN_LATER));
        }
        if let Err(error) = connection.subscribe(&*self.names.channel).await {
            match Fault::from(error) {
                Fault { then: Then::Stay, what, .. } => self.warn_of_deafness(&what),
                fault => return Err(fault),
            }
        }
        Ok(Live { connection, place: place_of_live, is_over })
    }

    /// What waits for more than it got says nothing, as a server without TLS does.
    fn unconnected(&self, fault: Fault) -> Fault {
        let hint = if self.url.tls.is_some() { "; look whether the server takes TLS there" } else { "" };
        match fault.then {
            Then::TimedOut => Fault { what: format!("no connection was made in time{hint}"), is_busy: false, ..fault },
            Then::Stay | Then::Lost | Then::LookElsewhere => fault,
        }
    }

    async fn client(&self, place: Place<'_>, login: &Login, database: u16) -> Result<Client, Fault> {
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(database.into())
            .set_skip_set_lib_name();
        if let Some(username) = &login.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password.expose_secret());
        }
        let (address, tls) = match (place, &self.url.tls) {
            (Place::Socket(path), _) => (ConnectionAddr::Unix(path.to_owned()), None),
            (Place::Host(Host { name, port }), None) => (ConnectionAddr::Tcp(name.to_string(), *port), None),
            (Place::Host(Host { name, port }), Some(tls)) => {
                let (host, port) = (name.to_string(), *port);
                (ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }, Some(tls))
            }
        };
        let info = address.into_connection_info()?.set_redis_settings(settings);
        Ok(match tls {
            Some(tls) => Client::build_with_tls(info, certificates(tls.clone()).await?)?,
            None => Client::open(info)?,
        })
    }

    /// Hears what comes on a connection without having been asked for.
    fn listener(&self, is_over: Arc<AtomicBool>) -> impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + use<> {
        let (notices, names) = (Arc::clone(&self.notices), Arc::clone(&self.names));
        move |PushInfo { kind, data }| {
            let is_own = || matches!(data.last(), Some(Value::BulkString(by)) if *by == *names.handle.as_bytes());
            match kind {
                PushKind::Message if !is_own() => notices.notify_one(),
                PushKind::Disconnection => {
                    is_over.store(true, Ordering::Release);
                    notices.notify_one();
                }
                _ => {}
            }
            Ok(())
        }
    }

    fn warn_of_deafness(&self, what: &str) {
        if !self.is_deaf.swap(true, Ordering::Relaxed) {
            let channel = &*self.names.channel;
            tracing::warn!(store = %self.url, channel, what, "no notices of other processes; what they write is seen within a second");
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("url", &self.url).finish_non_exhaustive()
    }
}

enum Place<'a> {
    Host(&'a Host),
    Socket(&'a Path),
}

impl<'a> Place<'a> {
    fn host(&self) -> Option<&'a Host> {
        match self {
            Self::Host(host) => Some(host),
            Self::Socket(_) => None,
        }
    }
}

/// Reads them anew for each connection, so that those that were replaced count.
async fn certificates(Tls { ca, certificate, key }: Tls) -> Result<TlsCertificates, Fault> {
    let read = |path: PathBuf| {
        std::fs::read(&path).map_err(|error| Fault::new(format!("{} cannot be read: {error}", path.display())))
    };
    let read_all = move || {
        let client_tls = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
            }
            _ => None,
        };
        Ok(TlsCertificates { client_tls, root_cert: ca.map(read).transpose()? })
    };
    tokio::task::spawn_blocking(read_all).await.unwrap_or_else(|error| Err(Fault::new(error.to_string())))
}

fn timeouts() -> AsyncConnectionConfig {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT));
    config.set_response_timeout(Some(RESPONSE_TIMEOUT))
}

/// How long no connection is tried after so many failures in a row. Those of a fleet are spread.
fn pause_after(failures: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    longest / 2 + longest.mul_f64(fastrand::f64() / 2.0)
}

const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Within it the slowest scripts of a busy server are done, and a call and its repetition end before a manager drops it.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// For going through all hosts.
const DIAL_TIMEOUT: Duration = Duration::from_secs(6);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const MAX_REDIRECTIONS: u32 = 5;
