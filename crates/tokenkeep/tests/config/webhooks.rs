//! `[[server.webhooks]]`: who is told when credentials are refused.

use tokenkeep::Key;
use tokenkeep::config::WebhookEvent;

use super::{config, report};

const PROVIDERS: &str = "[providers.graph]\ngrant = 'static'\ntoken = { env = 'SET' }\n\
                         [providers.bluestakes]\ngrant = 'static'\ntoken = { env = 'SET' }\n";

#[tokio::test]
async fn a_webhook_is_told_of_what_its_table_says_and_of_everything_if_it_says_nothing() {
    let config = config(&format!(
        "[[server.webhooks]]\nurl = 'https://alerts.example/${{SET}}'\n\
         [[server.webhooks]]\nurl = 'http://localhost:9000/'\nsecret = {{ env = 'KEY' }}\nevents = ['recovered']\n\
         keys = ['bluestakes:*']\n{PROVIDERS}"
    ))
    .await;
    let [all, some] = &config.server.webhooks[..] else { panic!("{config:?}") };
    let (graph, account) = (Key::parse("graph").unwrap(), Key::parse("bluestakes:1").unwrap());
    for (event, key, expected) in [
        (WebhookEvent::Refused, &graph, (true, false)),
        (WebhookEvent::LoginRequired, &account, (true, false)),
        (WebhookEvent::Recovered, &graph, (true, false)),
        (WebhookEvent::Recovered, &account, (true, true)),
    ] {
        assert_eq!((all.wants(event, key), some.wants(event, key)), expected, "{event:?} {key}");
    }
    assert_eq!((all.url.as_url().as_str(), &all.secret), ("https://alerts.example/set", &None));
    assert_eq!(some.secret.as_ref().unwrap().expose_secret(), b"12345678901234567890123456789012");
}

#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_said_and_its_address_is_not() {
    for (options, message) in [
        ("events = ['refused']", "`url` is missing"),
        ("url = 'hunter2'", "`url` is not a URL"),
        ("url = 'ftp://alerts.example/hunter2'", "`url` is neither https nor http"),
        ("url = 'http://alerts.example/hunter2'", "`url` would tell unencrypted"),
        ("url = 'https://me:hunter2@alerts.example'", "`url` must not hold a name or password"),
        ("url = 'https://alerts.example/#hunter2'", "`url` must not have a fragment"),
        ("url = 'https://alerts.example/hunter2'\nsecret = { env = 'SECRET' }", "`secret` is not whsec_"),
        ("url = 'https://alerts.example/hunter2'\nsecret = { env = 'SECRET' }", "openssl rand -base64 32"),
        ("url = 'https://alerts.example/hunter2'\nevents = []", "`events` is empty"),
        ("url = 'https://alerts.example/hunter2'\nevents = ['refusd']", "did you mean `refused`?"),
        ("url = 'https://alerts.example/hunter2'\nkeys = []", "`keys` is empty"),
        ("url = 'https://alerts.example/hunter2'\nkeys = ['blue*']", "no pattern of keys"),
        ("url = 'https://alerts.example/hunter2'\nname = 'x'", "unknown option `name`"),
    ] {
        let report = report(&format!("[[server.webhooks]]\n{options}")).await;
        assert!(report.contains(message), "{options}: {report}");
        assert!(!report.contains("hunter2"), "{options}: {report}");
    }
    assert!(report("[server.webhooks]\nurl = 'https://a.example'").await.contains("tables [[server.webhooks]]"));
}

#[tokio::test]
async fn what_is_read_of_a_webhook_shows_neither_its_path_nor_its_secret() {
    let toml = format!(
        "[[server.webhooks]]\nurl = 'https://alerts.example/planted?planted'\nsecret = {{ env = 'KEY' }}\n{PROVIDERS}"
    );
    let shown = format!("{:?}", config(&toml).await.server.webhooks);
    assert!(shown.contains("https://alerts.example/…") && !shown.contains("planted"), "{shown}");
    assert!(!shown.contains("MTIz") && !shown.contains("49, 50"), "{shown}");
}
