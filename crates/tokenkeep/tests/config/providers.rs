//! The tables of providers.

use super::*;

#[tokio::test]
async fn client_credentials_are_read() {
    let config = config(
        r#"
[providers.graph]
grant = "client_credentials"
token_url = "https://login.example.com/${TENANT:-common}/token"
client_id = "$${id}-${SET}"
client_secret = { env = "SECRET" }
client_auth = "client_secret_post"
scope = "b a"
extra = { audience = "https://api.example.com", who = "${SET}" }
expiry_buffer = "30s"
refresh_before = "1h 30m"
refresh = "on_demand"
lifetime = "5m"
expected_life = "1h"
timeout = "10s"
"#,
    )
    .await;
    let [provider] = &*config.providers else { panic!() };
    assert_eq!(provider.name(), "graph");
    let Grant::ClientCredentials(endpoint) = &provider.grant else { panic!() };
    assert_eq!(endpoint.token_url.as_url().as_str(), "https://login.example.com/common/token");
    assert_eq!(endpoint.client_id, "${id}-set");
    assert_eq!(endpoint.client_secret.as_ref().unwrap().expose_secret(), "hunter2-env");
    assert_eq!(endpoint.client_auth, ClientAuth::ClientSecretPost);
    assert_eq!(endpoint.scope, ["b", "a"]);
    let extra: Vec<_> = endpoint.extra.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(extra, [("audience", "https://api.example.com"), ("who", "set")]);
    let policy = &provider.policy;
    assert_eq!(policy.expiry_buffer, Some(Duration::from_secs(30)));
    assert_eq!(policy.refresh_before, Some(Duration::from_mins(90)));
    assert_eq!(policy.refresh, Refresh::OnDemand);
    assert_eq!((policy.lifetime, policy.timeout), (Duration::from_mins(5), Duration::from_secs(10)));
    assert_eq!(policy.expected_life, Some(Duration::from_hours(1)));
    assert!(config.warnings.is_empty());
}

#[tokio::test]
async fn every_way_of_refreshing_is_read() {
    for (text, expected) in [
        ("'ahead'", Refresh::Ahead),
        ("'always'", Refresh::Always),
        ("'on_demand'", Refresh::OnDemand),
        ("{ every = '45m' }", Refresh::Every(Duration::from_mins(45))),
    ] {
        let config = config(&format!("[providers.g]\ngrant = 'command'\ncommand = ['t']\nrefresh = {text}")).await;
        assert_eq!(config.providers[0].policy.refresh, expected, "{text}");
    }
    for (text, expected) in [
        ("'alway'", "unknown refresh"),
        ("5", "`refresh` must be a string or { every = \"45m\" }, not a number"),
        ("{}", "`every` is missing in refresh"),
        ("{ every = '45m', ever = 1 }", "unknown option `ever`"),
        ("{ every = '9s' }", "`every` is too short"),
    ] {
        let text = format!("[providers.g]\ngrant = 'command'\ncommand = ['t']\nrefresh = {text}");
        let problems = faults(&text).await;
        let messages: Vec<_> = problems.iter().map(tokenkeep::config::Problem::message).collect();
        assert_eq!(messages, [expected]);
    }
}

