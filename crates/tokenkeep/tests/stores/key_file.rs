//! The key that a store on this machine makes for itself, and configured keys beside it.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::seal::SealKey;
use tokenkeep::store::contract::ManualClock;
use tokenkeep::store::{self, Record, SaveOutcome, Store, StoreError, StoreUrl};
use tokenkeep::{Clock, Key, Secret, TokenManager, config};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_store_makes_its_key_once_and_finds_it_again() {
    let place = Place::new();
    let store = place.open(&[]).await.unwrap();
    save(&*store, "graph").await;
    store.close().await;
    assert_eq!(place.names(), ["tokenkeep.db", "tokenkeep.db.key"]);
    let key = fs::read(place.key_file()).unwrap();
    assert_eq!(refresh_token(&*place.open(&[]).await.unwrap(), "graph").await.unwrap(), REFRESH);
    assert_eq!(fs::read(place.key_file()).unwrap(), key);
}

#[tokio::test]
async fn the_key_file_is_private_whatever_the_umask() {
    for umask in ["000", "177", "777"] {
        let place = Place::new();
        assert!(place.process("graph", umask).status().unwrap().success(), "under umask {umask}");
        let mode = fs::metadata(place.key_file()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "under umask {umask}");
    }
}

#[tokio::test]
async fn of_20_processes_that_start_at_once_all_agree_on_one_key() {
    let place = Place::new();
    let mut children: Vec<Child> = (0..20)
        .map(|number| place.process(&format!("graph:{number}"), "022").stdin(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in &mut children {
        // They wait for the end of their input: now all start.
        drop(child.stdin.take());
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    place.assert_all_open(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_20_tasks_that_start_at_once_all_agree_on_one_key() {
    let place = Arc::new(Place::new());
    let mut opens = JoinSet::new();
    for number in 0..20 {
        let place = Arc::clone(&place);
        opens.spawn(async move { save(&*place.open(&[]).await.unwrap(), &format!("graph:{number}")).await });
    }
    opens.join_all().await;
    place.assert_all_open(20).await;
}

#[tokio::test]
async fn a_key_file_that_is_none_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    for content in ["", "hunter2", "aHVudGVyMg==\n", &"A".repeat(1_000)] {
        fs::write(place.key_file(), content).unwrap();
        let error = place.open(&[]).await.unwrap_err();
        assert!(error.what.contains("tokenkeep.db.key") && error.what.contains("restore it"), "{error}");
        assert!(content.is_empty() || !error.to_string().contains(content), "{error}");
        assert_eq!(fs::read_to_string(place.key_file()).unwrap(), content);
        // A configured key does not hide it: nobody could tell what it once sealed.
        place.open(&[new_key()]).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_key_file_that_leads_elsewhere_is_refused() {
    let place = Place::new();
    let elsewhere = place.folder.path().join("elsewhere");
    symlink(&elsewhere, place.key_file()).unwrap();
    for content in [None, Some(SealKey::generate().unwrap().1)] {
        if let Some(content) = content {
            fs::write(&elsewhere, content.expose_secret()).unwrap();
        }
        let error = place.open(&[]).await.unwrap_err();
        assert!(error.what.contains("symbolic link"), "{error}");
    }
    fs::remove_file(place.key_file()).unwrap();
    fs::create_dir(place.key_file()).unwrap();
    let error = place.open(&[]).await.unwrap_err();
    assert!(error.what.contains("not a regular file"), "{error}");
}

#[tokio::test]
async fn with_a_configured_key_no_file_is_made_and_one_that_is_there_still_opens() {
    let (place, configured) = (Place::new(), new_key());
    place.open(std::slice::from_ref(&configured)).await.unwrap().close().await;
    assert_eq!(place.names(), ["tokenkeep.db"]);

    let store = place.open(&[]).await.unwrap();
    save(&*store, "filed").await;
    store.close().await;
    let store = place.open(std::slice::from_ref(&configured)).await.unwrap();
    save(&*store, "configured").await;
    store.close().await;
    let both = place.open(std::slice::from_ref(&configured)).await.unwrap();
    for name in ["configured", "filed"] {
        assert_eq!(refresh_token(&*both, name).await.unwrap(), REFRESH, "{name}");
    }
    save(&*both, "new").await;
    both.close().await;
    fs::remove_file(place.key_file()).unwrap();
    let alone = place.open(&[configured]).await.unwrap();
    assert_eq!(refresh_token(&*alone, "new").await.unwrap(), REFRESH, "the configured key seals");
    refresh_token(&*alone, "filed").await.unwrap_err();
}

#[tokio::test]
async fn a_configured_key_that_is_taken_out_again_is_not_replaced_by_a_new_one() {
    let (place, configured) = (Place::new(), new_key());
    save(&*place.open(std::slice::from_ref(&configured)).await.unwrap(), "old").await;
    let store = place.open(&[]).await.unwrap();
    let error = try_save(&*store, "new").await.unwrap_err();
    assert!(error.what.contains(configured.id()) && error.what.contains("seal_keys"), "{error}");
    assert!(!place.key_file().exists());
}

#[tokio::test]
async fn a_manager_seals_with_the_keys_of_its_configuration() {
    let place = Place::new();
    let (key, text) = SealKey::generate().unwrap();
    let source = "store = 'sqlite:tokenkeep.db'\nseal_keys = [{ env = 'KEY' }]\n\
                  [providers.legacy]\ngrant = 'command'\ncommand = ['echo', 'planted-token']\n";
    let env = |name: &str| (name == "KEY").then(|| text.expose_secret().to_owned());
    let config = config::parse(source, "tokenkeep.toml", place.folder.path(), &env).await.unwrap();
    let manager = TokenManager::builder().config(config).build().await.unwrap();
    manager.token("legacy").await.unwrap();
    manager.close().await.unwrap();
    assert_eq!(place.names(), ["tokenkeep.db"]);
    let legacy = Key::parse("legacy").unwrap();
    assert!(place.open(&[key]).await.unwrap().load(&legacy).await.unwrap().is_some());
    place.open(&[new_key()]).await.unwrap().load(&legacy).await.unwrap_err();
}

#[tokio::test]
async fn a_store_whose_key_file_was_lost_makes_no_other_key_and_goes_on_when_it_is_back() {
    let place = Place::new();
    let store = place.open(&[]).await.unwrap();
    save(&*store, "old").await;
    store.close().await;
    let kept = place.folder.path().join("kept");
    fs::rename(place.key_file(), &kept).unwrap();
    let lost = SealKey::parse(&Secret::new(fs::read_to_string(&kept).unwrap())).unwrap();
    let store = place.open(&[]).await.unwrap();
    let error = refresh_token(&*store, "old").await.unwrap_err();
    assert!(error.what.contains("'old'") && error.what.contains("put its key file back"), "{error}");
    let absent = store.load(&Key::parse("new").unwrap()).await.unwrap_err();
    for error in [absent, try_save(&*store, "new").await.unwrap_err()] {
        for said in [lost.id(), "tokenkeep.db.key", "store reseal --forget"] {
            assert!(error.what.contains(said), "{error}");
        }
    }
    assert!(!place.key_file().exists() && store.is_in_place());
    fs::rename(&kept, place.key_file()).unwrap();
    assert!(!store.is_in_place(), "whoever has it open opens it anew");
    let store = place.open(&[]).await.unwrap();
    save(&*store, "new").await;
    for name in ["old", "new"] {
        assert_eq!(refresh_token(&*store, name).await.unwrap(), REFRESH);
    }
}

#[tokio::test]
async fn a_store_that_is_refused_gets_no_key_file() {
    let place = Place::new();
    fs::write(&place.file, "somebody else's").unwrap();
    place.open(&[]).await.unwrap_err();
    assert_eq!(place.names(), ["tokenkeep.db"]);
}

/// Another process, as `Place::process` starts it: opens the store when its input ends, and saves.
#[tokio::test]
#[ignore = "run in processes of its own by other tests"]
async fn open_and_save() {
    let (Some(path), Some(name)) = (std::env::var_os(FILE), std::env::var_os(KEY)) else { return };
    std::io::read_to_string(std::io::stdin()).unwrap();
    let store = open(Path::new(&path), &[]).await.unwrap();
    save(&*store, name.to_str().unwrap()).await;
    store.close().await;
}

/// A folder for one test, and the store's file in it.
struct Place {
    folder: TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { file: folder.path().join("tokenkeep.db"), folder }
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("tokenkeep.db.key")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    async fn open(&self, keys: &[SealKey]) -> Result<Arc<dyn Store>, StoreError> {
        open(&self.file, keys).await
    }

    async fn assert_all_open(&self, count: usize) {
        let store = self.open(&[]).await.unwrap();
        assert_eq!(store.page(None, 100).await.unwrap().len(), count, "records that open");
        assert_eq!(store.changes(tokenkeep::store::Version::ZERO, 100).await.unwrap().len(), count);
        let drafts: Vec<_> = self.names().into_iter().filter(|name| name.starts_with("tokenkeep.db.key.")).collect();
        assert!(drafts.is_empty(), "{drafts:?}");
    }

    fn process(&self, key: &str, umask: &str) -> Command {
        let mut process = Command::new("sh");
        let script = format!(r#"umask {umask}; exec "$@""#);
        process.args(["-c", &script, "sh"]).arg(std::env::current_exe().unwrap());
        process.args(["--exact", "key_file::open_and_save", "--ignored", "--nocapture"]);
        process.env(FILE, &self.file).env(KEY, key).current_dir(self.folder.path());
        process.stdin(Stdio::null()).stdout(Stdio::null());
        process
    }
}

async fn open(path: &Path, keys: &[SealKey]) -> Result<Arc<dyn Store>, StoreError> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    store::open(&StoreUrl::Sqlite(path.to_owned()), keys, &clock).await
}

async fn save(store: &dyn Store, name: &str) {
    assert!(matches!(try_save(store, name).await.unwrap(), SaveOutcome::Saved(_)));
}

async fn try_save(store: &dyn Store, name: &str) -> Result<SaveOutcome, StoreError> {
    let record = Record {
        generation: 1,
        fingerprint: Fingerprint::of([]),
        token: None,
        refresh_in: None,
        jitter: 0.5,
        refresh_token: Some(Secret::new(REFRESH)),
        asked_at: None,
        failure: None,
        due_at: None,
        boot_id: "".into(),
    };
    store.save(&Key::parse(name).unwrap(), &record, None).await
}

async fn refresh_token(store: &dyn Store, name: &str) -> Result<String, StoreError> {
    let found = store.load(&Key::parse(name).unwrap()).await?.unwrap();
    Ok(found.record.refresh_token.unwrap().expose_secret().to_owned())
}

fn new_key() -> SealKey {
    SealKey::generate().unwrap().0
}

const REFRESH: &str = "planted-refresh-token";
const FILE: &str = "TOKENKEEP_TEST_FILE";
const KEY: &str = "TOKENKEEP_TEST_KEY";
