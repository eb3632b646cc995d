//! Keys that are renewed though nobody uses them, shared among all processes of a store that says what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokenkeep::expiry::{Policy, Refresh};
use tokenkeep::provider::{Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::source::Fault;
use tokenkeep::store::contract::ManualClock;
use tokenkeep::store::{MemoryStore, Record, SaveOutcome, Store};
use tokenkeep::{Accounts, Clock, Credentials, Key, Moment, Secret, SourceSettings, TokenManager};
use tokenkeep_sandbox::{Client, Sandbox};

use crate::support::*;

const KEYS: usize = 200;

#[tokio::test(start_paused = true)]
async fn two_processes_share_what_is_due_and_each_key_is_requested_once_a_life() {
    let world = with_due_keys(KEYS).await;
    let other = manager(&world.clock, &world.store, &world.issuer, always()).await;
    world.manager.start();
    other.start();
    pass(MINUTE).await;
    assert_eq!(requests_of_each(&world), BTreeSet::from([2]), "one before, one now");
    pass(HOUR * 4).await;
    let lives = requests_of_each(&world);
    assert!(
        lives.iter().all(|requests| (6..=8).contains(requests)),
        "{lives:?} requests in four hours of an hour each"
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_reads_only_what_is_due_and_keeps_nothing_of_it_in_memory() {
    let world = with_due_keys(KEYS).await;
    world.manager.start();
    pass(MINUTE).await;
    assert_eq!(world.issuer.count(), 2 * KEYS);
    assert_eq!(world.manager.keys_in_memory(), 0, "nobody uses them");
    let restarted = manager(&world.clock, &world.store, &world.issuer, always()).await;
    world.manager.stop().await.unwrap();
    let before = world.store.loads();
    restarted.start();
    pass(MINUTE * 20).await;
    assert_eq!((world.store.loads(), restarted.keys_in_memory()), (before, 0), "none is due");
    assert_eq!(world.issuer.count(), 2 * KEYS);
}

#[tokio::test(start_paused = true)]
async fn what_a_process_had_claimed_when_it_died_is_taken_by_another() {
    let world = with_due_keys(KEYS).await;
    let claimed = world.store.claim_due(KEYS / 2, HOLD).await.unwrap().unwrap();
    assert_eq!(claimed.len(), KEYS / 2);
    world.manager.start();
    pass(SECOND * 55).await;
    assert_eq!(world.issuer.count(), KEYS + KEYS / 2, "what is claimed is left alone");
    pass(SECOND * 15).await;
    assert_eq!(requests_of_each(&world), BTreeSet::from([2]));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_meanwhile_only_delays_what_is_due() {
    for trouble in [Trouble::Gone, Trouble::Full, Trouble::Hangs("claim_due"), Trouble::Panics("claim_due")] {
        let world = with_due_keys(20).await;
        world.store.set(trouble);
        world.manager.start();
        pass(MINUTE).await;
        assert!(world.manager.store_trouble().is_some(), "{trouble:?} is not said");
        world.store.set(Trouble::None);
        pass(MINUTE * 2).await;
        assert_eq!(requests_of_each(&world), BTreeSet::from([2]), "{trouble:?}");
        assert_eq!(world.manager.store_trouble(), None, "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_saved_is_requested_once_and_stays_in_memory_until_it_is() {
    let world = with_due_keys(20).await;
    let other = manager(&world.clock, &world.store, &world.issuer, always()).await;
    world.store.set(Trouble::NoSaves);
    world.manager.start();
    pass(MINUTE * 3).await;
    assert_eq!((requests_of_each(&world), world.manager.keys_in_memory()), (BTreeSet::from([2]), 20));
    other.start();
    pass(MINUTE * 3).await;
    assert_eq!(requests_of_each(&world), BTreeSet::from([2]), "the lease is kept");
    world.store.set(Trouble::None);
    pass(MINUTE * 2).await;
    assert_eq!(world.manager.keys_in_memory(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_the_issuer_down_all_processes_together_keep_the_pace_of_the_back_off() {
    let world = world_with(Issuer::new(HOUR * 24), always()).await;
    world.manager.token("graph:0").await.unwrap();
    pass(HOUR * 23 + MINUTE * 46).await;
    let one = manager(&world.clock, &world.store, &world.issuer, always()).await;
    let other = manager(&world.clock, &world.store, &world.issuer, always()).await;
    world.issuer.fail(Fault::Unavailable);
    one.start();
    other.start();
    pass(MINUTE * 13).await;
    let asked = world.issuer.count() - 1;
    assert!((10..=60).contains(&asked), "{asked} requests in 13 minutes in which the token lives");
    world.issuer.reply(Reply::Token);
    pass(MINUTE * 2).await;
    assert_eq!(world.store.record("graph:0").await.unwrap().token.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_for_good_is_claimed_no_more() {
    let world = with_due_keys(1).await;
    world.issuer.fail(Fault::LoginRequired);
    world.manager.start();
    pass(MINUTE).await;
    let record = world.store.record("graph:0").await.unwrap();
    assert!(record.due_at.is_none_or(|due| !due.is_reached(world.clock.now())), "{:?}", record.due_at);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_in_use_is_renewed_by_whoever_uses_it_though_nothing_can_be_claimed() {
    let world = world_with(Issuer::new(HOUR), always()).await;
    world.manager.start();
    let _subscriber = world.graph().subscribe();
    pass(SECOND * 5).await;
    world.store.set(Trouble::Panics("claim_due"));
    pass(HOUR * 3).await;
    assert!(world.graph().current().is_some());
    assert!((4..=6).contains(&world.issuer.count()), "{} requests in three hours", world.issuer.count());
}

#[tokio::test(start_paused = true)]
async fn a_key_in_use_of_one_process_is_requested_once_though_another_claims_it() {
    let world = world_with(Issuer::new(HOUR), always()).await;
    let other = manager(&world.clock, &world.store, &world.issuer, always()).await;
    world.manager.start();
    other.start();
    let _subscriber = world.graph().subscribe();
    pass(HOUR * 10).await;
    assert!((11..=15).contains(&world.issuer.count()), "{} requests in ten hours", world.issuer.count());
    assert!(world.graph().current().is_some());
    assert_eq!(other.keys_in_memory(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cleared_key_is_obtained_anew_though_nobody_uses_it() {
    let world = with_due_keys(3).await;
    let other = manager(&world.clock, &world.store, &world.issuer, always()).await;
    other.start();
    pass(MINUTE).await;
    world.manager.handle("graph:1").unwrap().clear().await.unwrap();
    pass(SECOND * 5).await;
    assert_eq!(world.store.record("graph:1").await.unwrap().token.unwrap().generation(), 3);
}

#[tokio::test(start_paused = true)]
async fn records_that_do_not_say_when_they_are_due_are_found_after_a_start() {
    let world = with_due_keys(KEYS).await;
    for number in 0..KEYS {
        let key = Key::parse(&format!("graph:{number}")).unwrap();
        save_with(&world, &key, None).await;
    }
    assert_eq!(world.store.claim_due(1, HOLD).await.unwrap().unwrap(), []);
    world.manager.start();
    pass(MINUTE).await;
    assert_eq!(requests_of_each(&world), BTreeSet::from([2]));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_an_earlier_version_wrote_while_others_ran_is_found_by_a_clean_up() {
    let world = with_due_keys(1).await;
    world.manager.start();
    pass(MINUTE).await;
    save_with(&world, &Key::parse("graph:0").unwrap(), None).await;
    pass(HOUR).await;
    assert_eq!(world.issuer.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_claimed_too_early_is_looked_at_and_left_alone() {
    let world = with_due_keys(1).await;
    world.manager.start();
    pass(MINUTE).await;
    let key = Key::parse("graph:0").unwrap();
    // As after an earlier version's save, which leaves the moment of the token before.
    save_with(&world, &key, Some(world.clock.now())).await;
    pass(MINUTE).await;
    assert_eq!(world.issuer.count(), 2);
    let due = world.store.record("graph:0").await.unwrap().due_at.unwrap();
    assert!(due.remaining(world.clock.now()) > MINUTE * 30, "it says now when it is due");
}

#[tokio::test(start_paused = true)]
async fn a_key_of_an_unknown_provider_is_left_to_others_for_a_while_and_then_forgotten() {
    let world = with_due_keys(1).await;
    let stored = world.store.load(&Key::parse("graph:0").unwrap()).await.unwrap().unwrap();
    let unknown = Key::parse("elsewhere:0").unwrap();
    let record = Record { due_at: Some(world.clock.now()), ..stored.record };
    let SaveOutcome::Saved(version) = world.store.save(&unknown, &record, None).await.unwrap() else { panic!() };
    world.manager.start();
    pass(MINUTE * 9).await;
    assert_eq!(world.store.load(&unknown).await.unwrap().unwrap().version, version);
    pass(MINUTE * 3).await;
    assert_eq!(world.store.record("elsewhere:0").await.unwrap().due_at, None);
    assert_eq!(requests_of_each(&world), BTreeSet::from([2]), "the others are renewed meanwhile");
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_credentials_vanish_is_claimed_no_more() {
    let settings = SourceSettings::default().with_policy(always()).with_accounts(Accounts::Stored);
    let world = world_of(Issuer::new(HOUR), settings).await;
    world.manager.start();
    pass(SECOND * 5).await;
    let credentials = Credentials::with_password("ann", Secret::new("ann-secret")).unwrap();
    world.manager.set_credentials("graph:1", credentials.clone()).await.unwrap();
    pass(SECOND * 5).await;
    assert_eq!(world.issuer.count(), 1);
    // By hand, or by a kill between the two writes: the record is not told.
    world.store.remove_credentials(&Key::parse("graph:1").unwrap()).await.unwrap();
    pass(HOUR).await;
    assert_eq!((world.issuer.count(), world.store.record("graph:1").await.unwrap().due_at), (1, None));
    world.manager.set_credentials("graph:1", credentials).await.unwrap();
    pass(SECOND * 5).await;
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_slow_issuer_delays_what_is_due_of_others_by_seconds() {
    let clock = Arc::new(TestClock::new());
    let memory = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let store = Arc::new(UnreliableStore::new(memory));
    let (slow, quick) = (Issuer::new(HOUR), Issuer::new(HOUR));
    let settings = SourceSettings::default().with_policy(always()).with_accounts(Accounts::Any);
    let build = || {
        let builder = TokenManager::builder().clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let builder = builder.store(Arc::clone(&store) as Arc<dyn Store>);
        let builder = builder.source("slow", Arc::new(slow.clone()), settings.clone());
        builder.source("quick", Arc::new(quick.clone()), settings.clone()).build()
    };
    slow.set_clock(&clock);
    quick.set_clock(&clock);
    let first = build().await.unwrap();
    for number in 0..1_000 {
        first.token(&format!("slow:{number}")).await.unwrap();
    }
    for number in 0..50 {
        first.token(&format!("quick:{number}")).await.unwrap();
    }
    pass(HOUR).await;
    slow.hold();
    let manager = build().await.unwrap();
    manager.start();
    pass(MINUTE).await;
    assert_eq!(quick.count(), 100, "of 50 keys behind 1,000");
    slow.let_go();
    manager.stop().await.unwrap();
}

#[tokio::test]
async fn keys_of_a_provider_that_is_always_renewed_from_now_on_are_claimed_and_later_no_more() {
    let reports = Client::new("reports", "reports-secret");
    let sandbox = Sandbox::builder().client(reports).start().await.unwrap();
    let endpoint = TokenUrl::parse(&sandbox.token_url(), Transport::Secure).unwrap();
    let endpoint = TokenEndpointSettings::new(endpoint, "reports").with_client_secret(Secret::new("reports-secret"));
    let provider = |name: &str, refresh| {
        let grant = Grant::ClientCredentials(endpoint.clone());
        let mut provider = Provider::new(name, grant).unwrap();
        provider.accounts = Accounts::Any;
        provider.with_policy(Policy { refresh, ..Policy::default() })
    };
    let clock = Arc::new(ManualClock::new());
    let store = Arc::new(UnreliableStore::new(Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>))));
    let builder = TokenManager::builder().clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let builder = builder.store(Arc::clone(&store) as Arc<dyn Store>);
    let before = [provider("graph", Refresh::Ahead), provider("other", Refresh::Always)];
    let manager = builder.providers(before.clone()).build().await.unwrap();
    manager.token("graph:1").await.unwrap();
    manager.token("other:1").await.unwrap();
    clock.advance(HOUR * 5);
    manager.start();
    sandbox.wait_until(|counters| counters.total.issued == 3).await;
    saved(&store, [1, 2]).await;

    manager.reload(&[provider("graph", Refresh::Always), provider("other", Refresh::Always)]).unwrap();
    sandbox.wait_until(|counters| counters.total.issued == 4).await;
    saved(&store, [2, 2]).await;
    assert!(store.record("graph:1").await.unwrap().due_at.is_some());

    manager.reload(&before).unwrap();
    clock.advance(HOUR * 5);
    sandbox.wait_until(|counters| counters.total.issued == 5).await;
    saved(&store, [2, 3]).await;
    while store.record("graph:1").await.unwrap().due_at.is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(sandbox.counters().total.issued, 5);
    manager.stop().await.unwrap();
}

async fn generations(store: &UnreliableStore) -> [u64; 2] {
    [store.record("graph:1").await.unwrap().generation, store.record("other:1").await.unwrap().generation]
}

async fn saved(store: &UnreliableStore, expected: [u64; 2]) {
    while generations(store).await != expected {
        tokio::task::yield_now().await;
    }
}

/// So many keys `graph:0` and so on, of which nobody has asked for a token for an hour: all are due.
async fn with_due_keys(number: usize) -> World {
    let world = world_with(Issuer::new(HOUR), always()).await;
    let before = manager(&world.clock, &world.store, &world.issuer, always()).await;
    for number in 0..number {
        before.token(&format!("graph:{number}")).await.unwrap();
    }
    pass(HOUR).await;
    world
}

/// How often the keys were asked for, each number once.
fn requests_of_each(world: &World) -> BTreeSet<usize> {
    let mut counts = BTreeMap::<_, usize>::new();
    for request in world.issuer.requests() {
        *counts.entry(request.key).or_default() += 1;
    }
    counts.into_values().collect()
}

async fn save_with(world: &World, key: &Key, due_at: Option<Moment>) {
    let stored = world.store.load(key).await.unwrap().unwrap();
    let record = Record { due_at, ..stored.record };
    let saved = world.store.save(key, &record, Some(stored.version)).await.unwrap();
    assert_ne!(saved, SaveOutcome::Conflict);
}

fn always() -> Policy {
    Policy { refresh: Refresh::Always, ..Policy::default() }
}

const HOLD: Duration = MINUTE;
