//! What a sealed store promises beyond the contract: about what lies in the store that it seals.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by it")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokenkeep::failure::{Failure, FailureKind};
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::contract::{self, ManualClock, StoreFixture};
use tokenkeep::store::{
    FileStore, Holder, LeaseOutcome, MemoryStore, Record, SaveOutcome, SealedStore, SqliteStore, Store, StoreError,
    Version, Versioned, WhenUnopenable,
};
use tokenkeep::token::{IssuedToken, TokenKind};
use tokenkeep::{Clock as _, Credentials, Key, Moment, Secret};

struct SealedMemory {
    clock: Arc<ManualClock>,
    inner: Arc<MemoryStore>,
    key: SealKey,
}

#[async_trait]
impl StoreFixture for SealedMemory {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(sealed(&self.inner, &self.key, []))
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn gives_due_keys(&self) -> bool {
        true
    }
}

struct SealedSqlite {
    clock: Arc<ManualClock>,
    folder: TempDir,
    key: SealKey,
}

#[async_trait]
impl StoreFixture for SealedSqlite {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let inner = SqliteStore::open(&self.folder.path().join("tokenkeep.db"), clock).await.unwrap();
        Arc::new(sealed(&Arc::new(inner), &self.key, []))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_memory_store_keeps_the_laws() {
    contract::run_all(async || {
        let clock = Arc::new(ManualClock::new());
        SealedMemory { inner: Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock))), clock, key: new_key() }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_sqlite_store_keeps_the_laws() {
    contract::run_all(async || SealedSqlite {
        clock: Arc::new(ManualClock::new()),
        folder: tempfile::tempdir().unwrap(),
        key: new_key(),
    })
    .await;
}

#[tokio::test]
async fn no_text_of_a_record_is_in_the_bytes_of_the_file_or_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenkeep.db");
    let inner = Arc::new(SqliteStore::open(&path, Arc::new(ManualClock::new())).await.unwrap());
    let store = sealed(&inner, &new_key(), []);
    for round in 0..3 {
        let expected = store.load(&key("graph")).await.unwrap().map(|found| found.version);
        save(&store, "graph", &record(), expected).await;
        // With the log as it is, and as closing leaves the file.
        if round == 2 {
            store.close().await;
        }
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), if round == 2 { 1 } else { 3 }, "{names:?}");
        for name in names {
            assert_holds_no_text(&name);
        }
    }
}

#[tokio::test]
async fn values_swapped_between_keys_or_fields_do_not_open() {
    let inner = memory();
    let store = sealed(&inner, &new_key(), []);
    for name in ["a", "b"] {
        save(&store, name, &record(), None).await;
    }
    let (of_a, of_b) = (raw(&inner, "a").await, raw(&inner, "b").await);
    // Another record's, and another field's of the same record.
    let from_a = Record { refresh_token: of_a.record.refresh_token.clone(), ..of_b.record.clone() };
    let token = of_b.record.token.as_ref().unwrap();
    let from_field = Record { refresh_token: Some(token.access_token().clone()), ..of_b.record.clone() };
    let mut version = of_b.version;
    for swapped in [from_a, from_field] {
        version = save(&*inner, "b", &swapped, Some(version)).await;
        let error = store.load(&key("b")).await.unwrap_err();
        assert!(error.what.contains("record of 'b' cannot be opened") && error.what.contains("moved here"), "{error}");
    }
}

#[tokio::test]
async fn a_record_that_no_key_opens_is_an_error_that_says_what_to_do_and_is_left_out_of_pages() {
    let (old, new, inner) = (new_key(), new_key(), memory());
    let before = sealed(&inner, &old, []);
    for name in ["a", "c", "e"] {
        save(&before, name, &record(), None).await;
    }
    let during = sealed(&inner, &new, [old.clone()]);
    for name in ["b", "d"] {
        save(&during, name, &record(), None).await;
    }
    let after = sealed(&inner, &new, []);
    let error = after.load(&key("c")).await.unwrap_err();
    for part in ["'c'", old.id(), new.id(), "add that key to seal_keys"] {
        assert!(error.what.contains(part), "{part}: {error}");
    }
    let page = after.page(None, 2).await.unwrap();
    let keys: Vec<&str> = page.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["b", "d"], "a page that is not the last is full");
    assert_eq!(after.changes(Version::ZERO, 10).await.unwrap().len(), 5, "that it is there is no secret");
}

