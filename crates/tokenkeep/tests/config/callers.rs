//! `[[server.keys]]`: who may ask a server, and for what.

use tokenkeep::Key;
use tokenkeep::config::Action;

use super::{config, faults, report};

const HASH: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";
const PROVIDERS: &str = "[providers.graph]\ngrant = 'static'\ntoken = { env = 'SET' }\n\
                         [providers.bluestakes]\ngrant = 'static'\ntoken = { env = 'SET' }\n";

#[tokio::test]
async fn a_caller_may_what_its_table_says_and_nothing_else() {
    let billing = format!("name = 'billing'\nsha256 = '{HASH}'\ntokens = ['graph', 'bluestakes:1', '*:7']\n");
    let config = config(&format!(
        "[[server.keys]]\n{billing}[[server.keys]]\nname = 'ops'\nuid = 1000\ntokens = ['bluestakes:*']\nallow = ['admin']\n{PROVIDERS}"
    ))
    .await;
    let [billing, ops] = &config.server.callers[..] else { panic!("{config:?}") };
    let sees = |key: &str| (billing.may_see(&Key::parse(key).unwrap()), ops.may_see(&Key::parse(key).unwrap()));
    assert_eq!(sees("graph"), (true, false));
    assert_eq!(sees("graph:1"), (false, false));
    assert_eq!(sees("graph:7"), (true, false));
    assert_eq!(sees("bluestakes"), (false, true));
    assert_eq!(sees("bluestakes:1"), (true, true));
    assert_eq!(sees("bluestakes:12"), (false, true));
    assert_eq!(sees("bluestakes-2:1"), (false, false));
    let actions = Action::ALL.map(|(_, action)| (billing.allows(action), ops.allows(action)));
    assert_eq!(actions, [(true, true), (true, true), (false, true), (false, true), (false, true)]);
}

#[tokio::test]
async fn what_is_wrong_with_a_caller_is_said_where_it_stands() {
    for (options, message) in [
        ("name = 'a'\ntokens = ['*']", "nothing says how this caller is recognised"),
        ("name = 'a b'\nuid = 1\ntokens = ['*']", "`name` is not a name"),
        ("uid = 1\ntokens = ['*']", "`name` is missing"),
        ("name = 'a'\nuid = 1", "`tokens` is missing"),
        ("name = 'a'\nuid = 1\ntokens = []", "`tokens` is empty"),
        ("name = 'a'\nuid = 1\ntokens = ['blue*']", "no pattern of keys"),
        ("name = 'a'\nuid = 1\ntokens = ['bluestakes:1*']", "no pattern of keys"),
        ("name = 'a'\nuid = 1\ntokens = ['a:b/c']", "no pattern of keys"),
        ("name = 'a'\nuid = 1\ntokens = ['a:b/c']", "\"*:123\""),
        ("name = 'a'\nuid = -1\ntokens = ['*']", "`uid` is out of range"),
        ("name = 'a'\nuid = 1\ntokens = ['*']\nallow = ['refesh']", "did you mean `refresh`?"),
        ("name = 'a'\nsha256 = 'abc'\ntokens = ['*']", "not a SHA-256"),
        ("name = 'anonymous'\nuid = 1\ntokens = ['*']", "`name` is taken"),
    ] {
        let report = report(&format!("[[server.keys]]\n{options}")).await;
        assert!(report.contains(message), "{options}: {report}");
    }
}

#[tokio::test]
async fn the_hash_of_no_key_is_no_hash_of_a_key() {
    for hash in [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
        "7eb70257593da06f682a3ddda54a9d260d4fc514f645237f5ca74b08f8da61a6",
    ] {
        let report = report(&format!("[[server.keys]]\nname = 'a'\nsha256 = '{hash}'\ntokens = ['*']")).await;
        assert!(report.contains("`sha256` is the hash of an empty key"), "{report}");
    }
}

#[tokio::test]
async fn keys_that_travel_unencrypted_to_other_machines_are_warned_of() {
    let caller = "[[server.keys]]\nname = 'a'\nuid = 1\ntokens = ['*']";
    for (addresses, is_warned_of) in
        [("'0.0.0.0:1'", true), ("'127.0.0.1:1', '[::]:1'", true), ("'127.0.0.1:1', 'unix:/run/x.sock'", false)]
    {
        let config = config(&format!("[server]\nlisten = [{addresses}]\ninsecure = true\n{caller}")).await;
        let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        let found = warnings.iter().any(|warning| warning.contains("keys and tokens travel unencrypted"));
        assert_eq!(found, is_warned_of, "{addresses}: {warnings:?}");
    }
}

