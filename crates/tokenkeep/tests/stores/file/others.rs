//! What other programs and persons do to the files, and what a kill leaves behind.

use super::*;

#[tokio::test]
async fn a_token_file_of_another_program_is_taken_over_as_it_is() {
    let place = Place::made();
    let content = place.content("old", 39_540);
    place.write("verteil_token.json", &content);
    place.write("bluestakes@123_token.json", &content.replace("1700000000", "1700000000.4321"));
    let store = place.open().await;
    for name in ["verteil", "bluestakes:123"] {
        let found = load(&store, name).await;
        assert_eq!(told(&found), (1, Some("old"), None), "{name}");
        assert!(found.record.fingerprint.is_any_token(), "{name}");
        let token = found.record.token.unwrap();
        assert_eq!(token.expires_at().wall_ms, 1_700_039_540_000, "{name}");
        assert_eq!(token.life().unwrap().as_secs().max(39_539), 39_540, "{name}");
    }
    assert_eq!(place.read("verteil_token.json"), content, "the file is not touched");
    assert_eq!(store.page(None, 10).await.unwrap().len(), 2);
    assert_eq!(store.changes(Version::ZERO, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn files_that_nobody_asked_for_are_left_as_they_are() {
    let place = Place::made();
    let files = [
        ("over_token.json", place.content("t", -60)),
        ("valid_token.json", place.content("t", 60)),
        (GRAPH, "{".into()),
    ];
    for (name, content) in &files {
        place.write(name, content);
        set_mode(&place.path(name), 0o644);
    }
    let store = place.open().await;
    save(&store, "other", &place.record(1), None).await;
    assert_eq!(store.page(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.changes(Version::ZERO, 10).await.unwrap().len(), 1);
    for (name, content) in &files {
        assert_eq!((place.read(name), mode(&place.path(name))), (content.clone(), 0o644), "{name}");
    }
    assert_eq!(place.names().len(), files.len() + 2, "{:?}", place.names());
}

#[tokio::test]
async fn a_token_of_another_program_that_is_over_is_none_and_its_file_stays_until_there_is_another() {
    for known in [false, true] {
        let place = Place::made();
        let store = place.open().await;
        let version = if known { Some(save(&store, "graph", &place.record(7), None).await) } else { None };
        let content = place.content("over", -60).replace("\"saved_at\": 1700000000", "\"saved_at\": 1700000001");
        place.write(GRAPH, &content);
        let found = store.load(&key("graph")).await.unwrap();
        assert_eq!(found.as_ref().map(told), known.then_some((7, None, Some("r7"))));
        let version = found.map(|found| found.version).or(version);
        // A failure is written down: the file is not this program's to remove.
        let version = save(&store, "graph", &Record { token: None, ..place.record(7) }, version).await;
        load(&store, "graph").await;
        assert_eq!(place.read(GRAPH), content, "known: {known}");
        save(&store, "graph", &place.record(8), Some(version)).await;
        assert_eq!(told(&load(&store, "graph").await), (8, Some("t8"), Some("r8")));
        assert_eq!(place.names(), ["graph.json", GRAPH]);
    }
}

#[tokio::test]
async fn a_token_file_that_has_another_name_too_is_an_error_and_stays_as_it_is() {
    let place = Place::made();
    let mine = place.outer.path().join("mine.json");
    for content in [place.content("theirs", 60), "{".into()] {
        fs::write(&mine, &content).unwrap();
        set_mode(&mine, 0o644);
        fs::hard_link(&mine, place.path(GRAPH)).unwrap();
        let store = place.open().await;
        for what in [
            store.load(&key("graph")).await.unwrap_err().what,
            store.save(&key("graph"), &place.record(1), None).await.unwrap_err().what,
        ] {
            assert!(what.contains(GRAPH) && what.contains("another name"), "{what}");
        }
        assert_eq!((fs::read_to_string(&mine).unwrap(), mode(&mine)), (content, 0o644));
        fs::remove_file(place.path(GRAPH)).unwrap();
    }
}

#[tokio::test]
async fn a_token_file_whose_date_lies_ahead_is_set_aside_before_it_is_overwritten() {
    let place = Place::made();
    let content = place.content("theirs", 9_000_000).replace("\"saved_at\": 17000", "\"saved_at\": 17004");
    place.write(GRAPH, &content);
    let store = place.open().await;
    let found = load(&store, "graph").await;
    assert_eq!(told(&found).1, Some("theirs"));
    place.write(GRAPH, &place.content("right", 60));
    assert_eq!(told(&load(&store, "graph").await).1, Some("right"), "what is dated right is not older");
    place.write(GRAPH, &content);
    let found = load(&store, "graph").await;
    save(&store, "graph", &place.record(8), Some(found.version)).await;
    assert_eq!(told(&load(&store, "graph").await).1, Some("t8"));
    assert_eq!(place.set_aside(""), content);
}

#[tokio::test]
async fn a_token_that_another_program_writes_is_the_next_generation_and_the_login_stays() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    assert!(store.changes(version, 10).await.unwrap().is_empty());
    place.write(GRAPH, &place.content("theirs", 60));
    let changes = store.changes(version, 10).await.unwrap();
    let found = load(&store, "graph").await;
    assert_eq!(told(&found), (8, Some("theirs"), Some("r7")));
    assert_eq!(changes, [(key("graph"), found.version)], "it is noticed");
    assert!(found.record.fingerprint.is_same_login(&Fingerprint::of([])));
    let late = store.save(&key("graph"), &place.record(8), Some(version)).await.unwrap();
    assert_eq!(late, SaveOutcome::Conflict, "it is not overwritten by who has not seen it");
}

#[tokio::test]
async fn a_token_file_that_appears_after_the_look_is_not_overwritten() {
    let place = Place::new();
    let store = place.open().await;
    assert!(store.load(&key("graph")).await.unwrap().is_none());
    place.write(GRAPH, &place.content("theirs", 60));
    assert_eq!(store.save(&key("graph"), &place.record(1), None).await.unwrap(), SaveOutcome::Conflict);
    assert_eq!(told(&load(&store, "graph").await), (1, Some("theirs"), None));
}

#[tokio::test]
async fn a_token_file_taken_away_by_hand_means_no_token_and_generations_go_on() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    let content = place.read(GRAPH);
    fs::remove_file(place.path(GRAPH)).unwrap();
    let changes = store.changes(version, 10).await.unwrap();
    let found = load(&store, "graph").await;
    assert_eq!(told(&found), (7, None, Some("r7")));
    assert_eq!(changes, [(key("graph"), found.version)], "it is noticed");
    place.write(GRAPH, &content);
    assert_eq!(told(&load(&store, "graph").await), (8, Some("t7"), Some("r7")), "put back, it counts again");
}

#[tokio::test]
async fn a_save_that_was_killed_after_the_sidecar_is_finished_by_whoever_comes_next() {
    for first in [false, true] {
        let place = Place::new();
        let store = place.open().await;
        let version = if first { None } else { Some(save(&store, "graph", &place.record(7), None).await) };
        let before = (!first).then(|| place.read(GRAPH));
        let version = save(&store, "graph", &place.record(8), version).await;
        let after = place.read(GRAPH);
        // As it is at that moment: the new token is ready, the old file still there.
        place.write(".graph_token.json.new", &after);
        match &before {
            Some(before) => place.write(GRAPH, before),
            None => fs::remove_file(place.path(GRAPH)).unwrap(),
        }
        let found = load(&place.open().await, "graph").await;
        assert_eq!((found.version, told(&found)), (version, (8, Some("t8"), Some("r8"))));
        assert_eq!((place.read(GRAPH), place.names()), (after, vec!["graph.json".to_owned(), GRAPH.to_owned()]));
    }
}

#[tokio::test]
async fn a_save_that_was_killed_before_the_sidecar_was_not_made() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    for half in [&place.content("t8", 60)[..], "{\"access_tok"] {
        place.write(".graph_token.json.new", half);
        place.write(".tokenkeep/graph.json.new", "{\"form\":1,");
        let found = load(&place.open().await, "graph").await;
        assert_eq!((found.version, told(&found)), (version, (7, Some("t7"), Some("r7"))));
    }
    save(&store, "graph", &place.record(8), Some(version)).await;
    assert_eq!(place.names(), ["graph.json", GRAPH], "what was left behind is gone");
}

#[tokio::test]
async fn a_token_file_that_a_save_should_have_replaced_does_not_count() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    let before = place.read(GRAPH);
    save(&store, "graph", &place.record(8), Some(version)).await;
    place.write(GRAPH, &before);
    assert_eq!(told(&load(&store, "graph").await), (8, None, Some("r8")));
    assert_eq!(place.set_aside(""), before);
}

