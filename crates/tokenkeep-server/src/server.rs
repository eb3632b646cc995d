//! The server: bound first, so that what is wrong with an address is known at once; then run.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokenkeep::TokenManager;
use tokenkeep::config::{Listen, ServerSettings};
use tokio::sync::Semaphore;
use tokio_util::sync::DropGuard;
use tracing::{info, warn};

use crate::accept::accept;
use crate::app::App;
use crate::listen::Listener;
use crate::metrics::Room;
use crate::proxy::Proxy;
use crate::routes;
use crate::tasks::Tasks;

/// A server whose addresses are taken and that does not answer yet.
pub struct Server {
    app: Arc<App>,
    listeners: Vec<Listener>,
    limits: Limits,
    tasks: Tasks,
    cut_when_dropped: DropGuard,
}

/// Changes what a server was told, while it runs. Cheap to clone.
#[derive(Clone)]
pub struct ServerControl(Arc<App>);

impl ServerControl {
    /// Takes over who may ask, and for what. Where it listens stays as it is.
    pub fn reload(&self, settings: &ServerSettings) {
        self.0.take_over(settings);
    }
}

impl fmt::Debug for ServerControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerControl").finish_non_exhaustive()
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
    /// How long it may take to connect to an API for a caller of `/proxy`, names and encryption included.
    pub api_connect_timeout: Duration,
    /// How long such an API may be silent: before its answer, and in each pause of it. At most twice that if
    /// something came meanwhile.
    pub api_timeout: Duration,
    /// How many connections are served at once; more wait in the system's queue.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            api_connect_timeout: Duration::from_secs(10),
            // Language models think for minutes before they say a word.
            api_timeout: Duration::from_mins(5),
            max_connections: 1024,
        }
    }
}

impl Server {
    /// Takes all addresses of the settings, or [`DEFAULT_LISTEN`] if there are none. Answers nothing yet.
    ///
    /// Without a caller in the settings everybody who reaches an address is served. So only loopback addresses and unix
    /// sockets can be listened at; a unix socket's file is for this user only, replaces one that nobody listens at any
    /// more, and is removed at the end.
    ///
    /// The error names the address and says what to do about it.
    pub async fn bind(settings: &ServerSettings, manager: TokenManager) -> io::Result<Self> {
        let default = [Listen::Tcp(DEFAULT_LISTEN)];
        let addresses = if settings.listen.is_empty() { default.as_slice() } else { &settings.listen };
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            listeners.push(Listener::bind(address).await?);
        }
        let (tasks, cut_when_dropped) = Tasks::new();
        let app = Arc::new(App::new(manager, settings, tasks.stopping().clone()));
        Ok(Self { app, listeners, limits: Limits::default(), tasks, cut_when_dropped })
    }

    /// What changes its settings while it runs.
    pub fn control(&self) -> ServerControl {
        ServerControl(Arc::clone(&self.app))
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
        let Self { app, listeners, limits, tasks, cut_when_dropped: _cut_when_dropped } = self;
        let proxy = Arc::new(Proxy::new(tasks.clone(), &limits));
        let mut rooms = Vec::with_capacity(listeners.len());
        for listener in listeners {
            // Each has its own, so that whoever fills a port does not shut out those who come by the socket.
            let connections = Arc::new(Semaphore::new(limits.max_connections));
            info!(address = %listener.address(), "listening");
            let (address, left) = (listener.address().to_string(), Arc::clone(&connections));
            rooms.push(Room { address, most: limits.max_connections, left });
            let router = routes::router(&app, &proxy, listener.reach());
            tasks.spawn(accept(listener, router, tasks.clone(), connections, limits.clone()));
        }
        // Its connections are to end with the last request.
        drop(proxy);
        app.metrics.listening(rooms);
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

/// Where a server listens if its settings do not say it.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8640);
