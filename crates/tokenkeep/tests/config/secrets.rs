//! Where secrets come from.

use super::*;

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
        ("{ command = ['vault read -token=hunter2 a/b'] }", "/vault` cannot be run: there is no such file"),
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
