//! Names, content and modes of the files.

use tokenkeep::budget::{Budget, Spending};
use tokenkeep::credentials::Credentials;
use tokenkeep::store::StoreUrl;

use super::*;

#[tokio::test]
async fn a_token_file_says_what_other_programs_read_and_nothing_else() {
    let place = Place::new();
    save(&place.open().await, "graph", &place.record(7), None).await;
    let expected = r#"{"access_token":"t7","token_data":{"access_token":"t7","token_type":"Bearer","expires_in":3600},"token_expiry":1700003600,"saved_at":1700000000}"#;
    assert_eq!(place.read(GRAPH), expected);
    for secret in ["t7", "refresh"] {
        assert_eq!(place.read(SIDECAR).contains(secret), secret == "refresh", "{secret}");
    }
}

#[tokio::test]
async fn every_key_has_a_file_of_its_own() {
    let place = Place::new();
    let store = place.open().await;
    let long = format!("long:{}", "é".repeat(120));
    let names = ["graph", "graph:7", "graph:ada@example.com", "graph:urn:x", &long];
    for (number, name) in names.iter().enumerate() {
        save(&store, name, &place.record(number as u64), None).await;
    }
    let files = place.names();
    for file in
        ["graph_token.json", "graph@7_token.json", "graph@ada@example.com_token.json", "graph@urn%3Ax_token.json"]
    {
        assert!(files.iter().any(|name| name == file), "{file} is not in {files:?}");
    }
    assert_eq!(files.len(), 2 * names.len(), "{files:?}");
    let mut keys: Vec<_> = store.page(None, 10).await.unwrap().into_iter().map(|(key, _)| key).collect();
    keys.sort_by_key(|found| names.iter().position(|name| key(name) == *found));
    assert_eq!(keys, names.map(key));
    assert_eq!(told(&load(&store, &long).await).1, Some("t4"));
}

#[tokio::test]
async fn a_cleared_token_has_no_file() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    save(&store, "graph", &Record { token: None, ..place.record(7) }, Some(version)).await;
    assert_eq!(place.names(), ["graph.json"]);
    assert_eq!(told(&load(&store, "graph").await), (7, None, Some("r7")));
}

#[tokio::test]
async fn the_file_of_a_token_that_is_over_goes_and_its_login_stays() {
    for restarts in [false, true] {
        let place = Place::new();
        let mut store = place.open().await;
        let version = save(&store, "graph", &place.record(7), None).await;
        place.clock.advance(Duration::from_mins(61));
        if restarts {
            store = place.open().await;
        }
        load(&store, "graph").await;
        assert_eq!(place.names(), ["graph.json"], "restarts: {restarts}");
        let found = load(&store, "graph").await;
        assert_eq!((found.version, told(&found)), (version, (7, None, Some("r7"))));
        save(&store, "graph", &place.record(8), Some(version)).await;
    }
}

#[tokio::test]
async fn a_record_with_the_same_token_leaves_the_token_file_as_it_is() {
    let place = Place::new();
    let store = place.open().await;
    let record = place.record(7);
    let version = save(&store, "graph", &record, None).await;
    let before = place.read(GRAPH);
    place.clock.advance(Duration::from_mins(1));
    let changed = Record { refresh_token: Some(Secret::new("another")), ..record };
    save(&store, "graph", &changed, Some(version)).await;
    assert_eq!(place.read(GRAPH), before);
    assert_eq!(told(&load(&store, "graph").await), (7, Some("t7"), Some("another")));
}

#[tokio::test]
async fn files_and_folders_are_private_whatever_the_umask() {
    for umask in ["000", "177", "777"] {
        let mut place = Place::new();
        place.folder = place.outer.path().join("new/folders/tokens");
        let mut process = place.process_after(&format!("umask {umask}"), "form::open_and_save");
        assert!(process.status().unwrap().success(), "under umask {umask}");
        for folder in ["../..", "..", "", ".tokenkeep"] {
            assert_eq!(mode(&place.path(folder).canonicalize().unwrap()), 0o700, "{folder} under umask {umask}");
        }
        for file in [GRAPH, SIDECAR, ".tokenkeep/lock", ".tokenkeep/version"] {
            assert_eq!(mode(&place.path(file)), 0o600, "{file} under umask {umask}");
        }
    }
}

#[tokio::test]
#[ignore = "run in a process of its own by files_and_folders_are_private_whatever_the_umask"]
async fn open_and_save() {
    let Some(folder) = given_folder() else { return };
    let clock = Arc::new(ManualClock::new());
    let store = FileStore::open(&folder, Arc::<ManualClock>::clone(&clock)).await.unwrap();
    save(&store, "graph", &record(&*clock, 1), None).await;
}

