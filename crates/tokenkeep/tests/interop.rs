//! tokenkeep against an issuer that others wrote: `interop/README.md`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers outside of test functions may fail a test too")]

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokenkeep::provider::{ClientAuth, Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::store::StoreUrl;
use tokenkeep::{Code, Secret, TokenManager};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn client_credentials_are_accepted_by_basic_and_by_post() {
    let issuer = Issuer::start(60).await;
    for (name, client_auth, counted) in
        [("basic", ClientAuth::ClientSecretBasic, "basic"), ("post", ClientAuth::ClientSecretPost, "post")]
    {
        let mut endpoint = issuer.endpoint(name, client_auth);
        endpoint.scope = ["reports:read", "reports:write"].map(str::to_owned).into();
        let token = manager([Grant::ClientCredentials(endpoint)]).await.token("p0").await.unwrap();
        assert_eq!((token.token_type(), token.scope()), ("Bearer", Some("reports:read reports:write")));
        let life = token.expires_in().unwrap();
        assert!(life > Duration::from_secs(55) && life <= Duration::from_mins(1), "{life:?}");
        let found = issuer.introspect(token.expose_secret()).await;
        assert_eq!((&found["active"], &found["scope"]), (&true.into(), &"reports:read reports:write".into()));
        let counters = issuer.counters_of(name).await;
        assert_eq!((&counters["issued"], &counters["auth"][counted]), (&1.into(), &1.into()), "{counters}");
    }
}

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn no_refresh_token_is_used_twice_however_often_it_rotates() {
    let issuer = Issuer::start(60).await;
    let seed = issuer.text("/clients/rotating/refresh_token");
    let endpoint = issuer.endpoint("rotating", ClientAuth::ClientSecretBasic);
    let manager = manager([Grant::RefreshToken { endpoint, seed: Secret::new(seed) }]).await;
    let handle = manager.handle("p0").unwrap();
    for generation in 1..=4 {
        let token = handle.refresh().await.unwrap();
        assert_eq!(token.generation(), generation);
        assert_eq!(issuer.introspect(token.expose_secret()).await["active"], true);
    }
    let counters = issuer.counters_of("rotating").await;
    assert_eq!((&counters["issued"], &counters["refused"]), (&4.into(), &serde_json::json!({})), "{counters}");
}

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn a_token_that_is_handed_out_is_always_active_at_the_issuer() {
    let issuer = Issuer::start(3).await;
    let grants = [Grant::ClientCredentials(issuer.endpoint("basic", ClientAuth::ClientSecretBasic))];
    let manager = manager(grants).await;
    manager.start();
    let handle = manager.handle("p0").unwrap();
    let mut generations = HashSet::new();
    while generations.len() < 4 {
        let token = handle.token().await.unwrap();
        generations.insert(token.generation());
        assert_eq!(issuer.introspect(token.expose_secret()).await["active"], true, "{token:?}");
    }
    manager.stop().await.unwrap();
    let counters = issuer.counters_of("basic").await;
    assert!(counters["issued"].as_u64().unwrap() <= 5, "{counters}");
    assert_eq!(counters["refused"], serde_json::json!({}));
}

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn fifty_callers_at_once_cause_one_request() {
    let issuer = Issuer::start(60).await;
    let manager = manager([Grant::ClientCredentials(issuer.endpoint("post", ClientAuth::ClientSecretPost))]).await;
    let callers = (0..50).map(|_| manager.token("p0"));
    let tokens = futures_util::future::try_join_all(callers).await.unwrap();
    let tokens: HashSet<_> = tokens.iter().map(|token| token.expose_secret().to_owned()).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(issuer.counters_of("post").await["auth"], serde_json::json!({ "post": 1 }));
}

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn a_wrong_secret_is_refused_after_one_request() {
    let issuer = Issuer::start(60).await;
    let endpoint = issuer.endpoint("basic", ClientAuth::ClientSecretBasic);
    let wrong = endpoint.with_client_secret(Secret::new("guessed"));
    let manager = manager([Grant::ClientCredentials(wrong)]).await;
    for _ in 0..5 {
        let error = manager.token("p0").await.unwrap_err();
        assert_eq!(error.code(), Code::Refused);
        assert!(error.what().contains("answered 401 invalid_client"), "{error}");
        assert_eq!(error.next(), Some("check client_id, client_secret and client_auth"));
    }
    assert_eq!(issuer.counters_of("basic").await["refused"], serde_json::json!({ "invalid_client": 1 }));
}

#[tokio::test]
#[ignore = "needs node: run ./test"]
async fn a_spent_refresh_token_demands_a_login_after_one_request() {
    let issuer = Issuer::start(60).await;
    let seed = Secret::new(issuer.text("/clients/rotating/refresh_token"));
    let endpoint = issuer.endpoint("rotating", ClientAuth::ClientSecretBasic);
    let grant = Grant::RefreshToken { endpoint, seed };
    manager([grant.clone()]).await.token("p0").await.unwrap();
    let late = manager([grant]).await;
    for _ in 0..5 {
        assert_eq!(late.token("p0").await.unwrap_err().code(), Code::LoginRequired);
    }
    assert_eq!(issuer.counters_of("rotating").await["refused"], serde_json::json!({ "invalid_grant": 1 }));
}

async fn manager(grants: impl IntoIterator<Item = Grant>) -> TokenManager {
    let provider = |(number, grant)| Provider::new(&format!("p{number}"), grant).unwrap();
    let providers = grants.into_iter().enumerate().map(provider);
    TokenManager::builder().store_url(StoreUrl::Memory).providers(providers).build().await.unwrap()
}

/// A running issuer; it ends with its stdin, which this holds.
struct Issuer {
    announced: Value,
    http: reqwest::Client,
    _process: Child,
}

impl Issuer {
    async fn start(life: u32) -> Self {
        let folder = std::env::var_os("TOKENKEEP_OIDC_PROVIDER").expect("run this by ./test");
        let mut process = Command::new("node")
            .arg(std::path::Path::new(&folder).join("server.mjs"))
            .args(["--life", &life.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut announced = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut announced).await.unwrap();
        Self {
            announced: serde_json::from_str(&announced).unwrap(),
            http: reqwest::Client::builder().build().unwrap(),
            _process: process,
        }
    }

    fn text(&self, pointer: &str) -> &str {
        self.announced.pointer(pointer).and_then(Value::as_str).unwrap()
    }

    fn endpoint(&self, client: &str, client_auth: ClientAuth) -> TokenEndpointSettings {
        TokenEndpointSettings::new(
            TokenUrl::parse(self.text("/token_url"), Transport::Secure).unwrap(),
            self.text(&format!("/clients/{client}/client_id")),
        )
        .with_client_secret(Secret::new(self.text(&format!("/clients/{client}/client_secret"))))
        .with_client_auth(client_auth)
    }

    async fn introspect(&self, token: &str) -> Value {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("client_id", self.text("/clients/post/client_id"))
            .append_pair("client_secret", self.text("/clients/post/client_secret"))
            .finish();
        let request = self.http.post(self.text("/introspection_url"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
    }

    /// What the issuer counted of one client's token requests.
    async fn counters_of(&self, client: &str) -> Value {
        let answer = self.http.get(self.text("/counters_url")).send().await.unwrap().bytes().await.unwrap();
        let counters: Value = serde_json::from_slice(&answer).unwrap();
        counters[self.text(&format!("/clients/{client}/client_id"))].clone()
    }
}
