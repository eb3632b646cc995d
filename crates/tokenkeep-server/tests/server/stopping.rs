//! The end of a server.

use std::io::ErrorKind;
use std::time::Duration;

use tokenkeep_sandbox::Fault;
use tokenkeep_server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::world::{Setup, World, client};

/// Resolves when the address is given up.
async fn wait_until_closed(world: &World) {
    loop {
        match TcpStream::connect(world.address).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            Ok(_) | Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_none_is_accepted() {
    for http in [client(), client().http2_prior_knowledge()] {
        let mut world = Setup::open().start().await;
        world.sandbox.set_fault(Fault::Hang);
        let mut caller = JoinSet::new();
        caller.spawn(http.build().unwrap().get(world.url("/tokens/reports")).send());
        world.sandbox.wait_for_requests("reports", 1).await;
        world.begin_to_stop();
        wait_until_closed(&world).await;
        world.sandbox.release();
        let answer = caller.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("access_token"));
        world.stopped().await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cut_off_at_the_end() {
    let mut setup = Setup::open();
    setup.limits.drain_timeout = Duration::from_millis(50);
    let mut world = setup.start().await;
    world.sandbox.set_fault(Fault::Hang);
    let mut caller = JoinSet::new();
    caller.spawn(world.ask("/tokens/reports").send());
    world.sandbox.wait_for_requests("reports", 1).await;
    world.begin_to_stop();
    world.stopped().await;
    caller.join_next().await.unwrap().unwrap().unwrap_err();
    world.sandbox.release();
    world.end().await;
}

#[tokio::test]
async fn idle_and_half_open_connections_do_not_hold_up_the_end() {
    let mut world = Setup::open().start().await;
    assert_eq!(world.get("/livez").await.status(), 200);
    let mut half_open = TcpStream::connect(world.address).await.unwrap();
    half_open.write_all(b"GET /livez HTTP/1.1\r\nHo").await.unwrap();
    let _silent = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(world.get("/livez").await.status(), 200);
    world.begin_to_stop();
    tokio::time::timeout(Limits::default().drain_timeout, world.stopped()).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn an_address_is_free_again_when_a_dropped_server_is_gone() {
    let mut world = Setup::open().start().await;
    world.abandon();
    wait_until_closed(&world).await;
}

#[tokio::test]
async fn who_had_connected_before_the_end_and_asks_at_once_is_answered() {
    let mut world = Setup::open().start().await;
    let mut early = TcpStream::connect(world.address).await.unwrap();
    // Those who came later are served, so this one was accepted.
    assert_eq!(world.get("/livez").await.status(), 200);
    world.begin_to_stop();
    early.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    world.stopped().await;
    world.end().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_on_does_not_hold_up_the_end() {
    let mut setup = Setup::open();
    setup.limits.drain_timeout = Duration::from_mins(1);
    let mut world = setup.start().await;
    let mut half = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n";
    half.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    half.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    world.begin_to_stop();
    tokio::time::timeout(Duration::from_secs(20), world.stopped()).await.expect("it is waited for");
    world.end().await;
}
