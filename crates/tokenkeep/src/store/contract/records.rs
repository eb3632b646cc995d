//! Laws of records.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Expected as _, MANY, StoreFixture, handles, key};
use crate::clock::Moment;
use crate::credentials::Credentials;
use crate::failure::{Failure, FailureKind};
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::secret::Secret;
use crate::store::{Record, SaveOutcome, Store, Version, Versioned};
use crate::token::{IssuedToken, TokenKind};

/// Every store keeps records.
pub(super) fn are_asked(_fixture: &dyn StoreFixture) -> bool {
    true
}

pub(super) async fn nothing_saved_is_nothing_loaded(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    assert!(store.load(&key("graph")).await.given().is_none());
    assert!(store.page(None, 10).await.given().is_empty());
    assert!(store.changes(Version::ZERO, 10).await.given().is_empty());
    let empty = store.newest_version().await.given();

    let first = store.save(&key("graph"), &record(1), None).await.given().given();
    assert!(first > empty, "the first write is no later version");
    assert!(store.load(&key("graph:7")).await.given().is_none(), "another key's record was loaded");
    assert!(store.load(&key("Graph")).await.given().is_none(), "another key's record was loaded");
}

pub(super) async fn the_longest_keys_that_differ_in_their_last_byte_are_two(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let start = format!("graph:{}", "x".repeat(Key::MAX_LEN - "graph:".len() - 1));
    let (first, second) = (key(&format!("{start}1")), key(&format!("{start}2")));
    let first_version = ours.save(&first, &record(1), None).await.given().given();
    assert!(theirs.load(&second).await.given().is_none(), "another key's record was loaded");
    let second_version = ours.save(&second, &record(2), None).await.given().given();
    assert_loaded(&*theirs, &first, first_version, 1).await;
    assert_loaded(&*theirs, &second, second_version, 2).await;
    let keys: Vec<Key> = theirs.page(None, 10).await.given().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [first, second]);
}

pub(super) async fn a_saved_record_is_loaded_as_it_was_written(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let graph = key("graph:größe@例え");
    let mut version = None;
    for (what, written) in all_sorts_of_records() {
        let saved = ours.save(&graph, &written, version).await.given().given();
        for store in [&ours, &theirs] {
            let Some(loaded) = store.load(&graph).await.given() else { panic!("{what}: nothing was loaded") };
            assert_eq!(loaded.version, saved, "{what}: version");
            assert_same(&loaded.record, &written, what);
        }
        let page = ours.page(None, 10).await.given();
        assert_same(&page[0].1.record, &written, what);
        version = Some(saved);
    }
}

pub(super) async fn a_save_at_the_wrong_version_conflicts_and_changes_nothing(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (graph, other) = (key("graph"), key("other"));
    let before = store.newest_version().await.given();
    let refused = store.save(&graph, &record(1), Some(Version(1))).await.given();
    assert_eq!(refused, SaveOutcome::Conflict, "a version was expected of a key without record");
    assert!(store.load(&graph).await.given().is_none());
    assert_eq!(store.newest_version().await.given(), before);

    let elsewhere = store.save(&other, &record(1), None).await.given().given();
    let old = store.save(&graph, &record(1), None).await.given().given();
    let present = store.save(&graph, &record(2), Some(old)).await.given().given();
    let wrong = [
        ("none", None),
        ("the one before", Some(old)),
        ("another key's", Some(elsewhere)),
        ("one that is to come", Some(Version(present.0 + 1))),
        ("zero", Some(Version::ZERO)),
    ];
    for (what, expected) in wrong {
        let refused = store.save(&graph, &record(3), expected).await.given();
        assert_eq!(refused, SaveOutcome::Conflict, "expected was {what}");
        assert_loaded(&*store, &graph, present, 2).await;
        assert_eq!(store.newest_version().await.given(), present, "expected was {what}");
    }
}