#[tokio::test]
async fn a_clear_that_was_killed_half_way_is_finished() {
    let place = Place::new();
    let store = place.open().await;
    let version = save(&store, "graph", &place.record(7), None).await;
    let before = place.read(GRAPH);
    save(&store, "graph", &Record { token: None, ..place.record(7) }, Some(version)).await;
    place.write(GRAPH, &before);
    assert_eq!(told(&load(&place.open().await, "graph").await), (7, None, Some("r7")));
    assert_eq!(place.names(), ["graph.json"]);
}

#[tokio::test]
async fn a_copy_from_before_the_last_save_is_set_aside() {
    let place = Place::new();
    let copy = place.content("from a copy", 6_000);
    place.clock.advance(Duration::from_mins(1));
    let store = place.open().await;
    save(&store, "graph", &place.record(7), None).await;
    place.write(GRAPH, &copy);
    assert_eq!(told(&load(&store, "graph").await), (7, None, Some("r7")));
    assert_eq!(place.set_aside(""), copy);
}

#[tokio::test]
async fn a_token_file_of_no_use_is_set_aside_and_the_login_stays() {
    let endless = r#"{"access_token":"x","token_data":null,"token_expiry":null,"saved_at":1700000000}"#;
    for content in ["", "{\"access_token\": \"abc", "hello", "[]", "{}", "\u{0}\u{1}", endless] {
        for known in [false, true] {
            let place = Place::made();
            let store = place.open().await;
            if known {
                save(&store, "graph", &place.record(7), None).await;
            }
            place.write(GRAPH, content);
            let found = store.load(&key("graph")).await.unwrap();
            assert_eq!(found.as_ref().map(told), known.then_some((7, None, Some("r7"))), "{content:?}");
            assert_eq!(place.set_aside(""), content);
            let version = found.map(|found| found.version);
            save(&store, "graph", &place.record(8), version).await;
            assert_eq!(told(&load(&store, "graph").await).1, Some("t8"), "{content:?}");
        }
    }
}

