//! The laws of the configuration file.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

#[path = "config/login.rs"]
mod login;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokenkeep::Secret;
use tokenkeep::config::{self, Color, Config, Environment, Listen, Problems, Severity};
use tokenkeep::expiry::Refresh;
use tokenkeep::provider::{Accounts, ClientAuth, Grant};
use tokenkeep::seal::SealKey;
use tokenkeep::store::StoreUrl;

#[tokio::test]
async fn every_fault_of_a_file_is_reported_at_once_each_at_its_line() {
    let problems = faults(
        r#"stor = "memory:"

[providers.graph]
grant = "client_credentials"
token_url = "http://login.example.com/token"
clientid = "me"
client_secret = { env = "UNSET" }
client_auth = "basic"
scope = ["a b", 5]
extra = { grant_type = "x" }
timeout = 10
lifetime = "soon"
expiry_buffer = "0s"
insecure = "no"
username = "me"

[providers."a b"]
grant = "implicit"

[server]
listen = ["0.0.0.0:80", "${NOBODY}"]
key = "hunter2"
"#,
    )
    .await;
    let lines: Vec<_> = problems.iter().map(|p| (p.line().unwrap(), p.column().unwrap(), p.message())).collect();
    assert_eq!(
        lines,
        [
            (1, 1, "unknown option `stor`"),
            (5, 13, "`token_url` would send secrets unencrypted; use https, or set insecure = true"),
            (6, 1, "unknown option `clientid`"),
            (7, 25, "the environment variable `UNSET` is not set"),
            (8, 15, "unknown client_auth"),
            (9, 17, "`scope` must hold strings only"),
            (10, 11, "`grant_type` is set by the grant itself"),
            (11, 11, "`timeout` has no unit"),
            (12, 12, "`lifetime` is not a length of time"),
            (13, 17, "`expiry_buffer` must be more than zero"),
            (14, 12, "`insecure` must be true or false, not a string"),
            (15, 1, "`username` does not belong to grant client_credentials"),
            (17, 12, "a provider's name has ASCII letters, digits, '_', '-' and '.', and does not start with '.'"),
            (18, 9, "unknown grant"),
            (21, 11, "other machines could reach this address; only loopback and unix sockets are served"),
            (21, 26, "the environment variable `NOBODY` is not set"),
            (22, 7, "the API key is given by its hash"),
        ]
    );
}

#[tokio::test]
async fn a_report_marks_the_text_and_says_what_was_meant() {
    let report = report(
        r#"
[providers.graph]
grant = "client_credentials"
token_url = "https://a.example/t"
clientid = "me"
client_auth = "none"
"#,
    )
    .await;
    assert_eq!(
        report,
        "\
error: unknown option `clientid`
 --> keep.toml:5:1
  |
5 | clientid = \"***\"
  | ^^^^^^^^
  |
  = help: did you mean `client_id`?"
    );
}

#[tokio::test]
async fn a_missing_variable_is_named_and_its_place_is_marked() {
    let report = report(&provider("token_url = \"https://a.example/${TENANT}/t\"\nclient_id = \"me\"")).await;
    assert_eq!(
        report,
        "\
error: the environment variable `TENANT` is not set
 --> keep.toml:3:32
  |
3 | token_url = \"https://a.example/${TENANT}/t\"
  |                                ^^^^^^^^^"
    );
}

#[tokio::test]
async fn a_value_may_stand_in_any_of_several_variables() {
    let source = provider("token_url = \"https://a.example${PATH_A|PATH_B:-/oauth2/token}\"\nclient_id = \"me\"");
    for (variables, path) in [
        (&[][..], "/oauth2/token"),
        (&[("PATH_A", "/a")], "/a"),
        (&[("PATH_B", "/b")], "/b"),
        (&[("PATH_A", ""), ("PATH_B", "/b")], "/b"),
        (&[("PATH_A", "/a"), ("PATH_B", "/a")], "/a"),
    ] {
        let config = parse_with(&source, variables).await.unwrap();
        let Grant::ClientCredentials(endpoint) = &config.providers[0].grant else { panic!() };
        assert_eq!(endpoint.token_url.as_url().path(), path, "{variables:?}");
    }
}

