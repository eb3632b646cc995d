//! One running broker, as the clients of the old API and whoever reads its log see it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::vendor::{API_KEY, PASSWORD, USERNAME};

/// It is killed when it is dropped.
pub(super) struct Broker {
    child: Child,
    pub(super) client: Client,
    log: watch::Receiver<Vec<String>>,
    _reading: JoinSet<()>,
}

impl Broker {
    /// Starts one and waits until it listens.
    pub(super) async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = watch::channel(Vec::new());
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log: &mut Vec<String>| log.push(line));
            }
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = Client { http, url: String::new() };
        let mut broker = Self { child, client, log, _reading: reading };
        let line = broker.hear(&["listening on http"]).await;
        let url = line.strip_prefix("listening on ").unwrap().split(',').next().unwrap();
        broker.client.url.push_str(url);
        broker
    }

    /// Waits for a line of the log that holds all of these; the first one.
    pub(super) async fn hear(&mut self, texts: &[&str]) -> String {
        let find = |log: &[String]| log.iter().find(|line| texts.iter().all(|text| line.contains(text))).cloned();
        let heard = tokio::time::timeout(LONG, self.log.wait_for(|log| find(log).is_some())).await;
        let found = heard.ok().and_then(Result::ok).and_then(|log| find(&log));
        found.unwrap_or_else(|| panic!("{texts:?} is not in the log:\n{}", self.log()))
    }

    /// All that it has logged.
    pub(super) fn log(&self) -> String {
        self.log.borrow().join("\n")
    }

    /// Ends it in the middle of whatever it does.
    pub(super) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A program that used the old API: all that it knows is where it is and the key.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// Sends a request with the key; the status and the JSON of the answer.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, text) = self.send(method, path, body, Some(API_KEY)).await;
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    /// Sends a request with this key or with none; the status and the text of the answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> (u16, String) {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).timeout(LONG);
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(key) = key {
            request = request.header("X-API-Key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        self.ask(Method::POST, path, body).await
    }

    /// Gives a company its credentials, as the old API's clients did, but in the body.
    pub(super) async fn give_credentials(&self, company: &str) {
        let credentials = json!({ "username": USERNAME, "password": PASSWORD });
        let given = self.post(&format!("/tokens/credentials/{company}"), Some(credentials)).await;
        assert_eq!(given, (200, json!({ "key": format!("bluestakes:{company}"), "stored": true })));
    }

    /// The token of a company.
    pub(super) async fn token(&self, company: &str) -> Value {
        let (status, token) = self.get(&format!("/tokens/{company}")).await;
        assert_eq!(status, 200, "{token}");
        token
    }
}

/// So long a test waits for what must come, on a machine that has much else to do.
pub(super) const LONG: Duration = Duration::from_mins(1);
