//! What the file store promises beyond the contract: about its files, to programs that use them too, and to processes
//! that share them.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

mod faults;
mod form;
mod others;
mod processes;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{FileStore, Record, SaveOutcome, SealedStore, Store, StoreError, Version, Versioned};
use tokenkeep::token::{IssuedToken, TokenKind};
use tokenkeep::{Clock, Key, Secret};

struct Files {
    clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new()), folder: tempfile::tempdir().unwrap() }
    }
}

#[async_trait]
impl StoreFixture for Files {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        Arc::new(FileStore::open(&self.folder.path().join("tokens"), clock).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_file_store_keeps_the_laws() {
    contract::run_all(async || Files::new()).await;
}

#[tokio::test]
async fn the_file_store_keeps_the_laws_on_one_thread() {
    contract::run_all(async || Files::new()).await;
}

struct Sealed(Files, SealKey);

#[async_trait]
impl StoreFixture for Sealed {
    fn clock(&self) -> &ManualClock {
        self.0.clock()
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SealedStore::new(self.0.open().await, SealKeys::new(self.1.clone(), [])))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_file_store_keeps_the_laws() {
    contract::run_all(async || Sealed(Files::new(), SealKey::generate().unwrap().0)).await;
}

/// A folder for one test, in which the store's is, and the clock of its handles.
struct Place {
    clock: Arc<ManualClock>,
    outer: TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        Self { clock: Arc::new(ManualClock::new()), folder: outer.path().join("tokens"), outer }
    }

    /// One with a folder that is there before the store.
    fn made() -> Self {
        let place = Self::new();
        fs::create_dir(&place.folder).unwrap();
        place
    }

    async fn open(&self) -> FileStore {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<FileStore, StoreError> {
        FileStore::open(&self.folder, Arc::<ManualClock>::clone(&self.clock)).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// The names in the folder and in that of the sidecars, without the store's own.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in ["", ".tokenkeep"] {
            let entries = fs::read_dir(self.path(folder)).unwrap();
            names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
        names.retain(|name| ![".tokenkeep", "lock", "version"].contains(&&**name));
        names.sort_unstable();
        names
    }

    /// The content of the one file that was set aside, in this folder in the store's.
    fn set_aside(&self, folder: &str) -> String {
        let entries = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let aside: Vec<_> = entries.filter(|path| path.to_str().unwrap().contains(".bad-")).collect();
        assert_eq!(aside.len(), 1, "{aside:?}");
        fs::read_to_string(&aside[0]).unwrap()
    }

    /// A token that ends in an hour.
    fn record(&self, generation: u64) -> Record {
        record(&*self.clock, generation)
    }

    /// The content of a token file, as another program writes it: with a token that ends in so many seconds.
    fn content(&self, token: &str, expires_in: i64) -> String {
        let now = self.clock.now().wall_ms / 1_000;
        let data = format!(r#"{{"access_token": "{token}", "token_type": "Bearer", "expires_in": {expires_in}}}"#);
        let expiry = now + expires_in;
        format!(r#"{{"access_token": "{token}", "token_data": {data}, "token_expiry": {expiry}, "saved_at": {now}}}"#)
    }

    /// Another process, which runs one of the ignored tests of this file's modules on this folder.
    fn process(&self, test: &str) -> Command {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args(["--exact", &format!("file::{test}"), "--ignored", "--nocapture", "--test-threads=1"]);
        process.env(FOLDER, &self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        process
    }

    /// The same after commands of a shell.
    fn process_after(&self, commands: &str, test: &str) -> Command {
        let plain = self.process(test);
        let mut process = Command::new("sh");
        process
            .args(["-c", &format!(r#"{commands}; exec "$@""#), "sh"])
            .arg(plain.get_program())
            .args(plain.get_args());
        process.env(FOLDER, &self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        process
    }
}

/// In a process that another test started: the folder.
fn given_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn record(clock: &dyn Clock, generation: u64) -> Record {
    let (now, kind) = (clock.now(), TokenKind { token_type: "Bearer".into(), scope: None });
    let text = Secret::new(format!("t{generation}"));
    let token = IssuedToken::new(text, Arc::new(kind), generation, now, now.plus(Duration::from_hours(1)));
    Record {
        generation,
        fingerprint: Fingerprint::of([]),
        token: Some(Arc::new(token)),
        refresh_in: None,
        jitter: 0.5,
        refresh_token: Some(Secret::new(format!("r{generation}"))),
        asked_at: Some(now),
        failure: None,
        due_at: None,
        boot_id: clock.boot_id().into(),
    }
}

async fn save(store: &FileStore, name: &str, record: &Record, expected: Option<Version>) -> Version {
    match store.save(&key(name), record, expected).await.unwrap() {
        SaveOutcome::Saved(version) => version,
        SaveOutcome::Conflict => panic!("{name} is not at {expected:?}"),
    }
}

async fn load(store: &FileStore, name: &str) -> Versioned {
    store.load(&key(name)).await.unwrap().unwrap()
}

/// Generation, token and refresh token.
fn told(found: &Versioned) -> (u64, Option<&str>, Option<&str>) {
    let record = &found.record;
    let token = record.token.as_ref().map(|token| token.access_token().expose_secret());
    (record.generation, token, record.refresh_token.as_ref().map(Secret::expose_secret))
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const FOLDER: &str = "TOKENKEEP_TEST_FOLDER";
const GRAPH: &str = "graph_token.json";
const SIDECAR: &str = ".tokenkeep/graph.json";
