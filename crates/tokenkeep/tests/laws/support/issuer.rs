use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::source::{Ask, Expiry, Fault, FetchError, Fetched, TokenSource};
use tokenkeep::{Clock as _, Secret};
use tokio::sync::{Notify, watch};

use super::clock::TestClock;

/// An issuer that does as it is told and remembers what it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Issuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: OnceLock<Arc<TestClock>>,
    state: Mutex<State>,
    arrived: watch::Sender<usize>,
    held: watch::Sender<bool>,
    /// Whoever connects next waits for it.
    connection: Mutex<Option<Arc<Notify>>>,
    rotates: bool,
    secret: String,
    host: &'static str,
    /// What shapes the login behind the tokens, if they have one.
    login: Option<&'static str>,
}

#[derive(Debug)]
struct State {
    life: Expiry,
    token: Option<String>,
    token_type: String,
    refresh_in: Option<Duration>,
    reply: Reply,
    silent: bool,
    requests: Vec<Request>,
    issued: u64,
    refresh_token: Option<String>,
    reused: u64,
    lost: u64,
    in_flight: usize,
    max_in_flight: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) key: String,
    /// On the boot clock.
    pub(crate) at: Duration,
    pub(crate) refresh_token: Option<String>,
    /// The password of the account, if it came with one.
    pub(crate) password: Option<String>,
}

/// What the issuer does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Token,
    /// The work is done, the refresh token rotated, and the answer lost.
    Lost,
    Fail(FetchError),
    Panic,
}

impl Issuer {
    pub(crate) fn new(life: Duration) -> Self {
        Self::build(Expiry::In(life), false, "s3cret")
    }

    /// Another issuer than all the others.
    pub(crate) fn at(host: &'static str, life: Duration) -> Self {
        let issuer = Self::build(Expiry::In(life), false, host);
        let inner = Arc::into_inner(issuer.0).unwrap();
        Self(Arc::new(Inner { host, ..inner }))
    }

    /// One that spends a refresh token with each answer.
    pub(crate) fn rotating(life: Duration) -> Self {
        Self::build(Expiry::In(life), true, "s3cret")
    }

    pub(crate) fn with_secret(life: Duration, secret: &str) -> Self {
        Self::build(Expiry::In(life), false, secret)
    }

    /// Another configuration of the same issuer: another scope, and this login.
    pub(crate) fn reconfigured(&self, login: &'static str) -> Self {
        let state = self.0.state.lock().unwrap();
        let (life, rotates) = (state.life, self.0.rotates);
        let other = Self::build_with(life, rotates, "another scope", Some(login));
        other.0.state.lock().unwrap().refresh_token.clone_from(&state.refresh_token);
        other.0.state.lock().unwrap().issued = state.issued;
        other
    }

    /// Answers with a refresh token only when a new one is due: RFC 6749 section 6 leaves that to the issuer.
    pub(crate) fn say_no_refresh_token(&self) {
        self.0.state.lock().unwrap().silent = true;
    }

    fn build(life: Expiry, rotates: bool, secret: &str) -> Self {
        Self::build_with(life, rotates, secret, rotates.then_some("seed"))
    }

    fn build_with(life: Expiry, rotates: bool, secret: &str, login: Option<&'static str>) -> Self {
        let state = State {
            life,
            token: None,
            token_type: "Bearer".to_owned(),
            refresh_in: None,
            reply: Reply::Token,
            silent: false,
            requests: Vec::new(),
            issued: 0,
            refresh_token: rotates.then(|| "rt-0".to_owned()),
            reused: 0,
            lost: 0,
            in_flight: 0,
            max_in_flight: 0,
        };
        Self(Arc::new(Inner {
            clock: OnceLock::new(),
            state: Mutex::new(state),
            arrived: watch::channel(0).0,
            held: watch::channel(false).0,
            connection: Mutex::default(),
            rotates,
            secret: secret.to_owned(),
            host: "issuer.example",
            login,
        }))
    }

    pub(crate) fn set_clock(&self, clock: &Arc<TestClock>) {
        self.0.clock.get_or_init(|| Arc::clone(clock));
    }

    pub(crate) fn set_token_type(&self, token_type: &str) {
        token_type.clone_into(&mut self.0.state.lock().unwrap().token_type);
    }

    pub(crate) fn set_expiry(&self, expiry: Expiry) {
        self.0.state.lock().unwrap().life = expiry;
    }

    /// Answers with this token from now on.
    pub(crate) fn set_token(&self, token: &str) {
        self.0.state.lock().unwrap().token = Some(token.to_owned());
    }

    pub(crate) fn advise_refresh_in(&self, after: Duration) {
        self.0.state.lock().unwrap().refresh_in = Some(after);
    }

