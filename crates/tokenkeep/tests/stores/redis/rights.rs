//! Who may get in, and what a user may do who does.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokenkeep::store::{Holder, StoreUrl, WhenUnopenable, open_sealed};

use super::*;

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn wrong_passwords_and_none_are_told_without_them() {
    let redis = Redis::start(&[("requirepass", "right-pass")]);
    let host = redis.address();
    assert!(try_open(&format!("redis://:right-pass@{host}")).await.is_ok());
    for (login, expected) in [
        ("", "wants a password"),
        (":planted-pass@", "does not know this user with this password"),
        ("nobody:planted-pass@", "does not know this user with this password"),
    ] {
        let error = try_open(&format!("redis://{login}{host}")).await.unwrap_err();
        assert!(error.what.contains(expected) && !error.busy, "{login}: {error}");
        assert!(!format!("{error} {error:?}").contains("planted"), "{error}");
    }
}

/// As docs/stores.md has it.
const RIGHTS: [&str; 4] =
    ["resetchannels", "&{tokenkeep}:changed", "~{tokenkeep}:*", "+@read +@write +@scripting +@pubsub +time +role"];

struct ByRights {
    redis: Redis,
    clock: ManualClock,
}

impl ByRights {
    fn new() -> Self {
        let redis = Redis::start(&[]);
        allow(&redis, &RIGHTS);
        Self { redis, clock: ManualClock::new() }
    }
}

