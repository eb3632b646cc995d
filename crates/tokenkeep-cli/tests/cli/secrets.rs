//! No secret in what anybody may see.

use rustix::process::Signal;
use tokenkeep_sandbox::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{CLIENT_SECRET, COMMAND_TOKEN, Ended, ISSUED, PASSWORD, Running, STATIC_TOKEN, World, ended};

/// Fails if the process said a secret, or printed one as data without being asked for it.
#[track_caller]
fn assert_silent(world: &World, args: &[&str], ended: &Ended) {
    let planted = [CLIENT_SECRET, PASSWORD, STATIC_TOKEN, COMMAND_TOKEN, &world.seed, &format!("{ISSUED}_")];
    // Basic authentication hides a secret from a search for it.
    let encoded = ["graph", "people", "calendar"].map(|client| base64(&format!("{client}:{CLIENT_SECRET}")));
    for secret in planted.into_iter().chain(encoded.iter().map(String::as_str)) {
        assert!(!ended.stderr.contains(secret), "{args:?} said {secret}:\n{}", ended.stderr);
        let may_print = args[0] == "get";
        assert!(may_print || !ended.stdout.contains(secret), "{args:?} printed {secret}:\n{}", ended.stdout);
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(DIGITS[(bits & 63) as usize]);
    // Whole groups only: what is left of the last bytes is short.
    let groups = text.as_bytes().chunks_exact(3);
    groups
        .map(|group| group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)))
        .flat_map(|bits| [bits >> 18, bits >> 12, bits >> 6, bits].map(digit))
        .collect()
}

#[tokio::test]
async fn no_command_says_a_secret_however_much_it_logs() {
    let world = World::start().await;
    let traced = async |args: &[&str]| {
        let mut command = world.command(args);
        command.env("RUST_LOG", "trace");
        let ended = ended(command).await;
        assert_silent(&world, args, &ended);
        ended
    };
    for key in ["graph", "people", "calendar", "billing", "legacy"] {
        for format in ["token", "header", "json", "env"] {
            assert_eq!(traced(&["get", key, "--format", format]).await.code, Some(0));
        }
        assert_eq!(traced(&["exec", key, "--", "true"]).await.code, Some(0));
        assert_eq!(traced(&["exec", key, "--", "./no-such-program"]).await.code, Some(2));
        assert_eq!(traced(&["refresh", key]).await.code, Some(0));
        assert_eq!(traced(&["status", key, "--json"]).await.code, Some(0));
        assert_eq!(traced(&["clear", key]).await.code, Some(0));
    }
    assert!(traced(&["get", "graph"]).await.stderr.contains(" TRACE "));
    assert_eq!(traced(&["request", "graph", "GET", "/x", "--include"]).await.code, Some(0));
    world.sandbox.revoke_all();
    assert_eq!(traced(&["request", "graph", "GET", "/x"]).await.code, Some(0));
    let header = format!("Authorization: {CLIENT_SECRET}");
    let wrong = ["request", "graph", "GET", "/x", "--header", &header];
    assert_eq!(traced(&wrong).await.code, Some(2));
    assert_eq!(traced(&["request", "graph", "GET", &format!("//{CLIENT_SECRET}?{CLIENT_SECRET}")]).await.code, Some(2));
    traced(&["status"]).await;
    traced(&["config", "check"]).await;
    for fault in [Fault::InvalidClient, Fault::InvalidGrant, Fault::Status { status: 503, body: String::new() }] {
        world.sandbox.set_fault(fault);
        for key in ["graph", "people", "calendar"] {
            assert_ne!(traced(&["refresh", key]).await.code, Some(0));
            traced(&["status", "--json"]).await;
        }
    }
}

#[tokio::test]
async fn a_configuration_that_holds_secrets_and_is_wrong_shows_none_of_them() {
    let world = World::start().await;
    let text = world.usual_config().replace("{ env = \"CLIENT_SECRET\" }", &format!("\"{CLIENT_SECRET}\""));
    world.write_config(&text.replace("client_id", "client_ident").replace("password = {", "pasword = {"));
    for args in [&["config", "check"][..], &["config", "check", "--json"], &["get", "graph"], &["serve"]] {
        let ended = world.run(args).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert_silent(&world, args, &ended);
    }
}

#[tokio::test]
async fn the_broker_says_no_secret_however_much_it_logs() {
    let world = World::start().await;
    let args = ["serve", "--listen", "127.0.0.1:0"];
    let mut command = world.command(&args);
    command.env("RUST_LOG", "trace");
    let mut serve = Running::start(command);
    let line = serve.hear("listening on http").await;
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for key in ["graph", "people", "calendar", "billing", "legacy"] {
        let answer = http.get(format!("{url}/tokens/{key}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{key}");
    }
    malformed_path(&url, &format!("/tokens/credentials/1?password={PASSWORD} 1")).await;
    serve.signal(Signal::TERM);
    let ended = serve.end().await;
    assert_eq!(ended.code, Some(0));
    assert_silent(&world, &args, &ended);
}

/// Asks for a path that is none, by HTTP/2, which no library would do; waits until the server has refused it.
async fn malformed_path(url: &str, path: &str) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    // RFC 7541: `:method: GET` and `:scheme: http` of the static table, then a literal `:authority` and `:path`.
    let mut head = vec![0x82, 0x86];
    for (name, value) in [(0x01, "localhost"), (0x04, path)] {
        head.extend([name, u8::try_from(value.len()).unwrap()]);
        head.extend(value.as_bytes());
    }
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // HEADERS with END_STREAM and END_HEADERS on stream 1 (RFC 9113 section 6.2).
    request.extend([0, 0, u8::try_from(head.len()).unwrap(), 0x01, 0x05, 0, 0, 0, 1]);
    request.extend(head);
    stream.write_all(&request).await.unwrap();
    // RST_STREAM.
    let mut answer = Vec::new();
    while !answer.windows(6).any(|frame| frame == [4, 3, 0, 0, 0, 0]) {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:x?}");
    }
}

#[tokio::test]
async fn dev_says_none_of_its_secrets_however_much_it_logs() {
    let world = World::without_config().await;
    let args = ["dev", "--for", "2s"];
    let mut command = world.command(&args);
    command.env("RUST_LOG", "trace");
    let ended = ended(command).await;
    assert_eq!(ended.code, Some(0));
    for said in [&ended.stdout, &ended.stderr] {
        for secret in ["of-the-sandbox", "sbx_"] {
            assert!(!said.contains(secret), "dev said {secret}: {said}");
        }
    }
}
