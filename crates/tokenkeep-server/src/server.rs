//! The server: bound first, so that what is wrong with an address is known at once; then run.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokenkeep::config::{Listen, ListenRefusal, ServerSettings};
use tokenkeep::{Event, TokenManager};
use tokio::sync::broadcast;
use tokio_util::sync::DropGuard;
use tracing::{error, info, warn};

use crate::accept::accept;
use crate::app::App;
use crate::listen::{Access, Listener, PassedSocket};
use crate::metrics::Room;
use crate::places::Places;
use crate::proxy::Proxy;
use crate::routes;
use crate::tasks::Tasks;
use crate::tls::Tls;
#[cfg(unix)]
use crate::unix_socket::SocketPlace;
use crate::webhooks::Webhooks;

/// A server whose addresses are taken and that does not answer yet.
pub struct Server {
    app: Arc<App>,
    events: broadcast::Receiver<Event>,
    listeners: Vec<Listener>,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    tasks: Tasks,
    cut_when_dropped: DropGuard,
}

/// Changes what a server was told, while it runs. Cheap to clone.
#[derive(Clone)]
pub struct ServerControl {
    app: Arc<App>,
    addresses: Arc<[Listen]>,
    #[cfg(unix)]
    sockets: Arc<[SocketPlace]>,
}

impl ServerControl {
    /// Takes over who may ask, and for what, and who is told of trouble. Where it listens stays as it is; so settings without callers are not taken
    /// over while other machines can reach one of its addresses, and the log says so.
    pub fn reload(&self, settings: &ServerSettings) {
        self.app.take_over_webhooks(settings);
        let refused = |address: &&Listen| settings.permit(address) == Err(ListenRefusal::NoKeys);
        if let Some(address) = self.addresses.iter().find(refused) {
            let (refusal, help) = (ListenRefusal::NoKeys, ListenRefusal::NoKeys.help());
            error!(%address, "the callers stay as they were: {refusal}; {help}");
            return;
        }
        let access = Access::of(settings);
        // At no moment may somebody connect whom nobody would know.
        if access == Access::Owner {
            self.allow(access);
        }
        let news = self.app.take_over(settings);
        if access == Access::Everybody {
            self.allow(access);
        }
        news.log(&self.addresses);
    }

    /// Changes who may connect to the unix sockets that were made here.
    fn allow(&self, access: Access) {
        #[cfg(unix)]
        self.sockets.iter().for_each(|socket| socket.allow(access));
        #[cfg(not(unix))]
        let _ = access;
    }
}

impl fmt::Debug for ServerControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerControl").field("listen", &self.addresses).finish_non_exhaustive()
    }
}

/// What a server allows. The default is right for most.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// A connection on which no request is under way for so long is closed. So this is also the time within which the
    /// head of a request must have come.
    pub head_timeout: Duration,
    /// How long requests that are under way at the end may take to finish.
    pub drain_timeout: Duration,
    /// How long the body of a request may take to come where it is read whole.
    pub body_timeout: Duration,
    /// How long it may take to connect to an API for a caller of `/proxy`, names and encryption included.
    pub api_connect_timeout: Duration,
    /// How long such an API may be silent: before its answer, and in each pause of it. At most twice that if
    /// something came meanwhile.
    pub api_timeout: Duration,
    /// How long a write of an answer may be stuck because the client does not read.
    pub write_timeout: Duration,
    /// How long a webhook may take to be connected to and to answer.
    pub webhook_timeout: Duration,
    /// How long after the first attempt that failed a webhook is tried again; after each further one it is four times as
    /// long.
    pub webhook_pause: Duration,
    /// How many connections of one listener are served at once. Those without a request give way to new ones, then those
    /// that have waited for their clients for a while; when there are none, new ones wait in the system's queue.
    pub max_connections: usize,
    /// How many of these may come from one address (from one network of 2⁶⁴ of IPv6) that is not this machine.
    pub max_connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            api_connect_timeout: Duration::from_secs(10),
            // Language models think for minutes before they say a word.
            api_timeout: Duration::from_mins(5),
            write_timeout: Duration::from_secs(30),
            webhook_timeout: Duration::from_secs(10),
            webhook_pause: Duration::from_secs(2),
            max_connections: 1024,
            max_connections_per_address: 1024 / SHARE,
        }
    }
}

impl Limits {
    /// Those that the settings ask for.
    fn of(settings: &ServerSettings) -> Self {
        let default = Self::default();
        let max_connections = settings.max_connections.unwrap_or(default.max_connections);
        Self { max_connections, max_connections_per_address: max_connections.div_ceil(SHARE), ..default }
    }
}

