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
    pub(crate) address: SocketAddr,
    pub(crate) control: ServerControl,
    pub(crate) http: reqwest::Client,
    key: Option<&'static str>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

/// What differs from the usual.
pub(crate) struct Setup {
    pub(crate) toml: String,
    pub(crate) key: Option<&'static str>,
    pub(crate) limits: Limits,
    pub(crate) manager: ManagerBuilder,
}

impl Setup {
    /// A port of the loopback address, and no API key.
    pub(crate) fn open() -> Self {
        Self {
            toml: "[server]\nlisten = [\"127.0.0.1:0\"]\n".to_owned(),
            key: None,
            limits: Limits::default(),
            manager: TokenManager::builder(),
        }
    }

    /// The same with the API key [`secrets::API_KEY`].
    pub(crate) fn keyed() -> Self {
        let hash = Sha256::digest(secrets::API_KEY).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let open = Self::open();
        Self {
            toml: format!(
                "{}[[server.keys]]\nname = \"all\"\nsha256 = \"{hash}\"\ntokens = [\"*\"]\nallow = [\"admin\"]\n",
                open.toml
            ),
            key: Some(secrets::API_KEY),
            ..open
        }
    }

    pub(crate) async fn start(self) -> World {
        secrets::capture_log();
        let sandbox = Sandbox::builder()
            .client(Client::new("reports", secrets::CLIENT_SECRET).life(Duration::from_mins(5)).scope("read"))
            .start()
            .await
            .unwrap();
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
            .build()
            .await
            .unwrap();
        manager.start();
        let server = Server::bind(&settings(&self.toml).await, manager.clone()).await.unwrap().with_limits(self.limits);
        let tcp = |address: &Listen| if let Listen::Tcp(address) = address { Some(*address) } else { None };
        let address = server.local_addrs().find_map(tcp).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9)));
        let control = server.control();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(server.run(stop.clone().cancelled_owned()));
        let http = client().build().unwrap();
        World { sandbox, clock, manager, address, control, http, key: self.key, stop, running }
    }
}

impl World {
    /// A request for a path, with the API key if one is configured.
    pub(crate) fn ask(&self, path: &str) -> RequestBuilder {
        let request = self.http.get(self.url(path));
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
