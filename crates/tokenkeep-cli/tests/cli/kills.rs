//! kill -9 at any moment of a refresh whose refresh token is spent by the answer.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokenkeep::clock::SystemClock;
use tokenkeep::store::{Holder, LeaseOutcome, Record, Store, StoreUrl, open};
use tokenkeep::{Clock, Key, Moment};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_killed_anywhere_leaves_a_sqlite_store_whole() {
    killed_anywhere("sqlite:tokens.db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_killed_anywhere_leaves_a_folder_of_files_whole() {
    killed_anywhere("file:tokens").await;
}

/// A process is killed at a random moment of its refresh, again and again. The issuer spends a refresh token with each
/// answer and counts those that come twice. A kill between its answer and the save loses a login, which nobody can
/// help: it is given anew. Nothing else may be lost, asked for twice, or torn.
async fn killed_anywhere(store: &str) {
    let world = World::without_config().await;
    world.write_config(&config(&world, store));
    let usual = usual_time(&world).await;
    let mut outcomes = Outcomes::default();
    for round in 0..KILLS {
        // In turn, so that none has to wait for its second between two requests.
        let key = key(round % KEYS);
        let (before, known) = (issued(&world), record(&world, store, &key).await);
        let refresh = world.spawn(&["refresh", key.as_str()]);
        // Any moment from the start to well after the end.
        tokio::time::sleep(usual.mul_f32(fastrand::f32() * 1.2)).await;
        refresh.signal(Signal::KILL);
        refresh.end().await;

        let found = record(&world, store, &key).await;
        let issued = issued(&world) - before;
        assert!(issued <= 1, "round {round}: {issued} tokens for one refresh");
        let saved = generation(found.as_ref()) > generation(known.as_ref());
        match (issued, saved) {
            (0, false) => outcomes.early += 1,
            (1, true) => outcomes.late += 1,
            (_, false) => {
                outcomes.between += 1;
                give_login(&world, &key);
            }
            (_, true) => panic!("round {round}: a generation that nobody issued"),
        }
        free_lease(&world, store, &key).await;
        assert_eq!(reused(&world), 0, "round {round}: {outcomes:?}");
    }
    for key in (0..KEYS).map(key) {
        let ended = world.run(&["refresh", key.as_str()]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert_eq!(reused(&world), 0);
    assert!(outcomes.early > 0 && outcomes.late > 0, "the kills did not fall everywhere: {outcomes:?}");
}

/// Where the kills fell.
#[derive(Debug, Default)]
struct Outcomes {
    /// Before the issuer did anything.
    early: u32,
    /// Between its answer and the save.
    between: u32,
    /// After the save.
    late: u32,
}

/// Logins of one client, each with its first refresh token in a file.
fn config(world: &World, store: &str) -> String {
    let token_url = world.sandbox.token_url();
    let mut config = format!("store = \"{store}\"\n");
    for key in (0..KEYS).map(key) {
        give_login(world, &key);
        writeln!(
            config,
            "[providers.{key}]\ngrant = \"refresh_token\"\ntoken_url = \"{token_url}\"\nclient_id = \"calendar\"\n\
             client_secret = {{ env = \"CLIENT_SECRET\" }}\nrefresh_token = {{ file = \"{key}\" }}"
        )
        .unwrap();
    }
    config
}

fn give_login(world: &World, key: &Key) {
    std::fs::write(world.path(key.as_str()), world.sandbox.issue_refresh_token("calendar")).unwrap();
}

/// How long a refresh takes on this machine now.
async fn usual_time(world: &World) -> Duration {
    world.run(&["refresh", key(0).as_str()]).await;
    let clock = SystemClock::new();
    let begun = clock.now();
    let ended = world.run(&["refresh", key(1).as_str()]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    clock.now().since(begun)
}

fn issued(world: &World) -> u64 {
    world.sandbox.counters_of("calendar").issued
}

fn reused(world: &World) -> u64 {
    world.sandbox.counters_of("calendar").reused_refresh_tokens
}

fn generation(record: Option<&Record>) -> u64 {
    record.map_or(0, |record| record.generation)
}

/// What is stored, which must be whole.
async fn record(world: &World, store: &str, key: &Key) -> Option<Record> {
    let store = opened(world, store, Arc::new(SystemClock::new())).await;
    let found = store.load(key).await.unwrap();
    store.close().await;
    found.map(|found| found.record)
}

/// Ends the lease of the killed process, as its time would: on a clock that is an hour ahead.
async fn free_lease(world: &World, store: &str, key: &Key) {
    let store = opened(world, store, Arc::new(Ahead(SystemClock::new()))).await;
    let holder = Holder::unique();
    let taken = store.acquire_lease(key, &holder, Duration::from_secs(1)).await.unwrap();
    assert_eq!(taken, LeaseOutcome::Acquired);
    store.release_lease(key, &holder).await.unwrap();
    store.close().await;
}

async fn opened(world: &World, store: &str, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
    let url = StoreUrl::parse(store).unwrap().resolved(world.home.path());
    open(&url, &[], &clock).await.unwrap()
}

fn key(number: u32) -> Key {
    Key::parse(&format!("calendar-{number}")).unwrap()
}

/// The present time of the same boot, an hour ahead.
#[derive(Debug)]
struct Ahead(SystemClock);

impl Clock for Ahead {
    fn now(&self) -> Moment {
        self.0.now().plus(Duration::from_hours(1))
    }

    fn boot_id(&self) -> &str {
        self.0.boot_id()
    }
}

const KILLS: u32 = 200;
const KEYS: u32 = 20;
