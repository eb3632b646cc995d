//! A running server with three providers, and a way to talk to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokenkeep::config::{self, Listen, ServerSettings};
use tokenkeep::expiry::{Policy, Refresh};
use tokenkeep::provider::{Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::{Accounts, ManagerBuilder, Secret, SourceSettings, TokenManager};
use tokenkeep_sandbox::{Client, Sandbox};
use tokenkeep_server::{Limits, Server, ServerControl};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fakes::{TestClock, Vendor};
use crate::secrets;

/// `reports` is an OAuth client of the sandbox, `fixed` a static token, `vendor` has any account and the source
/// [`Vendor`]. The clock stands still.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) manager: TokenManager,
    pub(crate) control: ServerControl,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    key: Option<&'static str>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

/// What differs from the usual.
pub(crate) struct Setup {
    pub(crate) toml: String,
    /// More providers; `LOGIN` in it is the address of the sandbox's login.
    pub(crate) providers: &'static str,
    pub(crate) key: Option<&'static str>,
    pub(crate) limits: Limits,
    pub(crate) manager: ManagerBuilder,
}

impl Setup {
    /// A port of the loopback address, and no API key.
    pub(crate) fn open() -> Self {
        Self {
            toml: "[server]\nlisten = [\"127.0.0.1:0\"]\n".to_owned(),
            providers: "",
            key: None,
            limits: Limits::default(),
            manager: TokenManager::builder(),
        }
    }

    /// The same with the API key [`secrets::API_KEY`], which may everything.
    pub(crate) fn keyed() -> Self {
        let open = Self::open().caller("all", secrets::API_KEY, "\"*\"", "\"admin\"");
        Self { key: Some(secrets::API_KEY), ..open }
    }

    /// With one more caller.
    pub(crate) fn caller(mut self, name: &str, key: &str, tokens: &str, allow: &str) -> Self {
        self.toml += &caller(name, key, tokens, allow);
        self
    }

    /// With the provider `bluestakes`, whose accounts are stored; it is the default one.
    pub(crate) fn with_accounts(mut self) -> Self {
        self.toml = self.toml.replacen("[server]\n", "[server]\ndefault_provider = \"bluestakes\"\n", 1);
        self.providers = "[providers.bluestakes]\ngrant = \"login\"\naccounts = \"stored\"\nlifetime = \"1h\"\n\
                          [providers.bluestakes.login]\npost = \"LOGIN\"\ntoken = \"/Authorization\"\n\
                          json = { username = \"{username}\", password = \"{password}\" }\n";
        self
    }

    pub(crate) async fn start(self) -> World {
        secrets::capture_log();
        let sandbox = Sandbox::builder()
            .client(Client::new("reports", secrets::CLIENT_SECRET).life(Duration::from_mins(5)).scope("read"))
            .user("ann", secrets::PASSWORD)
            .start()
            .await
            .unwrap();
        let toml = format!("{}{}", self.toml, self.providers.replace("LOGIN", &sandbox.login_url()));
        let config = config::parse(&toml, "test.toml", Path::new("/"), &HashMap::new()).await.unwrap();
        let clock = Arc::new(TestClock::default());
        let on_demand = Policy { refresh: Refresh::OnDemand, ..Policy::default() };
        let manager = self
            .manager
            .clock(Arc::<TestClock>::clone(&clock))
            .provider(reports(&sandbox))
            .provider(Provider::new("fixed", Grant::Static { token: Secret::new(secrets::STATIC_TOKEN) }).unwrap())
            .source(
                "vendor",
                Arc::new(Vendor),
                SourceSettings::default().with_policy(on_demand).with_accounts(Accounts::Any),
            )
            .providers(config.providers)
            .build()
            .await
            .unwrap();
        manager.start();
        let server = Server::bind(&config.server, manager.clone()).await.unwrap().with_limits(self.limits);
        let tcp = |address: &Listen| if let Listen::Tcp(address) = address { Some(*address) } else { None };
        let address = server.local_addrs().find_map(tcp).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9)));
        let control = server.control();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(server.run(stop.clone().cancelled_owned()));
        let http = client().build().unwrap();
        World { sandbox, clock, manager, control, address, http, key: self.key, stop, running }
    }
}

impl World {
    /// A request for a path, with the API key if one is configured.
    pub(crate) fn ask(&self, path: &str) -> RequestBuilder {
        self.send("GET", path)
    }

    /// The same by another method.
    pub(crate) fn send(&self, method: &str, path: &str) -> RequestBuilder {
        let request = self.http.request(method.parse().unwrap(), self.url(path));
        match self.key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(path).send().await.unwrap()
    }

    /// The status and the JSON of an answer.
    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        let response = self.get(path).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Begins to stop the server.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the server has stopped.
    pub(crate) async fn stopped(&mut self) {
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
    }

    /// Drops the server while it runs.
    pub(crate) fn abandon(&mut self) {
        self.running.abort_all();
    }

    /// Stops it all, and looks for secrets in everything that was logged so far.
    pub(crate) async fn end(mut self) {
        self.begin_to_stop();
        self.stopped().await;
        self.manager.stop().await.unwrap();
        self.sandbox.stop().await;
        secrets::assert_none_in_log();
    }
}

/// A table `[[server.keys]]`.
pub(crate) fn caller(name: &str, key: &str, tokens: &str, allow: &str) -> String {
    let hash = Sha256::digest(key).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("[[server.keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\ntokens = [{tokens}]\nallow = [{allow}]\n")
}

pub(crate) fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy()
}

pub(crate) async fn settings(toml: &str) -> ServerSettings {
    config::parse(toml, "test.toml", Path::new("/"), &HashMap::new()).await.unwrap().server
}

fn reports(sandbox: &Sandbox) -> Provider {
    let endpoint =
        TokenEndpointSettings::new(TokenUrl::parse(&sandbox.token_url(), Transport::Secure).unwrap(), "reports")
            .with_client_secret(Secret::new(secrets::CLIENT_SECRET));
    Provider::new("reports", Grant::ClientCredentials(endpoint)).unwrap()
}
