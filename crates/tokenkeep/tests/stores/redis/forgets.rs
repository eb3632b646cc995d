//! Servers that lose what they were given, and what is there that this program did not write.

use tokenkeep::TokenManager;
use tokenkeep::store::{Holder, LeaseOutcome, Versioned};
use tokenkeep_sandbox::{Client, Sandbox};

use super::*;

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn versions_do_not_start_again_in_a_server_that_has_lost_its_memory() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    let mut before = Version::ZERO;
    for generation in 1..100 {
        before = save(&store, "graph", generation).await;
    }
    redis.start_again();
    assert_eq!(until_ok(async || store.newest_version().await, |_| {}).await, Version::ZERO);
    let outcome = store.save(&key("graph"), &record(1), Some(before)).await.unwrap();
    assert_eq!(outcome, SaveOutcome::Conflict, "what was there is not there");
    let after = save(&store, "graph", 1).await;
    assert!(after > before, "{after:?} after {before:?}");
    assert_eq!(store.changes(before, 10).await.unwrap(), [(key("graph"), after)], "who has seen {before:?} sees it");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn versions_grow_though_the_clock_of_the_server_was_set_back() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    let first = save(&store, "graph", 1).await;
    let ahead = first.0 + 3_600_000_000;
    redis.cli(&["SET", "{tokenkeep}:version", &ahead.to_string()]);
    assert_eq!(save(&store, "graph", 2).await, Version(ahead + 1));
    assert_eq!(save(&store, "other", 1).await, Version(ahead + 2));
    assert_eq!(store.changes(Version(ahead), 10).await.unwrap().len(), 2);
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn managers_go_on_together_after_the_server_has_lost_its_memory() {
    let (redis, client) = (Redis::start(&[]), Client::new("reports", "reports-secret"));
    let sandbox = Sandbox::builder().client(client.life(Duration::from_hours(1))).start().await.unwrap();
    let configuration = format!(
        "providers.graph = {{ grant = 'client_credentials', token_url = '{}', client_id = 'reports', \
         client_secret = {{ env = 'SECRET' }} }}",
        sandbox.token_url()
    );
    let (key, _text) = SealKey::generate().unwrap();
    let manager = async || -> TokenManager {
        let sealed = SealedStore::new(Arc::new(open(&redis.url()).await), SealKeys::new(key.clone(), []));
        let builder = TokenManager::builder().config_text(&*configuration);
        let builder = builder.environment(|_: &str| Some("reports-secret".to_owned()));
        let manager = builder.store(Arc::new(sealed)).build().await.unwrap();
        manager.start();
        manager
    };
    let (one, other) = (manager().await, manager().await);
    let first = one.token("graph").await.unwrap();
    assert_eq!(other.token("graph").await.unwrap().expose_secret(), first.expose_secret());
    for round in 1..4 {
        let requests = sandbox.requests().len();
        redis.start_again();
        assert!(one.token("graph").await.is_ok(), "a good token is handed out without a store");
        // As soon as the store is there, what one obtains the other has.
        until(async || one.store_trouble().is_none() && other.store_trouble().is_none()).await;
        let (by, to) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let renewed = by.handle("graph").unwrap().refresh().await.unwrap();
        until(async || to.token("graph").await.unwrap().expose_secret() == renewed.expose_secret()).await;
        assert_eq!(sandbox.requests().len(), requests + 1, "round {round}");
        assert!(renewed.generation() > first.generation());
    }
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_record_that_the_server_has_dropped_is_not_there_and_does_not_end_a_page() {
    let redis = Redis::shared();
    let prefix = redis.prefix();
    let store = open(&format!("{}?prefix={prefix}", redis.url())).await;
    for name in ["a", "b", "c", "d"] {
        save(&store, name, 1).await;
    }
    for name in ["b", "c"] {
        redis.cli(&["DEL", &format!("{{{prefix}}}:record:{name}")]);
    }
    assert_eq!(generation(&store, "b").await, None);
    let page = store.page(None, 2).await.unwrap();
    assert_eq!(page.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "d"], "it is full");
    save(&store, "b", 2).await;
    assert_eq!(store.page(None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn what_is_no_record_is_an_error_for_its_key_and_left_out_of_pages() {
    let redis = Redis::shared();
    let prefix = redis.prefix();
    let store = open(&format!("{}?prefix={prefix}", redis.url())).await;
    let name = |of: &str| format!("{{{prefix}}}:{of}");
    for key in ["a", "no-json", "later", "half", "text", "z"] {
        save(&store, key, 1).await;
    }
    redis.cli(&["HSET", &name("record:no-json"), "record", "planted-secret"]);
    redis.cli(&["HSET", &name("record:later"), "record", r#"{"form": 999, "x": "planted-secret"}"#]);
    redis.cli(&["HDEL", &name("record:half"), "version"]);
    redis.cli(&["SET", &name("record:text"), "planted-secret"]);
    redis.cli(&["ZADD", &name("keys"), "0", "no key"]);
    for (key, expected) in [
        ("no-json", "not a record in JSON"),
        ("later", "a later version"),
        ("half", "not whole"),
        ("text", "another program"),
    ] {
        let error = store.load(&super::key(key)).await.unwrap_err();
        assert!(error.what.contains(expected) && !error.to_string().contains("planted"), "{key}: {error}");
    }
    let page = store.page(None, 2).await.unwrap();
    assert_eq!(
        page.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
        ["a", "z"],
        "a page that is not the last is full"
    );
    let unreadable = store.unreadable().await.unwrap();
    let names: Vec<_> = unreadable.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["half", "later", "no key", "no-json", "text"]);
    assert!(!format!("{unreadable:?}").contains("planted"));
    assert_eq!(store.changes(Version::ZERO, 10).await.unwrap().len(), 6);
    let Versioned { record, .. } = store.load(&super::key("a")).await.unwrap().unwrap();
    assert_eq!(record.generation, 1);
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_lease_from_which_somebody_took_its_end_is_free() {
    let redis = Redis::shared();
    let prefix = redis.prefix();
    let store = open(&format!("{}?prefix={prefix}", redis.url())).await;
    let (graph, ttl) = (key("graph"), Duration::from_mins(1));
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), ttl).await.unwrap(), LeaseOutcome::Acquired);
    redis.cli(&["PERSIST", &format!("{{{prefix}}}:lease:graph")]);
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), ttl).await.unwrap(), LeaseOutcome::Acquired);
    assert!(matches!(store.acquire_lease(&graph, &Holder::unique(), ttl).await.unwrap(), LeaseOutcome::Held(_)));
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn what_a_later_version_has_written_is_not_touched() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url()).await;
    let version = save(&store, "graph", 1).await;
    redis.cli(&["SET", "{tokenkeep}:form", "2"]);
    for error in [
        try_open(&redis.url()).await.unwrap_err(),
        store.save(&key("graph"), &record(2), Some(version)).await.unwrap_err(),
    ] {
        assert!(error.what.contains("a later tokenkeep") && !error.busy, "{error}");
    }
    // It is not its turn to spend a login whose successor it could not save.
    let refused = store.acquire_lease(&key("graph"), &Holder::unique(), Duration::from_secs(30)).await.unwrap_err();
    assert!(refused.what.contains("a later tokenkeep") && refused.busy, "{refused}");
    assert_eq!(redis.cli(&["GET", "{tokenkeep}:form"]), "2");
    assert_eq!(redis.cli(&["HGET", "{tokenkeep}:record:graph", "version"]), version.0.to_string());
}