pub(super) async fn of_64_simultaneous_saves_at_one_version_exactly_one_wins(fixture: &dyn StoreFixture) {
    let handles = handles(fixture).await;
    let graph = key("graph");
    let mut expected = None;
    for round in 0..3 {
        let mut writers = JoinSet::new();
        for (store, number) in handles.iter().cycle().cloned().zip(0..MANY as u64) {
            writers.spawn(async move {
                let generation = round * 1_000 + number;
                let outcome = store.save(&key("graph"), &record(generation), expected).await.given();
                (generation, outcome)
            });
        }
        let mut winners = Vec::new();
        for (generation, outcome) in writers.join_all().await {
            if let SaveOutcome::Saved(version) = outcome {
                winners.push((generation, version));
            }
        }
        assert_eq!(winners.len(), 1, "winners at version {expected:?}");
        assert_loaded(&*handles[0], &graph, winners[0].1, winners[0].0).await;
        expected = Some(winners[0].1);
    }
}

pub(super) async fn versions_grow_over_all_keys(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let (graph, other) = (key("graph"), key("other"));
    let mut newest = Version::ZERO;
    let (mut of_graph, mut of_other) = (None, None);
    for generation in 1..4 {
        for (store, key, version) in [(&ours, &graph, &mut of_graph), (&theirs, &other, &mut of_other)] {
            let saved = store.save(key, &record(generation), *version).await.given().given();
            assert!(saved > newest, "{saved:?} after {newest:?}");
            assert_eq!(ours.newest_version().await.given(), saved);
            newest = saved;
            *version = Some(saved);
        }
    }
}

pub(super) async fn a_write_is_seen_by_another_handle_at_once(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let graph = key("graph");
    let mut version = None;
    for generation in 1..20 {
        let (writer, reader) = if generation % 2 == 0 { (&ours, &theirs) } else { (&theirs, &ours) };
        let saved = writer.save(&graph, &record(generation), version).await.given().given();
        assert_loaded(&**reader, &graph, saved, generation).await;
        assert_eq!(reader.newest_version().await.given(), saved);
        assert_eq!(reader.changes(version.unwrap_or(Version::ZERO), 10).await.given(), [(graph.clone(), saved)]);
        version = Some(saved);
    }
}