    pub(crate) fn reply(&self, reply: Reply) {
        self.0.state.lock().unwrap().reply = reply;
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.reply(Reply::Fail(FetchError::new(fault, "issuer.example said no")));
    }

    /// Requests arrive and are not answered until [`Issuer::let_go`].
    pub(crate) fn hold(&self) {
        self.0.held.send_replace(true);
    }

    /// The next request does not get through to it until told.
    pub(crate) fn hold_connection(&self) -> Arc<Notify> {
        let connected = Arc::new(Notify::new());
        *self.0.connection.lock().unwrap() = Some(Arc::clone(&connected));
        connected
    }

    pub(crate) fn let_go(&self) {
        self.0.held.send_replace(false);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.0.state.lock().unwrap().requests.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.state.lock().unwrap().requests.len()
    }

    /// How often a refresh token came that was spent.
    pub(crate) fn reused(&self) -> u64 {
        self.0.state.lock().unwrap().reused
    }

    /// How many answers were lost after the work was done.
    pub(crate) fn lost(&self) -> u64 {
        self.0.state.lock().unwrap().lost
    }

    pub(crate) fn max_in_flight(&self) -> usize {
        self.0.state.lock().unwrap().max_in_flight
    }

    pub(crate) async fn arrival(&self, count: usize) {
        self.0.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    /// The shortest time between two requests for one key.
    pub(crate) fn shortest_gap(&self, key: &str) -> Option<Duration> {
        let requests = self.requests();
        let times: Vec<_> = requests.iter().filter(|request| request.key == key).map(|request| request.at).collect();
        times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min()
    }

    fn arrive(&self, ask: &Ask<'_>) {
        let mut state = self.0.state.lock().unwrap();
        let at = Duration::from_millis(self.0.clock.get().unwrap().now().boot_ms as u64);
        let refresh_token = ask.refresh_token.map(|token| token.expose_secret().to_owned());
        let password = ask.credentials.and_then(|credentials| credentials.get("password"));
        let password = password.map(|password| password.expose_secret().to_owned());
        state.requests.push(Request { key: ask.key.to_string(), at, refresh_token, password });
        state.in_flight += 1;
        state.max_in_flight = state.max_in_flight.max(state.in_flight);
        let arrived = state.requests.len();
        drop(state);
        self.0.arrived.send_replace(arrived);
    }

    fn answer(&self, ask: &Ask<'_>) -> Result<Fetched, FetchError> {
        let mut state = self.0.state.lock().unwrap();
        state.in_flight -= 1;
        match state.reply.clone() {
            Reply::Panic => {
                drop(state);
                panic!("a source that panics, as the test wants");
            }
            Reply::Fail(error) => return Err(error),
            Reply::Token | Reply::Lost => {}
        }
        if self.0.rotates {
            let sent = ask.refresh_token.map_or("rt-0", Secret::expose_secret);
            if state.refresh_token.as_deref() != Some(sent) {
                state.reused += 1;
                return Err(FetchError::new(Fault::LoginRequired, "issuer.example answered 400 invalid_grant"));
            }
            if !state.silent {
                state.refresh_token = Some(format!("rt-{}", state.issued + 1));
            }
        }
        state.issued += 1;
        if matches!(state.reply, Reply::Lost) {
            state.lost += 1;
            return Err(FetchError::new(Fault::Unavailable, "issuer.example broke off its answer"));
        }
        let access_token = match &state.token {
            Some(token) => Secret::new(token.as_str()),
            None => Secret::new(format!("{}-token-{}", ask.key, state.issued)),
        };
        Ok(Fetched::new(access_token)
            .with_token_type(state.token_type.as_str())
            .with_expiry(state.life)
            .with_refresh_in(state.refresh_in)
            .with_refresh_token(state.refresh_token.as_deref().filter(|_| !state.silent).map(Secret::new)))
    }
}

#[async_trait]
impl TokenSource for Issuer {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let connection = self.0.connection.lock().unwrap().take();
        if let Some(connected) = connection {
            connected.notified().await;
        }
        if !ask.may_begin() {
            return Err(FetchError::new(Fault::Refused, "began too late"));
        }
        self.arrive(&ask);
        let mut held = self.0.held.subscribe();
        held.wait_for(|held| !held).await.unwrap();
        self.answer(&ask)
    }

    fn issuer(&self) -> &'static str {
        self.0.host
    }

    fn fingerprint(&self) -> Fingerprint {
        let token = Fingerprint::of([("client_secret", &*self.0.secret)]);
        match self.0.login {
            Some(login) => token.with_login([("login", login)]),
            None => token,
        }
    }

    fn rotates(&self) -> bool {
        self.0.rotates
    }
}
