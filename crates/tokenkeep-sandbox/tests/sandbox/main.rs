//! The sandbox as its users see it: over real HTTP.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod api;
mod control;
mod faults;
mod llm;
mod program;
mod requests;
mod rotation;
mod tokens;

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokenkeep_sandbox::{Client, Sandbox};

/// A sandbox with the clients that most laws need, and a way to talk to it.
struct World {
    sandbox: Sandbox,
    http: reqwest::Client,
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::builder()
            .client(Client::new("reports", "reports-secret").life(Duration::from_mins(5)))
            .client(Client::new("billing", "billing-secret"))
            .client(Client::new("web", "web-secret").with_refresh_tokens())
            .client(Client::new("od:d", "p+q%r&s=t u"))
            .client(Client::public("app").with_refresh_tokens())
            .client(Client::new("lenient", "lenient-secret").tolerating_reuse())
            .client(Client::new("fixed", "fixed-secret").without_rotation())
            .user("alice", "alice-password")
            .start()
            .await
            .unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { sandbox, http }
    }

    /// A token request of a client whose secret is its id and `-secret`.
    fn ask(&self, client: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let secret = format!("{client}-secret");
        self.http.post(self.sandbox.token_url()).basic_auth(client, Some(secret)).form(form)
    }

    fn client_credentials(&self, client: &str) -> RequestBuilder {
        self.ask(client, &[("grant_type", "client_credentials")])
    }

    fn refresh(&self, client: &str, refresh_token: &str) -> RequestBuilder {
        self.ask(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    async fn access_token(&self, client: &str) -> String {
        text_of(&json_of(self.client_credentials(client)).await, "access_token")
    }

    fn call_api(&self, authorization: &str) -> RequestBuilder {
        self.http.get(format!("{}/things/1?full=yes", self.sandbox.api_url())).header("authorization", authorization)
    }

    fn control(&self, method: &str, path: &str, body: &str) -> RequestBuilder {
        let url = format!("{}/sandbox/{path}", self.sandbox.url());
        self.http.request(method.parse().unwrap(), url).body(body.to_owned())
    }
}

async fn status_of(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

async fn json_of(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

/// The status and the `error` of a refusal.
async fn error_of(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, text_of(&response.json().await.unwrap(), "error"))
}

fn text_of(object: &Value, member: &str) -> String {
    object[member].as_str().unwrap().to_owned()
}

fn header_of(response: &Response, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}
