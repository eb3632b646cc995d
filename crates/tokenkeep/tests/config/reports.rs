//! What a report of faults shows, and what it does not.

use super::*;

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
listen = ["0.0.0.0", "${NOBODY}"]
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
            (21, 11, "this is not an address to listen at"),
            (21, 23, "the environment variable `NOBODY` is not set"),
            (22, 1, "callers are tables [[server.keys]], one for each"),
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
        "[[server.keys]]\nsha256 = 'hunter2'",
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
