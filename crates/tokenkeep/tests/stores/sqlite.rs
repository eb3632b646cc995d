//! What the `SQLite` store promises beyond the contract: about its file, and to processes that share it.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{Holder, LeaseOutcome, Record, SaveOutcome, SqliteStore, Store, StoreError, StoreUrl, Version};
use tokenkeep::{Clock, Key, Secret};
use tokio::task::JoinSet;

struct Sqlite {
    clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Sqlite {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new()), folder: tempfile::tempdir().unwrap() }
    }
}

#[async_trait]
impl StoreFixture for Sqlite {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        Arc::new(SqliteStore::open(&self.folder.path().join("tokenkeep.db"), clock).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_keeps_the_laws() {
    contract::run_all(async || Sqlite::new()).await;
}

#[tokio::test]
async fn the_sqlite_store_keeps_the_laws_on_one_thread() {
    contract::run_all(async || Sqlite::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_50_simultaneous_first_opens_all_succeed() {
    let place = Place::new();
    let mut opens = JoinSet::new();
    for number in 0..50 {
        let path = place.file.clone();
        opens.spawn(async move {
            let store = open(&path).await.unwrap();
            save(&store, &format!("graph:{number}")).await;
            store
        });
    }
    let stores = opens.join_all().await;
    assert_eq!(stores[0].page(None, 100).await.unwrap().len(), 50);
    for store in stores {
        store.close().await;
    }
    assert_eq!(place.names(), ["tokenkeep.db"], "the last to close leaves one file");
}

#[tokio::test]
async fn of_50_processes_that_open_a_new_file_at_once_all_succeed() {
    let place = Place::new();
    let mut children: Vec<Child> = (0..50)
        .map(|number| place.process(&format!("graph:{number}"), None).stdin(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in &mut children {
        // They wait for the end of their input: now all start.
        drop(child.stdin.take());
    }
    let mut failed = 0;
    for mut child in children {
        failed += u32::from(!died_as_told(child.wait().unwrap()));
    }
    assert_eq!(failed, 0, "processes that did not save their record");
    let store = open(&place.file).await.unwrap();
    assert_eq!(store.page(None, 100).await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_record_outlives_the_sudden_end_of_its_process() {
    let place = Place::new();
    let ours = open(&place.file).await.unwrap();
    assert!(died_as_told(place.process("graph", None).status().unwrap()));
    assert!(ours.load(&key("graph")).await.unwrap().is_some(), "seen by a process that was running meanwhile");
    ours.close().await;
    assert!(open(&place.file).await.unwrap().load(&key("graph")).await.unwrap().is_some(), "seen later");
}

#[tokio::test]
async fn files_and_folders_are_private_whatever_the_umask() {
    for umask in ["000", "177", "777"] {
        let place = Place::new();
        let path = place.folder.path().join("new/folders/tokenkeep.db");
        let mut process = place.process_at(&path, "graph", Some(umask));
        assert!(died_as_told(process.status().unwrap()), "under umask {umask}");
        for (name, expected) in [("new", 0o700), ("new/folders", 0o700)] {
            assert_eq!(mode(&place.folder.path().join(name)), expected, "{name} under umask {umask}");
        }
        // The process has not closed its store: the log is still there.
        for suffix in ["", "-wal", "-shm"] {
            let name = format!("new/folders/tokenkeep.db{suffix}");
            assert_eq!(mode(&place.folder.path().join(&name)), 0o600, "{name} under umask {umask}");
        }
    }
}

#[tokio::test]
async fn a_file_that_others_may_read_is_used_and_keeps_its_mode() {
    let place = Place::new();
    fs::write(&place.file, "").unwrap();
    fs::set_permissions(&place.file, fs::Permissions::from_mode(0o644)).unwrap();
    save(&open(&place.file).await.unwrap(), "graph").await;
    assert_eq!(mode(&place.file), 0o644);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    for content in [&b"hello"[..], &[0x5a; 5_000], b"SQLite format 3\0 and then something else that is no header"] {
        let place = Place::new();
        fs::write(&place.file, content).unwrap();
        let error = open(&place.file).await.unwrap_err();
        assert!(error.what.contains("not a SQLite database"), "{error}");
        assert_eq!(fs::read(&place.file).unwrap(), content);
        assert_eq!(place.names(), ["tokenkeep.db"]);
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    save(&store, "graph").await;
    store.close().await;
    let mut content = fs::read(&place.file).unwrap();
    content[100..1_000].fill(0xa5);
    fs::write(&place.file, &content).unwrap();
    let error = open(&place.file).await.unwrap_err();
    assert!(error.what.contains("damaged") && error.what.contains("-wal and -shm"), "{error}");
    assert_eq!(fs::read(&place.file).unwrap(), content);
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_stays_as_it_is() {
    for sql in ["CREATE TABLE records (key TEXT)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"] {
        let place = Place::new();
        place.sql(sql).await;
        let content = fs::read(&place.file).unwrap();
        let error = open(&place.file).await.unwrap_err();
        assert!(error.what.contains("another program"), "{sql}: {error}");
        assert_eq!(fs::read(&place.file).unwrap(), content, "{sql}");
        assert_eq!(place.names(), ["tokenkeep.db"], "{sql}");
    }
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    open(&place.file).await.unwrap().close().await;
    place.sql("PRAGMA user_version = 7").await;
    let content = fs::read(&place.file).unwrap();
    let error = open(&place.file).await.unwrap_err();
    assert!(error.what.contains("schema 7 of a later tokenkeep"), "{error}");
    assert_eq!(fs::read(&place.file).unwrap(), content);
}

#[tokio::test]
async fn a_path_that_cannot_be_a_file_is_refused_with_its_name() {
    let place = Place::new();
    let folder = place.folder.path();
    fs::write(folder.join("file"), "").unwrap();
    std::os::unix::fs::symlink(folder.join("nowhere"), folder.join("link")).unwrap();
    let refused = [
        (folder.join("file/tokenkeep.db"), "cannot make the folder"),
        (folder.join("link"), "symbolic link"),
        (folder.to_path_buf(), "not a regular file"),
    ];
    for (path, what) in refused {
        let error = open(&path).await.unwrap_err();
        assert!(error.what.contains(what), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    assert!(!folder.join("nowhere").exists(), "a link was followed");
}

#[tokio::test]
async fn names_that_sqlite_takes_for_something_else_are_names_of_files() {
    let place = Place::new();
    for name in [":memory:", "file:x?mode=memory", "a b#c%20d?e.db"] {
        let path = place.folder.path().join(name);
        let StoreUrl::Sqlite(path) = StoreUrl::parse(&format!("sqlite:{}", path.display())).unwrap() else { panic!() };
        save(&open(&path).await.unwrap(), "graph").await;
        assert!(fs::metadata(&path).unwrap().is_file(), "{name}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_for_its_key_and_left_out_of_pages() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    for name in ["a", "b", "c", "d"] {
        save(&store, name).await;
    }
    place.sql("UPDATE records SET failure_kind = 'planted-secret' WHERE key IN ('b', 'c')").await;
    let error = store.load(&key("b")).await.unwrap_err();
    assert!(error.what.contains("'b'") && error.what.contains("failure_kind"), "{error}");
    assert!(!error.to_string().contains("planted-secret"), "{error}");
    let page = store.page(None, 2).await.unwrap();
    let keys: Vec<&str> = page.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["a", "d"], "a page that is not the last is full");
    let unreadable = store.unreadable().await.unwrap();
    assert_eq!(unreadable.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(store.changes(Version::ZERO, 10).await.unwrap().len(), 4);
}

#[tokio::test]
async fn every_column_of_the_wrong_form_is_named() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    save(&store, "graph").await;
    for (sql, column) in [
        ("UPDATE records SET access_token = 'x'", "token_type"),
        ("UPDATE records SET token_type = 'Bearer'", "sent_wall"),
        ("UPDATE records SET sent_wall = 1", "sent_boot"),
        ("UPDATE records SET sent_boot = 1, expires_boot = 1", "expires_wall"),
        ("UPDATE records SET access_token = CAST(x'ff' AS TEXT)", "access_token"),
        ("UPDATE records SET access_token = NULL, refresh_in_ms = -1", "refresh_in_ms"),
        ("UPDATE records SET refresh_in_ms = NULL, failure_kind = 'refused'", "failure_what"),
        ("UPDATE records SET failure_what = ''", "failure_count"),
        ("UPDATE records SET failure_count = -1", "failure_count"),
        ("UPDATE records SET failure_count = 1", "failure_since_wall"),
    ] {
        place.sql(sql).await;
        let error = store.load(&key("graph")).await.unwrap_err();
        assert!(error.what.ends_with(column), "{sql}: {error}");
    }
}

#[tokio::test]
async fn versions_are_not_given_again_after_rows_were_deleted_by_hand() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    let before = save(&store, "graph").await;
    place.sql("DELETE FROM records").await;
    assert_eq!(store.newest_version().await.unwrap(), before);
    assert!(save(&store, "graph").await > before);
}

#[tokio::test]
async fn a_reboot_ends_every_lease() {
    let place = Place::new();
    let (clock, graph) = (ManualClock::new(), key("graph"));
    let rebooted = clock.rebooted();
    let before = SqliteStore::open(&place.file, Arc::new(clock)).await.unwrap();
    let holder = Holder::unique();
    assert_eq!(before.acquire_lease(&graph, &holder, TTL).await.unwrap(), LeaseOutcome::Acquired);
    before.close().await;
    let after = SqliteStore::open(&place.file, Arc::new(rebooted)).await.unwrap();
    assert!(!after.renew_lease(&graph, &holder, TTL).await.unwrap());
    assert_eq!(after.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Acquired);
}

#[tokio::test]
async fn a_boot_without_a_name_has_leases_by_the_wall_clock() {
    #[derive(Debug)]
    struct Nameless(ManualClock);
    impl Clock for Nameless {
        fn now(&self) -> tokenkeep::Moment {
            tokenkeep::Moment { boot_ms: 0, ..self.0.now() }
        }
        fn boot_id(&self) -> &'static str {
            ""
        }
    }
    let place = Place::new();
    let clock = Arc::new(Nameless(ManualClock::new()));
    let store = SqliteStore::open(&place.file, Arc::<Nameless>::clone(&clock)).await.unwrap();
    let graph = key("graph");
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Acquired);
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Held(TTL));
    clock.0.advance(TTL);
    assert_eq!(store.acquire_lease(&graph, &Holder::unique(), TTL).await.unwrap(), LeaseOutcome::Acquired);
}

#[tokio::test]
async fn a_file_that_stays_locked_is_an_error_that_says_so() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    let mut other = place.connect().await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert!(store.load(&key("graph")).await.unwrap().is_none(), "reading goes on");
    let error = store.save(&key("graph"), &record(), None).await.unwrap_err();
    assert!(error.what.contains("in use"), "{error}");
    lock.rollback().await.unwrap();
    save(&store, "graph").await;
}

#[tokio::test]
async fn a_write_that_failed_leaves_the_store_usable() {
    let place = Place::new();
    let mut process = Command::new("sh");
    // A file that may not grow is what a full disk looks like, for root too.
    let script = r#"trap "" XFSZ; ulimit -f 400; exec "$@""#;
    let me = std::env::current_exe().unwrap();
    process.args(["-c", script, "sh"]).arg(me).args(["--exact", "sqlite::fill_the_file", "--ignored", "--nocapture"]);
    process.env(FILE, &place.file).stdin(Stdio::null()).stdout(Stdio::null());
    assert!(process.status().unwrap().success());
}

#[tokio::test]
#[ignore = "run in a process of its own by a_write_that_failed_leaves_the_store_usable"]
async fn fill_the_file() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = open(Path::new(&path)).await.unwrap();
    let large = Record { refresh_token: Some(Secret::new("x".repeat(50_000))), ..record() };
    let mut saved = 0;
    let error = loop {
        match store.save(&key(&format!("graph:{saved}")), &large, None).await {
            Ok(outcome) => assert!(matches!(outcome, SaveOutcome::Saved(_))),
            Err(error) => break error,
        }
        saved += 1;
    };
    assert!(saved > 0 && !error.what.contains("xxx"), "{error}");
    // What was saved is there, what failed is not, and a write that still fits succeeds.
    assert_eq!(store.page(None, 100).await.unwrap().len(), saved);
    save(&store, "small").await;
    let other = open(Path::new(&path)).await.unwrap();
    assert_eq!(other.page(None, 100).await.unwrap().len(), saved + 1);
}

#[tokio::test]
async fn a_file_that_was_deleted_or_replaced_is_written_no_more() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    save(&store, "graph").await;
    for what in ["deleted", "replaced"] {
        if what == "deleted" {
            fs::remove_file(&place.file).unwrap();
        } else {
            fs::write(&place.file, "somebody else's").unwrap();
        }
        // Saved into a file that nobody finds any more, it would look well and be lost.
        let error = store.save(&key("calendar"), &record(), None).await.unwrap_err();
        assert!(error.what.contains("deleted or replaced"), "{what}: {error}");
        store.acquire_lease(&key("graph"), &Holder::unique(), Duration::from_mins(1)).await.unwrap_err();
    }
    assert_eq!(fs::read_to_string(&place.file).unwrap(), "somebody else's");
}

#[tokio::test]
async fn a_closed_store_says_that_it_is_closed() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    store.close().await;
    assert!(store.load(&key("graph")).await.unwrap_err().what.contains("closed"));
    assert!(store.save(&key("graph"), &record(), None).await.unwrap_err().what.contains("closed"));
}

#[tokio::test]
async fn a_replaced_token_is_not_left_in_the_file() {
    let place = Place::new();
    let store = open(&place.file).await.unwrap();
    let long = format!("planted-secret{}", "x".repeat(20_000));
    let with_token = Record { refresh_token: Some(Secret::new(long)), ..record() };
    let SaveOutcome::Saved(version) = store.save(&key("graph"), &with_token, None).await.unwrap() else { panic!() };
    let saved = store.save(&key("graph"), &record(), Some(version)).await.unwrap();
    assert!(matches!(saved, SaveOutcome::Saved(_)));
    store.close().await;
    let content = fs::read(&place.file).unwrap();
    assert!(!content.windows(14).any(|window| window == b"planted-secret"));
}

/// Another process, as `Place::process` starts it: opens the store when its input ends, saves, and dies on the spot.
#[tokio::test]
#[ignore = "run in processes of its own by other tests"]
async fn open_save_and_die() {
    let (Some(path), Some(name)) = (std::env::var_os(FILE), std::env::var_os(KEY)) else { return };
    std::io::read_to_string(std::io::stdin()).unwrap();
    let store = open(Path::new(&path)).await.unwrap();
    save(&store, name.to_str().unwrap()).await;
    std::process::abort();
}

/// A folder for one test, and the file in it.
struct Place {
    folder: TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { file: folder.path().join("tokenkeep.db"), folder }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    async fn connect(&self) -> SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.file).create_if_missing(true);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// What a person does with the `sqlite3` shell.
    async fn sql(&self, sql: &'static str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    fn process(&self, key: &str, umask: Option<&str>) -> Command {
        self.process_at(&self.file, key, umask)
    }

    fn process_at(&self, file: &Path, key: &str, umask: Option<&str>) -> Command {
        let mut process = Command::new("sh");
        let script = format!(r#"umask {}; ulimit -c 0; exec "$@""#, umask.unwrap_or("022"));
        let me = std::env::current_exe().unwrap();
        process.args(["-c", &script, "sh"]).arg(me);
        process.args(["--exact", "sqlite::open_save_and_die", "--ignored", "--nocapture"]);
        process.env(FILE, file).env(KEY, key).current_dir(self.folder.path());
        process.stdin(Stdio::null()).stdout(Stdio::null());
        process
    }
}

/// Whether the process came to its `abort`, which is after its save.
fn died_as_told(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGABRT: i32 = 6;
    status.signal() == Some(SIGABRT)
}

async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, Arc::new(ManualClock::new())).await
}

async fn save(store: &SqliteStore, name: &str) -> Version {
    let SaveOutcome::Saved(version) = store.save(&key(name), &record(), None).await.unwrap() else {
        panic!("there was a record of {name}")
    };
    version
}

fn record() -> Record {
    Record {
        generation: 1,
        fingerprint: Fingerprint::of([]),
        token: None,
        refresh_in: None,
        jitter: 0.5,
        refresh_token: Some(Secret::new("refresh")),
        asked_at: None,
        failure: None,
        due_at: None,
        boot_id: "".into(),
    }
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const TTL: Duration = Duration::from_mins(1);
const FILE: &str = "TOKENKEEP_TEST_FILE";
const KEY: &str = "TOKENKEEP_TEST_KEY";