#[tokio::test]
async fn a_record_that_no_key_opens_is_not_taken_for_absent() {
    let (lost, present, inner) = (new_key(), new_key(), memory());
    save(&sealed(&inner, &lost, []), "graph", &record(), None).await;
    save(&sealed(&inner, &present, [lost]), "other", &record(), None).await;
    let before = raw(&inner, "graph").await;
    let other = sealed(&inner, &present, []);
    assert_eq!(other.save(&key("graph"), &record(), None).await.unwrap(), SaveOutcome::Conflict);
    assert_eq!(texts(&raw(&inner, "graph").await.record), texts(&before.record));
}

#[tokio::test]
async fn whoever_has_another_key_writes_nothing_and_takes_nothing_for_absent() {
    let (right, stray) = (new_key(), new_key());
    let password = Credentials::with_password("company", Secret::new("planted-password")).unwrap();
    for what_is_there in ["a record", "credentials"] {
        let inner = memory();
        let others = sealed(&inner, &right, []);
        if what_is_there == "credentials" {
            others.save_credentials(&key("bluestakes:1"), &password).await.unwrap();
        } else {
            save(&others, "graph", &record(), None).await;
        }
        let before = inner.newest_version().await.unwrap();
        let mistaken = sealed(&inner, &stray, []);
        let (absent, account) = (key("new"), key("bluestakes:2"));
        let refused = [
            mistaken.load(&absent).await.unwrap_err(),
            mistaken.save(&absent, &record(), None).await.unwrap_err(),
            mistaken.save_credentials(&account, &password).await.unwrap_err(),
            mistaken.claim_due(10, Duration::from_mins(1)).await.unwrap_err(),
        ];
        for error in refused {
            for part in
                ["nothing in it opens, so nothing is written", right.id(), stray.id(), "add that key to seal_keys"]
            {
                assert!(error.what.contains(part), "{what_is_there}: {part}: {error}");
            }
        }
        assert_eq!(inner.newest_version().await.unwrap(), before, "{what_is_there}");
        assert!(inner.credentials(&account).await.unwrap().is_none(), "{what_is_there}");

        let mended = sealed(&inner, &stray, [right.clone()]);
        assert!(mended.load(&absent).await.unwrap().is_none(), "{what_is_there}");
        save(&mended, "new", &record(), None).await;
    }
}

#[tokio::test]
async fn the_first_key_that_seals_something_is_the_one_of_a_store() {
    let (first, second, inner) = (new_key(), new_key(), memory());
    save(&*inner, "plain", &record(), None).await;
    save(&*inner, "empty", &Record { token: None, refresh_token: None, failure: None, ..record() }, None).await;
    let (one, other) = (sealed(&inner, &first, []), sealed(&inner, &second, []));
    for store in [&one, &other] {
        assert!(store.load(&key("graph")).await.unwrap().is_none());
    }
    save(&one, "graph", &record(), None).await;
    assert!(other.save(&key("billing"), &record(), None).await.is_err());
    save(&one, "billing", &record(), None).await;
}

#[tokio::test]
async fn records_with_nothing_in_them_do_not_hide_that_nothing_opens() {
    let (right, stray, inner) = (new_key(), new_key(), memory());
    let empty = Record { token: None, refresh_token: None, failure: None, ..record() };
    for account in 10..40 {
        save(&*inner, &format!("graph:{account}"), &empty, None).await;
    }
    let others = sealed(&inner, &right, []);
    save(&others, "graph:50", &record(), None).await;
    let mistaken = sealed(&inner, &stray, []);
    assert!(mistaken.save(&key("new"), &record(), None).await.is_err());
    assert!(mistaken.load(&key("graph:10")).await.is_err(), "a login would begin from what is empty");
    assert!(sealed(&inner, &right, []).load(&key("graph:10")).await.unwrap().is_some());
}

#[tokio::test]
async fn once_something_tells_whose_keys_these_are_no_more_is_looked_at() {
    let (right, clock) = (new_key(), Arc::new(ManualClock::new()));
    let inner = Arc::new(Counting { inner: MemoryStore::new(clock), calls: AtomicUsize::new(0) });
    let password = Credentials::with_password("company", Secret::new("planted-password")).unwrap();
    let before = sealed(&inner, &right, []);
    for account in 10..20 {
        before.save_credentials(&key(&format!("bluestakes:{account}")), &password).await.unwrap();
        save(&before, &format!("bluestakes:{account}"), &record(), None).await;
    }
    for store in [sealed(&inner, &right, []), sealed(&inner, &new_key(), [])] {
        inner.calls.store(0, Ordering::Relaxed);
        store.load(&key("new")).await.ok();
        assert_eq!(inner.calls.load(Ordering::Relaxed), 1, "a page of records tells");
    }
}

