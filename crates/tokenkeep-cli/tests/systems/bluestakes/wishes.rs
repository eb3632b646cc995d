//! What the users of Bluestakes wished for and did not have.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokenkeep_sandbox::Sandbox;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStderr, Command};

const API_KEY: &str = "planted-api-key-7c2f";
const PASSWORD: &str = "planted-password-90be";
const SEAL_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

/// A vendor, and a broker for its companies. Everything is gone when it is dropped.
struct World {
    vendor: Sandbox,
    url: String,
    http: reqwest::Client,
    log: Lines<BufReader<ChildStderr>>,
    _home: TempDir,
    _broker: Child,
}

impl World {
    /// With more options of the provider, and more tables.
    async fn start(options: &str, tables: &str) -> Self {
        let home = TempDir::new().unwrap();
        let vendor = Sandbox::builder().user("ann", PASSWORD).start().await.unwrap();
        let hash = Sha256::digest(API_KEY).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let toml = format!(
            "store = \"sqlite:bluestakes.db\"\nseal_keys = [{{ env = \"SEAL_KEY\" }}]\n\
             [server]\nlisten = [\"127.0.0.1:0\"]\ndefault_provider = \"bluestakes\"\n\
             [[server.keys]]\nname = \"bluestakes\"\nsha256 = \"{hash}\"\ntokens = [\"*\"]\nallow = [\"admin\"]\n{tables}\
             [providers.bluestakes]\ngrant = \"login\"\naccounts = \"stored\"\n{options}\n\
             [providers.bluestakes.login]\npost = \"{}\"\ntoken = \"/Authorization\"\n\
             json = {{ username = \"{{username}}\", password = \"{{password}}\" }}\n",
            vendor.login_url()
        );
        std::fs::write(home.path().join("tokenkeep.toml"), toml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenkeep"));
        command
            .args(["serve", "--log-format", "json"])
            .env_clear()
            .env("HOME", home.path())
            .env("SEAL_KEY", SEAL_KEY)
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut broker = command.spawn().unwrap();
        let log = BufReader::new(broker.stderr.take().unwrap()).lines();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = Self { vendor, url: String::new(), http, log, _home: home, _broker: broker };
        let listening = world.hear(&["\"listening\""]).await;
        world.url = format!("http://{}", listening["address"].as_str().unwrap());
        world
    }

    /// The next line of the log that holds all of this.
    async fn hear(&mut self, texts: &[&str]) -> Value {
        let hearing = async {
            loop {
                let line = self.log.next_line().await.unwrap().unwrap();
                assert!(!line.contains("planted-"), "{line}");
                if texts.iter().all(|text| line.contains(text)) {
                    return serde_json::from_str(&line).unwrap();
                }
            }
        };
        in_time(hearing).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let request = self.http.request(method, format!("{}{path}", self.url)).header("X-API-Key", API_KEY);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = in_time(request.send()).await.unwrap();
        (answer.status().as_u16(), in_time(answer.text()).await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.ask(Method::GET, path, None).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn give_credentials(&self, company: &str, credentials: Value) {
        let (status, text) = self.ask(Method::POST, &format!("/tokens/credentials/{company}"), Some(credentials)).await;
        assert_eq!(status, 200, "{text}");
    }
}

/// Waits for one request and answers it; its head, and the JSON that it has.
async fn received(listener: &TcpListener) -> (String, Value) {
    let receiving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        loop {
            stream.read_buf(&mut read).await.unwrap();
            let text = String::from_utf8(read.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            if let Ok(json) = serde_json::from_str(body) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
                return (head.to_ascii_lowercase(), json);
            }
        }
    };
    in_time(receiving).await
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.unwrap()
}

/// B9: a webhook is told when the vendor refuses a company's credentials, and when the company is well again.
#[tokio::test]
async fn a_webhook_is_told_of_an_authentication_failure_and_of_its_end() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = format!(
        "[[server.webhooks]]\nurl = \"http://{}/alerts\"\nsecret = {{ env = \"SEAL_KEY\" }}\n",
        receiver.local_addr().unwrap()
    );
    let mut world = World::start("lifetime = \"1h\"", &webhook).await;
    world.give_credentials("17", json!({ "username": "ann", "password": "planted-wrong" })).await;
    let (refused, failed) = tokio::join!(world.get("/tokens/17"), received(&receiver));
    assert_ne!(refused.0, 200);
    let (head, message) = failed;
    assert!(head.starts_with("post /alerts http/1.1\r\n"), "{head}");
    for header in
        ["content-type: application/json", "webhook-id: msg_", "webhook-timestamp: 1", "webhook-signature: v1,"]
    {
        assert!(head.contains(&format!("\r\n{header}")), "{header}: {head}");
    }
    assert_eq!(message["type"], "refused");
    assert_eq!(message["data"]["key"], "bluestakes:17");
    assert_eq!((&message["data"]["kind"], &message["data"]["count"]), (&json!("refused"), &json!(1)));
    assert_eq!(message["data"]["since"].as_str().unwrap().len(), "2026-11-21T15:40:12Z".len());
    assert!(!message["data"]["what"].as_str().unwrap().is_empty() && !message.to_string().contains("planted"));

    world.give_credentials("17", json!({ "username": "ann", "password": PASSWORD })).await;
    let (good, recovered) = tokio::join!(world.get("/tokens/17"), received(&receiver));
    assert_eq!(good.0, 200, "{}", good.1);
    assert_eq!((&recovered.1["type"], &recovered.1["data"]["key"]), (&json!("recovered"), &json!("bluestakes:17")));
    let told = world.hear(&["told a webhook", "\"recovered\""]).await;
    assert_eq!(told["key"], "bluestakes:17");
}

/// B9: a dashboard of usage and performance, and what it shows is there for the key alone.
#[tokio::test]
async fn the_dashboard_is_served_and_what_it_shows_is_for_callers() {
    let world = World::start("lifetime = \"1h\"", "").await;
    world.give_credentials("17", json!({ "username": "ann", "password": PASSWORD })).await;
    for _ in 0..2 {
        assert_eq!(world.get("/tokens/17").await.0, 200);
    }
    let page = in_time(world.http.get(format!("{}/dashboard", world.url)).send()).await.unwrap();
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; "));
    let page = page.text().await.unwrap();
    for shown in ["Hit ratio", "Logins per call", "Issuers answer in", "Budget left", "Time left", "Failures in a row"]
    {
        assert!(page.contains(shown), "{shown}");
    }
    for path in ["/tokens?limit=200", "/tokens/stats", "/metrics"] {
        let stranger = in_time(world.http.get(format!("{}{path}", world.url)).send()).await.unwrap();
        assert_eq!(stranger.status(), 401, "{path}");
        assert_eq!(world.ask(Method::GET, path, None).await.0, 200, "{path}");
    }
    let (_, list) = world.get("/tokens?limit=200").await;
    let company = list["tokens"].as_array().unwrap().iter().find(|token| token["key"] == "bluestakes:17").unwrap();
    assert_eq!((&company["state"], &company["generation"]), (&json!("fresh"), &json!(1)));
    let (_, metrics) = world.ask(Method::GET, "/metrics", None).await;
    for sample in [
        "tokenkeep_hand_outs_total{provider=\"bluestakes\",key=\"bluestakes:17\",result=\"hit\"} 1\n",
        "tokenkeep_issuer_requests_total{provider=\"bluestakes\",result=\"token\"} 1\n",
        "tokenkeep_issuer_request_duration_seconds_count{provider=\"bluestakes\"} 1\n",
    ] {
        assert!(metrics.contains(sample), "{sample} is not in\n{metrics}");
    }
}

/// B9: a company's token is renewed before its end, and no caller waits for it.
#[tokio::test]
async fn a_token_in_use_is_renewed_before_its_end() {
    let world = World::start("lifetime = \"12s\"", "").await;
    world.give_credentials("17", json!({ "username": "ann", "password": PASSWORD })).await;
    assert_eq!(world.get("/tokens/17").await.1["generation"], 1);
    in_time(world.vendor.wait_until(|counters| counters.total.issued >= 2)).await;
    let again = in_time(async {
        loop {
            let (_, token) = world.get("/tokens/17").await;
            if token["generation"] != 1 {
                return token;
            }
        }
    });
    assert_eq!(again.await["generation"], 2);
    let (_, metrics) = world.ask(Method::GET, "/metrics", None).await;
    let waited = "tokenkeep_hand_outs_total{provider=\"bluestakes\",key=\"bluestakes:17\",result=\"waited\"} 1\n";
    assert!(metrics.contains(waited), "the first alone: {metrics}");
}

/// B9: each company can have a life of its own.
#[tokio::test]
async fn a_company_can_have_a_life_of_its_own() {
    let world = World::start("lifetime = \"1h\"", "").await;
    world.give_credentials("17", json!({ "username": "ann", "password": PASSWORD, "lifetime": "2h" })).await;
    world.give_credentials("18", json!({ "username": "ann", "password": PASSWORD })).await;
    for (company, life) in [("17", 7200), ("18", 3600)] {
        assert_eq!(world.get(&format!("/tokens/{company}")).await.0, 200);
        assert_eq!(world.get(&format!("/tokens/{company}/status")).await.1["life"], life);
    }
}

/// B9: management calls are logged for audit: who, what, whose, and what came of it.
#[tokio::test]
async fn each_management_call_leaves_a_line_for_audit() {
    let mut world = World::start("lifetime = \"1h\"", "").await;
    let credentials = json!({ "username": "ann", "password": PASSWORD });
    for (method, path, body, action, key) in [
        (Method::POST, "/tokens/credentials/17", Some(&credentials), "store_credentials", Some("bluestakes:17")),
        (Method::POST, "/tokens/credentials/test", Some(&credentials), "test_credentials", None),
        (Method::POST, "/tokens/17/refresh", None, "refresh", Some("bluestakes:17")),
        (Method::DELETE, "/tokens/17", None, "clear", Some("bluestakes:17")),
        (Method::POST, "/tokens/cleanup", None, "cleanup", None),
    ] {
        let (status, text) = world.ask(method, path, body.cloned()).await;
        assert!((200..300).contains(&status), "{path}: {text}");
        let line = world.hear(&["tokenkeep::audit", &format!("\"action\":\"{action}\"")]).await;
        assert_eq!((&line["caller"], &line["peer"]), (&json!("bluestakes"), &json!("127.0.0.1")), "{line}");
        assert_eq!(line["outcome"], "ok", "{line}");
        if let Some(key) = key {
            assert_eq!(line["key"], key, "{line}");
        }
    }
}

/// So long a law waits for what must come, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(1);
