//! Ports with TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use reqwest::{Version, tls};
use tokenkeep::TokenManager;
use tokenkeep_server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::certificates::{Authority, Files};
use crate::world::{Setup, World, settings};
use crate::{raw, secrets};

async fn world(authority: &Authority) -> (World, Files) {
    let files = Files::new(&authority.server());
    let mut setup = Setup::open();
    setup.toml = files.toml();
    setup.limits.head_timeout = Duration::from_secs(1);
    (setup.start().await, files)
}

fn url(world: &World, path: &str) -> String {
    world.url(path).replace("http:", "https:")
}

#[tokio::test]
async fn tls_1_2_and_1_3_carry_http_1_and_http_2() {
    let authority = Authority::new();
    let (world, _files) = world(&authority).await;
    for (client, version) in [
        (authority.trusting(), Version::HTTP_2),
        (authority.trusting().tls_version_max(tls::Version::TLS_1_2), Version::HTTP_2),
        (authority.trusting().http1_only(), Version::HTTP_11),
    ] {
        let answer = client.build().unwrap().get(url(&world, "/tokens/fixed")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        assert!(answer.text().await.unwrap().contains(secrets::STATIC_TOKEN));
    }
    let outdated = authority.trusting().tls_version_min(tls::Version::TLS_1_2).tls_version_max(tls::Version::TLS_1_2);
    assert!(outdated.build().unwrap().get(url(&world, "/livez")).send().await.is_ok());
    let stranger = Authority::new().trusting().build().unwrap();
    assert!(stranger.get(url(&world, "/livez")).send().await.is_err(), "whoever trusts somebody else is not fooled");
    world.end().await;
}

#[tokio::test]
async fn who_speaks_http_without_tls_is_told_so() {
    let authority = Authority::new();
    let (world, _files) = world(&authority).await;
    let long = format!("GET /livez HTTP/1.1\nHost: localhost\nX: {}\n\n", "x".repeat(10_000));
    for request in ["GET /livez HTTP/1.1\nHost: localhost\n\n", "P", "PRI * HTTP/2.0\n\nSM\n\n", &long] {
        let answer = raw::send(world.address, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("ask with https://"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: tokenkeep_api::Problem = serde_json::from_str(body).unwrap();
        assert_eq!(problem.code, tokenkeep_api::ProblemCode::InvalidRequest);
        assert!(!body.contains("null"), "{body}");
        for header in [
            "content-type: application/problem+json",
            "tokenkeep-problem: invalid_request",
            "cache-control: no-store",
            "x-request-id: ",
            "connection: close",
            &format!("content-length: {}", body.len()),
        ] {
            assert_eq!(head.lines().filter(|line| line.starts_with(header)).count(), 1, "{header}: {head}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut_and_blocks_nobody() {
    let authority = Authority::new();
    let (world, _files) = world(&authority).await;
    let beginnings: [&[u8]; 5] = [
        b"",
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03",
        b"\x80garbage\x00\xff",
    ];
    let mut slow = Vec::new();
    for beginning in beginnings {
        let mut client = TcpStream::connect(world.address).await.unwrap();
        client.write_all(beginning).await.unwrap();
        slow.push(client);
    }
    let http = authority.trusting().build().unwrap();
    assert_eq!(http.get(url(&world, "/livez")).send().await.unwrap().status(), 200);
    for mut client in slow {
        // It ends, with an alert or without.
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        assert!(answer.len() < 10, "{answer:x?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_server_stops_at_once_though_handshakes_are_under_way() {
    let authority = Authority::new();
    let files = Files::new(&authority.server());
    let mut setup = Setup::open();
    setup.toml = files.toml();
    let mut world = setup.start().await;
    let mut waiting = TcpStream::connect(world.address).await.unwrap();
    waiting.write_all(b"\x16\x03").await.unwrap();
    assert_eq!(authority.trusting().build().unwrap().get(url(&world, "/livez")).send().await.unwrap().status(), 200);
    world.begin_to_stop();
    world.stopped().await;
    let mut answer = Vec::new();
    waiting.read_to_end(&mut answer).await.ok();
    assert!(answer.is_empty());
    world.end().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_an_error_at_the_start_that_names_them() {
    let authority = Authority::new();
    let (server, other) = (authority.server(), authority.server());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (name, content, words) in [
        ("server.pem", "", "no PEM certificate"),
        ("server.pem", &*server.key, "no PEM certificate"),
        ("server.pem", "-----BEGIN CERTIFICATE-----\nplanted-\n-----END CERTIFICATE-----\n", "server.pem"),
        ("server.key", &*server.certificate, "no PEM private key"),
        ("server.key", encrypted, "without a password"),
        ("server.key", &*other.key, "the certificate of this key"),
        ("clients.pem", "", "no PEM certificate"),
    ] {
        let files = Files::new(&server);
        let toml = files.toml_with_clients(&authority);
        files.write(name, content);
        let error = Server::bind(&settings(&toml).await, TokenManager::builder().build().await.unwrap()).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains(name) || text.contains("server.pem"), "{text}");
        assert!(text.contains(words) && !text.contains("planted-"), "{text}");
        fs::remove_file(files.path(name)).unwrap();
        let error = Server::bind(&settings(&toml).await, TokenManager::builder().build().await.unwrap()).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains(name) && text.contains("No such file"), "{text}");
    }
}

#[tokio::test]
async fn a_private_key_that_every_user_can_read_is_warned_of() {
    let authority = Authority::new();
    let files = Files::new(&authority.server());
    for (mode, is_warned_of) in [(0o600, false), (0o640, false), (0o604, true)] {
        let key = files.path(&format!("server{mode:o}.key"));
        fs::copy(files.path("server.key"), &key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let mut setup = Setup::open();
        setup.toml = files.toml().replace("server.key", key.file_name().unwrap().to_str().unwrap());
        let world = setup.start().await;
        assert_eq!(secrets::log().contains(&format!("key={}", key.display())), is_warned_of, "{mode:o}");
        world.end().await;
    }
}
