//! Disks and paths that do not do what they should.

use super::*;

#[tokio::test]
async fn a_link_a_folder_or_a_pipe_in_the_place_of_a_file_is_neither_followed_nor_replaced() {
    for file in [GRAPH, SIDECAR] {
        for what in ["a symbolic link", "not a regular file", "a pipe"] {
            let place = Place::new();
            let store = place.open().await;
            let version = save(&store, "graph", &place.record(7), None).await;
            let (path, elsewhere) = (place.path(file), place.outer.path().join("elsewhere"));
            fs::rename(&path, &elsewhere).unwrap();
            match what {
                "a symbolic link" => std::os::unix::fs::symlink(&elsewhere, &path).unwrap(),
                "a pipe" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                _ => fs::create_dir(&path).unwrap(),
            }
            let (kind, content) = (fs::symlink_metadata(&path).unwrap().file_type(), fs::read(&elsewhere).unwrap());
            let expected = if what == "a pipe" { "not a regular file" } else { what };
            for error in [
                store.load(&key("graph")).await.unwrap_err(),
                store.save(&key("graph"), &place.record(8), Some(version)).await.unwrap_err(),
            ] {
                assert!(error.what.contains(expected), "{file}: {error}");
            }
            assert_eq!(fs::symlink_metadata(&path).unwrap().file_type(), kind);
            assert_eq!(fs::read(&elsewhere).unwrap(), content, "{file}: {what}");
            save(&store, "other", &place.record(1), None).await;
            assert_eq!(store.page(None, 10).await.unwrap().len(), 1, "other keys go on");
            assert_eq!(store.changes(Version::ZERO, 10).await.unwrap().len(), 1, "other keys go on");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_no_folder_is_refused_with_its_name() {
    let mut place = Place::new();
    fs::write(place.outer.path().join("file"), "mine").unwrap();
    std::os::unix::fs::symlink(place.outer.path().join("nowhere"), place.outer.path().join("link")).unwrap();
    for (name, what) in [("file", "not a folder"), ("link", "leads to no folder")] {
        place.folder = place.outer.path().join(name);
        let error = place.try_open().await.unwrap_err();
        assert!(error.what.contains(what), "{error}");
        assert!(error.to_string().contains(place.folder.to_str().unwrap()), "{error}");
    }
    assert!(!place.outer.path().join("nowhere").exists(), "a link was followed");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_yet_is_made_when_it_can_be() {
    let mut place = Place::new();
    fs::write(place.outer.path().join("in-the-way"), "").unwrap();
    place.folder = place.outer.path().join("in-the-way/tokens");
    let store = place.open().await;
    assert!(store.load(&key("graph")).await.is_err());
    let error = store.save(&key("graph"), &place.record(1), None).await.unwrap_err();
    assert!(error.what.contains("a folder is a file") && !error.busy, "{error}");
    fs::remove_file(place.outer.path().join("in-the-way")).unwrap();
    assert!(store.load(&key("graph")).await.unwrap().is_none());
    save(&store, "graph", &place.record(1), None).await;
}

#[tokio::test]
async fn a_folder_that_was_taken_away_is_made_again_and_versions_go_on() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    fs::remove_dir_all(&place.folder).unwrap();
    assert!(store.load(&key("graph")).await.unwrap().is_none());
    let outcome = store.save(&key("graph"), &place.record(8), Some(version)).await.unwrap();
    assert_eq!(outcome, SaveOutcome::Conflict);
    let next = save(&store, "graph", &place.record(8), None).await;
    assert!(next > version);
    assert_eq!(store.changes(version, 10).await.unwrap(), [(key("graph"), next)]);
    assert_eq!(mode(&place.folder), 0o700);
}

#[tokio::test]
async fn a_lost_count_of_versions_is_made_up_for() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    let other = save(&store, "other", &place.record(1), None).await;
    for content in ["", "0", "x"] {
        place.write(".tokenkeep/version", content);
        let again = place.open().await;
        assert_eq!(again.newest_version().await.unwrap(), other);
    }
    assert!(save(&place.open().await, "graph", &place.record(8), Some(version)).await > other);
}

#[tokio::test]
async fn versions_in_a_folder_that_takes_the_place_of_another_are_greater_than_all_before() {
    let place = Place::new();
    let mut before = Version::ZERO;
    for number in 0..3 {
        // Each time a process that knows nothing of the folder before.
        before = {
            let store = place.open().await;
            let version = save(&store, "graph", &place.record(number), None).await;
            assert!(version > before, "{version:?}");
            version
        };
        fs::remove_dir_all(&place.folder).unwrap();
        place.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_in_words_and_loses_nothing() {
    let place = Place::new();
    // A file that may not grow is what a full disk looks like, for root too.
    let mut process = place.process_after(r#"trap "" XFSZ; ulimit -f 16"#, "faults::fill_the_disk");
    assert!(process.status().unwrap().success());
}

#[tokio::test]
#[ignore = "run in a process of its own by a_full_disk_is_an_error_in_words_and_loses_nothing"]
async fn fill_the_disk() {
    let Some(folder) = given_folder() else { return };
    let clock = Arc::new(ManualClock::new());
    let store = FileStore::open(&folder, Arc::<ManualClock>::clone(&clock)).await.unwrap();
    let small = save(&store, "graph", &record(&*clock, 7), None).await;
    let (_, next) = (record(&*clock, 8), record(&*clock, 8));
    let long = "x".repeat(100_000);
    let (kind, now) = (TokenKind { token_type: "Bearer".into(), scope: None }, clock.now());
    let token = IssuedToken::new(Secret::new(&*long), Arc::new(kind), 8, now, now.plus(Duration::from_hours(1)));
    for large in [
        Record { token: Some(Arc::new(token)), ..next.clone() },
        Record { refresh_token: Some(Secret::new(&*long)), ..next.clone() },
    ] {
        let error = store.save(&key("graph"), &large, Some(small)).await.unwrap_err();
        assert!(error.what.contains("may not write so much") && !error.what.contains("xxx"), "{error}");
        let found = load(&store, "graph").await;
        assert_eq!((found.version, told(&found)), (small, (7, Some("t7"), Some("r7"))), "what was saved stays");
    }
    save(&store, "graph", &next, Some(small)).await;
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 2, "what failed takes no room");
}

#[tokio::test]
async fn a_folder_that_is_forbidden_is_read_as_it_is_and_written_when_it_may_be_unless_this_is_root() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: modes do not bind root");
        return;
    }
    let place = Place::new();
    let version = save(&place.open().await, "graph", &place.record(7), None).await;
    let folders = [place.folder.clone(), place.path(".tokenkeep")];
    for folder in &folders {
        set_mode(folder, 0o500);
    }
    let store = place.open().await;
    assert_eq!(told(&load(&store, "graph").await), (7, Some("t7"), Some("r7")));
    assert_eq!(store.page(None, 10).await.unwrap().len(), 1);
    let error = store.save(&key("graph"), &place.record(8), Some(version)).await.unwrap_err();
    assert!(error.what.contains("this user may not") && !error.busy, "{error}");
    assert_eq!(told(&load(&store, "graph").await), (7, Some("t7"), Some("r7")));
    for folder in &folders {
        set_mode(folder, 0o700);
    }
    save(&store, "graph", &place.record(8), Some(version)).await;
}

#[tokio::test]
async fn a_folder_that_stays_locked_is_an_error_that_says_so() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    let lock = fs::File::open(place.path(".tokenkeep/lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(told(&load(&store, "graph").await).0, 7, "reading goes on");
    let error = store.save(&key("graph"), &place.record(8), Some(version)).await.unwrap_err();
    assert!(error.busy && error.what.contains("locked for too long"), "{error}");
    drop(lock);
    save(&store, "graph", &place.record(8), Some(version)).await;
}

#[tokio::test]
async fn a_closed_store_says_that_it_is_closed() {
    let place = Place::new();
    let store = place.open().await;
    store.close().await;
    assert!(store.load(&key("graph")).await.unwrap_err().what.contains("closed"));
    assert!(store.page(None, 1).await.unwrap_err().what.contains("closed"));
    assert!(store.save(&key("graph"), &place.record(1), None).await.unwrap_err().what.contains("closed"));
}