pub(super) async fn pages_are_ordered_complete_and_without_repeats_while_others_write(fixture: &dyn StoreFixture) {
    let (reader, writer) = (fixture.open().await, fixture.open().await);
    // The order is that of the bytes: no language sorts these in that way.
    let odd = ["Z", "a", "a-b", "a.b", "a:B", "a:b", "a:é", "a:z", "a:例", "a_b", "ab"];
    let all: BTreeSet<Key> = (0..100).map(|number| key(&format!("page:{number}"))).chain(odd.map(key)).collect();
    for key in &all {
        writer.save(key, &record(1), None).await.given().given();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    let (keys, is_over_for_writer) = (all.clone(), Arc::clone(&is_over));
    writers.spawn(async move {
        while !is_over_for_writer.load(Ordering::Acquire) {
            for key in keys.iter().rev().step_by(9) {
                let Some(stored) = writer.load(key).await.given() else { panic!("a record is gone") };
                writer.save(key, &record(2), Some(stored.version)).await.given().given();
            }
            tokio::task::yield_now().await;
        }
    });
    for limit in [1, 7, all.len(), all.len() + 1, usize::MAX] {
        let mut seen: Vec<Key> = Vec::new();
        loop {
            let page = reader.page(seen.last(), limit).await.given();
            assert!(page.len() <= limit, "a page of {} where {limit} were asked for", page.len());
            let is_last = page.len() < limit;
            seen.extend(page.into_iter().map(|(key, _)| key));
            assert!(seen.len() <= all.len(), "pages of {limit} come again");
            if is_last {
                break;
            }
        }
        assert!(seen.iter().eq(&all), "in pages of {limit}: {seen:?}");
    }
    is_over.store(true, Ordering::Release);
    writers.join_all().await;
    let after_one_that_is_not_there = reader.page(Some(&key("page:5a")), 1).await.given();
    assert_eq!(after_one_that_is_not_there[0].0, key("page:6"));
    assert!(reader.page(None, 0).await.given().is_empty());
}

pub(super) async fn an_index_of_ends_gives_what_has_ended_and_nothing_else(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let end = record(1).token.map_or(Moment::NEVER, |token| token.expires_at());
    let Some(none) = store.page_ended(end, None, 10).await.given() else { return };
    assert!(none.is_empty());
    for (name, token) in [("graph:1", true), ("graph:2", true), ("graph:3", false), ("graph:4", true)] {
        let one = record(1);
        let one = Record { token: one.token.filter(|_| token), ..one };
        let saved = store.save(&key(name), &one, None).await.given();
        assert!(matches!(saved, SaveOutcome::Saved(_)), "{saved:?}");
    }
    let names = async |by: Moment, after: Option<&str>, limit: usize| {
        let after = after.map(key);
        let page = store.page_ended(by, after.as_ref(), limit).await.given().unwrap_or_default();
        page.into_iter().map(|(key, _)| key.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(end, None, 10).await, ["graph:1", "graph:2", "graph:4"]);
    assert_eq!(names(end, None, 2).await, ["graph:1", "graph:2"]);
    assert_eq!(names(end, Some("graph:2"), 2).await, ["graph:4"]);
    assert!(names(end.minus(Duration::from_secs(1)), None, 10).await.is_empty());
    assert!(names(end, None, 0).await.is_empty());
}

pub(super) async fn changes_name_each_changed_key_once_with_its_newest_version(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    // The first two of them by version are neither the first two nor the last two by key.
    let (first, second, third) = (key("m"), key("z"), key("a"));
    let first_version = ours.save(&first, &record(1), None).await.given().given();
    let second_version = ours.save(&second, &record(1), None).await.given().given();
    let third_version = theirs.save(&third, &record(1), None).await.given().given();
    let newest = theirs.save(&first, &record(2), Some(first_version)).await.given().given();
    let all = [(second, second_version), (third, third_version), (first, newest)];
    for store in [ours, theirs] {
        assert_eq!(store.changes(Version::ZERO, 10).await.given(), all);
        assert_eq!(store.changes(first_version, 10).await.given(), all, "since a version that was replaced");
        assert_eq!(store.changes(second_version, 10).await.given(), all[1..], "since a version that is present");
        assert_eq!(store.changes(Version::ZERO, 2).await.given(), all[..2], "at most two");
        assert_eq!(store.changes(Version::ZERO, 0).await.given(), [], "at most none");
        assert_eq!(store.changes(newest, 10).await.given(), [], "since the newest");
        assert_eq!(store.changes(Version(u64::MAX), 10).await.given(), [], "since the last version of all");
    }
}

pub(super) async fn a_dropped_save_is_done_or_not_done(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let graph = key("graph");
    let mut version = store.save(&graph, &record(0), None).await.given().given();
    let mut generation = 0;
    for polls in 0..40 {
        poll_and_drop(store.save(&graph, &record(generation + 1), Some(version)), polls % 10).await;
        let Some(seen) = store.load(&graph).await.given() else { panic!("the record is gone") };
        assert_whole(&seen, generation, version);
        let next = record(generation + 2);
        version = match store.save(&graph, &next, Some(seen.version)).await.given() {
            SaveOutcome::Saved(version) => version,
            // The dropped save was still under way and has come in between; it does so once.
            SaveOutcome::Conflict => {
                let Some(seen) = store.load(&graph).await.given() else { panic!("the record is gone") };
                assert_whole(&seen, generation, version);
                store.save(&graph, &next, Some(seen.version)).await.given().given()
            }
        };
        generation += 2;
        assert_loaded(&*store, &graph, version, generation).await;
    }
}

pub(super) async fn records_outlive_closing(fixture: &dyn StoreFixture) {
    if !fixture.is_durable() {
        return;
    }
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let graph = key("graph");
    let version = ours.save(&graph, &record(7), None).await.given().given();
    ours.close().await;
    assert_loaded(&*theirs, &graph, version, 7).await;
    theirs.close().await;

    let again = fixture.open().await;
    assert_loaded(&*again, &graph, version, 7).await;
    let next = again.save(&graph, &record(8), Some(version)).await.given().given();
    assert!(next > version, "versions start again");
    again.close().await;
}

pub(super) async fn debug_shows_no_secret(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    store.save(&key("graph"), &record(1), None).await.given().given();
    let (loaded, page) = (store.load(&key("graph")).await.given(), store.page(None, 1).await.given());
    let shown = format!("{store:?} {store:#?} {loaded:?} {loaded:#?} {page:?} {page:#?} {}", store.label());
    for secret in [ACCESS_TOKEN, REFRESH_TOKEN] {
        assert!(!shown.contains(secret), "a secret is shown");
    }
}

pub(super) async fn a_store_says_whether_it_keeps_credentials(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    assert_eq!(store.keeps_credentials(), fixture.keeps_credentials(), "store and fixture say different things");
    if !fixture.keeps_credentials() {
        let credentials = Credentials::with_password("company", Secret::new(PASSWORD));
        let credentials = credentials.unwrap_or_else(|error| panic!("{error}"));
        let Err(error) = store.save_credentials(&key("graph"), &credentials).await else {
            panic!("credentials were taken that are not kept");
        };
        assert!(!error.to_string().contains(PASSWORD), "a secret is shown");
    }
}

pub(super) async fn a_store_says_whether_it_gives_what_is_due(fixture: &dyn StoreFixture) {
    let claimed = fixture.open().await.claim_due(0, Duration::from_mins(1)).await.given();
    assert_eq!(claimed.is_some(), fixture.gives_due_keys(), "whether it gives what is due");
}

/// A record that tells its generation.
pub(super) fn record(generation: u64) -> Record {
    let now = at(1_700_000_000_123, 60_000);
    let kind = TokenKind { token_type: "Bearer".into(), scope: Some("read write".into()) };
    let token = IssuedToken::new(
        Secret::new(format!("{ACCESS_TOKEN}{generation}")),
        Arc::new(kind),
        generation,
        now,
        now.plus(Duration::from_hours(1)),
    );
    Record {
        generation,
        fingerprint: Fingerprint::of([("client", "1")]),
        token: Some(Arc::new(token)),
        refresh_in: Some(Duration::from_millis(1_800_001)),
        jitter: 0.123_456_79,
        refresh_token: Some(Secret::new(format!("{REFRESH_TOKEN}{generation}"))),
        asked_at: Some(now),
        failure: None,
        due_at: None,
        boot_id: "boot-1".into(),
    }
}

fn all_sorts_of_records() -> Vec<(&'static str, Record)> {
    let odd_text = "é 例え 🔑 ' \" \\ \n \t -- ; %s {} \u{1}";
    let late = u64::from(u32::MAX) + 7;
    let mut records = vec![("a usual one", record(1)), ("one of many generations", record(late))];

    let kind = TokenKind { token_type: "DPoP".into(), scope: Some("größe 例え 🔑".into()) };
    let long = format!("{ACCESS_TOKEN}{}", "x".repeat(20_000));
    let token = IssuedToken::new(Secret::new(long), Arc::new(kind), 2, at(-1, 0), at(i64::MAX - 1, i64::MAX - 1));
    records.push(("a long token", Record { token: Some(Arc::new(token)), ..record(2) }));

    let kind = TokenKind { token_type: "N_A".into(), scope: Some("".into()) };
    let token = IssuedToken::new(Secret::new(odd_text), Arc::new(kind), 3, at(0, 0), Moment::NEVER);
    records.push(("a token without end", Record { token: Some(Arc::new(token)), refresh_in: None, ..record(3) }));

    let bare = Record {
        token: None,
        refresh_in: None,
        jitter: 0.0,
        refresh_token: None,
        asked_at: None,
        boot_id: "".into(),
        ..record(4)
    };
    records.push(("a cleared one", bare));
    records.push((
        "only a refresh token",
        Record { token: None, refresh_token: Some(Secret::new(odd_text)), ..record(5) },
    ));

    let failures = [
        (FailureKind::Unavailable, Some("try later"), at(1, 2)),
        (FailureKind::RateLimited, Some(""), at(3, 4)),
        (FailureKind::Refused, None, at(1_700_000_600_000, 660_000)),
        (FailureKind::LoginRequired, Some(odd_text), Moment::NEVER),
    ];
    for (kind, next, retry_at) in failures {
        let next = next.map(str::to_owned);
        let failure = Failure { kind, what: odd_text.into(), next, count: u32::MAX, since: at(5, 6), retry_at };
        records.push((kind.as_str(), Record { failure: Some(failure), ..record(6) }));
    }
    records
}

/// Compares without showing a secret.
#[track_caller]
fn assert_same(loaded: &Record, written: &Record, what: &str) {
    fn exposed(secret: Option<&Secret>) -> Option<&str> {
        secret.map(Secret::expose_secret)
    }
    let Record {
        generation,
        fingerprint,
        token,
        refresh_in,
        jitter,
        refresh_token,
        asked_at,
        failure,
        due_at,
        boot_id,
    } = loaded;
    assert_eq!(*generation, written.generation, "{what}: generation");
    assert_eq!(*fingerprint, written.fingerprint, "{what}: fingerprint");
    assert_eq!(*refresh_in, written.refresh_in, "{what}: refresh_in");
    assert_eq!(jitter.to_bits(), written.jitter.to_bits(), "{what}: jitter");
    assert_eq!(*asked_at, written.asked_at, "{what}: asked_at");
    assert_eq!(*failure, written.failure, "{what}: failure");
    assert_eq!(*due_at, written.due_at, "{what}: due_at");
    assert_eq!(*boot_id, written.boot_id, "{what}: boot_id");
    assert!(exposed(refresh_token.as_ref()) == exposed(written.refresh_token.as_ref()), "{what}: refresh token");
    assert_eq!(token.is_some(), written.token.is_some(), "{what}: whether there is a token");
    if let (Some(loaded), Some(written)) = (token, &written.token) {
        assert!(loaded.access_token() == written.access_token(), "{what}: access token");
        assert_eq!(loaded.kind(), written.kind(), "{what}: type and scope");
        assert_eq!(loaded.generation(), written.generation(), "{what}: the token's generation");
        assert_eq!(loaded.sent_at(), written.sent_at(), "{what}: sent_at");
        assert_eq!(loaded.expires_at(), written.expires_at(), "{what}: expires_at");
    }
}

async fn assert_loaded(store: &dyn Store, key: &Key, version: Version, generation: u64) {
    let Some(loaded) = store.load(key).await.given() else { panic!("nothing was loaded of {key}") };
    assert_eq!((loaded.version, loaded.record.generation), (version, generation), "version and generation of {key}");
    assert_same(&loaded.record, &record(generation), "the present record");
}

/// It is the record as it was, or the whole next one under a later version.
fn assert_whole(seen: &Versioned, generation: u64, version: Version) {
    assert_same(&seen.record, &record(seen.record.generation), "after a dropped save");
    if seen.record.generation == generation {
        assert_eq!(seen.version, version, "only the version has changed");
    } else {
        assert_eq!(seen.record.generation, generation + 1);
        assert!(seen.version > version, "only the record has changed");
    }
}

/// Goes on with a call for as many steps as it makes, up to a number, and drops it there.
async fn poll_and_drop(call: impl Future, steps: u32) {
    let mut call = pin!(call);
    let mut left = steps;
    poll_fn(|context| {
        if left == 0 || call.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        Poll::Pending
    })
    .await;
}

fn at(wall_ms: i64, boot_ms: i64) -> Moment {
    Moment { wall_ms, boot_ms }
}

const ACCESS_TOKEN: &str = "access-4d1c7f";
const REFRESH_TOKEN: &str = "refresh-9be203";
const PASSWORD: &str = "password-77a0e1";
