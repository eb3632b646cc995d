//! `[[server.webhooks]]`: who is told, of what, and that nobody has to wait for it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokenkeep::{Accounts, SourceSettings};
use tokenkeep_sandbox::Fault;
use tokenkeep_server::Limits;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::fakes::Refusing;
use crate::secrets::{CLIENT_SECRET, log};
use crate::world::{Setup, World, settings};

/// Whatever is sent to it, and what it answers in turn; 200 after that.
struct Receiver {
    address: SocketAddr,
    answers: Answers,
    received: mpsc::UnboundedReceiver<Received>,
    _running: JoinSet<()>,
}

type Answers = Arc<Mutex<VecDeque<Reply>>>;

#[derive(Debug, Clone, Copy)]
enum Reply {
    Status(u16),
    Redirect,
    /// Never.
    Silence,
}

#[derive(Debug)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Receiver {
    async fn start(answers: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let (tell, received) = mpsc::unbounded_channel();
        let router = Router::new().fallback(receive).with_state((Arc::clone(&answers), tell));
        let mut running = JoinSet::new();
        running.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, answers, received, _running: running }
    }

    /// Its table, with more options.
    fn toml(&self, options: &str) -> String {
        format!("[[server.webhooks]]\nurl = \"http://{}/planted-hook?planted=1\"\n{options}\n", self.address)
    }

    async fn next(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }

    async fn message(&mut self) -> Value {
        self.next().await.json()
    }

    fn has_nothing_more(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn receive(
    State((answers, tell)): State<(Answers, mpsc::UnboundedSender<Received>)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    tell.send(Received { path: parts.uri.to_string(), headers: parts.headers, body }).unwrap();
    let reply = answers.lock().unwrap().pop_front().unwrap_or(Reply::Status(200));
    match reply {
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Reply::Silence => std::future::pending().await,
    }
}

/// Webhooks are tried again at once.
fn setup(toml: &str) -> Setup {
    let mut setup = Setup::keyed();
    setup.toml += toml;
    setup.limits.webhook_pause = Duration::from_millis(1);
    setup
}

/// With the provider `refusing`, of any account.
fn with_refusing(mut setup: Setup) -> Setup {
    let settings = SourceSettings::default().with_accounts(Accounts::Any);
    setup.manager = setup.manager.source("refusing", Arc::new(Refusing), settings);
    setup
}

/// Has the issuer asked anew for `reports`, whatever is known.
async fn ask_anew(world: &World) -> u16 {
    world.clock.advance(Duration::from_secs(2));
    world.send("POST", "/tokens/reports/refresh").send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_refusal_is_told_once_with_why_and_its_end_with_since_when() {
    let mut receiver = Receiver::start([]).await;
    let world = setup(&receiver.toml("")).start().await;
    world.sandbox.set_fault(Fault::InvalidClient);
    world.get("/tokens/reports").await;
    let first = receiver.next().await;
    let what = first.json()["data"]["what"].as_str().unwrap().to_owned();
    assert!(what.contains("invalid_client"), "{what}");
    let data = |kind: &str, count: u32| json!({"key": "reports", "kind": kind, "what": what, "since": "2030-03-17T17:46:40Z", "count": count});
    let at = "2030-03-17T17:46:40Z";
    assert_eq!(first.json(), json!({"type": "refused", "timestamp": at, "data": data("refused", 1)}));
    assert_eq!((&*first.path, first.header("content-type")), ("/planted-hook?planted=1", "application/json"));
    assert_eq!((first.header("webhook-timestamp"), first.header("webhook-signature")), ("1900000000", ""));

    assert_ne!((ask_anew(&world).await, ask_anew(&world).await), (200, 200));
    world.sandbox.clear_faults();
    assert_eq!(ask_anew(&world).await, 200);
    let last = receiver.next().await;
    let at = "2030-03-17T17:46:46Z";
    assert_eq!(last.json(), json!({"type": "recovered", "timestamp": at, "data": data("refused", 3)}));
    assert_ne!(first.header("webhook-id"), last.header("webhook-id"));
    assert_eq!(ask_anew(&world).await, 200);
    world.end().await;
    assert!(receiver.has_nothing_more());
    assert!(![first.body, last.body].concat().windows(8).any(|bytes| bytes == &CLIENT_SECRET.as_bytes()[..8]));
}

#[tokio::test]
async fn an_outage_and_a_good_token_are_no_news() {
    let mut receiver = Receiver::start([]).await;
    let world = setup(&receiver.toml("")).start().await;
    world.sandbox.set_fault(Fault::ConnectionReset);
    assert_eq!(world.get("/tokens/reports").await.status(), 503);
    world.sandbox.clear_faults();
    assert_eq!(ask_anew(&world).await, 200);
    world.end().await;
    assert!(receiver.has_nothing_more());
}

#[tokio::test]
async fn a_signed_message_can_be_verified_and_is_the_same_message_at_each_attempt() {
    let secret = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
    let mut receiver = Receiver::start([Reply::Status(503), Reply::Status(400)]).await;
    let world = setup(&receiver.toml(&format!("secret = \"whsec_{secret}\""))).start().await;
    world.sandbox.set_fault(Fault::InvalidClient);
    world.get("/tokens/reports").await;
    let attempts = [receiver.next().await, receiver.next().await, receiver.next().await];
    for attempt in &attempts {
        let (id, at) = (attempt.header("webhook-id"), attempt.header("webhook-timestamp"));
        let signed = [format!("{id}.{at}.").as_bytes(), &attempt.body].concat();
        let expected = BASE64_STANDARD.encode(hmac_sha256(b"12345678901234567890123456789012", &signed));
        assert_eq!(attempt.header("webhook-signature"), format!("v1,{expected}"));
        assert_eq!((id, &attempt.body), (attempts[0].header("webhook-id"), &attempts[0].body));
    }
    world.end().await;
    assert!(receiver.has_nothing_more());
    assert!(!log().contains(secret));
}

/// RFC 2104, for keys that are no longer than a block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| (0..64).map(|at| key.get(at).unwrap_or(&0) ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::digest([&pad(0x36), message].concat());
    Sha256::digest([&pad(0x5c), &inner[..]].concat()).to_vec()
}

#[tokio::test]
async fn a_receiver_is_told_of_its_events_and_keys_only() {
    let mut accounts = Receiver::start([]).await;
    let mut ends = Receiver::start([]).await;
    let toml = accounts.toml("keys = [\"refusing:*\"]") + &ends.toml("events = [\"recovered\"]");
    let world = with_refusing(setup(&toml)).start().await;
    world.sandbox.set_fault(Fault::InvalidClient);
    world.get("/tokens/reports").await;
    world.get("/tokens/refusing:7").await;
    world.sandbox.clear_faults();
    ask_anew(&world).await;
    let told = accounts.message().await;
    assert_eq!((&told["type"], &told["data"]["key"]), (&json!("refused"), &json!("refusing:7")));
    assert_eq!(told["data"]["what"], "refusing.example does not know this account");
    let told = ends.message().await;
    assert_eq!((&told["type"], &told["data"]["key"]), (&json!("recovered"), &json!("reports")));
    world.end().await;
    assert!(accounts.has_nothing_more() && ends.has_nothing_more());
}

#[tokio::test]
async fn a_dead_receiver_harms_nobody_and_log_and_metrics_tell_of_it() {
    let dead: SocketAddr = ([127, 0, 0, 1], 1).into();
    let mut alive = Receiver::start([]).await;
    let toml = format!("[[server.webhooks]]\nurl = \"http://{dead}/planted-hook\"\n{}", alive.toml(""));
    let world = with_refusing(setup(&toml)).start().await;
    world.get("/tokens/refusing:1").await;
    assert_eq!(alive.message().await["data"]["key"], "refusing:1");
    assert_eq!(world.get("/tokens/reports").await.status(), 200);
    for (host, result) in [(dead, "given_up"), (alive.address, "delivered")] {
        let outcome = format!("tokenkeep_webhook_messages_total{{webhook=\"{host}\",result=\"{result}\"}} 1\n");
        let nothing = format!("tokenkeep_webhook_messages_waiting{{webhook=\"{host}\"}} 0\n");
        let page = async || world.get("/metrics").await.text().await.unwrap();
        while !page().await.contains(&outcome) {}
        assert!(page().await.contains(&nothing), "{}", page().await);
    }
    let lines: Vec<String> =
        log().lines().filter(|line| line.contains(&format!("webhook=\"{dead}\""))).map(str::to_owned).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("WARN") && line.contains("it is tried again")).count(), 4);
    let last = lines.last().unwrap();
    assert!(last.contains("ERROR") && last.contains("given up") && last.contains("key=refusing:1"), "{last}");
    assert!(last.contains("attempt=5") && last.contains("it cannot be reached"), "{last}");
    world.end().await;
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_given_up_and_the_next_message_comes() {
    let mut receiver = Receiver::start([Reply::Silence; 5]).await;
    let mut setup = with_refusing(setup(&receiver.toml("")));
    setup.limits.webhook_timeout = Duration::from_millis(200);
    let world = setup.start().await;
    world.get("/tokens/refusing:1").await;
    world.get("/tokens/refusing:2").await;
    // On a busy machine an attempt may be over before it has come.
    let mut attempts = 0;
    while receiver.message().await["data"]["key"] == "refusing:1" {
        attempts += 1;
    }
    assert!((1..=5).contains(&attempts), "{attempts}");
    // That message and no other, whatever became of the second since.
    let given_up = format!("webhook=\"{}\" key=refusing:1 event=\"refused\" attempt=5", receiver.address);
    assert_eq!(log().lines().filter(|line| line.contains("ERROR") && line.contains(&given_up)).count(), 1, "{}", log());
    world.end().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut receiver = Receiver::start([Reply::Redirect; 5]).await;
    let world = with_refusing(setup(&receiver.toml(""))).start().await;
    world.get("/tokens/refusing:redirected").await;
    world.get("/tokens/refusing:next").await;
    for _ in 0..5 {
        assert_eq!(receiver.next().await.path, "/planted-hook?planted=1");
    }
    assert_eq!(receiver.message().await["data"]["key"], "refusing:next");
    assert!(log().contains("it answered 307, and redirects are not followed"));
    world.end().await;
}