#[tokio::test]
async fn the_api_of_a_provider_is_read_whatever_its_grant() {
    let fixed = "[providers.x]\ngrant = 'static'\ntoken = { env = 'SECRET' }\n";
    let config_ = config(&format!("{fixed}api_base = 'https://${{SET}}.example/v1'\nreject_on = [401, 403]")).await;
    let api = &config_.providers[0].api;
    let base = api.base.as_ref().unwrap();
    assert_eq!(base.join("/users?top=1").unwrap().as_str(), "https://set.example/v1/users?top=1");
    assert_eq!(api.reject_on, [401, 403]);

    let api = &config(fixed).await.providers[0].api;
    assert!(api.base.is_none());
    assert_eq!(api.reject_on, [401]);
    let insecure = config(&format!("{fixed}insecure = true\napi_base = 'http://a.example'")).await;
    assert_eq!(insecure.providers[0].api.base.as_ref().unwrap().host(), "a.example");

    for (text, expected) in [
        ("api_base = 'http://a.example'", "`api_base` would send secrets unencrypted"),
        ("api_base = 'a.example'", "`api_base` is not a URL"),
        ("api_base = 'https://a.example/?key=hunter2'", "`api_base` must end with its path"),
        ("api_base = 'https://hunter2@a.example/'", "`api_base` must not hold a name or password"),
        ("reject_on = 401", "`reject_on` must be an array of numbers, not a number"),
        ("reject_on = ['401']", "`reject_on` must hold HTTP statuses from 400 to 599 only"),
        ("reject_on = [401, 200]", "`reject_on` must hold HTTP statuses from 400 to 599 only"),
    ] {
        let problems = faults(&format!("{fixed}{text}")).await;
        assert_hides(&text, &problems);
        let [problem] = problems.iter().as_slice() else { panic!("{problems}") };
        assert!(problem.message().starts_with(expected), "{problem}");
    }
}

#[tokio::test]
async fn every_grant_is_read_in_the_order_of_the_file() {
    let config = config(&format!(
        r#"
[providers.z]
grant = "password"
{ENDPOINT}
username = "u"
password = {{ env = "SECRET" }}
[providers.r]
grant = "refresh_token"
{ENDPOINT}
refresh_token = {{ env = "SECRET" }}
[providers.s]
grant = "static"
token = {{ env = "SECRET" }}
[providers.a]
grant = "command"
command = ["./bin/token", "--for", "${{SET}}"]
"#
    ))
    .await;
    let [z, r, s, a] = &*config.providers else { panic!() };
    assert!(matches!(&z.grant, Grant::Password { owner: Some(owner), endpoint }
        if owner.username == "u" && owner.password.expose_secret() == "hunter2-env" && endpoint.client_auth == ClientAuth::None));
    assert!(matches!(&r.grant, Grant::RefreshToken { seed, .. } if seed.expose_secret() == "hunter2-env"));
    assert!(matches!(&s.grant, Grant::Static { token } if token.expose_secret() == "hunter2-env"));
    assert!(matches!(&a.grant, Grant::Command { program, args }
        if Path::new(program) == Path::new("/etc/keep/./bin/token") && args[..] == ["--for", "set"]));
    assert_eq!([z, r, s, a].map(tokenkeep::provider::Provider::name), ["z", "r", "s", "a"]);
}

#[tokio::test]
async fn each_grant_demands_its_options_and_refuses_those_of_others() {
    for (text, expected) in [
        ("grant = 'client_credentials'", &["`token_url` is missing", "`client_id` is missing"][..]),
        ("grant = 'password'\nusername = 'x'", &["`token_url` is", "`client_id` is", "`password` is missing"]),
        ("grant = 'refresh_token'", &["`token_url` is", "`client_id` is", "`refresh_token` is missing"]),
        ("grant = 'static'\ntimeout = '5s'", &["`token` is missing", "`timeout` does not belong to grant static"]),
        ("grant = 'command'\nscope = 'a'", &["`command` is missing", "`scope` does not belong to grant command"]),
        ("timeout = '5s'", &["`grant` is missing in [providers.graph]"]),
        ("grant = 'command'\ncommand = []", &["`command` is empty"]),
    ] {
        let problems = faults(&format!("[providers.graph]\n{text}")).await;
        let messages: Vec<_> = problems.iter().map(tokenkeep::config::Problem::message).collect();
        assert_eq!(messages.len(), expected.len(), "{messages:#?}");
        for (message, start) in messages.iter().zip(expected) {
            assert!(message.starts_with(start), "{message}");
        }
    }
}

#[tokio::test]
async fn an_unknown_grant_lists_the_known_ones() {
    let report = report("[providers.graph]\ngrant = 'client_credential'\nclient_id = 'x'").await;
    assert_eq!(
        report,
        "\
error: unknown grant
 --> keep.toml:2:9
  |
2 | grant = 'client_credential'
  |         ^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `client_credentials`? known are `client_credentials`, `password`, `refresh_token`, `static`, \
         `command`, `login`"
    );
}

