//! Sockets, databases and prefixes; Sentinels and clusters, whose servers change places.

use super::*;

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_socket_leads_to_the_same_store() {
    let redis = Redis::shared();
    let prefix = redis.prefix();
    let store = open(&format!("{}?prefix={prefix}", redis.url())).await;
    save(&store, "graph", 7).await;
    let socket = format!("redis+unix://{}?prefix={prefix}", redis.folder().join("socket").display());
    assert_eq!(generation(&open(&socket).await, "graph").await, Some(7));
    let error = try_open("redis+unix:///nowhere/socket").await.unwrap_err();
    assert!(error.what.contains("refused"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn databases_and_prefixes_are_stores_of_their_own() {
    let redis = Redis::start(&[]);
    let urls =
        ["", "/1", "/1?prefix=other", "?prefix=other", "?prefix=other.2"].map(|end| format!("{}{end}", redis.url()));
    for (generation, url) in (1..).zip(&urls) {
        save(&open(url).await, "graph", generation).await;
    }
    for (expected, url) in (1..).zip(&urls) {
        let store = open(url).await;
        assert_eq!(generation(&store, "graph").await, Some(expected), "{url}");
        assert_eq!(store.page(None, 10).await.unwrap().len(), 1, "{url}");
    }
    let error = try_open(&format!("{}/99", redis.url())).await.unwrap_err();
    assert!(error.what.contains("no database of this number"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_new_master_is_found_by_the_sentinels() {
    let master = Redis::start(&[]);
    let replica = master.replica();
    let sentinel = master.sentinel("tokens");
    let nobody = "127.0.0.1:1";
    let url = format!("redis-sentinel://{nobody},{}/tokens", sentinel.address());
    let store = open(&url).await;
    save(&store, "graph", 1).await;
    until(async || has(&replica, "graph")).await;
    until(async || sentinel.cli(&["SENTINEL", "REPLICAS", "tokens"]).contains(&replica.address())).await;
    master.stop();
    let saved = until_ok(
        async || store.save(&key("other"), &record(2), None).await,
        |error| assert!(error.to_string().starts_with(&*url), "{error}"),
    );
    assert!(matches!(saved.await, SaveOutcome::Saved(_)));
    assert_eq!(generation(&store, "graph").await, Some(1));
    assert_eq!(generation(&open(&replica.url()).await, "other").await, Some(2));

    let error = try_open(&format!("redis-sentinel://{}/unknown", sentinel.address())).await.unwrap_err();
    assert!(error.what.contains("knows no master 'unknown'") && error.what.contains(&sentinel.address()), "{error}");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_replica_that_sentinels_still_take_for_the_master_is_not_used() {
    let master = Redis::start(&[]);
    let replica = master.replica();
    let sentinel = replica.sentinel("tokens");
    let error = try_open(&format!("redis-sentinel://{}/tokens", sentinel.address())).await.unwrap_err();
    assert!(error.what.contains("still name a replica") && error.what.contains(&replica.address()), "{error}");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn the_node_of_a_cluster_that_has_the_slot_is_found_also_when_it_changes() {
    let nodes = Redis::cluster();
    let slot = redis_slot(&nodes[0], "{tokenkeep}:record:graph");
    for name in ["keys", "changes", "due", "version", "form", "accounts", "lease:a", "budget:a:b", "credentials:{c}"] {
        assert_eq!(redis_slot(&nodes[0], &format!("{{tokenkeep}}:{name}")), slot, "{name}");
    }
    let home = usize::from(slot > 8191);
    let (here, away) = (&nodes[home], &nodes[1 - home]);
    // Asked is the node that does not have it.
    let url = format!("redis-cluster://127.0.0.1:1,{}", away.address());
    let (store, other) = (open(&url).await, open(&url).await);
    save(&store, "graph", 1).await;
    assert!(here.cli(&["--scan"]).contains("{tokenkeep}:record:graph"));
    let error = try_open(&format!("redis://{}", away.address())).await.unwrap_err();
    assert!(error.what.contains("has moved to another node"), "a URL of one server: {error}");

    let (slot, ids) = (slot.to_string(), [here, away].map(|node| node.cli(&["CLUSTER", "MYID"])));
    away.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]);
    here.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]);
    let address = away.address();
    let (host, port) = address.split_once(':').unwrap();
    let names = here.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
    for (moved, name) in names.lines().enumerate() {
        if moved == 2 {
            let error = store.save(&key("graph"), &record(2), None).await.unwrap_err();
            assert!(error.what.contains("just moving the slot") && error.busy, "{error}");
        }
        here.cli(&["MIGRATE", host, port, name, "0", "5000"]);
    }
    for node in [away, here] {
        node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]);
    }
    save(&store, "graph", 2).await;
    save(&other, "graph", 3).await;
    assert!(away.cli(&["--scan"]).contains("{tokenkeep}:record:graph"));
    while tokio::time::timeout(Duration::from_millis(300), store.changed()).await.is_ok() {}
    save(&other, "graph", 4).await;
    assert!(
        tokio::time::timeout(Duration::from_secs(10), store.changed()).await.is_ok(),
        "no notice from the new node"
    );
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_replica_that_takes_the_place_of_a_node_of_a_cluster_is_found() {
    let nodes = Redis::cluster();
    let slot = redis_slot(&nodes[0], "{tokenkeep}:record:graph");
    let home = usize::from(slot > 8191);
    let (here, away) = (&nodes[home], &nodes[1 - home]);
    let replica = here.cluster_replica();
    let store = open(&format!("redis-cluster://{},{}", here.address(), away.address())).await;
    save(&store, "graph", 1).await;
    until(async || has(&replica, "graph")).await;
    here.stop();
    replica.cli(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    let found = until_ok(async || store.load(&key("graph")).await, |_| {}).await;
    assert_eq!(found.map(|found| found.record.generation), Some(1));
    until_ok(async || store.save(&key("other"), &record(1), None).await.map(|_| ()), |_| {}).await;
}

fn redis_slot(redis: &Redis, name: &str) -> u16 {
    let counted = redis.cli(&["CLUSTER", "KEYSLOT", name]);
    counted.parse().unwrap_or_else(|_| panic!("{counted}"))
}