#[tokio::test]
async fn variables_that_mean_the_same_and_differ_are_named_and_their_values_are_not() {
    let source = provider("token_url = \"https://a.example${PATH_A|PATH_B:-/t}\"\nclient_id = \"me\"");
    let variables = [("PATH_A", "/hunter2"), ("PATH_B", "/t")];
    assert_eq!(
        parse_with(&source, &variables).await.unwrap_err().to_string(),
        "\
error: the environment variables `PATH_A` and `PATH_B` mean the same and hold different values; set one of them
 --> keep.toml:3:31
  |
3 | token_url = \"https://a.example${PATH_A|PATH_B:-/t}\"
  |                               ^^^^^^^^^^^^^^^^^^^^"
    );
}

#[tokio::test]
async fn with_none_of_several_variables_set_all_are_named() {
    let report = report(&provider("token_url = \"https://a.example/${A|EMPTY|C}\"\nclient_id = \"${D}\"")).await;
    assert!(report.contains("error: none of the environment variables `A`, `EMPTY` and `C` is set\n"), "{report}");
    assert!(report.contains("error: the environment variable `D` is not set\n"), "{report}");
}

#[tokio::test]
async fn a_secret_may_stand_in_any_of_several_variables() {
    let source = "[providers.x]\ngrant = 'static'\ntoken = { env = ['A', 'B'] }";
    for variables in [&[("A", "hunter2")][..], &[("B", "hunter2")], &[("A", "hunter2"), ("B", "hunter2")]] {
        let config = parse_with(source, variables).await.unwrap();
        assert!(matches!(&config.providers[0].grant, Grant::Static { token } if token.expose_secret() == "hunter2"));
    }
    let differing = parse_with(source, &[("A", "hunter2"), ("B", "hunter2-b")]).await.unwrap_err();
    assert_eq!(
        differing.to_string(),
        "\
error: the environment variables `A` and `B` mean the same and hold different values; set one of them
 --> keep.toml:3:17
  |
3 | token = { env = ['A', 'B'] }
  |                 ^^^^^^^^^^"
    );
    let missing = parse_with(source, &[]).await.unwrap_err();
    assert!(missing.to_string().contains("none of the environment variables `A` and `B` is set"), "{missing}");
}

#[tokio::test]
async fn a_report_keeps_its_columns_beside_a_masked_secret() {
    let report =
        report(&provider(&format!("{ENDPOINT}client_secret = {{ env = 'SET', value = 'hunter2', x = 1 }}"))).await;
    assert_eq!(
        report,
        "\
error: unknown option `value`
 --> keep.toml:5:32
  |
5 | client_secret = { env = 'SET', value = '***', x = *** }
  |                                ^^^^^
  |
  = help: known in `client_secret` are `env`, `file`, `command`

error: unknown option `x`
 --> keep.toml:5:51
  |
5 | client_secret = { env = 'SET', value = '***', x = *** }
  |                                               ^
  |
  = help: known in `client_secret` are `env`, `file`, `command`"
    );
}

#[tokio::test]
async fn broken_toml_is_reported_at_its_place() {
    let problems = faults("[providers.graph]\ngrant = \"static\ntoken = \"a\"\n\n[server\nlisten = []\n").await;
    assert_eq!(problems.iter().map(|p| p.line().unwrap()).collect::<Vec<_>>(), [2, 5]);
}

#[tokio::test]
async fn an_option_that_stands_twice_is_reported_along_with_other_faults() {
    let problems = faults("store = 'memory:'\n\"store\" = 'memory:'\nservr = 1\n").await;
    let found: Vec<_> = problems.iter().map(|p| (p.line().unwrap(), p.message())).collect();
    assert_eq!(found, [(2, "`store` stands here for the second time"), (3, "unknown option `servr`")]);
}

#[tokio::test]
async fn a_table_that_stands_twice_is_one_fault_whatever_it_holds() {
    let table = "[providers.x]\ngrant = 'static'\ntoken = { env = 'SECRET' }\n";
    let problems = faults(&format!("{table}[server]\nlisten = []\n{table}nonsense = 1\n[servr]\n")).await;
    let found: Vec<_> = problems.iter().map(|p| (p.line().unwrap(), p.column().unwrap(), p.message())).collect();
    assert_eq!(
        found,
        [
            (5, 10, "`listen` is empty"),
            (6, 12, "`x` stands here for the second time"),
            (10, 2, "unknown option `servr`")
        ]
    );
}

