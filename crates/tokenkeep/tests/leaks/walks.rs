//! Every way of getting a token, well and badly, with a planted secret in each input.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokenkeep::clock::SystemClock;
use tokenkeep::config;
use tokenkeep::expiry::Policy;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::provider::{ClientAuth, Grant, Provider, ResourceOwner, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::seal::SealKey;
use tokenkeep::source::{Ask, Expiry, FetchError, Fetched, TokenSource};
use tokenkeep::store::{Store as _, StoreUrl, Version, WhenUnopenable, open, open_sealed};
use tokenkeep::{Accounts, Clock, Secret, SourceSettings, TokenHandle, TokenManager};
use tokenkeep_sandbox::{Client, Fault, OddBody, Sandbox};

use crate::{Planted, Shown};

/// Walks all ways twice: with a database that is new, and with what the first walk left there.
pub(crate) async fn walk(url: &StoreUrl, planted: &mut Planted, shown: &mut Shown) {
    let secret = planted.secret("configured client_secret", "planted-client:secret+%é");
    let password = planted.secret("configured password", "planted-pass word/=");
    let sandbox = Sandbox::builder()
        .client(Client::new("basic", &secret).life(Duration::from_mins(10)))
        .client(Client::new("post", &secret))
        .client(Client::new("rotating", &secret).with_refresh_tokens())
        .user("ada", &password)
        .start()
        .await
        .unwrap();
    let mut providers = providers(&sandbox, &secret, &password, planted);
    let guessed = planted.secret("configured guess", "planted-guess word/=");
    for (name, password) in [("vendor", &password), ("bad-vendor", &guessed)] {
        providers.push(vendor(name, &sandbox, password, planted).await);
    }
    let seal_key = planted.secret("configured seal key", "cGxhbnRlZC1zZWFsLWtleS1vZi0zMi1ieXRlcy4uLjE=");
    let seal_keys = [SealKey::parse(&Secret::new(seal_key)).unwrap()];
    for _ in 0..2 {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = open(url, &seal_keys, &clock).await.unwrap();
        let manager = TokenManager::builder()
            .providers(providers.clone())
            .source("panics", Arc::new(Panicking), SourceSettings::default().with_accounts(Accounts::Any))
            .clock(clock)
            .store(Arc::clone(&store));
        let manager = manager.build().await.unwrap();
        let mut events = manager.events();
        manager.start();
        well(&manager, &providers, planted, shown).await;
        // Or it would meet the faults in the background, and the second walk what it remembers of them.
        manager.stop().await.unwrap();
        badly(&manager, &sandbox, &secret, shown).await;
        vendor_badly(&sandbox, &providers, &password, shown).await;
        shown.events(&mut events);
        for status in manager.statuses(None, 100).await {
            shown.push("a list", format!("{status:?}"));
        }
        shown.push("store trouble", format!("{:?}", manager.store_trouble()));
        manager.stop().await.unwrap();
        for (key, versioned) in store.page(None, 100).await.unwrap() {
            shown.push("a record", format!("{key:?} {versioned:?} {store:?}"));
            if let Some(token) = versioned.record.refresh_token {
                planted.secret("rotated refresh token", token.expose_secret());
            }
        }
        store.close().await;
    }
    without_key(url, shown).await;
    sandbox.stop().await;
}

/// What is said of records that no key opens.
async fn without_key(url: &StoreUrl, shown: &mut Shown) {
    let (key, text) = SealKey::generate().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = open_sealed(url, &[key], &clock, WhenUnopenable::Keep).await.unwrap().unwrap();
    let keys = store.changes(Version::ZERO, 100).await.unwrap();
    let mut errors = 0;
    for (key, _) in keys {
        // A record without any text opens.
        if let Err(error) = store.load(&key).await {
            shown.push("an error of a sealed record", format!("{error} {error:?}"));
            errors += 1;
        }
    }
    assert!(errors > 2, "only {errors} records are sealed");
    let page = store.page(None, 100).await.unwrap();
    let sum = store.reseal(WhenUnopenable::Keep).await.unwrap();
    let said = format!("{page:?} {sum:?} {store:?}");
    assert!(!said.contains(text.expose_secret()));
    shown.push("a store without its key", said);
    store.close().await;
}

fn endpoint(url: &str, id: &str, secret: &str) -> TokenEndpointSettings {
    TokenEndpointSettings::new(TokenUrl::parse(url, Transport::Secure).unwrap(), id)
        .with_client_secret(Secret::new(secret))
}

fn providers(sandbox: &Sandbox, secret: &str, password: &str, planted: &mut Planted) -> Vec<Provider> {
    let query = planted.secret("configured query", "planted-in-query");
    let url = format!("{}?key={query}", sandbox.token_url());
    let endpoint = |id: &str| endpoint(&url, id, secret);
    let post = endpoint("post").with_client_auth(ClientAuth::ClientSecretPost);
    let user = |password: &str| Grant::Password {
        endpoint: endpoint("rotating"),
        owner: Some(ResourceOwner { username: "ada".to_owned(), password: Secret::new(password) }),
    };
    let seed = planted.secret("configured seed", sandbox.issue_refresh_token("rotating"));
    let unknown = planted.secret("configured wrong seed", "planted-unknown-seed");
    let refresh = |seed: String| Grant::RefreshToken { endpoint: endpoint("rotating"), seed: Secret::new(seed) };
    let fixed = planted.secret("configured static token", "planted-static-token");
    let broken = planted.secret("configured broken token", "planted-broken\ntoken");
    let argument = planted.secret("configured argument", "planted-argument");
    let printed = planted.secret("printed token", "planted-printed-token");
    let stderr = planted.secret("text on stderr", "planted-on-stderr");
    let json = planted.secret("printed JSON", "planted-printed-json");
    let shell = |script: String| Grant::Command {
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), script, argument.clone()],
    };
    let wrong_secret = planted.secret("configured wrong secret", "planted-wrong-secret");
    let wrong_password = planted.secret("configured wrong password", "planted-wrong-password");
    let elsewhere = format!("http://127.0.0.1:1/token?key={query}");
    let tls = url.replace("http://", "https://");
    let grants = [
        ("basic", Grant::ClientCredentials(endpoint("basic"))),
        ("post", Grant::ClientCredentials(post)),
        ("user", user(password)),
        ("refresh", refresh(seed)),
        ("static", Grant::Static { token: Secret::new(fixed) }),
        ("plain", shell(format!("echo {stderr} >&2; echo {printed}"))),
        ("json", shell(format!(r#"echo '{{"access_token":"{json}","expires_in":900}}'"#))),
        ("bad-secret", Grant::ClientCredentials(self::endpoint(&url, "basic", &wrong_secret))),
        ("bad-user", user(&wrong_password)),
        ("bad-seed", refresh(unknown)),
        ("bad-static", Grant::Static { token: Secret::new(broken) }),
        ("bad-exit", shell(format!("echo {printed}; echo {stderr} >&2; exit 1"))),
        ("bad-words", shell(format!("echo {printed} {printed}"))),
        ("bad-json", shell(format!(r#"echo '{{"access_token":"{json}","expires_in":"{json}"}}'"#))),
        ("bad-program", Grant::Command { program: "/no/such/program".to_owned(), args: vec![argument.clone()] }),
        ("bad-host", Grant::ClientCredentials(self::endpoint(&elsewhere, "basic", secret))),
        ("bad-tls", Grant::ClientCredentials(self::endpoint(&tls, "basic", secret))),
    ];
    grants.map(|(name, grant)| Provider::new(name, grant).unwrap()).into()
}

/// A vendor's login, with secrets in everything that it sends: given, captured, and written into the recipe.
async fn vendor(name: &str, sandbox: &Sandbox, password: &str, planted: &mut Planted) -> Provider {
    let literal = planted.secret("configured literal", "planted-literal/header");
    let text = format!(
        r#"
        [providers.{name}]
        grant = "login"
        username = "ada"
        password = {{ env = "PASSWORD" }}
        [[providers.{name}.login.step]]
        post = "{url}"
        json = {{ username = "{{username}}", password = "{{password}}" }}
        headers = {{ X-Literal = "{literal}" }}
        query = {{ key = "planted-in-query" }}
        capture = {{ ticket = "/Authorization" }}
        error = "/error_description"
        [providers.{name}.login]
        post = "{url}?key=planted-in-query"
        query = {{ ticket = "{{ticket}}" }}
        headers = {{ X-Literal = "{literal}", X-Ticket = "Ticket {{ticket}}" }}
        basic = {{ username = "{{username}}", password = "{{password}}" }}
        json = {{ username = "{{username}}", password = "{{password}}", other = "{literal}" }}
        token = "/Authorization"
        error = "/error_description"
        "#,
        url = sandbox.login_url(),
    );
    let environment = |name: &str| (name == "PASSWORD").then(|| password.to_owned());
    let config = config::parse(&text, "tokenkeep.toml", "".as_ref(), &environment).await.unwrap();
    config.providers[0].clone()
}

/// Everything that can work, and the ways that fail without help.
async fn well(manager: &TokenManager, providers: &[Provider], planted: &mut Planted, shown: &mut Shown) {
    for provider in providers {
        shown.ask(manager, provider.name()).await;
        let trial = manager.try_login(provider.name(), None).await;
        shown.push("a trial", format!("{provider:?} {trial:?} {trial:#?}"));
    }
    let handles =
        ["basic", "post", "user", "refresh", "plain", "json", "vendor"].map(|name| manager.handle(name).unwrap());
    for round in [
        handles.each_ref().map(|handle| handle.token().boxed()),
        handles.each_ref().map(|handle| handle.refresh().boxed()),
    ] {
        for (token, handle) in join_all(round).await.into_iter().zip(&handles) {
            let token = token.unwrap();
            planted.secret("access token", token.expose_secret());
            handle.reject(&token);
        }
    }
    for token in join_all(handles.iter().map(TokenHandle::token)).await {
        planted.secret("access token", token.unwrap().expose_secret());
    }
    for handle in handles {
        shown.ask(manager, handle.key().as_str()).await;
        handle.clear().await.unwrap();
    }
}

/// Every fault of an issuer, by one who repeats what it was sent.
async fn badly(manager: &TokenManager, sandbox: &Sandbox, secret: &str, shown: &mut Shown) {
    let repeating = serde_json::json!({
        "error": "invalid_client",
        "error_description": format!("{} wrong secret {secret}, at ?key=planted-in-query", "x".repeat(150)),
    });
    let page = format!("<html>{secret}</html>");
    let raw = |status, content_type: &str, body: String| Fault::OddBody {
        body: OddBody::Raw { status, content_type: content_type.to_owned(), body },
    };
    let faults = [
        Fault::Status { status: 400, body: repeating.to_string() },
        Fault::Status { status: 503, body: repeating.to_string() },
        Fault::Status { status: 302, body: page.clone() },
        raw(200, "application/json", repeating.to_string()),
        raw(200, "text/html", page),
        raw(200, "application/json", format!(r#"{{"access_token":"{secret}","expires_in":"{secret}"}}"#)),
        Fault::OddBody { body: OddBody::Truncated },
        Fault::OddBody { body: OddBody::Huge },
        Fault::ConnectionReset,
    ];
    // Each by a manager of its own: none has to wait for another's back-off.
    let url = format!("{}?key=planted-in-query", sandbox.token_url());
    for fault in faults {
        sandbox.set_fault(fault);
        let policy = Policy { timeout: Duration::from_secs(5), ..Policy::default() };
        let provider = Provider::new("odd", Grant::ClientCredentials(endpoint(&url, "basic", secret))).unwrap();
        let odd = TokenManager::builder().provider(provider.with_policy(policy)).build().await.unwrap();
        let mut events = odd.events();
        shown.ask(&odd, "odd").await;
        shown.events(&mut events);
    }
    sandbox.clear_faults();
    shown.ask(manager, "panics:planted").await;
    for key in ["nobody", "basic:other", "no key/", ""] {
        shown.push("an error", format!("{:?}", manager.handle(key).err()));
    }
}

/// The same of a vendor.
async fn vendor_badly(sandbox: &Sandbox, providers: &[Provider], password: &str, shown: &mut Shown) {
    let vendor = providers.iter().find(|provider| provider.name() == "vendor").unwrap();
    let said = format!("{password} is wrong at ?key=planted-in-query with planted-literal/header");
    let body = serde_json::json!({ "error_description": said, "detail": said }).to_string();
    for status in [200, 302, 400, 429, 503] {
        let (content_type, body) = ("application/json".to_owned(), body.clone());
        sandbox.set_fault(Fault::OddBody { body: OddBody::Raw { status, content_type, body } });
        let odd = TokenManager::builder().provider(vendor.clone()).build().await.unwrap();
        shown.push("a trial", format!("{:?}", odd.try_login("vendor", None).await));
        shown.ask(&odd, "vendor").await;
    }
    sandbox.clear_faults();
}

/// A source that panics while it holds a secret.
#[derive(Debug)]
struct Panicking;

#[async_trait]
impl TokenSource for Panicking {
    async fn fetch(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let fetched = Fetched::new(Secret::new("planted-static-token"))
            .with_expiry(Expiry::Never)
            .with_refresh_token(Secret::new("planted-unknown-seed"));
        panic!("on purpose, with {ask:?} and {fetched:?}")
    }

    fn issuer(&self) -> &'static str {
        "nowhere"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("panics", "yes")])
    }
}