#[tokio::test]
async fn a_damaged_sidecar_is_set_aside_and_no_generation_comes_again() {
    for has_token in [false, true] {
        let place = Place::new();
        let store = place.open().await;
        let record = place.record(7);
        let record = if has_token { record } else { Record { token: None, ..record } };
        let version = save(&store, "graph", &record, None).await;
        place.write(SIDECAR, "{\"form\":1,\"key\":\"graph\",\"vers");
        let found = load(&place.open().await, "graph").await;
        let (generation, token, login) = told(&found);
        assert!(generation > 1_000_000 && found.version > version, "{generation}");
        assert_eq!((token, login), (has_token.then_some("t7"), None));
        assert_eq!(place.set_aside(".tokenkeep"), "{\"form\":1,\"key\":\"graph\",\"vers");
    }
}

#[tokio::test]
async fn the_sidecar_of_another_key_is_an_error_that_touches_nothing() {
    let place = Place::new();
    let store = place.open().await;
    save(&store, "graph", &place.record(7), None).await;
    // So it is on a disk that takes `Graph` and `graph` for one name.
    fs::copy(place.path(GRAPH), place.path("other_token.json")).unwrap();
    fs::copy(place.path(SIDECAR), place.path(".tokenkeep/other.json")).unwrap();
    for what in [
        store.load(&key("other")).await.unwrap_err().what,
        store.save(&key("other"), &place.record(1), None).await.unwrap_err().what,
    ] {
        assert!(what.contains("other.json is the record of 'graph' and not of 'other'"), "{what}");
    }
    assert_eq!(place.read(".tokenkeep/other.json"), place.read(SIDECAR));
    assert_eq!(place.read("other_token.json"), place.read(GRAPH));
    assert_eq!(told(&load(&store, "graph").await).1, Some("t7"));
}

#[tokio::test]
async fn the_sidecar_of_a_later_version_is_an_error_and_stays_as_it_is() {
    let place = Place::new();
    let store = place.open().await;
    save(&store, "graph", &place.record(7), None).await;
    save(&store, "other", &place.record(1), None).await;
    let later = place.read(SIDECAR).replace("\"form\":1", "\"form\":2");
    place.write(SIDECAR, &later);
    let store = place.open().await;
    for what in [
        store.load(&key("graph")).await.unwrap_err().what,
        store.save(&key("graph"), &place.record(8), None).await.unwrap_err().what,
    ] {
        assert!(what.contains("later tokenkeep") && what.contains("'graph'"), "{what}");
    }
    assert_eq!(place.read(SIDECAR), later);
    let page = store.page(None, 1).await.unwrap();
    assert_eq!(page[0].0, key("other"), "what is left out of a page is made up for");
}