#[tokio::test]
async fn line_ends_and_marks_of_other_systems_change_nothing() {
    let problems = faults("\u{feff}store = 'memory:'\r\nstor = 1\r\nservr = 2\r\n").await;
    let places: Vec<_> = problems.iter().map(|problem| (problem.line(), problem.column())).collect();
    assert_eq!(places, [(Some(2), Some(1)), (Some(3), Some(1))]);
    assert!(!problems.to_string().contains('\r'));
}

#[tokio::test]
async fn the_error_of_a_bad_file_is_one_line_with_every_place() {
    let error = tokenkeep::Error::from(faults("stor = 1\nservr = 2").await);
    assert_eq!(error.code(), tokenkeep::Code::InvalidRequest);
    assert_eq!(
        error.to_string(),
        "keep.toml:1:1: unknown option `stor` (did you mean `store`?); \
         keep.toml:2:1: unknown option `servr` (did you mean `server`?)"
    );
}

#[tokio::test]
async fn colour_comes_only_when_asked_for() {
    let problems = faults("stor = 1").await;
    assert!(problems.render(Color::Always).contains('\u{1b}'));
    assert!(!problems.to_string().contains('\u{1b}'));
}

#[tokio::test]
async fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let problems = faults("\"st\\u001bor\" = 1\n[providers.\"\\u001b[2J\"]\ngrant = 'static'").await;
    assert!(!problems.to_string().contains('\u{1b}'));
    assert!(!tokenkeep::Error::from(problems).to_string().contains('\u{1b}'));
}

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
async fn a_relative_store_is_taken_from_the_folder_of_the_file() {
    for (text, expected) in [
        ("store = 'sqlite:keep.db'", Some(StoreUrl::Sqlite("/etc/keep/keep.db".into()))),
        ("store = 'sqlite:/var/keep.db'", Some(StoreUrl::Sqlite("/var/keep.db".into()))),
        ("store = 'file:tokens'", Some(StoreUrl::File("/etc/keep/tokens".into()))),
        ("store = 'file:///var/tokens'", Some(StoreUrl::File("/var/tokens".into()))),
        ("store = 'file:${TOKENS_IN:-/tmp}/flight_app_tokens'", Some(StoreUrl::File("/tmp/flight_app_tokens".into()))),
        ("store = 'memory:'", Some(StoreUrl::Memory)),
        ("", None),
    ] {
        assert_eq!(config(text).await.store, expected);
    }
    let report = report("store = 'postgres://me:hunter2@db/keep'").await;
    assert_eq!(
        report,
        "\
error: `store` is not the URL of a store
 --> keep.toml:1:9
  |
1 | store = 'postgres://***@db/keep'
  |         ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write \"sqlite:PATH\", \"file:DIR\" or \"memory:\""
    );
}

#[tokio::test]
async fn a_server_listens_only_where_no_other_machine_can_reach_it() {
    let hash = "0f".repeat(32);
    let config = config(&format!(
        "[server]\nlisten = ['127.0.0.1:8640', '[::1]:0', 'unix:/run/keep.sock', 'unix:keep.sock']\nkey = {{ sha256 = '{hash}' }}"
    ))
    .await;
    assert_eq!(
        config.server.listen,
        [
            Listen::Tcp("127.0.0.1:8640".parse().unwrap()),
            Listen::Tcp("[::1]:0".parse().unwrap()),
            Listen::Unix("/run/keep.sock".into()),
            Listen::Unix("/etc/keep/keep.sock".into()),
        ]
    );
    assert_eq!(config.server.key.unwrap().as_bytes(), &[0x0f; 32]);

    let text =
        "listen = ['0.0.0.0:1', '[::]:1', '192.0.2.1:1', '[::ffff:127.0.0.1]:1', 'localhost:1', '8640', 'unix:']";
    let problems = faults(&format!("[server]\n{text}")).await;
    assert_eq!(problems.iter().count(), 7, "{problems}");
    assert!(report("[server]\nlisten = []").await.contains("`listen` is empty"));
}

#[tokio::test]
async fn an_empty_file_leaves_everything_to_the_caller() {
    let config = config("").await;
    assert!(config.store.is_none() && config.providers.is_empty() && config.server.listen.is_empty());
    assert!(config.server.key.is_none());
}

