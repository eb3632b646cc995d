//! Servers that go, come back, hang, are full or busy, and connections that break at the worst moment.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokenkeep::budget::{Budget, Spending};
use tokenkeep::store::{Holder, LeaseOutcome};
use tokenkeep::{Credentials, Secret};
use tokio::io::copy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_server_that_goes_and_comes_back_is_used_again_and_its_return_is_noticed() {
    let redis = Redis::start(&[("appendonly", "yes"), ("appendfsync", "always")]);
    let store = open(&redis.url()).await;
    let version = save(&store, "graph", 1).await;
    redis.stop();
    let error = store.load(&key("graph")).await.unwrap_err();
    assert!(error.what.contains("refused") || error.what.contains("lost"), "{error}");
    assert!(error.to_string().starts_with(&redis.url()), "{error}");
    while timeout(Duration::from_millis(300), store.changed()).await.is_ok() {}
    redis.start_again();
    let looking = until_ok(async || store.newest_version().await, |error| assert!(!error.busy, "{error}"));
    assert_eq!(looking.await, version);
    assert!(timeout(Duration::from_secs(10), store.changed()).await.is_ok(), "what was missed was not told");
    assert_eq!(generation(&store, "graph").await, Some(1));
    let other = open(&redis.url()).await;
    // From the new connection too.
    while timeout(Duration::from_millis(300), store.changed()).await.is_ok() {}
    save(&other, "graph", 2).await;
    assert!(timeout(Duration::from_secs(10), store.changed()).await.is_ok(), "no notice after the return");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_connection_that_was_killed_costs_no_call() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    for generation in 1..6 {
        save(&store, "graph", generation).await;
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"]);
    }
    assert_eq!(generation(&store, "graph").await, Some(5));
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_call_whose_answer_was_lost_is_done_once() {
    let relay = Relay::before(&Redis::shared().address()).await;
    let url = format!("redis://127.0.0.1:{}?prefix={}", relay.port, Redis::shared().prefix());
    let store = open(&url).await;
    let first = save(&store, "graph", 1).await;

    relay.lose_the_next_answer();
    let outcome = store.save(&key("graph"), &record(2), Some(first)).await.unwrap();
    assert!(relay.has_lost_it(), "no answer was lost");
    let SaveOutcome::Saved(version) = outcome else { panic!("a save conflicts with itself") };
    let found = store.load(&key("graph")).await.unwrap().unwrap();
    assert_eq!((found.version, found.record.generation), (version, 2));

    let budget = Budget::parse("2/1h").unwrap();
    for expected in [true, true, false] {
        // Also the last one that there is room for: it is not in its own way.
        relay.lose_the_next_answer();
        assert_eq!(store.spend("vendor", budget).await.unwrap() == Spending::Counted, expected);
    }

    let [before, after] = ["before", "after"].map(|text| Credentials::with_password("me", Secret::new(text)).unwrap());
    store.save_credentials(&key("graph"), &before).await.unwrap();
    relay.lose_the_next_answer();
    assert!(store.replace_credentials(&key("graph"), &before, &after).await.unwrap(), "replaced, and said not to be");

    let holder = Holder::unique();
    relay.lose_the_next_answer();
    let taken = store.acquire_lease(&key("graph"), &holder, Duration::from_mins(1)).await.unwrap();
    assert_eq!(taken, LeaseOutcome::Acquired, "kept from itself");

    relay.lose_the_next_answer();
    let error = store.remove_credentials(&key("graph")).await.unwrap_err();
    assert!(error.what.contains("lost"), "whether there were any, nobody can tell: {error}");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_server_that_does_not_answer_is_an_error_before_a_manager_loses_patience() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    save(&store, "graph", 1).await;
    redis.cli(&["CLIENT", "PAUSE", "60000", "ALL"]);
    let asked = timeout(Duration::from_secs(9), store.load(&key("graph"))).await;
    let error = asked.expect("it waits for ever").unwrap_err();
    assert!(error.what.contains("did not answer in time") && error.busy, "{error}");
    redis.start_again(); // it has forgotten the pause, and the record too
    until_ok(async || store.load(&key("graph")).await, |_| {}).await;
    save(&store, "graph", 2).await;
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn scripts_that_a_server_has_forgotten_are_sent_again() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    for generation in 1..4 {
        save(&store, "graph", generation).await;
        redis.cli(&["SCRIPT", "FLUSH"]);
    }
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_replica_reads_says_that_it_cannot_write_and_can_when_it_is_the_master() {
    let master = Redis::start(&[]);
    let before = open(&master.url()).await;
    save(&before, "graph", 1).await;
    let replica = master.replica();
    let store = open(&replica.url()).await;
    assert_eq!(generation(&store, "graph").await, Some(1));
    let error = store.save(&key("other"), &record(1), None).await.unwrap_err();
    assert!(error.what.contains("is a replica"), "{error}");
    let error = store.acquire_lease(&key("graph"), &Holder::unique(), Duration::from_mins(1)).await.unwrap_err();
    assert!(error.busy, "{error}: nobody may use a login without a lease while a failover lasts");
    master.stop();
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    save(&store, "graph", 2).await;
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_master_that_became_a_replica_is_left_for_the_one_in_its_place_within_the_call() {
    let one = Redis::start(&[]);
    let other = one.replica();
    let relay = Relay::before(&one.address()).await;
    let store = open(&format!("redis://127.0.0.1:{}", relay.port)).await;
    save(&store, "graph", 1).await;
    until(async || has(&other, "graph")).await;
    other.cli(&["REPLICAOF", "NO", "ONE"]);
    let other_address = other.address();
    relay.lead_to(&other_address);
    let (host, port) = other_address.split_once(':').unwrap();
    one.cli(&["REPLICAOF", host, port]);
    // The connection to the one that may not write any more is as good as ever.
    save(&store, "graph", 2).await;
    assert_eq!(generation(&open(&other.url()).await, "graph").await, Some(2));
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_full_server_takes_no_write_and_keeps_nothing_by_halves() {
    let redis = Redis::start(&[("maxmemory-policy", "noeviction")]);
    let store = open(&redis.url()).await;
    let version = save(&store, "graph", 1).await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for expected in [None, Some(version)] {
        let name = if expected.is_none() { "other" } else { "graph" };
        let error = store.save(&key(name), &record(2), expected).await.unwrap_err();
        assert!(error.what.contains("memory is full") && !error.busy, "{error}");
    }
    assert_eq!(generation(&store, "graph").await, Some(1), "reading goes on");
    assert_eq!(store.changes(Version::ZERO, 10).await.unwrap(), [(key("graph"), version)]);
    assert_eq!(store.newest_version().await.unwrap(), version);
    assert!(store.acquire_lease(&key("graph"), &Holder::unique(), Duration::from_mins(1)).await.is_err());
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    save(&store, "graph", 2).await;
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_server_that_takes_no_writes_says_why_and_reading_goes_on() {
    let redis = Redis::start(&[("save", "3600 1")]);
    let store = open(&redis.url()).await;
    let version = save(&store, "graph", 1).await;
    let refused = async |expected: &str| {
        let error = store.save(&key("graph"), &record(2), Some(version)).await.unwrap_err();
        assert!(error.what.contains(expected) && !error.busy, "{error}");
        assert_eq!(generation(&store, "graph").await, Some(1));
    };
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    refused("fewer replicas than it wants").await;
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);

    set_mode(&redis, 0o500);
    redis.cli(&["BGSAVE"]);
    until(async || redis.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err")).await;
    refused("cannot write to its disk").await;
    set_mode(&redis, 0o700);
    redis.cli(&["BGSAVE"]);
    until(async || redis.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:ok")).await;
    save(&store, "graph", 2).await;
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_server_that_runs_the_script_of_another_is_busy() {
    let redis = Arc::new(Redis::start(&[("busy-reply-threshold", "50")]));
    let store = open(&redis.url()).await;
    save(&store, "graph", 1).await;
    let server = Arc::clone(&redis);
    let endless = std::thread::spawn(move || server.cli(&["EVAL", "while true do end", "0"]));
    let error = loop {
        match store.load(&key("graph")).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(error.what.contains("another script") && error.busy, "{error}");
    redis.cli(&["SCRIPT", "KILL"]);
    assert!(endless.join().is_err(), "it was killed");
    until_ok(async || store.load(&key("graph")).await, |_| {}).await;
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_server_with_as_many_connections_as_it_allows_says_so() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    // The one that asks counts too.
    redis.cli(&["CONFIG", "SET", "maxclients", "1"]);
    let error = try_open(&redis.url()).await.unwrap_err();
    assert!(error.what.contains("maxclients"), "{error}");
    save(&store, "graph", 1).await;
    store.close().await;
    until_ok(async || try_open(&redis.url()).await, |_| {}).await;
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_server_that_is_still_loading_says_so_and_is_used_when_it_is_done() {
    let redis = Redis::start(&[
        ("appendonly", "yes"),
        ("aof-use-rdb-preamble", "yes"),
        ("rdbcompression", "no"),
        ("loading-process-events-interval-bytes", "1024"),
    ]);
    let store = open(&redis.url()).await;
    save(&store, "graph", 1).await;
    // 40 keys, for each of which the next start takes 50 ms.
    redis.cli(&["EVAL", "for n = 1, 40 do redis.call('SET', 'filler:' .. n, string.rep('x', 4096)) end", "0"]);
    redis.cli(&["BGREWRITEAOF"]);
    until(async || redis.cli(&["INFO", "persistence"]).contains("aof_rewrite_in_progress:0")).await;
    redis.cli(&["CONFIG", "SET", "key-load-delay", "50000"]);
    redis.cli(&["CONFIG", "REWRITE"]);
    redis.start_again();
    let is_loading = AtomicBool::new(false);
    let loaded = until_ok(
        async || store.load(&key("graph")).await,
        |error| {
            if error.what.contains("has just started") {
                assert!(error.busy, "{error}");
                is_loading.store(true, Ordering::Relaxed);
            }
        },
    );
    assert_eq!(loaded.await.map(|found| found.record.generation), Some(1));
    assert!(is_loading.into_inner(), "it was never seen loading");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn of_50_stores_that_are_opened_at_once_on_a_server_all_are() {
    let url = format!("{}?prefix={}", Redis::shared().url(), Redis::shared().prefix());
    let mut opens = JoinSet::new();
    for number in 0..50 {
        let url = url.clone();
        opens.spawn(async move { save(&open(&url).await, &format!("graph:{number}"), 1).await });
    }
    let mut versions = opens.join_all().await;
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 50);
    assert_eq!(open(&url).await.page(None, 100).await.unwrap().len(), 50);
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_closed_store_does_nothing_more_and_has_no_connection() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    save(&store, "graph", 1).await;
    store.close().await;
    assert_eq!(store.load(&key("graph")).await.unwrap_err().what, "the store is closed");
    // What counts is the one that asks.
    until(async || redis.cli(&["CLIENT", "LIST"]).lines().count() == 1).await;
}

fn set_mode(redis: &Redis, mode: u32) {
    std::fs::set_permissions(redis.folder(), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Stands before a server, and breaks connections when it is told to.
struct Relay {
    port: u16,
    target: Arc<Mutex<String>>,
    loses: Arc<AtomicBool>,
    #[expect(dead_code, reason = "its connections end with it")]
    connections: JoinSet<()>,
}

impl Relay {
    async fn before(address: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let loses = Arc::new(AtomicBool::new(false));
        let target = Arc::new(Mutex::new(address.to_owned()));
        let (mut connections, is_lost, leads_to) = (JoinSet::new(), Arc::clone(&loses), Arc::clone(&target));
        connections.spawn(async move {
            let mut relayed = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let address = leads_to.lock().unwrap().clone();
                let server = TcpStream::connect(address).await.unwrap();
                relayed.spawn(relay(client, server, Arc::clone(&is_lost)));
            }
        });
        Self { port, target, loses, connections }
    }

    /// New connections go there; those that there are stay.
    fn lead_to(&self, address: &str) {
        address.clone_into(&mut self.target.lock().unwrap());
    }

    /// The server has done the next call, and nobody hears of it.
    fn lose_the_next_answer(&self) {
        self.loses.store(true, Ordering::Release);
    }

    fn has_lost_it(&self) -> bool {
        !self.loses.load(Ordering::Acquire)
    }
}

async fn relay(client: TcpStream, server: TcpStream, loses: Arc<AtomicBool>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let up = async { drop(copy(&mut from_client, &mut to_server).await) };
    let down = async {
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok(read @ 1..) = from_server.read(&mut buffer).await else { return };
            if loses.swap(false, Ordering::AcqRel) || to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