#[tokio::test]
async fn whoever_was_forgotten_when_the_keys_were_changed_writes_nothing_from_then_on() {
    let (old, new, inner) = (new_key(), new_key(), memory());
    let forgotten = sealed(&inner, &old, []);
    save(&forgotten, "graph", &record(), None).await;
    assert!(forgotten.load(&key("graph")).await.unwrap().is_some());
    sealed(&inner, &new, [old.clone()]).reseal(WhenUnopenable::Keep).await.unwrap();
    forgotten.load(&key("graph")).await.unwrap_err();
    assert!(forgotten.load(&key("new")).await.is_err(), "a login would begin from what is absent");
    let error = forgotten.save(&key("new"), &record(), None).await.unwrap_err();
    assert!(error.what.contains("nothing in it opens"), "{error}");
}

#[tokio::test]
async fn records_that_are_lost_keep_nobody_from_the_others() {
    let (lost, present, inner) = (new_key(), new_key(), memory());
    for account in 10..40 {
        save(&sealed(&inner, &lost, []), &format!("graph:{account}"), &record(), None).await;
    }
    save(&sealed(&inner, &present, [lost]), "graph:50", &record(), None).await;
    let store = sealed(&inner, &present, []);
    assert!(store.load(&key("graph:50")).await.unwrap().is_some());
    for account in 10..40 {
        store.load(&key(&format!("graph:{account}"))).await.unwrap_err();
        save(&store, &format!("new:{account}"), &record(), None).await;
    }
}

#[tokio::test]
async fn a_plain_record_from_before_is_read_and_sealed_at_the_next_write() {
    let inner = memory();
    let version = save(&*inner, "graph", &record(), None).await;
    let store = sealed(&inner, &new_key(), []);
    let found = store.load(&key("graph")).await.unwrap().unwrap();
    assert_eq!(texts(&found.record), texts(&record()));
    save(&store, "graph", &found.record, Some(version)).await;
    for text in texts(&raw(&inner, "graph").await.record) {
        assert!(text.starts_with("sealed:1:"), "{text}");
    }
    assert_eq!(texts(&store.load(&key("graph")).await.unwrap().unwrap().record), texts(&record()));
}

#[tokio::test]
async fn resealing_brings_every_record_under_the_first_key() {
    let (oldest, old, new, inner) = (new_key(), new_key(), new_key(), memory());
    save(&*inner, "plain", &record(), None).await;
    save(&sealed(&inner, &oldest, []), "oldest", &record(), None).await;
    save(&sealed(&inner, &old, [oldest.clone()]), "lost", &record(), None).await;
    save(&sealed(&inner, &new, [oldest.clone()]), "new", &record(), None).await;
    let empty = Record { token: None, refresh_token: None, failure: None, ..record() };
    save(&*inner, "empty", &empty, None).await;

    let store = sealed(&inner, &new, [oldest]);
    let sum = store.reseal(WhenUnopenable::Keep).await.unwrap();
    assert_eq!((sum.resealed, sum.already_right, sum.unopenable.len()), (2, 2, 1), "{sum:?}");
    assert_eq!(sum.unopenable[0].0.as_str(), "lost");
    assert!(sum.unopenable[0].1.to_string().contains(old.id()), "{sum:?}");
    let alone = sealed(&inner, &new, []);
    for name in ["plain", "oldest", "new"] {
        assert_eq!(texts(&alone.load(&key(name)).await.unwrap().unwrap().record), texts(&record()), "{name}");
    }
    let again = store.reseal(WhenUnopenable::Keep).await.unwrap();
    assert_eq!((again.resealed, again.already_right, again.unopenable.len()), (0, 4, 1), "{again:?}");
}