impl Server {
    /// Takes all addresses of the settings, or [`DEFAULT_LISTEN`] if there are none. Answers nothing yet.
    ///
    /// Without a caller in the settings everybody who reaches an address is served; so other machines must not, see
    /// [`ServerSettings::permit`]. A unix socket's file is for this user only, unless callers are known by their users
    /// there; it replaces one that nobody listens at any more, and is removed at the end. The certificate of addresses
    /// with TLS is read here, and again whenever its files change.
    ///
    /// The error names the address or the file and says what to do about it.
    pub async fn bind(settings: &ServerSettings, manager: TokenManager) -> io::Result<Self> {
        let default = [Listen::Tcp(DEFAULT_LISTEN)];
        let addresses = if settings.listen.is_empty() { default.as_slice() } else { &settings.listen };
        let tls = prepare(settings, addresses)?;
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            listeners.push(Listener::bind(address, tls.as_ref(), Access::of(settings)).await?);
        }
        Ok(Self::of(listeners, tls, settings, manager))
    }

    /// Takes these sockets, whatever the settings say of where to listen. Answers nothing yet. Who may be served is as for
    /// [`Server::bind`].
    ///
    /// The error names the address. Must be called on a tokio runtime.
    pub fn adopt(
        sockets: impl IntoIterator<Item = PassedSocket>,
        settings: &ServerSettings,
        manager: TokenManager,
    ) -> io::Result<Self> {
        let sockets: Vec<_> = sockets.into_iter().collect();
        let addresses = sockets.iter().map(PassedSocket::address).collect::<io::Result<Vec<_>>>()?;
        let tls = prepare(settings, &addresses)?;
        let listeners = sockets.into_iter().map(|socket| Listener::passed(socket, tls.as_ref()));
        Ok(Self::of(listeners.collect::<io::Result<_>>()?, tls, settings, manager))
    }

    fn of(listeners: Vec<Listener>, tls: Option<Arc<Tls>>, settings: &ServerSettings, manager: TokenManager) -> Self {
        let (tasks, cut_when_dropped) = Tasks::new();
        let events = manager.events();
        let app = Arc::new(App::new(manager, settings, tasks.stopping().clone()));
        Self { app, events, listeners, tls, limits: Limits::of(settings), tasks, cut_when_dropped }
    }

    /// What changes its settings while it runs.
    pub fn control(&self) -> ServerControl {
        ServerControl {
            app: Arc::clone(&self.app),
            addresses: self.local_addrs().cloned().collect(),
            #[cfg(unix)]
            sockets: self.listeners.iter().filter_map(Listener::socket_file).cloned().collect(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where it listens, with the port that the system chose where the settings say 0.
    pub fn local_addrs(&self) -> impl Iterator<Item = &Listen> {
        self.listeners.iter().map(Listener::address)
    }

    /// Answers until `shutdown` resolves, then accepts nothing more, finishes the requests under way within
    /// [`Limits::drain_timeout`] and cuts what is left. The manager is neither started nor stopped: that is the caller's.
    ///
    /// Dropping the future cuts everything soon.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        self.app.access().callers.log_if_open(&self.local_addrs().cloned().collect::<Vec<_>>());
        let Self { app, events, listeners, tls, limits, tasks, cut_when_dropped: _cut_when_dropped } = self;
        if let Some(tls) = tls {
            let stopping = tasks.stopping().clone();
            tasks.spawn(stopping.run_until_cancelled_owned(tls.follow()));
        }
        tasks.spawn(Webhooks::new(&app, events, &tasks, &limits).run());
        let proxy = Arc::new(Proxy::new(tasks.clone(), &limits));
        let mut rooms = Vec::with_capacity(listeners.len());
        for listener in listeners {
            // Each has its own, so that whoever fills a port does not shut out those who come by the socket.
            let places = Arc::new(Places::new(&limits));
            info!(address = %listener.address(), "listening");
            rooms.push(Room { address: listener.address().to_string(), places: Arc::clone(&places) });
            let router = routes::router(&app, &proxy, listener.reach(), &limits);
            tasks.spawn(accept(listener, (Arc::clone(&app), router), tasks.clone(), places, limits.clone()));
        }
        app.metrics.listening(rooms);
        // Its connections are to end with the last request.
        drop(proxy);
        shutdown.await;
        info!("stopping: requests under way are finished, new ones are not accepted");
        if !tasks.stop(limits.drain_timeout).await {
            warn!(after_s = limits.drain_timeout.as_secs(), "some requests did not finish in time and were cut off");
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listen", &self.local_addrs().collect::<Vec<_>>())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Whether these addresses may be listened at; and what those with TLS need.
fn prepare(settings: &ServerSettings, addresses: &[Listen]) -> io::Result<Option<Arc<Tls>>> {
    for address in addresses {
        settings.permit(address).map_err(|refusal| {
            let text = format!("cannot listen at {address}: {refusal}; {}", refusal.help());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
    }
    let needs_tls = addresses.iter().any(|address| matches!(address, Listen::Tls(_)));
    Ok(settings.tls.as_ref().filter(|_| needs_tls).map(Tls::load).transpose()?.map(Arc::new))
}

/// Where a server listens if its settings do not say it.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8640);
/// One address can have this part of the connections.
const SHARE: usize = 4;