#[tokio::test]
async fn what_others_may_open_is_closed_to_them() {
    let place = Place::made();
    set_mode(&place.folder, 0o755);
    place.write(GRAPH, &place.content("old", 60));
    set_mode(&place.path(GRAPH), 0o644);
    let store = place.open().await;
    assert_eq!(mode(&place.folder), 0o700);
    for open in [0o644, 0o666] {
        set_mode(&place.path(GRAPH), open);
        load(&store, "graph").await;
        assert_eq!(mode(&place.path(GRAPH)), 0o600, "{open:o}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_the_stores_alone_keeps_its_mode() {
    for (folder_mode, file) in [(0o755, Some("letter.txt")), (0o1777, None)] {
        let place = Place::made();
        if let Some(file) = file {
            place.write(file, "");
        }
        set_mode(&place.folder, folder_mode);
        save(&place.open().await, "graph", &place.record(1), None).await;
        assert_eq!(mode(&place.folder), folder_mode & 0o777);
        assert_eq!((mode(&place.path(".tokenkeep")), mode(&place.path(GRAPH))), (0o700, 0o600));
    }
}

#[tokio::test]
async fn tokens_are_plain_without_seal_keys_and_sealed_with_them() {
    let place = Place::made();
    place.write(GRAPH, &place.content("left-behind", 3_000));
    let url = StoreUrl::File(place.folder.clone());
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&place.clock);
    for (keys, is_plain) in [(vec![], true), (vec![SealKey::generate().unwrap().0], false)] {
        let store = tokenkeep::store::open(&url, &keys, &clock).await.unwrap();
        let found = store.load(&key("graph")).await.unwrap().unwrap();
        assert_eq!(told(&found).1, Some("left-behind"), "what is there is read as it is");
        let saved = store.save(&key("graph"), &found.record, Some(found.version)).await.unwrap();
        assert!(matches!(saved, SaveOutcome::Saved(_)));
        assert_eq!(place.read(GRAPH).contains("left-behind"), is_plain);
        assert_eq!(told(&store.load(&key("graph")).await.unwrap().unwrap()).1, Some("left-behind"));
        let credentials = Credentials::with_password("company", Secret::new("planted")).unwrap();
        let kept = store.save_credentials(&key("graph"), &credentials).await;
        assert_eq!(kept.is_err_and(|error| error.what.contains("configure seal_keys")), is_plain);
        store.close().await;
    }
}

#[tokio::test]
async fn without_the_keys_that_sealed_it_a_store_of_files_is_an_error_and_not_plain() {
    let place = Place::made();
    let url = StoreUrl::File(place.folder.clone());
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&place.clock);
    let store = tokenkeep::store::open(&url, &[SealKey::generate().unwrap().0], &clock).await.unwrap();
    let graph = key("graph");
    let saved = store.save(&graph, &place.record(7), None).await.unwrap();
    assert!(matches!(saved, SaveOutcome::Saved(_)));
    let credentials = Credentials::with_password("company", Secret::new("planted")).unwrap();
    store.save_credentials(&graph, &credentials).await.unwrap();
    store.close().await;
    let before = (place.read(GRAPH), place.read(SIDECAR));
    let store = tokenkeep::store::open(&url, &[], &clock).await.unwrap();
    for what in [store.load(&graph).await.unwrap_err().what, store.credentials(&graph).await.unwrap_err().what] {
        assert!(what.contains("'graph' cannot be opened") && what.contains("no key is at hand"), "{what}");
    }
    assert!(store.page(None, 10).await.unwrap().is_empty());
    assert_eq!(store.save(&graph, &place.record(8), None).await.unwrap(), SaveOutcome::Conflict);
    assert_eq!((place.read(GRAPH), place.read(SIDECAR)), before);
}

#[tokio::test]
async fn a_folder_that_takes_the_place_of_another_is_closed_to_others_too() {
    let place = Place::new();
    let store = place.open().await;
    save(&store, "graph", &place.record(1), None).await;
    fs::rename(&place.folder, place.outer.path().join("away")).unwrap();
    fs::create_dir(&place.folder).unwrap();
    set_mode(&place.folder, 0o755);
    save(&store, "graph", &place.record(2), None).await;
    assert_eq!(mode(&place.folder), 0o700);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_at_the_start_is_closed_to_others_when_it_can_be() {
    let place = Place::made();
    set_mode(&place.folder, 0o755);
    place.write(".tokenkeep", "in the way");
    let store = place.open().await;
    assert_eq!(mode(&place.folder), 0o755);
    fs::remove_file(place.path(".tokenkeep")).unwrap();
    save(&store, "graph", &place.record(1), None).await;
    assert_eq!(mode(&place.folder), 0o700);
}

#[tokio::test]
async fn what_is_written_of_accounts_and_budgets_is_private_and_read_only_where_it_belongs() {
    let place = Place::new();
    let store = place.open().await;
    let (company, long) = (key("vendor:7"), key(&format!("vendor:{}", "x".repeat(200))));
    let credentials = Credentials::with_password("company", Secret::new("secret")).unwrap();
    for account in [&company, &long] {
        store.save_credentials(account, &credentials).await.unwrap();
    }
    assert_eq!(store.accounts(None, 10).await.unwrap(), [company, long]);
    let budget = Budget::parse("10/1m").unwrap();
    assert_eq!(store.spend("../../odd/name", budget).await.unwrap(), Spending::Counted);
    for name in place.names() {
        assert_eq!(mode(&place.path(".tokenkeep").join(&name)), 0o600, "{name}");
    }
    assert_eq!(place.names().len(), 3, "{:?}", place.names());
    fs::copy(place.path(".tokenkeep/vendor@7.credentials"), place.path(".tokenkeep/vendor@8.credentials")).unwrap();
    let error = store.credentials(&key("vendor:8")).await.unwrap_err();
    assert!(error.what.contains("'vendor:8' cannot be read") && !error.what.contains("secret"), "{error}");
}
