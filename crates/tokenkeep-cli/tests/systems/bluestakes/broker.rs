//! One running broker, as the clients of the old API and whoever reads its log see it.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::vendor::{API_KEY, PASSWORD, USERNAME};
use crate::support::{LONG, Server};

/// It is killed when it is dropped.
pub(super) struct Broker {
    pub(super) server: Server,
    pub(super) client: Client,
}

impl Broker {
    /// Starts one and waits until it listens.
    pub(super) async fn start(command: Command) -> Self {
        let server = Server::start(command).await;
        let client = Client { http: server.http.clone(), url: server.url.clone() };
        Self { server, client }
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
