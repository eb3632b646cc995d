//! Very many connections, and clients that send too much and read too little.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokenkeep_sandbox::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::raw;
use crate::world::{Setup, World, client};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// GET / of localhost, as HPACK writes it.
const HEADERS: &[u8] = b"\x82\x86\x84\x41\x09localhost";

async fn connections(world: &World, count: usize, beginning: &[u8]) -> Vec<TcpStream> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = TcpStream::connect(world.address).await.unwrap();
        // It may be closed already.
        client.write_all(beginning).await.ok();
        all.push(client);
    }
    all
}

/// How many the server has not closed.
fn open(clients: &[TcpStream]) -> usize {
    let is_open = |client: &&TcpStream| matches!(client.try_read(&mut [0; 1024]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    clients.iter().filter(is_open).count()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a client gets that sends the same again and again until it is cut.
async fn until_cut(world: &World, beginning: &[u8], mut next: impl FnMut(u32) -> Vec<u8>) -> usize {
    let mut client = TcpStream::connect(world.address).await.unwrap();
    client.write_all(beginning).await.unwrap();
    let mut sent = 0;
    for number in 0.. {
        let part = next(number);
        if client.write_all(&part).await.is_err() {
            break;
        }
        sent += part.len();
    }
    sent
}

#[tokio::test]
async fn two_thousand_connections_that_send_nothing_or_half_a_head_keep_no_caller_waiting() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let world = Setup::open().start().await;
    // As long as a client of this test waits, none of these is closed for being slow.
    let places = 1024;
    let mut slow = connections(&world, 1000, b"").await;
    slow.extend(connections(&world, 1000, b"GET /livez HTTP/1.1\r\nHost: localh").await);
    for _ in 0..20 {
        let http = client().build().unwrap();
        assert_eq!(http.get(world.url("/tokens/fixed")).send().await.unwrap().status(), 200);
    }
    let open = open(&slow);
    assert!((1..places).contains(&open), "{open} of them have a place");
    world.end().await;
}

#[tokio::test]
async fn a_caller_with_a_request_under_way_keeps_its_place_in_a_flood() {
    let mut setup = Setup::open();
    setup.limits.max_connections = 2;
    let world = setup.start().await;
    world.sandbox.set_fault(Fault::Latency { millis: 500 });
    let url = world.url("/tokens/reports");
    let request = client().build().unwrap().get(url).send();
    let flood = async {
        while world.sandbox.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        connections(&world, 100, b"GET / HTTP/1.1\r\n").await
    };
    let (answer, flood) = tokio::join!(request, flood);
    assert_eq!(answer.unwrap().status(), 200);
    drop(flood);
    world.end().await;
}

#[tokio::test]
async fn a_client_that_was_served_keeps_its_connection_longer_than_those_that_never_asked() {
    let mut setup = Setup::open();
    setup.limits.max_connections = 3;
    let world = setup.start().await;
    let mut served = TcpStream::connect(world.address).await.unwrap();
    let ask = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for _ in 0..10 {
        served.write_all(ask).await.unwrap();
        let mut answer = vec![0; 12];
        served.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200");
        while !answer.ends_with(b"\r\n\r\nok") {
            assert_ne!(served.read_buf(&mut answer).await.unwrap(), 0, "it was sent away");
        }
        connections(&world, 5, b"").await;
    }
    world.end().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let world = Setup::open().start().await;
    let paths = ["/livez", "/tokens/unknown", "/tokens/fixed/status", "/nowhere", "/livez", "/tokens/vendor:1"];
    let request = |path| format!("GET {path} HTTP/1.1\nHost: localhost\n\n");
    let mut requests: String = paths.map(request).concat();
    requests += "GET /readyz HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    let answers = raw::send(world.address, &requests).await;
    let statuses: Vec<_> = answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200", "404", "200", "200", "200"]);
    let (fixed, vendor) = (answers.find("\"fixed\"").unwrap(), answers.find("\"vendor:1\"").unwrap());
    assert!(fixed < vendor);
    world.end().await;
}

#[tokio::test]
async fn a_client_that_asks_and_asks_and_never_reads_is_cut_after_a_few_megabytes() {
    let mut setup = Setup::open();
    setup.limits.head_timeout = Duration::from_secs(1);
    setup.limits.write_timeout = Duration::from_secs(1);
    let world = setup.start().await;
    let request = b"GET /tokens/fixed/status HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let sent = until_cut(&world, b"", |_| request.clone()).await;
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
    assert_eq!(world.get("/livez").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_for_ever_end_the_connection() {
    let world = Setup::open().start().await;
    let beginning = [PREFACE, &SETTINGS].concat();
    let sent = until_cut(&world, &beginning, |number| {
        let stream = 2 * number + 1;
        [frame(1, 5, stream, HEADERS), frame(3, 0, stream, &8u32.to_be_bytes())].concat()
    });
    assert!(sent.await < 32 * 1024 * 1024);
    assert_eq!(world.get("/livez").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_head_that_goes_on_for_ever_in_frames_ends_the_connection() {
    let world = Setup::open().start().await;
    let beginning = [PREFACE, &SETTINGS, &frame(1, 1, 1, HEADERS)].concat();
    let header = [b"\x00\x01x\x7f\x81\x7e".as_slice(), &[b'x'; 255]].concat();
    let sent = until_cut(&world, &beginning, |_| frame(9, 0, 1, &header)).await;
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
    assert_eq!(world.get("/livez").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_harms_nobody() {
    let mut setup = Setup::open();
    setup.limits.head_timeout = Duration::from_secs(1);
    let world = setup.start().await;
    for garbage in [
        b"\x00\x00\x00\x00\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /livez\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET  /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n : x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA\x00B: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /livez HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut client = TcpStream::connect(world.address).await.unwrap();
        client.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK"), "{:?} was answered {answer}", String::from_utf8_lossy(garbage));
    }
    assert_eq!(world.get("/livez").await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_client_that_has_closed_its_half_leaves_its_place() {
    let mut setup = Setup::open();
    setup.limits.max_connections = 1;
    let world = setup.start().await;
    for beginning in ["", "GET /liv", "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut half = TcpStream::connect(world.address).await.unwrap();
        half.write_all(beginning.as_bytes()).await.unwrap();
        half.shutdown().await.unwrap();
        let mut answer = Vec::new();
        half.read_to_end(&mut answer).await.ok();
        assert_eq!(answer.starts_with(b"HTTP/1.1 200"), beginning.ends_with("\r\n\r\n"), "{beginning:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn an_http2_client_that_takes_nothing_of_its_answer_is_cut_however_often_it_pings() {
    let mut setup = Setup::open();
    setup.limits.head_timeout = Duration::from_millis(300);
    let world = setup.start().await;
    let mut lazy = TcpStream::connect(world.address).await.unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    lazy.write_all(&[PREFACE, &settings, &frame(1, 5, 1, HEADERS)].concat()).await.unwrap();
    let cut = async {
        let (mut reads, mut writes) = lazy.split();
        let pings = async {
            let mut timer = tokio::time::interval(Duration::from_millis(20));
            while writes.write_all(&frame(6, 0, 0, &[0; 8])).await.is_ok() {
                timer.tick().await;
            }
        };
        let reads = async { while reads.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {} };
        tokio::join!(pings, reads)
    };
    tokio::time::timeout(Duration::from_secs(15), cut).await.expect("it still has its place");
    world.end().await;
}

#[tokio::test]
async fn half_bodies_without_a_key_shut_nobody_out() {
    let mut setup = Setup::keyed();
    setup.limits.max_connections = 4;
    let world = setup.start().await;
    let half = b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ng";
    let flood = connections(&world, 8, half).await;
    let asked = tokio::time::timeout(Duration::from_secs(15), world.get("/livez")).await;
    assert_eq!(asked.expect("all places are kept").status(), 200);
    drop(flood);
    world.end().await;
}

#[tokio::test]
async fn half_bodies_that_come_byte_by_byte_shut_nobody_out() {
    let mut setup = Setup::keyed();
    setup.limits.max_connections = 2;
    let world = setup.start().await;
    let half = b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n";
    let mut flood = JoinSet::new();
    for mut client in connections(&world, 2, half).await {
        flood.spawn(async move {
            let mut timer = tokio::time::interval(Duration::from_millis(2));
            while client.write_all(b"a").await.is_ok() {
                timer.tick().await;
            }
        });
    }
    let asked = tokio::time::timeout(Duration::from_secs(15), world.get("/livez")).await;
    assert_eq!(asked.expect("all places are kept").status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_body_on_its_way_is_not_cut_while_another_connection_is_idle() {
    let mut setup = Setup::open();
    setup.limits.max_connections = 2;
    let world = setup.start().await;
    let mut asking = TcpStream::connect(world.address).await.unwrap();
    let head =
        "POST /tokens/fixed/reject HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n";
    asking.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    asking.read_exact(&mut go_on).await.unwrap();
    let mut idle = connections(&world, 1, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.pop().unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        assert_ne!(idle.read_buf(&mut answer).await.unwrap(), 0);
    }
    assert_eq!(world.get("/livez").await.status(), 200);
    asking.write_all(b"{\"generation\":1}").await.unwrap();
    let mut answer = [0; 12];
    asking.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(idle.read(&mut answer).await.unwrap_or_default(), 0, "this one has left");
    world.end().await;
}
