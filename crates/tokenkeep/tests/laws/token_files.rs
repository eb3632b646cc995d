//! Tokens in files that other programs know, as a service lives with them: see `tests/stores/file` for the files.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokenkeep::expiry::Policy;
use tokenkeep::store::FileStore;
use tokenkeep::{Clock, Event, TokenManager};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_token_that_the_program_before_has_left_is_used_and_the_issuer_is_asked_for_nothing() {
    let place = Place::new();
    let content = place.content("left-behind", 39_540);
    place.leave(&content);
    for _ in 0..3 {
        let manager = place.start(&place.issuer).await;
        let mut events = manager.events();
        let token = manager.token("graph").await.unwrap();
        assert_eq!((token.expose_secret(), token.generation()), ("left-behind", 1));
        assert_eq!(token.expires_in().unwrap().as_secs(), 39_540);
        assert!(matches!(events.try_recv().unwrap(), Event::Loaded { .. }));
    }
    assert_eq!(place.issuer.count(), 0);
    assert_eq!(place.content_now().unwrap(), content, "the program before can still read it");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_left_behind_is_renewed_like_any_other() {
    let place = Place::new();
    place.leave(&place.content("left-behind", 3_600));
    let manager = place.start(&place.issuer).await;
    manager.start();
    manager.token("graph").await.unwrap();
    pass(MINUTE * 50).await;
    let token = manager.token("graph").await.unwrap();
    assert_eq!((token.expose_secret(), token.generation()), ("graph-token-1", 2));
    let file: serde_json::Value = serde_json::from_str(&place.content_now().unwrap()).unwrap();
    assert_eq!(file["access_token"], "graph-token-1");
    manager.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_left_behind_belongs_to_the_configuration_that_used_it_first() {
    let place = Place::new();
    place.leave(&place.content("left-behind", 3_600));
    place.start(&place.issuer).await.token("graph").await.unwrap();
    let changed = Issuer::with_secret(HOUR, "another secret");
    let token = place.start(&changed).await.token("graph").await.unwrap();
    assert_eq!((token.expose_secret(), token.generation()), ("graph-token-1", 2));
    assert_eq!((place.issuer.count(), changed.count()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_left_behind_and_is_over_is_not_used() {
    let place = Place::new();
    place.leave(&place.content("left-behind", 0));
    let manager = place.start(&place.issuer).await;
    assert!(place.content_now().unwrap().contains("left-behind"), "what nobody asked for is left alone");
    assert_eq!(manager.token("graph").await.unwrap().expose_secret(), "graph-token-1");
    assert!(place.content_now().unwrap().contains("graph-token-1"));
    assert_eq!(place.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_no_use_costs_one_request_and_harms_nobody() {
    let place = Place::new();
    place.leave("{\"access_token\": \"cut o");
    let manager = place.start(&place.issuer).await;
    assert_eq!(manager.token("graph").await.unwrap().expose_secret(), "graph-token-1");
    assert_eq!(place.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_program_writes_is_noticed_while_running() {
    let place = Place::new();
    let manager = place.start(&place.issuer).await;
    manager.start();
    manager.token("graph").await.unwrap();
    pass(SECOND * 2).await;
    place.leave(&place.content("written-beside", 3_600));
    pass(SECOND * 2).await;
    assert_eq!(manager.token("graph").await.unwrap().expose_secret(), "written-beside");
    fs::remove_file(place.file()).unwrap();
    pass(SECOND * 2).await;
    assert_eq!(manager.token("graph").await.unwrap().expose_secret(), "graph-token-2");
    assert_eq!(place.issuer.count(), 2);
    manager.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cleared_token_has_no_file_and_a_login_outlives_it() {
    let place = Place::rotating();
    let manager = place.start(&place.issuer).await;
    manager.token("graph").await.unwrap();
    assert!(place.content_now().is_some());
    manager.handle("graph").unwrap().clear().await.unwrap();
    assert_eq!(place.content_now(), None);
    let again = place.start(&place.issuer).await.token("graph").await.unwrap();
    assert_eq!((again.generation(), place.issuer.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_used_stops_no_token_and_is_written_when_it_can_be() {
    for from_the_start in [false, true] {
        let place = Place::new();
        // What stands in the way of the folder's own folder is in the way for every user, root too.
        let obstacle = place.outer.path().join("in-between");
        let block = || {
            fs::remove_dir_all(&obstacle).unwrap();
            fs::write(&obstacle, "").unwrap();
        };
        if from_the_start {
            block();
        }
        let manager = place.start(&place.issuer).await;
        if !from_the_start {
            block();
        }
        let token = manager.token("graph").await.unwrap();
        let again = manager.token("graph").await.unwrap();
        assert_eq!((token.expose_secret(), again.generation()), ("graph-token-1", token.generation()));
        assert!(manager.store_trouble().unwrap().contains("a folder is a file"), "{:?}", manager.store_trouble());
        fs::remove_file(&obstacle).unwrap();
        pass(MINUTE).await;
        assert_eq!(manager.store_trouble(), None);
        assert!(place.content_now().unwrap().contains("graph-token-1"), "saved by itself");
        assert_eq!(place.issuer.count(), 1);
    }
}

/// A folder with token files, the clock and the issuer.
struct Place {
    outer: TempDir,
    clock: Arc<TestClock>,
    issuer: Issuer,
}

impl Place {
    fn new() -> Self {
        Self::with(Issuer::new(HOUR))
    }

    fn rotating() -> Self {
        Self::with(Issuer::rotating(HOUR))
    }

    fn with(issuer: Issuer) -> Self {
        let place = Self { outer: tempfile::tempdir().unwrap(), clock: Arc::new(TestClock::new()), issuer };
        fs::create_dir_all(place.folder()).unwrap();
        place
    }

    fn folder(&self) -> PathBuf {
        self.outer.path().join("in-between/flight_app_tokens")
    }

    fn file(&self) -> PathBuf {
        self.folder().join("graph_token.json")
    }

    /// The token file; `None` if there is none.
    fn content_now(&self) -> Option<String> {
        fs::read_to_string(self.file()).ok()
    }

    fn leave(&self, content: &str) {
        fs::write(self.file(), content).unwrap();
    }

    /// What the program before writes, with a token that ends in so many seconds.
    fn content(&self, token: &str, expires_in: i64) -> String {
        let now = self.clock.now().wall_ms / 1_000;
        let data = serde_json::json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in });
        let expiry = now + expires_in;
        let file = serde_json::json!({
            "access_token": token, "token_data": data, "token_expiry": expiry, "saved_at": now
        });
        serde_json::to_string_pretty(&file).unwrap()
    }

    /// One more process.
    async fn start(&self, issuer: &Issuer) -> TokenManager {
        let store = FileStore::open(&self.folder(), Arc::clone(&self.clock) as Arc<dyn Clock>).await.unwrap();
        manager(&self.clock, &Arc::new(UnreliableStore::new(Arc::new(store))), issuer, Policy::default()).await
    }
}
