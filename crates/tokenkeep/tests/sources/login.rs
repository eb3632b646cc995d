//! Grant `login` at the sandbox's vendor, from the configuration on.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokenkeep::config::{self, Config};
use tokenkeep::store::{MemoryStore, Store};
use tokenkeep::{Accounts, Clock, Code, Credentials, Moment, Secret, TokenManager, TrialLife};
use tokenkeep_sandbox::{Fault, RetryAfter, Sandbox};

use crate::support::{Playback, Script};

async fn vendor() -> Sandbox {
    Sandbox::builder().user("ada", "pass\"word").user("bob", "secret {bob}").start().await.unwrap()
}

/// The provider `bluestakes` as its users write it.
async fn config(api_base: &str, password: &str) -> Config {
    let text = format!(
        r#"
[providers.bluestakes]
grant = "login"
lifetime = "1h"
expiry_buffer = "5m"
api_base = "{api_base}"
username = "ada"
password = {{ env = "PASSWORD" }}
[providers.bluestakes.login]
post = "{{api_base}}/login"
json = {{ username = "{{username}}", password = "{{password}}" }}
token = "/Authorization"
"#
    );
    let variables = HashMap::from([("PASSWORD".to_owned(), password.to_owned())]);
    config::parse(&text, "tokenkeep.toml", Path::new(""), &variables).await.unwrap()
}

async fn config_of_stored_accounts(sandbox: &Sandbox) -> Config {
    let api_base = sandbox.login_url().replace("/login", "");
    let text = format!(
        r#"
[providers.bluestakes]
grant = "login"
accounts = "stored"
lifetime = "1h"
expiry_buffer = "5m"
budget = "5/1m"
api_base = "{api_base}"
[providers.bluestakes.login]
post = "{{api_base}}/login"
json = {{ username = "{{username}}", password = "{{password}}" }}
token = "/Authorization"
"#
    );
    config::parse(&text, "tokenkeep.toml", Path::new(""), &HashMap::<String, String>::new()).await.unwrap()
}

async fn manager(sandbox: &Sandbox, password: &str) -> TokenManager {
    let api_base = sandbox.login_url().replace("/login", "");
    TokenManager::builder().config(config(&api_base, password).await).build().await.unwrap()
}

#[tokio::test]
async fn a_token_without_a_stated_end_lives_by_configuration_and_is_not_handed_out_in_its_buffer() {
    let sandbox = vendor().await;
    let clock = Arc::new(SetClock(AtomicI64::new(0)));
    let api_base = sandbox.login_url().replace("/login", "");
    let config = config(&api_base, "pass\"word").await;
    let manager = TokenManager::builder().config(config).clock(Arc::<SetClock>::clone(&clock)).build().await.unwrap();
    let token = manager.token("bluestakes").await.unwrap();
    assert_eq!(token.expires_in(), Some(Duration::from_hours(1)));
    for (passed, generation) in [(54 * 60 + 59, 1), (55 * 60 + 1, 2)] {
        clock.0.store(passed * 1000, Ordering::SeqCst);
        assert_eq!(manager.token("bluestakes").await.unwrap().generation(), generation, "after {passed} s");
    }
    assert_eq!(sandbox.counters().total.logins, 2);
}

#[tokio::test]
async fn credentials_of_an_account_win_and_their_lifetime_counts() {
    let sandbox = vendor().await;
    let manager = manager(&sandbox, "wrong").await;
    let error = manager.try_login("bluestakes", None).await.unwrap().outcome.unwrap_err();
    assert_eq!((error.code(), error.next()), (Code::Refused, Some("check the credentials of bluestakes")));
    let bob = Credentials::with_password("bob", Secret::new("secret {bob}")).unwrap();
    let token = manager.try_login("bluestakes", Some(&bob)).await.unwrap().outcome.unwrap();
    assert_eq!(token.life, TrialLife::Assumed(Duration::from_hours(1)));
    let bob = bob.with_lifetime(Some(Duration::from_mins(20))).unwrap();
    let token = manager.try_login("bluestakes", Some(&bob)).await.unwrap().outcome.unwrap();
    assert_eq!(token.life, TrialLife::Assumed(Duration::from_mins(20)));
}

#[tokio::test]
async fn accounts_in_the_store_log_in_each_with_its_own_credentials_and_life() {
    let sandbox = vendor().await;
    let config = config_of_stored_accounts(&sandbox).await;
    let clock = Arc::new(SetClock(AtomicI64::new(0)));
    let manager = TokenManager::builder().config(config).clock(clock).build().await.unwrap();
    for (account, username, password, lifetime) in [
        ("bluestakes:1", "ada", "pass\"word", None),
        ("bluestakes:2", "bob", "secret {bob}", Some(Duration::from_mins(20))),
    ] {
        let error = manager.try_login(account, None).await.unwrap_err();
        assert_eq!(error.code(), Code::UnknownKey);
        let credentials = Credentials::with_password(username, Secret::new(password)).unwrap();
        manager.set_credentials(account, credentials.with_lifetime(lifetime).unwrap()).await.unwrap();
        let trial = manager.try_login(account, None).await.unwrap();
        assert!(trial.outcome.is_ok(), "{trial:?}");
        let token = manager.token(account).await.unwrap();
        assert_eq!(token.expires_in(), Some(lifetime.unwrap_or(Duration::from_hours(1))));
    }
    let incomplete = Credentials::new([("username".to_owned(), Secret::new("ada"))]).unwrap();
    let error = manager.set_credentials("bluestakes:3", incomplete).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.what().starts_with("the credentials have no password"), "{error}");
    // Two logins, two trials, and one more.
    manager.handle("bluestakes:2").unwrap().refresh().await.unwrap();
    let error = manager.try_login("bluestakes:1", None).await.unwrap_err();
    assert!(error.code() == Code::Unavailable && error.what().starts_with("the budget of 5 requests"), "{error}");
    assert_eq!(sandbox.counters().total.logins, 5);
}

