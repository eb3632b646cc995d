//! What the Redis store promises beyond the contract: about servers that come, go, refuse and forget.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{RedisStore, RedisUrl, SealedStore, Store};
use tokenkeep_test_servers::Redis;

/// A prefix of its own on the server that all tests share.
struct Prefix {
    clock: Arc<ManualClock>,
    prefix: String,
    key: Option<SealKey>,
}

impl Prefix {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new()), prefix: Redis::shared().prefix(), key: None }
    }
}

#[async_trait]
impl StoreFixture for Prefix {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let url = RedisUrl::parse(&format!("{}?prefix={}", Redis::shared().url(), self.prefix)).unwrap();
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
        Redis::shared().cli(&["EVAL", ADVANCE, "0", &self.prefix, &by_ms]);
    }

    fn gives_notices(&self) -> bool {
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
    end";
