//! Many processes at once on one fresh store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::{Ended, World, ended};

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_cause_one_request_and_get_the_same_token() {
    all_get_the_same_token(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_processes_at_once_cause_one_request_and_get_the_same_token() {
    all_get_the_same_token(50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_processes_at_once_share_one_failure() {
    let world = World::without_config().await;
    let issuer = FailingIssuer::start().await;
    world.write_config(&World::graph_at(&issuer.token_url));
    for ended in at_once(&world, 50, "graph").await {
        assert!(ended.failure(7).contains("503"), "{ended:?}");
    }
    assert_eq!(issuer.requests.load(Ordering::SeqCst), 1);
}

async fn all_get_the_same_token(processes: usize) {
    let world = World::start().await;
    // The refresh token is spent by the first request: a second one could only fail.
    for key in ["graph", "calendar"] {
        let ended = at_once(&world, processes, key).await;
        let tokens: BTreeSet<_> = ended.iter().map(Ended::data).collect();
        assert_eq!((tokens.len(), world.requests(key)), (1, 1), "{key}");
    }
}

async fn at_once(world: &World, processes: usize, key: &str) -> Vec<Ended> {
    let mut running = JoinSet::new();
    for _ in 0..processes {
        running.spawn(ended(world.command(&["get", key])));
    }
    running.join_all().await
}

/// An issuer that is down for a minute and says so, so that the machine may take its time to start fifty processes.
struct FailingIssuer {
    token_url: String,
    requests: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

impl FailingIssuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let token_url = format!("http://{}/token", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let arrived = Arc::clone(&requests);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                arrived.fetch_add(1, Ordering::SeqCst);
                // One small form: it comes in one piece.
                stream.read_buf(&mut Vec::with_capacity(4096)).await.unwrap();
                let answer = "HTTP/1.1 503 down\r\nretry-after: 60\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { token_url, requests, _accepting: accepting }
    }
}
