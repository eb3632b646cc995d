//! The handle that starts, steers and stops a sandbox.

use std::{
    collections::BTreeSet,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    arrivals::{Arrival, ArrivalLog},
    client::Client,
    counters::{ClientCounters, Counters, UNKNOWN_CLIENT, VENDOR},
    fault::{FaultRule, Faults},
    issuer::Issuer,
    routes, serve,
    traffic::Shared,
};

/// A running issuer and protected API. Dropping it ends its tasks soon; [`Sandbox::stop`] waits.
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Sandbox {
    /// How many token requests the log keeps.
    pub const REQUESTS_KEPT: usize = ArrivalLog::CAPACITY;

    /// Starts to describe a sandbox. One that registers nothing has no clients and no users.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clients: Vec::new(),
            users: Vec::new(),
            vendor_life: Client::DEFAULT_LIFE,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.shared.url.clone()
    }

    /// The OAuth token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}/oauth2/token", self.shared.url)
    }

    /// The vendor's login, which is not OAuth.
    pub fn login_url(&self) -> String {
        format!("{}/login", self.shared.url)
    }

    /// The base of the protected API.
    pub fn api_url(&self) -> String {
        format!("{}/api", self.shared.url)
    }

    /// The base of a language model that is protected as the API is, and counted with it; clients of `OpenAI` add
    /// `/v1/chat/completions`. It says as many words as `max_tokens`, a streamed one every 50 ms.
    pub fn llm_url(&self) -> String {
        format!("{}/llm", self.shared.url)
    }

    /// Sets the fault for token requests of all clients that have none of their own.
    pub fn set_fault(&self, fault: impl Into<FaultRule>) {
        self.shared.change_faults(|faults| faults.everywhere = Some(fault.into()));
    }

    /// Sets the fault for token requests of one client, [`VENDOR`] or [`UNKNOWN_CLIENT`]; it beats
    /// that of [`Sandbox::set_fault`]. Returns false, and sets nothing, if nobody has this id.
    pub fn set_fault_for(&self, client: &str, fault: impl Into<FaultRule>) -> bool {
        self.shared.set_fault_for(client, fault.into())
    }

    /// Sets the fault for requests at the protected API.
    pub fn set_api_fault(&self, fault: impl Into<FaultRule>) {
        self.shared.change_faults(|faults| faults.api = Some(fault.into()));
    }

    /// Clears all faults. Requests that are held stay held: see [`Sandbox::release`].
    pub fn clear_faults(&self) {
        self.shared.change_faults(|faults| *faults = Faults::default());
    }

    /// The faults that are set.
    pub fn faults(&self) -> Faults {
        self.shared.faults()
    }

    /// Lets go all requests that `Fault::Hang` or `Fault::HoldAnswer` holds now; the fault stays
    /// set for later ones.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Sets the life of tokens that a client, or [`VENDOR`], is issued from now on. Returns false
    /// if nobody has this id.
    pub fn set_life(&self, client: &str, life: Duration) -> bool {
        self.shared.issuer().set_life(client, life)
    }

    /// Issues a refresh token that starts a new family, as a login in a browser would. For an id
    /// that is not registered it is good for nothing.
    pub fn issue_refresh_token(&self, client: &str) -> String {
        self.shared.issuer().start_family(client)
    }

    /// Makes the API refuse all access tokens that a client, or [`VENDOR`], has so far; its refresh
    /// tokens stay. Returns how many were revoked.
    pub fn revoke_tokens(&self, client: &str) -> usize {
        self.shared.issuer().revoke(Some(client))
    }

    /// [`Sandbox::revoke_tokens`] for everybody.
    pub fn revoke_all(&self) -> usize {
        self.shared.issuer().revoke(None)
    }

    /// All counters as of now.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// The counters of one client, [`VENDOR`] or [`UNKNOWN_CLIENT`]; zeros if nobody has this id.
    pub fn counters_of(&self, client: &str) -> ClientCounters {
        self.shared.counters_of(client)
    }

    /// The newest token requests, at most [`Sandbox::REQUESTS_KEPT`], oldest first.
    pub fn requests(&self) -> Vec<Arrival> {
        self.shared.requests()
    }

    /// Resolves when `n` token requests of a client have arrived since the start; never for an id
    /// that nobody has. An arrived request has met its fault: a later change does not touch it, a
    /// later release lets it go.
    pub async fn wait_for_requests(&self, client: &str, n: u64) {
        self.wait_until(|counters| counters.clients.get(client).is_some_and(|counters| counters.token_requests >= n))
            .await;
    }

    /// Resolves when the counters fulfil a condition, at once if they do already: that an answer is
    /// held with its work done (`issued`), that nothing is in flight any more. It is asked under a
    /// lock, so it must not call the sandbox.
    pub async fn wait_until(&self, condition: impl FnMut(&Counters) -> bool) {
        self.shared.wait_until(condition).await;
    }

    /// Stops accepting, cuts all connections and waits until all tasks have ended. Counters stay
    /// readable; a second call does nothing.
    pub async fn stop(&self) {
        self.cancel.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

/// What a sandbox will be.
#[must_use]
pub struct SandboxBuilder {
    listen: SocketAddr,
    clients: Vec<Client>,
    users: Vec<(String, String)>,
    vendor_life: Duration,
}

impl SandboxBuilder {
    /// Sets where it listens; by default on a free port of 127.0.0.1. Loopback addresses only.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Registers a client.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Registers a person, for grant `password` and for `POST /login`.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// Sets the life of tokens from `POST /login`, which its answers do not tell.
    pub fn vendor_life(mut self, life: Duration) -> Self {
        self.vendor_life = life;
        self
    }

    /// Binds the address and runs until stopped or dropped.
    ///
    /// Fails if the address is not loopback or not free, or if a client's id is empty, taken twice,
    /// [`VENDOR`] or [`UNKNOWN_CLIENT`].
    pub async fn start(self) -> io::Result<Sandbox> {
        self.check()?;
        let listener = TcpListener::bind(self.listen).await?;
        let address = listener.local_addr()?;
        let ids: Vec<String> = self.clients.iter().map(|client| client.id.clone()).collect();
        let issuer = Issuer::new(self.clients, self.users, self.vendor_life);
        let shared = Arc::new(Shared::new(format!("http://{address}"), ids.into_iter(), issuer));
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let router = routes::router(Arc::clone(&shared));
        drop(tasks.spawn(serve::accept(listener, router, tasks.clone(), cancel.clone())));
        tasks.close();
        Ok(Sandbox { shared, address, tasks, cancel })
    }

    fn check(&self) -> io::Result<()> {
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if !self.listen.ip().is_loopback() {
            return refuse(format!("the sandbox listens on loopback only, not on {}", self.listen.ip()));
        }
        let mut taken = BTreeSet::from(["", VENDOR, UNKNOWN_CLIENT]);
        match self.clients.iter().find(|client| !taken.insert(&client.id)) {
            Some(client) => refuse(format!("client id `{}` is empty, reserved or registered twice", client.id)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBuilder")
            .field("listen", &self.listen)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}
