//! What a caller is told of a store that does not work: nothing of keys that it may not see.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokenkeep::store::{FileStore, StoreUrl};

use crate::fakes::TestClock;
use crate::secrets::{PASSWORD, log};
use crate::world::{Setup, World};

const OTHER: &str = "/tokens/bluestakes:2";
/// What the keyholder of one account may ask.
const PATHS: [&str; 6] =
    ["/readyz", "/health", "/tokens/1", "/tokens/1/status", "/tokens", "/tokens/bluestakes:1/status"];

struct Broker {
    world: World,
    folder: TempDir,
}

impl Broker {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(&folder.path().join("store"), Arc::new(TestClock::default())).await.unwrap();
        let mut setup = Setup::keyed().with_accounts().caller("one", "key-of-one", "\"bluestakes:1\"", "\"admin\"");
        setup.manager = setup.manager.store(Arc::new(store));
        let world = setup.start().await;
        for account in ["1", "2"] {
            let ann = json!({ "username": "ann", "password": PASSWORD });
            let path = format!("/tokens/bluestakes:{account}/credentials");
            assert_eq!(world.send("PUT", &path).json(&ann).send().await.unwrap().status(), 204);
        }
        Self { world, folder }
    }

    /// What the caller is told who may see `bluestakes:1`.
    async fn told(&self) -> Vec<Value> {
        let mut told = Vec::new();
        for path in PATHS {
            let request = self.world.http.get(self.world.url(path)).header("x-api-key", "key-of-one");
            let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
            if path == "/health" {
                // The sums are over all keys.
                answer = answer["warnings"].take();
            }
            told.push(answer);
        }
        told
    }

    async fn warnings(&self) -> String {
        self.world.json("/readyz").await.1["warnings"].to_string()
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_no_matter_of_those_who_may_not_see_its_key() {
    let broker = Broker::start().await;
    let before = {
        broker.told().await;
        broker.told().await
    };
    let records = broker.folder.path().join("store/.tokenkeep");
    // The record of another key cannot be this one's.
    fs::copy(records.join("bluestakes@1.json"), records.join("bluestakes@2.json")).unwrap();
    broker.world.json(&format!("{OTHER}/status")).await;
    assert!(broker.warnings().await.contains("bluestakes@2"), "who may see everything is told");
    assert_eq!(broker.told().await, before);
    broker.world.end().await;
}

#[tokio::test]
async fn a_store_that_fails_is_told_of_without_a_name_or_a_path() {
    let mut broker = Broker::start().await;
    broker.told().await;
    let store = broker.folder.path().join("store");
    fs::rename(&store, broker.folder.path().join("elsewhere")).unwrap();
    fs::write(&store, "").unwrap();
    broker.world.json(OTHER).await;
    broker.world.send("POST", &format!("{OTHER}/refresh")).send().await.unwrap();
    let path = store.display().to_string();
    assert!(broker.warnings().await.contains(&path), "who may see everything is told");
    let told = broker.told().await;
    let said = json!({"code": "store_failing", "detail": "the store does not work; the broker's log says why"});
    assert_eq!(told[0]["warnings"], json!([said]));
    assert_eq!(told[1], json!([said]));
    assert!(told[2]["warnings"].as_array().unwrap().contains(&said), "{}", told[2]);
    for answer in told.iter().map(Value::to_string) {
        assert!(!answer.contains(&path) && !answer.contains("bluestakes:2") && !answer.contains("@2"), "{answer}");
    }
    broker.world.begin_to_stop();
    broker.world.stopped().await;
}

#[tokio::test]
async fn no_route_tells_a_caller_of_some_keys_how_the_store_fails() {
    let mut setup = Setup::keyed().with_accounts().caller("one", "key-of-one", "\"bluestakes:1\"", "\"admin\"");
    let with_api = setup.providers.replacen("lifetime", "api_base = \"https://127.0.0.1:1/\"\nlifetime", 1);
    setup.providers = with_api.leak();
    setup.manager = setup.manager.store_url(StoreUrl::parse("sqlite:/dev/null/x/s.db").unwrap());
    let mut world = setup.start().await;
    let ann = json!({ "username": "ann", "password": PASSWORD });
    for (method, path, status) in [
        ("GET", "/tokens/bluestakes:1", 503),
        ("GET", "/tokens/bluestakes:1/status", 200),
        ("GET", "/tokens", 200),
        ("POST", "/tokens/bluestakes:1/refresh", 503),
        ("DELETE", "/tokens/bluestakes:1", 503),
        ("PUT", "/tokens/bluestakes:1/credentials", 503),
        ("DELETE", "/tokens/bluestakes:1/credentials", 503),
        ("POST", "/tokens/bluestakes:1/credentials/test", 503),
        ("GET", "/proxy/bluestakes:1/users", 503),
        ("GET", "/tokens/bluestakes:1/watch", 200),
        ("POST", "/oauth2/token", 503),
        ("GET", "/health?key=bluestakes:1", 200),
    ] {
        let request = world.http.request(method.parse().unwrap(), world.url(path)).header("x-api-key", "key-of-one");
        let request = match path {
            "/oauth2/token" => request
                .header("content-type", "application/x-www-form-urlencoded")
                .body("grant_type=client_credentials&scope=bluestakes:1"),
            _ if path.contains("/credentials") && method != "DELETE" => request.json(&ann),
            _ => request,
        };
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        let mut text = String::new();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            text += str::from_utf8(&chunk).unwrap();
            if path.ends_with("/watch") && text.contains("event: problem") && text.ends_with("\n\n") {
                break; // it does not end
            }
        }
        assert!(!text.contains("/dev/null") && !text.contains("sqlite"), "{method} {path}: {text}");
    }
    let (_, ready) = world.json("/readyz").await;
    assert!(ready["warnings"].to_string().contains("/dev/null/x"), "who may see everything is told: {ready}");
    assert!(log().lines().any(|line| line.contains("the store does not work") && line.contains("/dev/null/x")));
    world.begin_to_stop();
    world.stopped().await;
}
