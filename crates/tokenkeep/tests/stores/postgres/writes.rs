//! Writes that meet others, locks, and answers that are lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokenkeep::budget::{Budget, Spending};
use tokenkeep::store::{Holder, LeaseOutcome, SaveOutcome, Store as _, Version};
use tokenkeep_test_servers::{Link, Postgres, Relay};
use tokio::task::JoinSet;

use super::{Place, key, open, record, save};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs postgres: run ./test"]
async fn who_has_seen_a_version_sees_no_smaller_one_later() {
    let place = Place::new();
    let (reader, is_over) = (place.open().await, Arc::new(AtomicBool::new(false)));
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let (store, is_over) = (place.open().await, Arc::clone(&is_over));
        writers.spawn(async move {
            for round in 0..40 {
                // Keys of its own, and some that all want, which are made and written over in every order.
                for name in [format!("own:{writer}-{round}"), format!("common:{}", (writer * 7 + round) % 5)] {
                    let version = store.load(&key(&name)).await.unwrap().map(|found| found.version);
                    let _saved = store.save(&key(&name), &record(round), version).await.unwrap();
                }
            }
            is_over.store(true, Ordering::Release);
            store.close().await;
        });
    }
    // Looks as the engine does: what was seen is not looked at again.
    let (mut seen, mut until): (BTreeMap<_, Version>, _) = (BTreeMap::new(), Version::ZERO);
    let mut is_last = false;
    while !is_last {
        is_last = writers.is_empty();
        let changes = reader.changes(until, 7).await.unwrap();
        until = changes.last().map_or(until, |(_, version)| *version);
        is_last &= changes.len() < 7;
        seen.extend(changes);
        while writers.try_join_next().map(Result::unwrap).is_some() {}
    }
    let found = reader.page(None, 1_000).await.unwrap();
    let found: BTreeMap<_, _> = found.into_iter().map(|(key, found)| (key, found.version)).collect();
    assert_eq!(found.len(), 8 * 40 + 5);
    assert_eq!(seen, found, "changes that were never seen");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_save_whose_answer_was_lost_is_found_out_to_be_done() {
    let place = Place::new();
    let relay = Relay::to(Postgres::shared().port());
    let text = place.url.replace(&Postgres::shared().port().to_string(), &relay.port().to_string());
    let (store, graph) = (open(&text).await.unwrap(), key("graph"));
    let mut version = None;
    for generation in 1..4 {
        relay.set(Link::LosesAnswer);
        let saved = store.save(&graph, &record(generation), version).await;
        let SaveOutcome::Saved(saved) = saved.unwrap() else { panic!("its own write is taken for another's") };
        let found = store.load(&graph).await.unwrap().unwrap();
        assert_eq!((found.version, found.record.generation), (saved, generation));
        version = Some(saved);
    }
    let another = place.open().await.save(&graph, &record(9), version).await.unwrap();
    assert!(matches!(another, SaveOutcome::Saved(_)));
    assert_eq!(store.save(&graph, &record(4), version).await.unwrap(), SaveOutcome::Conflict);
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_lock_that_somebody_holds_is_an_error_that_says_so_and_nothing_is_written_later() {
    let place = Place::new();
    let store = open(&format!("{}?statement_timeout=1", place.url)).await.unwrap();
    let version = save(&store, "graph").await;
    let url = place.url.clone();
    let locked = tokio::task::spawn_blocking(move || {
        let database = url.rsplit('/').next().unwrap();
        Postgres::shared().sql(database, "BEGIN; LOCK TABLE tokenkeep.records; SELECT pg_sleep(2.5)");
    });
    while place.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'tokenkeep.records'::regclass") == "0" {
        tokio::task::yield_now().await;
    }
    let error = store.save(&key("graph"), &record(2), Some(version)).await.unwrap_err();
    assert!(error.busy && error.what.contains("somebody holds a lock"), "{error}");
    locked.await.unwrap();
    assert_eq!(store.load(&key("graph")).await.unwrap().unwrap().version, version);
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_server_that_is_silent_is_an_error_within_its_time() {
    let place = Place::new();
    let relay = Relay::to(Postgres::shared().port());
    let text = place.url.replace(&Postgres::shared().port().to_string(), &relay.port().to_string());
    let store = open(&format!("{text}?statement_timeout=1&connect_timeout=1")).await.unwrap();
    save(&store, "graph").await;
    relay.set(Link::Silent);
    let error = store.load(&key("graph")).await.unwrap_err();
    assert!(error.busy && error.what.contains("did not answer within 2 s"), "{error}");
    relay.set(Link::Well);
    assert!(store.load(&key("graph")).await.unwrap().is_some());
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn texts_are_values_whatever_is_in_them() {
    let place = Place::new();
    let store = place.open().await;
    for name in ["", "'", "\\", "\\'; DROP TABLE tokenkeep.records; --", "$1 $2", "a\0b", "tokenkeep.state", "é\u{1}🔑"]
    {
        let budget = Budget::parse("1/1m").unwrap();
        assert_eq!(store.spend(name, budget).await.unwrap(), Spending::Counted, "{name:?}");
        assert!(matches!(store.spend(name, budget).await.unwrap(), Spending::Exhausted(_)), "{name:?}");
    }
    assert_eq!(place.sql("SELECT count(*) FROM tokenkeep.spendings"), "8");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn people_see_times_and_generations_and_no_end_of_them() {
    use tokenkeep::token::{IssuedToken, TokenKind};
    use tokenkeep::{Moment, Secret};
    let place = Place::new();
    let store = place.open().await;
    let sent = Moment { wall_ms: 1_700_000_000_000, boot_ms: 0 };
    for (name, end) in [("ends", sent.plus(Duration::from_hours(1))), ("never", Moment::NEVER)] {
        let kind = Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
        let token = IssuedToken::new(Secret::new("token"), kind, 3, sent, end);
        let with_token = tokenkeep::store::Record { token: Some(Arc::new(token)), ..record(3) };
        let _saved = store.save(&key(name), &with_token, None).await.unwrap();
    }
    save(&store, "without").await;
    let columns = "SELECT key, generation, expires_at AT TIME ZONE 'UTC' FROM tokenkeep.records ORDER BY key";
    assert_eq!(place.sql(columns), "ends|3|2023-11-14 23:13:20\nnever|3|infinity\nwithout|1|");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_row_that_cannot_be_read_is_an_error_for_its_key_and_left_out_of_pages() {
    let place = Place::new();
    let store = place.open().await;
    for name in ["a", "b", "c", "d"] {
        save(&store, name).await;
    }
    place.sql("UPDATE tokenkeep.records SET record = '{\"planted-secret\": 1}' WHERE key IN ('b', 'c')");
    let error = store.load(&key("b")).await.unwrap_err();
    assert!(error.what.contains("'b'") && error.what.contains("not a record"), "{error}");
    assert!(!error.to_string().contains("planted-secret"), "{error}");
    let page = store.page(None, 2).await.unwrap();
    let keys: Vec<&str> = page.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["a", "d"], "a page that is not the last is full");
    let unreadable = store.unreadable().await.unwrap();
    assert_eq!(unreadable.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(store.changes(Version::ZERO, 10).await.unwrap().len(), 4);
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_lease_outlives_the_servers_crash() {
    let server = Postgres::start(&[("fsync", "on")]);
    let store = open(&server.url("postgres")).await.unwrap();
    let (graph, holder) = (key("graph"), Holder::unique());
    let ttl = Duration::from_mins(1);
    assert_eq!(store.acquire_lease(&graph, &holder, ttl).await.unwrap(), LeaseOutcome::Acquired);
    server.start_again();
    let outcome = store.acquire_lease(&graph, &Holder::unique(), ttl).await.unwrap();
    assert!(matches!(outcome, LeaseOutcome::Held(_)));
    assert!(store.renew_lease(&graph, &holder, ttl).await.unwrap());
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn what_the_server_cannot_do_now_is_said_and_leaves_the_store_usable() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph").await;
    for (code, what, busy) in [
        ("53100", "the server's disk is full", false),
        ("53200", "no memory left", true),
        ("40P01", "others were in the way", true),
        ("57014", "did not do it in time", true),
        ("XX001", "refused it (code XX001); its log says why", false),
    ] {
        // The server itself says so; only the reason is not the true one. Its words may quote what is written.
        place.sql(&format!(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION '%', NEW.record USING ERRCODE = '{code}'; END $$;
             CREATE TRIGGER fail BEFORE UPDATE ON tokenkeep.records FOR EACH ROW EXECUTE FUNCTION fail()"
        ));
        let error = store.save(&key("graph"), &record(2), Some(version)).await.unwrap_err();
        assert!(error.what.contains(what) && error.busy == busy && !error.what.contains("refresh-"), "{error}");
        place.sql("DROP FUNCTION fail CASCADE");
    }
    assert_eq!(store.newest_version().await.unwrap(), version, "a write that failed is no version");
    assert!(matches!(store.save(&key("graph"), &record(2), Some(version)).await.unwrap(), SaveOutcome::Saved(_)));
}
