//! Several processes on one folder: turns, kills and reboots.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Child;

use tokenkeep::Moment;
use tokenkeep::clock::SystemClock;
use tokenkeep::store::{Holder, LeaseOutcome};

use super::*;

#[tokio::test]
async fn of_200_kills_at_any_moment_of_a_save_none_leaves_half_a_record() {
    let place = Place::new();
    let watching = FileStore::open(&place.folder, Arc::new(SystemClock::new())).await.unwrap();
    let mut newest = 0;
    for round in 0..200 {
        let mut child = place.process("processes::save_until_killed").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut saved = numbers(&mut lines);
        newest = saved.by_ref().nth(round % 5).unwrap();
        // Some work of uneven length, so that the kill comes at another point of the next save each time.
        (0..fastrand::u32(0..600_000)).for_each(|number| _ = std::hint::black_box(number));
        child.kill().unwrap();
        newest = saved.last().unwrap_or(newest);
        child.wait().unwrap();
        if let Ok(content) = fs::read_to_string(place.path(GRAPH)) {
            let file: serde_json::Value = serde_json::from_str(&content).unwrap();
            assert_eq!(file["access_token"], file["token_data"]["access_token"]);
        }
        let store = FileStore::open(&place.folder, Arc::new(SystemClock::new())).await.unwrap();
        for store in [&store, &watching] {
            let found = load(store, "graph").await;
            let (generation, token, login) = told(&found);
            assert!(generation == newest || generation == newest + 1, "{generation} after {newest}");
            assert_eq!(login, Some(&*format!("r{generation}")));
            assert_eq!(token, Some(&*format!("t{generation}")), "a save that is done is done whole");
        }
    }
    assert!(newest >= 200, "{newest}");
    let left = place.names();
    assert!(left.iter().all(|name| !name.contains(".bad-")), "{left:?}");
}

/// Another process, which counts up and prints each number when it is saved.
#[tokio::test]
#[ignore = "run in processes of its own by another test"]
async fn save_until_killed() {
    let Some(folder) = given_folder() else { return };
    let clock = Arc::new(SystemClock::new());
    let store = FileStore::open(&folder, Arc::<SystemClock>::clone(&clock)).await.unwrap();
    let found = store.load(&key("graph")).await.unwrap();
    let mut generation = found.as_ref().map_or(0, |found| found.record.generation);
    let mut version = found.map(|found| found.version);
    loop {
        generation += 1;
        version = Some(save(&store, "graph", &record(&*clock, generation), version).await);
        writeln!(std::io::stdout(), "saved {generation}").unwrap();
    }
}

#[tokio::test]
async fn processes_that_take_turns_lose_no_write() {
    let place = Place::new();
    let children: Vec<Child> = (0..3).map(|_| place.process("processes::count_to_twenty").spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let found = load(&place.open().await, "graph").await;
    assert_eq!(found.record.generation, 60);
    assert!(found.version >= Version(60));
}

/// Another process, which raises the generation by one, twenty times, each time with the lease.
#[tokio::test]
#[ignore = "run in processes of its own by another test"]
async fn count_to_twenty() {
    let Some(folder) = given_folder() else { return };
    let clock = Arc::new(SystemClock::new());
    let store = FileStore::open(&folder, Arc::<SystemClock>::clone(&clock)).await.unwrap();
    let (graph, holder) = (key("graph"), Holder::unique());
    for _ in 0..20 {
        while store.acquire_lease(&graph, &holder, TTL).await.unwrap() != LeaseOutcome::Acquired {}
        let found = store.load(&graph).await.unwrap();
        let generation = found.as_ref().map_or(0, |found| found.record.generation) + 1;
        // Whoever has the lease is alone: its save cannot conflict.
        save(&store, "graph", &record(&*clock, generation), found.map(|found| found.version)).await;
        assert!(store.renew_lease(&graph, &holder, TTL).await.unwrap());
        store.release_lease(&graph, &holder).await.unwrap();
    }
}

#[tokio::test]
async fn the_lease_of_a_process_that_dies_is_free_at_once() {
    let place = Place::new();
    let store = FileStore::open(&place.folder, Arc::new(SystemClock::new())).await.unwrap();
    let mut child = place
        .process("processes::take_the_lease_and_wait")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("acquired")));
    let (graph, ours) = (key("graph"), Holder::unique());
    let held = store.acquire_lease(&graph, &ours, TTL).await.unwrap();
    assert!(matches!(held, LeaseOutcome::Held(_)), "{held:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(store.acquire_lease(&graph, &ours, TTL).await.unwrap(), LeaseOutcome::Acquired);
}

/// Another process, which has the lease until it is killed.
#[tokio::test]
#[ignore = "run in a process of its own by another test"]
async fn take_the_lease_and_wait() {
    let Some(folder) = given_folder() else { return };
    let store = FileStore::open(&folder, Arc::new(SystemClock::new())).await.unwrap();
    let outcome = store.acquire_lease(&key("graph"), &Holder::unique(), TTL).await.unwrap();
    assert_eq!(outcome, LeaseOutcome::Acquired);
    writeln!(std::io::stdout(), "acquired").unwrap();
    std::io::read_to_string(std::io::stdin()).unwrap();
}

#[tokio::test]
async fn a_reboot_ends_every_lease() {
    let place = Place::new();
    let (graph, holder) = (key("graph"), Holder::unique());
    let before = place.open().await;
    assert_eq!(before.acquire_lease(&graph, &holder, TTL).await.unwrap(), LeaseOutcome::Acquired);
    let after = FileStore::open(&place.folder, Arc::new(place.clock.rebooted())).await.unwrap();
    assert!(!after.renew_lease(&graph, &holder, TTL).await.unwrap());
    assert_eq!(after.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Acquired);
}

#[tokio::test]
async fn a_boot_without_a_name_has_leases_by_the_wall_clock() {
    #[derive(Debug)]
    struct Nameless(ManualClock);
    impl Clock for Nameless {
        fn now(&self) -> Moment {
            Moment { boot_ms: 0, ..self.0.now() }
        }
        fn boot_id(&self) -> &'static str {
            ""
        }
    }
    let place = Place::new();
    let clock = Arc::new(Nameless(ManualClock::new()));
    let store = FileStore::open(&place.folder, Arc::<Nameless>::clone(&clock)).await.unwrap();
    let graph = key("graph");
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Acquired);
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Held(TTL));
    clock.0.advance(TTL);
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Acquired);
}

#[tokio::test]
async fn a_lease_file_that_cannot_be_read_is_no_lease() {
    let place = Place::new();
    let store = place.open().await;
    for content in ["", "{\"holder\":", "hello"] {
        place.write(".tokenkeep/graph.lease", content);
        let taken = store.acquire_lease(&key("graph"), &Holder::unique(), TTL).await.unwrap();
        assert_eq!(taken, LeaseOutcome::Acquired, "{content}");
    }
}

/// The numbers that `save_until_killed` prints; what is cut off at the end is none.
fn numbers(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> impl Iterator<Item = u64> {
    lines.map_while(Result::ok).filter_map(|line| line.rsplit_once("saved ")?.1.parse().ok())
}

const TTL: Duration = Duration::from_mins(1);