#[tokio::test]
async fn what_a_slow_receiver_cannot_take_is_dropped_and_told_and_callers_do_not_wait() {
    let receiver = Receiver::start([Reply::Silence; 1]).await;
    let mut setup = with_refusing(setup(&receiver.toml("")));
    setup.limits.webhook_timeout = Duration::from_hours(1);
    let world = setup.start().await;
    for account in 0..300 {
        assert_eq!(world.get(&format!("/tokens/refusing:{account}")).await.status(), 502);
    }
    let page = world.get("/metrics").await.text().await.unwrap();
    let value = |name: &str| -> u32 {
        let line = page.lines().find(|line| line.starts_with(name) && line.contains(&receiver.address.to_string()));
        line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let dropped = page.lines().find(|line| line.contains("result=\"dropped\"")).unwrap();
    assert_eq!(value("tokenkeep_webhook_messages_waiting"), 257, "one is under way");
    assert!(dropped.ends_with("} 43"), "{dropped}");
    let said = |line: &&str| line.contains("too much waits") && line.contains(&receiver.address.to_string());
    assert_eq!(log().lines().filter(said).count(), 43);
    world.end().await;
}

#[tokio::test]
async fn the_end_of_the_server_does_not_wait_for_a_receiver() {
    let mut receiver = Receiver::start([Reply::Silence; 5]).await;
    let mut setup = with_refusing(setup(&receiver.toml("")));
    setup.limits.webhook_timeout = Duration::from_hours(1);
    setup.limits.drain_timeout = Duration::from_hours(1);
    let mut world = setup.start().await;
    world.get("/tokens/refusing:1").await;
    receiver.next().await;
    world.begin_to_stop();
    tokio::time::timeout(Limits::default().drain_timeout, world.stopped()).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn what_waits_when_the_server_stops_is_still_sent() {
    let mut receiver = Receiver::start([]).await;
    let mut world = with_refusing(setup(&receiver.toml(""))).start().await;
    for account in 0..20 {
        world.get(&format!("/tokens/refusing:{account}")).await;
    }
    world.begin_to_stop();
    world.stopped().await;
    for account in 0..20 {
        assert_eq!(receiver.message().await["data"]["key"], format!("refusing:{account}"));
    }
    world.end().await;
}

#[tokio::test]
async fn a_reload_takes_over_who_is_told() {
    let (mut before, mut after) = (Receiver::start([]).await, Receiver::start([]).await);
    let keyed = Setup::keyed().toml;
    let world = with_refusing(setup(&before.toml(""))).start().await;
    world.get("/tokens/refusing:1").await;
    assert_eq!(before.message().await["data"]["key"], "refusing:1");
    world.control.reload(&settings(&format!("{keyed}{}", after.toml(""))).await);
    world.get("/tokens/refusing:2").await;
    assert_eq!(after.message().await["data"]["key"], "refusing:2");
    world.control.reload(&settings(&keyed).await);
    world.get("/tokens/refusing:3").await;
    world.end().await;
    assert!(before.has_nothing_more() && after.has_nothing_more());
}

#[tokio::test]
async fn a_reload_that_takes_a_receiver_away_tells_of_what_waited_for_it() {
    let mut receiver = Receiver::start([Reply::Silence]).await;
    let mut setup = with_refusing(setup(&receiver.toml("")));
    setup.limits.webhook_timeout = Duration::from_hours(1);
    let world = setup.start().await;
    for account in 1..=3 {
        world.get(&format!("/tokens/refusing:{account}")).await;
    }
    receiver.next().await;
    world.control.reload(&settings(&Setup::keyed().toml).await);
    let host = receiver.address;
    let dropped = format!("tokenkeep_webhook_messages_total{{webhook=\"{host}\",result=\"dropped\"}} 3\n");
    while !world.get("/metrics").await.text().await.unwrap().contains(&dropped) {}
    let is_told =
        |line: &str| line.contains("no longer configured") && line.contains(&format!("webhook=\"{host}\" waiting=2"));
    assert!(log().lines().any(is_told), "{}", log());
    world.end().await;
    assert!(receiver.has_nothing_more());
}

#[tokio::test]
async fn a_reload_keeps_what_waits_for_those_that_stay() {
    let mut receiver = Receiver::start([Reply::Silence]).await;
    let mut setup = with_refusing(setup(&receiver.toml("")));
    setup.limits.webhook_timeout = Duration::from_millis(300);
    let world = setup.start().await;
    world.get("/tokens/refusing:1").await;
    world.get("/tokens/refusing:2").await;
    receiver.next().await;
    let toml = format!("{}{}", Setup::keyed().toml, receiver.toml("keys = [\"refusing:*\"]"));
    world.control.reload(&settings(&toml).await);
    assert_eq!(receiver.message().await["data"]["key"], "refusing:1", "it is tried again");
    assert_eq!(receiver.message().await["data"]["key"], "refusing:2");
    assert!(receiver.answers.lock().unwrap().is_empty());
    world.end().await;
}
