//! Secrets planted everywhere, and a look for them in all that comes out.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tokenkeep::{Accounts, SourceSettings};
use tokenkeep_sandbox::Fault;

use crate::fakes::Panicking;
use crate::raw;
use crate::world::{Setup, client};

pub(crate) const API_KEY: &str = "planted-api-key";
pub(crate) const PASSWORD: &str = "planted-password";
pub(crate) const CLIENT_SECRET: &str = "planted-client-secret";
pub(crate) const STATIC_TOKEN: &str = "planted-static-token";
pub(crate) const VENDOR_TOKEN: &str = "planted-vendor-token";
pub(crate) const REFRESH_TOKEN: &str = "planted-refresh-token";
pub(crate) const IN_A_PANIC: &str = "planted-in-a-panic";

/// Has everything that this process logs, at all levels, written down.
pub(crate) fn capture_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(|| Log)
            .init();
    });
}

pub(crate) fn assert_none_in_log() {
    let log = log();
    if let Some(at) = log.find("planted-") {
        let line = log[..at].lines().last().unwrap_or_default();
        panic!("a secret stands in the log after: {line}");
    }
}

/// Everything that was logged so far.
pub(crate) fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

#[tokio::test]
async fn no_secret_is_in_the_log_or_in_any_answer_but_that_which_hands_it_out() {
    let source = Arc::new(Panicking::default());
    let mut setup = Setup::keyed();
    setup.manager = setup.manager.source(
        "panicking",
        Arc::<Panicking>::clone(&source),
        SourceSettings::default().with_accounts(Accounts::Any),
    );
    let world = setup.start().await;
    assert!(world.get("/tokens/fixed").await.text().await.unwrap().contains(STATIC_TOKEN));
    assert!(world.get("/tokens/vendor:1").await.text().await.unwrap().contains(VENDOR_TOKEN));
    let token = world.json("/tokens/reports").await.1["access_token"].as_str().unwrap().to_owned();

    let mut shown = String::new();
    for path in ["/tokens", "/tokens/fixed/status", "/tokens/vendor:1/status", "/tokens/reports/status", "/readyz"] {
        shown += &world.get(path).await.text().await.unwrap();
    }
    // In places where it does not belong.
    for path in [
        format!("/tokens/fixed?access_token={API_KEY}"),
        format!("/tokens/fixed?min_valid={API_KEY}"),
        format!("/tokens?after={API_KEY}%20"),
        format!("/{API_KEY}"),
        format!("/livez?{API_KEY}"),
    ] {
        shown += &world.get(&path).await.text().await.unwrap();
    }
    for headers in [
        format!("Host: localhost\nX-API-Key: {API_KEY}x"),
        format!("Host: localhost\nAuthorization: Basic {API_KEY}"),
        format!("Host: {API_KEY}.example\nAuthorization: Bearer {API_KEY}"),
        format!("Host: localhost\nCookie: {API_KEY}\nBroken {API_KEY}"),
    ] {
        shown += &raw::get(world.address, "/tokens/fixed", &headers).await.1;
    }
    // The issuer repeats the secret in its answer.
    world.clock.advance(std::time::Duration::from_secs(290));
    world.sandbox.set_fault(Fault::Status { status: 500, body: format!("{{\"error\":\"{CLIENT_SECRET}\"}}") });
    shown += &world.get("/tokens/reports?min_valid=200").await.text().await.unwrap();
    source.armed.store(true, std::sync::atomic::Ordering::SeqCst);
    shown += &world.get("/tokens/panicking/status").await.text().await.unwrap();

    let shown = shown.replace(&format!("{API_KEY}.example"), "");
    assert!(!shown.contains("planted-") && !shown.contains(&token), "{shown}");
    assert!(!log().contains(&token));
    world.end().await;
}

#[tokio::test]
async fn http2_headers_are_not_in_the_log_either() {
    let world = Setup::keyed().start().await;
    let http = client().http2_prior_knowledge().build().unwrap();
    for (key, status) in [(API_KEY, 200), ("planted-wrong-key", 401)] {
        let answer = http.get(world.url("/tokens/fixed")).bearer_auth(key).send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, status));
    }
    world.end().await;
}

#[tokio::test]
async fn a_request_is_logged_as_its_route_without_what_stands_in_its_path_or_query() {
    let world = Setup::open().start().await;
    world.get("/tokens/vendor:somebody?min_valid=7s").await;
    world.end().await;
    let log = log();
    let line = log.lines().find(|line| line.contains("answered") && line.contains("route=\"/tokens/{key}\"")).unwrap();
    assert!(line.contains("DEBUG") && line.contains("method=GET") && line.contains("took_us="), "{line}");
    assert!(!log.lines().any(|line| line.contains("answered") && (line.contains("somebody") || line.contains("7s"))));
}

#[tokio::test]
async fn a_password_in_a_query_that_is_cut_in_two_is_not_repeated() {
    let world = Setup::keyed().with_accounts().start().await;
    for (method, path) in [
        ("POST", "/tokens/credentials/1"),
        ("POST", "/tokens/credentials/test"),
        ("PUT", "/tokens/bluestakes:1/credentials"),
        ("DELETE", "/tokens/bluestakes:1/credentials"),
        ("POST", "/tokens/bluestakes:1/credentials/test"),
    ] {
        for query in ["username=ann&password=abc&planted-rest", "username=ann&planted-rest=1&planted-rest=2"] {
            let answer = world.send(method, &format!("{path}?{query}")).send().await.unwrap();
            let (status, said) = (answer.status(), answer.text().await.unwrap());
            assert_eq!(status, 400, "{method} {path}");
            assert!(!said.contains("planted-") && said.contains("parameter"), "{method} {path}: {said}");
        }
    }
    world.end().await;
}