#[tokio::test]
async fn what_no_key_opens_is_forgotten_only_when_told_and_its_generation_stays() {
    let inner = memory();
    save(&sealed(&inner, &new_key(), []), "graph", &record(), None).await;
    let store = sealed(&inner, &new_key(), []);
    let sum = store.reseal(WhenUnopenable::Forget).await.unwrap();
    assert_eq!((sum.resealed, sum.already_right, sum.unopenable.len()), (0, 0, 1), "{sum:?}");
    let found = store.load(&key("graph")).await.unwrap().unwrap().record;
    assert_eq!((found.generation, texts(&found).len()), (7, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resealing_loses_no_write_of_those_who_go_on_working() {
    let (old, new, inner) = (new_key(), new_key(), memory());
    let before = sealed(&inner, &old, []);
    let names: Vec<_> = (0..50).map(|number| format!("graph:{number}")).collect();
    for name in &names {
        save(&before, name, &record(), None).await;
    }
    let worker = sealed(&inner, &new, [old.clone()]);
    let working = tokio::task::JoinSet::from_iter([async move {
        for name in &names {
            loop {
                let found = worker.load(&key(name)).await.unwrap().unwrap();
                let next = Record { generation: 8, ..found.record };
                match worker.save(&key(name), &next, Some(found.version)).await.unwrap() {
                    SaveOutcome::Saved(_) => break,
                    SaveOutcome::Conflict => tokio::task::yield_now().await,
                }
            }
        }
    }]);
    let sum = sealed(&inner, &new, [old]).reseal(WhenUnopenable::Keep).await.unwrap();
    working.join_all().await;
    assert_eq!(sum.resealed + sum.already_right, 50, "{sum:?}");
    let alone = sealed(&inner, &new, []);
    for (name, found) in alone.page(None, 100).await.unwrap() {
        assert_eq!(found.record.generation, 8, "{name}");
    }
    assert_eq!(alone.page(None, 100).await.unwrap().len(), 50);
}

#[tokio::test]
async fn errors_and_debug_show_no_secret() {
    let (generated, text) = SealKey::generate().unwrap();
    let inner = memory();
    let store = sealed(&inner, &generated, []);
    save(&store, "graph", &record(), None).await;
    let other = sealed(&inner, &new_key(), []);
    let errors: [StoreError; 1] = [other.load(&key("graph")).await.unwrap_err()];
    let loaded = store.load(&key("graph")).await.unwrap();
    let sum = other.reseal(WhenUnopenable::Keep).await.unwrap();
    let shown =
        format!("{store:?} {store:#?} {:?} {errors:?} {} {loaded:?} {sum:?}", raw(&inner, "graph").await, errors[0]);
    for secret in [ACCESS, REFRESH, text.expose_secret()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Counts how often it is read.
#[derive(Debug)]
struct Counting {
    inner: MemoryStore,
    calls: AtomicUsize,
}

impl Counting {
    fn read(&self) -> &MemoryStore {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }
}

#[async_trait]
impl Store for Counting {
    fn label(&self) -> &str {
        self.inner.label()
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.inner.load(key).await
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        self.inner.save(key, record, expected).await
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.read().page(after, limit).await
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        self.inner.changes(since, limit).await
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        self.inner.newest_version().await
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        self.inner.acquire_lease(key, holder, ttl).await
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        self.inner.renew_lease(key, holder, ttl).await
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        self.inner.release_lease(key, holder).await
    }

    fn keeps_credentials(&self) -> bool {
        true
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        self.read().credentials(key).await
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        self.inner.save_credentials(key, credentials).await
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.read().accounts(after, limit).await
    }
}

fn sealed<S: Store + 'static>(
    inner: &Arc<S>,
    first: &SealKey,
    others: impl IntoIterator<Item = SealKey>,
) -> SealedStore {
    let inner: Arc<S> = Arc::clone(inner);
    SealedStore::new(inner, SealKeys::new(first.clone(), others))
}

fn memory() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::new())))
}

fn new_key() -> SealKey {
    SealKey::generate().unwrap().0
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// What lies in the store as it is.
async fn raw(store: &MemoryStore, name: &str) -> Versioned {
    store.load(&key(name)).await.unwrap().unwrap()
}

async fn save(store: &dyn Store, name: &str, record: &Record, expected: Option<Version>) -> Version {
    let SaveOutcome::Saved(version) = store.save(&key(name), record, expected).await.unwrap() else {
        panic!("{name} has another version")
    };
    version
}

/// A record with a text of its own in each field that has one.
fn record() -> Record {
    let now = ManualClock::new().now();
    let kind = TokenKind { token_type: TOKEN_TYPE.into(), scope: Some(SCOPE.into()) };
    let end = now.plus(Duration::from_hours(1));
    Record {
        generation: 7,
        fingerprint: Fingerprint::of([]),
        token: Some(Arc::new(IssuedToken::new(Secret::new(ACCESS), Arc::new(kind), 7, now, end))),
        refresh_in: None,
        jitter: 0.5,
        refresh_token: Some(Secret::new(REFRESH)),
        asked_at: Some(now),
        failure: Some(Failure {
            kind: FailureKind::Refused,
            what: WHAT.into(),
            next: Some(NEXT.into()),
            count: 1,
            since: now,
            retry_at: Moment::NEVER,
        }),
        due_at: None,
        boot_id: "".into(),
    }
}

/// All texts of a record that are nobody's business.
fn texts(record: &Record) -> Vec<String> {
    let token = record.token.as_deref();
    let failure = record.failure.as_ref();
    [
        token.map(|token| token.access_token().expose_secret()),
        token.map(|token| &*token.kind().token_type),
        token.and_then(|token| token.kind().scope.as_deref()),
        record.refresh_token.as_ref().map(Secret::expose_secret),
        failure.map(|failure| &*failure.what),
        failure.and_then(|failure| failure.next.as_deref()),
    ]
    .into_iter()
    .flatten()
    .map(str::to_owned)
    .collect()
}

fn assert_holds_no_text(path: &Path) {
    let content = fs::read(path).unwrap();
    for text in [ACCESS, TOKEN_TYPE, SCOPE, REFRESH, WHAT, NEXT] {
        let found = content.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found, "{} holds {text}", path.display());
    }
}