#[tokio::test]
async fn the_way_a_client_proves_itself_fits_its_secret() {
    let secret = format!("{ENDPOINT}client_secret = {{ env = 'SECRET' }}\n");
    for (text, expected) in [(&*secret, ClientAuth::ClientSecretBasic), (ENDPOINT, ClientAuth::None)] {
        let config = config(&provider(text)).await;
        assert!(matches!(&config.providers[0].grant, Grant::ClientCredentials(e) if e.client_auth == expected));
    }
    let both = report(&provider(&format!("{secret}client_auth = 'none'"))).await;
    assert!(both.starts_with("error: `client_secret` is not used with client_auth none"), "{both}");
    let neither = report(&provider(&format!("{ENDPOINT}client_auth = 'client_secret_post'"))).await;
    assert!(neither.starts_with("error: client_auth client_secret_post needs a `client_secret`"), "{neither}");
}

#[tokio::test]
async fn a_duration_has_a_unit_and_sensible_bounds() {
    for (text, expected) in [
        ("timeout = 30", "write a string with a unit, e.g. \"30s\""),
        ("timeout = '26s'", "`timeout` is too long"),
        ("timeout = '26s'", "it can be 25s at most"),
        ("timeout = '-5s'", "`timeout` is not a length of time"),
        ("timeout = '5s ago'", "`timeout` is not a length of time"),
        ("timeout = '30'", "`timeout` is not a length of time"),
        ("timeout = 1.5", "`timeout` must be a string, not a number"),
        ("lifetime = '100000h'", "`lifetime` is too long"),
        ("lifetime = '0s'", "`lifetime` must be more than zero"),
    ] {
        let report = report(&provider(&format!("{ENDPOINT}{text}"))).await;
        assert!(report.contains(expected), "{report}");
    }
    let config = config(&provider(&format!("{ENDPOINT}lifetime = '1 hour'\ntimeout = '1500ms'"))).await;
    let policy = &config.providers[0].policy;
    assert_eq!((policy.lifetime, policy.timeout), (Duration::from_hours(1), Duration::from_millis(1500)));
}

#[tokio::test]
async fn accounts_budgets_and_fallbacks_are_read() {
    let config = config(
        r#"
[providers.tenants]
grant = "password"
token_url = "https://a.example/t"
client_id = "c"
accounts = "stored"
budget = "10/1m"
max_failures = 3
[[providers.tenants.fallback]]
grant = "client_credentials"
token_url = "https://b.example/t"
client_id = "c"
[[providers.tenants.fallback]]
grant = "command"
command = ["print-token"]
"#,
    )
    .await;
    let [tenants] = &*config.providers else { panic!() };
    assert!(matches!(&tenants.grant, Grant::Password { owner: None, .. }));
    assert_eq!(tenants.accounts, Accounts::Stored);
    assert_eq!(tenants.budget.map(|budget| (budget.requests(), budget.window())), Some((10, Duration::from_mins(1))));
    assert_eq!(tenants.max_failures, 3);
    assert!(matches!(&*tenants.fallbacks, [Grant::ClientCredentials(_), Grant::Command { .. }]));
}

#[tokio::test]
async fn accounts_budgets_and_fallbacks_that_make_no_sense_are_refused() {
    let endpoint = "token_url = 'https://a.example/t'\nclient_id = 'c'";
    for (text, expected) in [
        ("grant = 'password'\naccounts = 'stored'\nusername = 'x'", "`username` is each account's own"),
        ("grant = 'password'\naccounts = 'many'", "unknown accounts"),
        ("grant = 'client_credentials'\naccounts = 'stored'", "`accounts` does not belong to grant client_credentials"),
        ("grant = 'client_credentials'\nbudget = '10'", "`budget` is not a budget; write e.g. \"10/1m\""),
        ("grant = 'client_credentials'\nbudget = 10", "`budget` must be a string, not a number"),
        ("grant = 'client_credentials'\nmax_failures = 2", "there is none"),
        ("grant = 'client_credentials'\nmax_failures = 0\nfallback = []", "`max_failures` is out of range"),
        ("grant = 'client_credentials'\nfallback = [1]", "`fallback` must hold tables only"),
        (
            "grant = 'client_credentials'\nfallback = [{ grant = 'refresh_token' }]",
            "a fallback cannot be a refresh_token",
        ),
        (
            "grant = 'client_credentials'\nfallback = [{ token = 'x' }]",
            "`grant` is missing in [[providers.graph.fallback]]",
        ),
        (
            "grant = 'client_credentials'\nfallback = [{ grant = 'static', lifetime = '5m' }]",
            "`lifetime` does not belong",
        ),
    ] {
        let problems = faults(&format!("[providers.graph]\n{text}\n{endpoint}")).await;
        assert!(problems.to_string().contains(expected), "{text}:\n{problems}");
    }
}