#[async_trait]
impl StoreFixture for ByRights {
    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(open(&url_of_user(&self.redis)).await)
    }

    async fn advance(&self, by: Duration) {
        self.redis.cli(&["EVAL", ADVANCE, "0", "tokenkeep", &by.as_millis().to_string()]);
    }

    fn gives_notices(&self) -> bool {
        true
    }

    fn gives_due_keys(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis: run ./test"]
async fn the_rights_that_are_documented_are_enough() {
    let documented = include_str!("../../../../../docs/stores.md");
    let command = format!(
        "ACL SETUSER tokenkeep on '>PASSWORD' {}",
        RIGHTS
            .join(" ")
            .replace('&', "'&")
            .replace(":changed", ":changed'")
            .replace("~{tokenkeep}:*", "'~{tokenkeep}:*'")
    );
    assert!(documented.contains(&command), "docs/stores.md does not say: {command}");
    contract::run_all(async || ByRights::new()).await;
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_user_without_the_channel_has_a_store_without_notices_and_without_config_no_advice() {
    let redis = Redis::start(&[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")]);
    warnings::keep();
    allow(&redis, &RIGHTS);
    drop(open(&url_of_user(&redis)).await);
    assert_eq!(warnings::take(), "", "a user who may not ask for CONFIG");
    allow(&redis, &[RIGHTS[0], RIGHTS[2], RIGHTS[3]]);
    let store = open(&url_of_user(&redis)).await;
    let warned = warnings::take();
    assert!(warned.contains("no notices of other processes") && warned.contains("{tokenkeep}:changed"), "{warned}");
    save(&store, "graph", 1).await;
    save(&store, "graph", 2).await;
    assert_eq!(warnings::take(), "");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn another_database_wants_one_more_right_and_says_which() {
    let redis = Redis::start(&[]);
    let url = format!("{}/2", url_of_user(&redis));
    allow(&redis, &RIGHTS);
    let error = try_open(&url).await.unwrap_err();
    assert!(error.what.contains("+select") && !error.to_string().contains("planted-pass"), "{error}");
    allow(&redis, &[&RIGHTS as &[&str], &["+select"]].concat());
    save(&open(&url).await, "graph", 1).await;
    let documented = include_str!("../../../../../docs/stores.md");
    assert!(documented.contains("`+select`"), "docs/stores.md does not say it");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn what_a_user_may_not_do_is_an_error_and_changes_nothing() {
    let redis = Redis::start(&[]);
    for (missing, rights) in [
        ("all commands", vec![RIGHTS[0], RIGHTS[1], RIGHTS[2]]),
        ("the keys", vec![RIGHTS[0], RIGHTS[1], "~others:*", RIGHTS[3]]),
    ] {
        allow(&redis, &rights);
        let error = try_open(&url_of_user(&redis)).await.unwrap_err();
        assert!(error.what.contains("the user may not do it"), "{missing}: {error}");
        assert!(!error.to_string().contains("planted-pass"), "{error}");
    }
    for without in ["-zadd", "-hset", "-set", "-evalsha", "-time"] {
        allow(&redis, &[RIGHTS[0], RIGHTS[1], RIGHTS[2], RIGHTS[3], without]);
        let store = open(&url_of_user(&redis)).await;
        let error = store.save(&key("graph"), &record(1), None).await.unwrap_err();
        assert!(error.what.contains("the user may not do it") && !error.busy, "{without}: {error}");
        assert_eq!(generation(&store, "graph").await, None, "{without}");
        assert!(store.page(None, 10).await.unwrap().is_empty(), "{without}");
    }
    allow(&redis, &RIGHTS);
    let store = open(&url_of_user(&redis)).await;
    save(&store, "graph", 1).await;
    assert_eq!(store.page(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_server_that_could_lose_what_it_is_given_is_warned_of() {
    warnings::keep();
    for (settings, expected) in [
        (vec![("appendonly", "yes"), ("maxmemory", "100mb"), ("maxmemory-policy", "noeviction")], None),
        (
            vec![("appendonly", "yes"), ("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")],
            Some("drops tokens"),
        ),
        (vec![("save", "3600 1"), ("maxmemory", "100mb"), ("maxmemory-policy", "volatile-ttl")], Some("drops leases")),
        (vec![], Some("keeps nothing on a disk")),
    ] {
        let redis = Redis::start(&settings);
        let store = open(&redis.url()).await;
        let warned = warnings::take();
        assert_eq!(
            warned.lines().any(|line| line.starts_with("message=")),
            expected.is_some(),
            "{settings:?}: {warned}"
        );
        assert!(expected.is_none_or(|expected| warned.contains(expected)), "{settings:?}: {warned}");
        assert!(expected.is_none() || warned.contains(store.label()), "it does not say which: {warned}");
    }
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn tls_trusts_whom_it_is_told_to_and_shows_its_own_certificate() {
    let (ours, others, files) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let (server, client) = (ours.sign(), ours.sign());
    let redis = Redis::start(&[
        ("tls-port", "0"),
        ("tls-cert-file", &server.0),
        ("tls-key-file", &server.1),
        ("tls-ca-cert-file", &ours.0.pem()),
        ("tls-auth-clients", "yes"),
    ]);
    let ca = write(&files, "ca.pem", &ours.0.pem());
    let (certificate, key) = (write(&files, "client.pem", &client.0), write(&files, "client.key", &client.1));
    let address = redis.address();
    let url = format!("rediss://{address}?ssl_ca_certs={ca}&ssl_certfile={certificate}&ssl_keyfile={key}");
    let (store, other) = (open(&url).await, open(&url).await);
    while tokio::time::timeout(Duration::from_millis(300), store.changed()).await.is_ok() {}
    save(&other, "graph", 1).await;
    assert_eq!(generation(&store, "graph").await, Some(1));
    assert!(tokio::time::timeout(Duration::from_secs(10), store.changed()).await.is_ok(), "no notice by TLS");

    let wrong_ca = write(&files, "wrong.pem", &others.0.pem());
    for (options, expected) in [
        (format!("ssl_ca_certs={wrong_ca}&ssl_certfile={certificate}&ssl_keyfile={key}"), "certificate"),
        (format!("ssl_ca_certs={ca}"), "ertificate"),
        ("password=planted-pass".to_owned(), "certificate"),
        (format!("ssl_ca_certs={ca}.not-there"), ".not-there cannot be read"),
    ] {
        let error = try_open(&format!("rediss://{address}?{options}")).await.unwrap_err();
        assert!(error.what.contains(expected), "{options}: {error}");
        assert!(!error.to_string().contains("planted-pass"), "{error}");
    }
    let error = try_open(&format!("redis://{address}")).await.unwrap_err();
    assert!(error.what.contains("TLS") || error.what.contains("lost"), "by no TLS: {error}");
    let plain = Redis::shared().address();
    let error = try_open(&format!("rediss://{plain}?ssl_ca_certs={ca}")).await.unwrap_err();
    assert!(error.what.contains("takes TLS there"), "by TLS where there is none: {error}");
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn a_store_on_a_server_demands_keys_that_seal() {
    let url = format!("{}?prefix={}", Redis::shared().url(), Redis::shared().prefix());
    let clock: Arc<dyn tokenkeep::Clock> = Arc::new(SystemClock::new());
    let store = StoreUrl::parse(&url).unwrap();
    let error = open_sealed(&store, &[], &clock, WhenUnopenable::Keep).await.unwrap_err();
    assert!(error.what.contains("openssl rand -base64 32") && error.what.contains("seal_keys"), "{error}");
    let (key, _text) = SealKey::generate().unwrap();
    let sealed = open_sealed(&store, &[key], &clock, WhenUnopenable::Keep).await.unwrap().unwrap();
    save(&sealed, "graph", 7).await;
    let dump = Redis::shared().cli(&["HGETALL", &format!("{{{}}}:record:graph", prefix_of(&url))]);
    assert!(dump.contains("\"generation\":7") && !dump.contains("rt-7"), "{dump}");
    let lease = sealed.acquire_lease(&super::key("graph"), &Holder::unique(), Duration::from_mins(1)).await;
    assert!(lease.is_ok());
}

fn prefix_of(url: &str) -> &str {
    url.rsplit_once('=').unwrap().1
}

fn allow(redis: &Redis, rights: &[&str]) {
    let mut command = vec!["ACL", "SETUSER", "tokenkeep", "reset", "on", ">planted-pass"];
    command.extend(rights.iter().flat_map(|right| right.split(' ')));
    redis.cli(&command);
}

fn url_of_user(redis: &Redis) -> String {
    format!("redis://tokenkeep:planted-pass@{}", redis.address())
}

fn write(folder: &TempDir, name: &str, content: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this machine, and its key, in PEM.
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}