const ACCESS: &str = "planted-access-token";
const TOKEN_TYPE: &str = "planted-token-type";
const SCOPE: &str = "planted-scope";
const REFRESH: &str = "planted-refresh-token";
const WHAT: &str = "planted-what";
const NEXT: &str = "planted-next";

#[tokio::test]
async fn resealing_leaves_nothing_plain_in_the_file_or_its_log_while_it_is_open() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new()));
    let path = folder.path().join("tokenkeep.db");
    let plain = Arc::new(SqliteStore::open(&path, clock).await.unwrap());
    save(&*plain, "graph", &record(), None).await;
    let resealed = sealed(&plain, &new_key(), []).reseal(WhenUnopenable::Keep).await.unwrap();
    assert_eq!(resealed.resealed, 1);
    assert_holds_no_text(&path);
    assert_holds_no_text(&folder.path().join("tokenkeep.db-wal"));
}

#[tokio::test]
async fn resealing_names_what_cannot_be_read() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new()));
    let files = Arc::new(FileStore::open(folder.path(), clock).await.unwrap());
    for name in ["graph", "later"] {
        save(&*files, name, &record(), None).await;
    }
    let sidecar = folder.path().join(".tokenkeep/later.json");
    let later = fs::read_to_string(&sidecar).unwrap().replace("\"form\":1", "\"form\":2");
    fs::write(&sidecar, later).unwrap();
    let store = sealed(&files, &new_key(), []);
    store.save_credentials(&key("graph:1"), &Credentials::with_password("a", Secret::new("b")).unwrap()).await.unwrap();
    fs::write(folder.path().join(".tokenkeep/graph@1.credentials"), "{").unwrap();
    let resealed = store.reseal(WhenUnopenable::Forget).await.unwrap();
    let named: Vec<_> = resealed.unreadable.iter().map(|(name, _)| &**name).collect();
    assert_eq!((resealed.resealed, &*named), (1, &["graph:1", "later"][..]), "{resealed:?}");
}

#[tokio::test]
async fn credentials_are_sealed_for_their_account_and_name_and_brought_under_a_new_key() {
    let clock = Arc::new(ManualClock::new());
    let inner = Arc::new(MemoryStore::new(clock));
    let (old, new) = (SealKey::generate().unwrap().0, SealKey::generate().unwrap().0);
    let store = sealed(&inner, &old, []);
    let (one, other) = (key("bluestakes:1"), key("bluestakes:2"));
    let given = Credentials::with_password("company", Secret::new("planted-password")).unwrap();
    store.save_credentials(&one, &given).await.unwrap();
    let kept = inner.credentials(&one).await.unwrap().unwrap();
    assert!(kept.iter().all(|(_, value)| value.expose_secret().starts_with("sealed:1:")));

    // Moved to another account, or from one name to another, they do not open.
    inner.save_credentials(&other, &kept).await.unwrap();
    let error = store.credentials(&other).await.unwrap_err();
    assert!(error.what.contains("the credentials of 'bluestakes:2' cannot be opened"), "{error}");
    let swapped = [("username", "password"), ("password", "username")];
    let swapped = swapped.map(|(name, from)| (name.to_owned(), kept.get(from).unwrap().clone()));
    inner.save_credentials(&other, &Credentials::new(swapped).unwrap()).await.unwrap();
    assert!(store.credentials(&other).await.is_err());

    let rotated = sealed(&inner, &new, [old]);
    let resealed = rotated.reseal(WhenUnopenable::Keep).await.unwrap();
    assert_eq!((resealed.resealed, resealed.unopenable.len()), (1, 1));
    assert!(sealed(&inner, &new, []).credentials(&one).await.unwrap() == Some(given));
    rotated.reseal(WhenUnopenable::Forget).await.unwrap();
    assert!(inner.credentials(&other).await.unwrap().is_none());
}
