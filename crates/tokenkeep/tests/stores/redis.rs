//! What the Redis store promises beyond the contract: about servers that come, go, refuse and forget.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

mod forgets;

mod places;
mod rights;
mod troubles;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::clock::SystemClock;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{Record, RedisStore, RedisUrl, SaveOutcome, SealedStore, Store, StoreError, Version};
use tokenkeep::{Key, Secret};
use tokenkeep_test_servers::Redis;

/// A prefix of its own on the server that all tests share.
struct Prefix {
    clock: Arc<ManualClock>,
    name: String,
    key: Option<SealKey>,
}

impl Prefix {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new()), name: Redis::shared().prefix(), key: None }
    }
}

#[async_trait]
impl StoreFixture for Prefix {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let url = RedisUrl::parse(&format!("{}?prefix={}", Redis::shared().url(), self.name)).unwrap();
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let store = Arc::new(RedisStore::open(&url, clock).await.unwrap());
        match &self.key {
            Some(key) => Arc::new(SealedStore::new(store, SealKeys::new(key.clone(), []))),
            None => store,
        }
    }

    /// The server's clock cannot be set, but the ends that it keeps can be moved.
    async fn advance(&self, by: Duration) {
        let by_ms = by.as_millis().to_string();
        Redis::shared().cli(&["EVAL", ADVANCE, "0", &self.name, &by_ms]);
    }

    fn gives_notices(&self) -> bool {
        true
    }

    fn gives_due_keys(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis: run ./test"]
async fn the_redis_store_keeps_the_laws() {
    contract::run_all(async || Prefix::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis: run ./test"]
async fn a_sealed_redis_store_keeps_the_laws() {
    contract::run_all(async || Prefix { key: Some(SealKey::generate().unwrap().0), ..Prefix::new() }).await;
}

async fn open(url: &str) -> RedisStore {
    try_open(url).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn try_open(url: &str) -> Result<RedisStore, StoreError> {
    RedisStore::open(&RedisUrl::parse(url).unwrap(), Arc::new(SystemClock::new())).await
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn record(generation: u64) -> Record {
    Record {
        generation,
        fingerprint: Fingerprint::of([("client", "1")]),
        token: None,
        refresh_in: None,
        jitter: 0.5,
        refresh_token: Some(Secret::new(format!("rt-{generation}"))),
        asked_at: None,
        failure: None,
        due_at: None,
        boot_id: "".into(),
    }
}

/// Saves at the version that is there, which must work.
async fn save(store: &dyn Store, name: &str, generation: u64) -> Version {
    let expected = store.load(&key(name)).await.unwrap().map(|found| found.version);
    match store.save(&key(name), &record(generation), expected).await.unwrap() {
        SaveOutcome::Saved(version) => version,
        SaveOutcome::Conflict => panic!("a save at the right version was refused"),
    }
}

async fn generation(store: &dyn Store, name: &str) -> Option<u64> {
    store.load(&key(name)).await.unwrap().map(|found| found.record.generation)
}

/// Whether a replica has got the record of the usual store: a write is answered before that.
fn has(replica: &Redis, name: &str) -> bool {
    // For any other question a replica in a cluster names its master.
    replica.cli(&["KEYS", "*"]).contains(&format!("{{tokenkeep}}:record:{name}"))
}

/// Asks again until there is an answer, for as long as a server may take on a busy machine; each error on the way is
/// checked.
async fn until_ok<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>, check: impl Fn(&StoreError)) -> T {
    for _ in 0..300 {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => check(&error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the store does not come back");
}

/// Something that is not there yet.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not come to pass");
}

const ADVANCE: &str = "
    local prefix, by = '{' .. ARGV[1] .. '}:', tonumber(ARGV[2])
    for _, key in ipairs(redis.call('KEYS', prefix .. 'lease:*')) do
        redis.call('PEXPIRE', key, redis.call('PTTL', key) - by)
    end
    for _, key in ipairs(redis.call('KEYS', prefix .. 'budget:*')) do
        local counted = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
        for at = 1, #counted, 2 do
            redis.call('ZADD', key, string.format('%.0f', counted[at + 1] - by * 1000), counted[at])
        end
        redis.call('PEXPIRE', key, redis.call('PTTL', key) - by)
    end
    local due = redis.call('ZRANGE', prefix .. 'due', 0, -1, 'WITHSCORES')
    for at = 1, #due, 2 do
        redis.call('ZADD', prefix .. 'due', string.format('%.0f', due[at + 1] - by), due[at])
    end";