#[tokio::test]
async fn without_credentials_nothing_is_asked_and_the_error_names_what_is_missing() {
    let sandbox = vendor().await;
    let mut provider = config_of_stored_accounts(&sandbox).await.providers.remove(0);
    provider.accounts = Accounts::Default;
    let manager = TokenManager::builder().provider(provider).build().await.unwrap();
    let error = manager.token("bluestakes").await.unwrap_err();
    assert_eq!((error.code(), error.what()), (Code::LoginRequired, "the credentials have no username"));
    assert_eq!(error.next(), Some("give credentials with username for bluestakes"));
    assert_eq!(sandbox.requests().len(), 0);
}

#[tokio::test]
async fn with_another_password_a_stored_token_does_not_count() {
    let sandbox = vendor().await;
    let clock: Arc<dyn Clock> = Arc::new(SetClock(AtomicI64::new(0)));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let api_base = sandbox.login_url().replace("/login", "");
    let manager = async |password: &str| {
        let builder = TokenManager::builder().config(config(&api_base, password).await).clock(Arc::clone(&clock));
        builder.store(Arc::clone(&store)).build().await.unwrap()
    };
    manager("pass\"word").await.token("bluestakes").await.unwrap();
    manager("pass\"word").await.token("bluestakes").await.unwrap();
    assert_eq!(sandbox.counters().total.logins, 1);
    let error = manager("guessed").await.token("bluestakes").await.unwrap_err();
    assert_eq!(error.code(), Code::Refused);
}

#[tokio::test]
async fn a_wrong_password_is_refused_after_one_login_however_often_somebody_asks() {
    let sandbox = vendor().await;
    let manager = manager(&sandbox, "guessed").await;
    for _ in 0..20 {
        assert_eq!(manager.token("bluestakes").await.unwrap_err().code(), Code::Refused);
    }
    assert_eq!(sandbox.requests().len(), 1);
}

#[tokio::test]
async fn a_vendor_that_limits_logins_is_left_alone_as_long_as_it_says() {
    let sandbox = vendor().await;
    sandbox.set_fault(Fault::TooManyRequests { retry_after: Some(RetryAfter::Seconds(90)) });
    let manager = manager(&sandbox, "pass\"word").await;
    for _ in 0..5 {
        let error = manager.token("bluestakes").await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.retry_after().unwrap() > Duration::from_secs(80), "{error:?}");
    }
    assert_eq!(sandbox.requests().len(), 1);
}

#[tokio::test]
async fn a_trial_of_a_silent_vendor_shows_what_was_asked() {
    let issuer = Playback::start(Script::Stalled(Vec::new())).await;
    let mut config = config(&format!("http://{}", issuer.address()), "x").await;
    config.providers[0].policy.timeout = Duration::from_millis(200);
    let manager = TokenManager::builder().config(config).build().await.unwrap();
    let trial = manager.try_login("bluestakes", None).await.unwrap();
    assert_eq!((trial.steps.len(), &trial.steps[0].answer), (1, &None));
    assert!(trial.outcome.unwrap_err().what().ends_with("did not answer within 0.2 s"));
}

#[tokio::test]
async fn cookies_go_back_to_where_they_came_from_and_nowhere_else() {
    let first = Playback::answering("200 OK\r\nSet-Cookie: a=1; Domain=127.0.0.1; Path=/", "{}").await;
    let second = Playback::answering("200 OK\r\nSet-Cookie: b=2", "{\"t\":\"token\"}").await;
    let text = format!(
        r#"
[providers.v]
grant = "login"
[[providers.v.login.step]]
get = "http://{first}/1"
[[providers.v.login.step]]
get = "http://{second}/2"
[[providers.v.login.step]]
get = "http://{first}/3"
headers = {{ Cookie = "c=3" }}
[providers.v.login]
get = "http://{second}/4"
token = "/t"
"#,
        first = first.address(),
        second = second.address(),
    );
    let config =
        config::parse(&text, "tokenkeep.toml", Path::new(""), &HashMap::<String, String>::new()).await.unwrap();
    let manager = TokenManager::builder().config(config).build().await.unwrap();
    manager.token("v").await.unwrap();
    let cookies = |issuer: &Playback| -> Vec<_> {
        let line = |request: &String| request.lines().find_map(|line| line.strip_prefix("cookie: ").map(str::to_owned));
        issuer.requests().iter().map(line).collect()
    };
    assert_eq!(cookies(&first), [None, Some("c=3; a=1".to_owned())]);
    assert_eq!(cookies(&second), [None, Some("b=2".to_owned())]);
}

/// A clock that is moved by hand.
#[derive(Debug)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Moment {
        let passed = self.0.load(Ordering::SeqCst);
        Moment { wall_ms: 1_767_268_800_000 + passed, boot_ms: 1_000_000 + passed }
    }

    fn boot_id(&self) -> &'static str {
        "boot"
    }
}