#[tokio::test]
async fn an_unknown_grant_hides_no_other_fault() {
    let report = report(
        "[providers.x]\ngrant = 'client_credential'\ntoken_url = 'http://example.com/x'\nexpiry_buffer = '5x'\n\
         clientid = 'x'\nbudget = 'ten'\nreject_on = [200]",
    )
    .await;
    for expected in [
        "unknown grant",
        "`token_url` would send secrets unencrypted",
        "`expiry_buffer` is not a length of time",
        "unknown option `clientid`",
        "`budget` is not a budget",
        "`reject_on` must hold HTTP statuses",
        "budget = \"ten\"",
    ] {
        assert!(report.replace('\'', "\"").contains(expected), "{expected}:\n{report}");
    }
}

#[tokio::test]
async fn a_provider_that_is_called_as_a_route_of_the_server_is_doubted() {
    for name in ["stats", "cleanup", "credentials"] {
        let config = config(&format!("[providers.{name}]\ngrant = 'static'\ntoken = {{ env = 'SET' }}\n")).await;
        let [warning] = &*config.warnings else { panic!("{:?}", config.warnings) };
        assert_eq!(warning.message(), format!("`/tokens/{name}` is a route of the server"));
        assert_eq!(warning.line(), Some(1));
        assert!(warning.to_string().contains(&format!("/tokens/{name}:default")), "{warning}");
    }
    let config = config("[providers.statistics]\ngrant = 'static'\ntoken = { env = 'SET' }\n").await;
    assert!(config.warnings.is_empty());
}

#[tokio::test]
async fn a_token_url_may_be_a_path_below_the_api_and_leads_to_no_other_host() {
    let source =
        |api: &str, path: &str| provider(&format!("client_id = 'me'\napi_base = '{api}'\ntoken_url = '{path}'"));
    for (api, path, expected) in [
        ("https://a.example", "/oauth2/token", "https://a.example/oauth2/token"),
        ("https://a.example/", "/oauth2/token", "https://a.example/oauth2/token"),
        ("https://a.example/v1", "/token?tenant=7", "https://a.example/v1/token?tenant=7"),
        ("https://a.example", "https://b.example/token", "https://b.example/token"),
    ] {
        let config = config(&source(api, path)).await;
        let Grant::ClientCredentials(endpoint) = &config.providers[0].grant else { panic!() };
        assert_eq!(endpoint.token_url.as_url().as_str(), expected);
    }
    for (api, path, wrong) in [
        ("https://a.example", "//b.example/token", "`token_url` starts with '//', which names another host"),
        ("https://a.example/v1", "/../token", "`token_url` leads away from api_base"),
        ("https://a.example", "/token#hunter2", "`token_url` has a space, a control character"),
        ("https://a.example", "oauth2/token", "`token_url` is not a URL"),
        ("http://a.example", "/token", "`api_base` would send secrets unencrypted"),
    ] {
        let problems = faults(&source(api, path)).await;
        let messages: Vec<_> = problems.iter().map(tokenkeep::config::Problem::message).collect();
        assert!(matches!(&messages[..], [message] if message.starts_with(wrong)), "{messages:?}");
    }
    let alone = report(&provider("client_id = 'me'\ntoken_url = '/token'")).await;
    assert!(alone.contains("`token_url` is a path, and there is no `api_base` that it could be added to"), "{alone}");
}