#[tokio::test]
async fn a_literal_secret_works_but_is_warned_about() {
    let config = config("[providers.fixed]\ngrant = 'static'\ntoken = 'hunter2'").await;
    assert!(matches!(&config.providers[0].grant, Grant::Static { token } if token.expose_secret() == "hunter2"));
    let [warning] = &*config.warnings else { panic!() };
    assert_eq!((warning.severity(), warning.line()), (Severity::Warning, Some(3)));
    assert_eq!(
        warning.render(Color::Never),
        "\
warning: `token` stands in the configuration file
 --> keep.toml:3:9
  |
3 | token = '***'
  |         ^^^^^
  |
  = help: whoever can read the file has it; write in its place { env = \"NAME\" }, { file = \"PATH\" } or { command = \
         [\"PROGRAM\", \"ARGUMENT\"] }"
    );
}

#[tokio::test]
async fn a_literal_that_looks_like_a_reference_is_refused() {
    for literal in ["${SECRET}", "${SECRET:-hunter2}"] {
        let report = report(&format!("[providers.fixed]\ngrant = 'static'\ntoken = '{literal}'")).await;
        assert!(report.contains("help: write { env = \"SECRET\" } in its place"), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
    let report = report("[providers.fixed]\ngrant = 'static'\ntoken = '${SECRET|OLD_NAME}'").await;
    assert!(report.contains("help: write { env = [\"SECRET\", \"OLD_NAME\"] } in its place"), "{report}");
}

#[tokio::test]
async fn a_secret_comes_from_a_file_or_a_command_without_its_newline() {
    let folder = Folder::new();
    folder.write("secret", "hunter2\nline 2\r\n");
    for (reference, expected) in [
        ("{ file = 'secret' }", "hunter2\nline 2"),
        ("{ command = ['printf', 'hunter2\\r\\nuser: me\\n'] }", "hunter2"),
        ("{ command = ['sh', '-c', 'printf hunter2; echo noise >&2'] }", "hunter2"),
        ("{ command = ['./print'] }", "from beside the file"),
    ] {
        folder.program("print", "echo from beside the file");
        let config = folder.parse(&format!("[providers.x]\ngrant = 'static'\ntoken = {reference}")).await.unwrap();
        assert!(
            matches!(&config.providers[0].grant, Grant::Static { token } if token.expose_secret() == expected),
            "{reference}"
        );
        assert!(config.warnings.is_empty());
    }
}

#[tokio::test]
async fn a_reference_to_no_secret_says_why() {
    let folder = Folder::new();
    folder.write("empty", "\n");
    folder.write("long", "x".repeat(65 * 1024));
    folder.write("binary", [0xff, b'\n']);
    for (reference, expected) in [
        ("{ env = 'UNSET' }", "the environment variable `UNSET` is not set"),
        ("{ env = 'EMPTY' }", "the environment variable `EMPTY` is empty"),
        ("{ env = 'not a name' }", "this is not the name of an environment variable"),
        ("{ env = ['SECRET', 'not hunter2'] }", "this is not the name of an environment variable"),
        ("{ env = [] }", "`env` is empty"),
        ("{ env = 5 }", "`env` must be a string, not a number"),
        ("{ file = 'none' }", "none cannot be read: there is no such file"),
        ("{ file = '.' }", "cannot be read: it is a folder"),
        ("{ file = '/dev/zero' }", "is not a regular file"),
        ("{ file = 'empty' }", "empty is empty"),
        ("{ file = 'long' }", "cannot be read: it is longer than 65536 bytes"),
        ("{ file = 'binary' }", "binary is not UTF-8"),
        ("{ command = ['no-such-program'] }", "the command `no-such-program` cannot be run: there is no such file"),
        ("{ command = ['sh', '-c', 'echo hunter2; exit 3'] }", "the command `sh` failed with exit status 3"),
        ("{ command = ['sh', '-c', 'kill -9 $$'] }", "the command `sh` failed with a signal"),
        ("{ command = ['true'] }", "the command `true` printed nothing in its first line"),
        ("{ command = ['yes'] }", "the command `yes` printed more than 65536 bytes"),
        ("{ command = [] }", "`command` is empty"),
        ("{ command = 'true' }", "`command` must be an array of strings, not a string"),
        ("{}", "`token` does not say where the secret is"),
        ("{ env = 'SECRET', file = 'x' }", "`token` names several places of the secret"),
        ("5", "`token` must be { env = \"NAME\" }, { file"),
        ("''", "`token` is empty"),
    ] {
        let problems =
            folder.parse(&format!("[providers.x]\ngrant = 'static'\ntoken = {reference}")).await.unwrap_err();
        let report = problems.to_string();
        assert!(report.contains(expected), "{reference}: {report}");
        assert!(problems.iter().count() == 1 && !report.contains("hunter2"), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_command_that_hangs_is_given_up() {
    let report = report("[providers.x]\ngrant = 'static'\ntoken = { command = ['sleep', '600'] }").await;
    assert!(report.starts_with("error: the command `sleep` did not end within 10 s"), "{report}");
}

#[tokio::test]
async fn secret_commands_of_many_providers_run_side_by_side() {
    // Each waits for the other; one after the other they would both time out.
    let folder = Folder::new();
    let wait = |own: &str, other: &str| {
        format!(
            "{{ command = ['sh', '-c', 'touch $0/{own}; until test -e $0/{other}; do sleep 0.01; done; echo x', '${{HERE}}'] }}"
        )
    };
    let source = format!(
        "[providers.x]\ngrant = 'static'\ntoken = {}\n[providers.y]\ngrant = 'static'\ntoken = {}",
        wait("a", "b"),
        wait("b", "a")
    );
    assert_eq!(folder.parse(&source).await.unwrap().providers.len(), 2);
}

#[tokio::test]
async fn seal_keys_come_from_references_in_their_order() {
    let folder = Folder::new();
    folder.write("key", format!("{KEY_2}\n"));
    let command = format!("{{ command = ['echo', '{KEY_3}'] }}");
    let config =
        folder.parse(&format!("seal_keys = [{{ env = 'KEY' }}, {{ file = 'key' }}, {command}]")).await.unwrap();
    let expected = [KEY, KEY_2, KEY_3].map(|text| SealKey::parse(&Secret::new(text)).unwrap());
    assert_eq!(config.seal_keys, expected);
    assert!(config.warnings.is_empty());
    assert_eq!(folder.parse("store = 'memory:'").await.unwrap().seal_keys, []);
}

#[tokio::test]
async fn every_fault_of_seal_keys_is_reported_at_its_key_and_shows_none() {
    let folder = Folder::new();
    let source = format!(
        "seal_keys = [\n  {{ env = 'KEY' }},\n  {{ env = 'SECRET' }},\n  {{ file = 'short' }},\n  {{ env = 'UNSET' }},\n  \
         5,\n  '{KEY}',\n]"
    );
    folder.write("short", "aHVudGVyMg==");
    let problems = folder.parse(&source).await.unwrap_err();
    let found: Vec<_> = problems.iter().map(|problem| (problem.line().unwrap(), problem.message())).collect();
    let not_a_secret = found[3].1;
    assert!(not_a_secret.starts_with("`seal_keys` must be { env = "), "{not_a_secret}");
    assert_eq!(
        found,
        [
            (3, "a key of `seal_keys` is not base64"),
            (4, "a key of `seal_keys` holds 7 bytes and not 32"),
            (5, "the environment variable `UNSET` is not set"),
            (6, not_a_secret),
            (7, "`seal_keys` stands in the configuration file"),
            (7, "this key stands in `seal_keys` twice"),
        ]
    );
    let report = problems.to_string();
    assert!(report.contains("{ env = 'SECRET' }") && report.contains("help: make one with: openssl rand"), "{report}");
    assert!(!report.contains(KEY), "{report}");
    assert_hides(&"seal_keys", &problems);
    for (wrong, expected) in [
        ("[]", "`seal_keys` is empty"),
        ("{ env = 'KEY' }", "`seal_keys` must be an array"),
        (&format!("'{KEY}'"), "`seal_keys` must be an array"),
    ] {
        let report = folder.parse(&format!("seal_keys = {wrong}")).await.unwrap_err().to_string();
        assert!(report.contains(expected) && !report.contains(KEY), "{report}");
    }
}

/// Every way known to get a secret in front of somebody's eyes.
#[tokio::test]
async fn no_secret_is_in_any_report_or_debug() {
    let folder = Folder::new();
    folder.write("secret", "hunter2-file");
    folder.write("binary", b"hunter2\xff");
    let program = folder.program("print", "echo hunter2-out; echo hunter2-err >&2; exit 1");
    let long = "hunter2".repeat(20);
    for faulty in [
        // The line with the secret is at fault.
        "client_secret = 'hunter2'\nclient_auth = 'none'",
        "clientsecret = 'hunter2'",
        "client_secret = ['hunter2']",
        "client_secret = { value = 'hunter2' }",
        "client_secret = { env = 'hunter2 is my secret' }",
        "client_secret = { env = ['A', 'hunter2 is my secret'] }",
        "client_secret = { env = ['SECRET', 'OTHER'] }",
        "client_secret = { env = 'A', file = 'x', token = 'hunter2' }",
        "client_secret = { file = 'binary' }",
        &format!("client_secret = {{ command = ['{program}', 'hunter2'] }}"),
        "client_secret = { command = ['no-such-program', '--password=hunter2'] }",
        "client_secret = { command = ['true', 'hunter2', 5] }",
        "client_secret.literal = 'hunter2'",
        "client_secret = '''\nhunter2\nhunter2'''\nclient_auth = 'none'",
        "password = { env = 'UNSET', value = 'hunter2' }",
        "token = 'hunter2'",
        "extra = { password = 'hunter2' }",
        "extra = { assertion = 'hunter2-${UNSET}' }",
        "extra = { nested = { assertion = 'hunter2' } }",
        "[providers.graph.client_secret]\nvalue = 'hunter2'",
        "[[providers.graph.client_secret]]\nvalue = 'hunter2'",
        "[server]\nkey = 'hunter2'",
        "[server]\nkey = { sha256 = 'hunter2' }",
        "[server]\nkeys = [{ name = 'x', key = 'hunter2' }]",
        // A secret stands beside the fault.
        "scop = 'a' # client_secret was hunter2",
        "timeout = 5 # hunter2",
        // A secret came through a variable into what is no secret.
        "client_auth = '${SECRET}'",
        "client_auth = '${SECRET|OTHER}'",
        "timeout = '${SECRET}'",
        "insecure = '${SECRET}'",
        "[server]\nlisten = ['${SECRET}', 'unix:${UNSET}${SECRET}']",
        // The TOML is broken.
        "client_secret = 'hunter2",
        "client_secret = \"hunter2\"hunter2\"",
        "client_secret = hunter2",
        "client_secret = hunter2 hunter2",
        "client_secret = { hunter2 }",
        "client_secret = { env = 'hunter2' ",
        "client_secret 'hunter2'",
        "client_secret: 'hunter2'",
        "client_secret = '''\nhunter2\nhunter2=\n",
        "client_secret = \"hunter2\\q\"",
        "client_secret = 'a'\nclient_secret = 'hunter2'",
        "client_secret = 'hunter2'\nclient_secret = 'a'",
        "client_secret = { env = 'A', env = 'hunter2' }",
        "client_secret = { env = 'A', file = 'x', file = '''\nhunter2''' }",
        "extra = { a = 'b', a = 'hunter2' }",
        "scope = 'a'\nscope = '''\nhunter2\n[hunter2]\nscope = 'hunter2'\n'''",
        "scope = 'a', client_secret = 'hunter2'",
        "scope = ['a' # hunter2\n'hunter2'\n",
        "extra = { a = 'hunter2', }, b = 'hunter2'",
        "client_secret = 0xhunter2",
        "client_secret = 2024-13-45hunter2",
        &format!("client_secret = '{long}' x"),
    ] {
        let source = provider(&format!("{ENDPOINT}{faulty}"));
        let Err(problems) = folder.parse(&source).await else { panic!("no fault in {faulty}") };
        assert_hides(&faulty, &problems);
    }
    for (store, token_url) in
        [("postgres://me:hunter2@a/b", "https://me:hunter2@a.example/t"), ("${SECRET}", "hunter2://")]
    {
        let source = format!("store = '{store}'\n[providers.a]\ngrant = 'password'\ntoken_url = '{token_url}'");
        let Err(problems) = folder.parse(&source.replace("hunter2://", "${SECRET}")).await else { panic!() };
        assert_hides(&store, &problems);
    }
    let config = folder
        .parse(
            "seal_keys = ['aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ=']\n\
             [providers.a]\ngrant = 'static'\ntoken = 'hunter2'\n[providers.b]\ngrant = 'static'\ntoken = { file = 'secret' }",
        )
        .await
        .unwrap();
    assert!(!format!("{config:?}{config:#?}").contains("hunter2"), "{config:?}");
    assert!(!format!("{config:?}{config:#?}").contains("aHVudGVy"), "{config:?}");
}

#[tokio::test]
async fn a_file_is_read_relative_to_its_folder() {
    let folder = Folder::new();
    folder.write("secret", "hunter2\n");
    folder
        .write("keep.toml", "store = 'sqlite:keep.db'\n[providers.x]\ngrant = 'static'\ntoken = { file = 'secret' }\n");
    let config = config::load(&folder.path("keep.toml"), &environment()).await.unwrap();
    assert_eq!(config.store, Some(StoreUrl::Sqlite(folder.path("keep.db"))));
}

#[tokio::test]
async fn a_missing_file_is_named_with_what_to_do() {
    let problems = config::load(Path::new("/nowhere/keep.toml"), &environment()).await.unwrap_err();
    assert_eq!(
        problems.to_string(),
        "\
error: cannot read the configuration file /nowhere/keep.toml: there is no such file
--> /nowhere/keep.toml
 = help: create this file, or name another one"
    );
    let folder = Folder::new();
    let problems = config::load(&folder.path(""), &environment()).await.unwrap_err();
    assert!(problems.to_string().contains(": it is a folder"), "{problems}");
}

#[tokio::test]
async fn a_file_that_is_not_utf8_is_refused_at_the_first_bad_byte() {
    let folder = Folder::new();
    folder.write("keep.toml", b"store = 'memory:'\n# \xc3\xbc\xff hunter2\n");
    let problems = config::load(&folder.path("keep.toml"), &environment()).await.unwrap_err();
    let [problem] = problems.iter().as_slice() else { panic!() };
    assert_eq!((problem.line(), problem.column(), problem.message()), (Some(2), Some(4), "this is not UTF-8"));
    assert_hides(&"not utf-8", &problems);
}

#[test]
fn reading_can_move_between_threads() {
    fn is_send(_: impl Send) {}
    let env = environment();
    is_send(config::load(Path::new("keep.toml"), &env));
    is_send(config::parse("", "keep.toml", Path::new(""), &|_: &str| None));
}

const KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
const KEY_2: &str = "MjIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
const KEY_3: &str = "MzIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
const ENDPOINT: &str = "token_url = \"https://a.example/t\"\nclient_id = \"me\"\n";

fn provider(options: &str) -> String {
    format!("[providers.graph]\ngrant = \"client_credentials\"\n{options}")
}

fn environment() -> HashMap<String, String> {
    [("SET", "set"), ("SECRET", "hunter2-env"), ("OTHER", "hunter2-other"), ("EMPTY", ""), ("KEY", KEY)]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

async fn config(source: &str) -> Config {
    match parse(source).await {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

async fn faults(source: &str) -> Problems {
    match parse(source).await {
        Ok(_) => panic!("no fault was found in:\n{source}"),
        Err(problems) => problems,
    }
}

async fn report(source: &str) -> String {
    faults(source).await.to_string()
}

async fn parse(source: &str) -> Result<Config, Problems> {
    config::parse(source, "keep.toml", Path::new("/etc/keep"), &environment()).await
}

async fn parse_with(source: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let env: HashMap<_, _> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    config::parse(source, "keep.toml", Path::new("/etc/keep"), &env).await
}

fn assert_hides(what: &dyn std::fmt::Debug, problems: &Problems) {
    let lines: Vec<_> = problems.iter().map(|problem| format!("{problem} {problem:?}")).collect();
    let error = tokenkeep::Error::from(problems.clone());
    let shown = format!("{problems}\n{}\n{problems:?}\n{lines:?}\n{error}\n{error:?}", problems.render(Color::Always));
    assert!(!shown.contains("hunter2"), "{what:?} is shown:\n{shown}");
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn program(&self, name: &str, script: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, format!("#!/bin/sh\n{script}\n"));
        let path = self.path(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path.display().to_string()
    }

    async fn parse(&self, source: &str) -> Result<Config, Problems> {
        let mut env = environment();
        env.insert("HERE".into(), self.0.path().display().to_string());
        let env: &dyn Environment = &env;
        config::parse(source, "keep.toml", self.0.path(), env).await
    }
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
