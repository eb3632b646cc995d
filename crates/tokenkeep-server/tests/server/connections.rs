//! Clients that do not do what clients do.

use std::time::Duration;

use tokenkeep_sandbox::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Setup, client};

const HTTP2_PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Short, and yet long enough for an honest client on a busy machine.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

fn impatient(max_connections: usize) -> Setup {
    let mut setup = Setup::open();
    setup.limits.head_timeout = HEAD_TIMEOUT;
    setup.limits.max_connections = max_connections;
    setup
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_head_is_cut_and_blocks_nobody() {
    let world = impatient(1024).start().await;
    let beginnings = ["", "P", "PRI * HTTP", "GET /livez HTTP/1.1\r\nHost: localh", "GET ", HTTP2_PREFACE];
    let mut slow = Vec::new();
    for beginning in beginnings {
        let mut client = TcpStream::connect(world.address).await.unwrap();
        client.write_all(beginning.as_bytes()).await.unwrap();
        slow.push((beginning, client));
    }
    assert_eq!(world.get("/livez").await.status(), 200);
    for (beginning, mut client) in slow {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        assert!(!answer.windows(3).any(|text| text == b"200"), "{beginning:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_connection_without_requests_gives_up_its_place() {
    let world = impatient(1).start().await;
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // The only place is taken by a connection that could go on.
    assert_eq!(world.get("/livez").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_request_may_take_longer_than_a_connection_may_be_idle() {
    let world = impatient(1024).start().await;
    for http in [client(), client().http2_prior_knowledge()] {
        let http = http.build().unwrap();
        world.sandbox.set_fault(Fault::Latency { millis: 1500 });
        assert_eq!(http.get(world.url("/tokens/reports")).send().await.unwrap().status(), 200);
        world.manager.handle("reports").unwrap().clear().await.unwrap();
        world.clock.advance(Duration::from_secs(2));
    }
    world.end().await;
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let mut setup = Setup::open();
    setup.limits.max_connections = 1;
    let world = setup.start().await;
    for http in [client(), client().http2_prior_knowledge()] {
        let http = http.build().unwrap();
        for _ in 0..5 {
            let response = http.get(world.url("/tokens/fixed")).send().await.unwrap();
            assert_eq!(response.status(), 200);
            response.bytes().await.unwrap();
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let world = Setup::open().start().await;
    let mut endless = TcpStream::connect(world.address).await.unwrap();
    endless.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ").await.unwrap();
    while endless.write_all(&[b'x'; 4096]).await.is_ok() {}
    assert_eq!(world.get("/livez").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_listener_that_waits_takes_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenkeep.sock");
    let mut setup = impatient(1);
    setup.toml = format!("[server]\nlisten = [\"unix:{}\", \"127.0.0.1:0\"]\n", path.display());
    let world = setup.start().await;
    assert_eq!(world.get("/livez").await.status(), 200);
    let http = client().unix_socket(&*path).build().unwrap();
    assert_eq!(http.get("http://localhost/livez").send().await.unwrap().status(), 200);
    world.end().await;
}