#[tokio::test]
async fn two_callers_cannot_be_taken_for_each_other() {
    for same in ["uid = 1".to_owned(), format!("sha256 = '{HASH}'"), "certificate = 'x'".to_owned()] {
        let table = |name: &str| format!("[[server.keys]]\nname = '{name}'\n{same}\ntokens = ['*']\n");
        let problems = faults(&format!("{}{}", table("a"), table("b"))).await;
        assert!(problems.to_string().contains("another caller has the same"), "{problems}");
    }
    let table = |uid: u32| format!("[[server.keys]]\nname = 'a'\nuid = {uid}\ntokens = ['*']\n");
    assert!(report(&format!("{}{}", table(1), table(2))).await.contains("another caller has the same"));
}

#[tokio::test]
async fn a_pattern_of_a_misspelt_provider_is_warned_of() {
    let config = config(&format!("[[server.keys]]\nname = 'a'\nuid = 1\ntokens = ['bluestake:*']\n{PROVIDERS}")).await;
    let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|warning| warning.contains("did you mean `bluestakes`?")), "{warnings:?}");
}

#[tokio::test]
async fn a_caller_who_may_do_nothing_sees_all_the_same() {
    let config = config("[[server.keys]]\nname = 'monitoring'\nuid = 1\ntokens = ['*']\nallow = []").await;
    let monitoring = &config.server.callers[0];
    assert!(monitoring.may_see(&Key::parse("graph").unwrap()));
    assert!(Action::ALL.iter().all(|(_, action)| !monitoring.allows(*action)));
}

#[tokio::test]
async fn the_default_provider_is_one_of_the_file() {
    assert!(report("[server]\ndefault_provider = 'blue'").await.contains("`default_provider` is no provider"));
    let config = config(&format!("[server]\ndefault_provider = 'bluestakes'\n{PROVIDERS}")).await;
    assert_eq!(config.server.default_provider.as_deref(), Some("bluestakes"));
}

#[tokio::test]
async fn callers_written_in_another_way_are_told_the_right_one() {
    for toml in [
        format!("[server.keys]\nname = 'a'\nsha256 = '{HASH}'\ntokens = ['*']"),
        format!("[server]\nkeys = '{HASH}'"),
        "[server]\nkey = { env = 'SET' }".to_owned(),
        "[server]\nkey = 'SET'".to_owned(),
    ] {
        let report = report(&toml).await;
        for words in ["callers are tables [[server.keys]]", "`tokenkeep key new` prints one"] {
            assert!(report.contains(words), "{toml}: {report}");
        }
        assert!(!report.contains("did you mean"), "{toml}: {report}");
    }
}

#[tokio::test]
async fn a_caller_whom_nothing_can_recognise_is_warned_of() {
    let unix = "listen = ['unix:/run/keep.sock']\n";
    let tls = |more| format!("listen = ['https://127.0.0.1:1']\ntls = {{ certificate = 'a', key = 'b'{more} }}\n");
    for (server, way, expected) in [
        (String::new(), "uid = 1", "no address in `listen` is a unix socket"),
        (unix.to_owned(), "uid = 1", ""),
        (unix.to_owned(), "certificate = 'a'", "`tls` has no `client_ca`"),
        (tls(""), "certificate = 'a'", "`tls` has no `client_ca`"),
        (tls(", client_ca = 'c'"), "certificate = 'a'", ""),
    ] {
        let toml = format!("[server]\n{server}[[server.keys]]\nname = 'a'\n{way}\ntokens = ['*']\n");
        let warnings: Vec<_> = config(&toml).await.warnings.iter().map(ToString::to_string).collect();
        match expected {
            "" => assert_eq!(warnings, [""; 0], "{toml}"),
            words => assert!(warnings.len() == 1 && warnings[0].contains(words), "{toml}: {warnings:?}"),
        }
    }
}

#[tokio::test]
async fn tls_that_no_address_uses_is_warned_of_in_words_that_hold_with_passed_sockets_too() {
    let config = config("[server]\ntls = { certificate = 'a', key = 'b' }").await;
    let warning = config.warnings.first().unwrap().to_string();
    assert!(warning.contains("no address in `listen` begins with https://"), "{warning}");
    assert!(warning.contains("sockets that systemd passes"), "{warning}");
}
