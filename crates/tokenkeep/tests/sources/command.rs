//! `command`: a program that prints a token.

use std::time::Duration;

use tokenkeep::provider::Grant;
use tokenkeep::{Code, Error, Token};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use crate::support::*;

fn shell(script: &str) -> Grant {
    Grant::Command { program: "sh".to_owned(), args: ["-c", script].map(str::to_owned).into() }
}

async fn run(script: &str) -> Result<Token, Error> {
    ask(shell(script)).await
}

/// Whether it was given so many seconds, of which a few may be over since.
fn lives(token: &Token, seconds: u64) -> bool {
    // The manager's clock is behind that of `date` by a tick of the kernel at most.
    let most = Duration::from_millis(seconds * 1_000 + 10);
    (Duration::from_secs(seconds - 20)..=most).contains(&token.expires_in().unwrap())
}

/// What is said of a script that prints no token.
async fn fault_of(script: &str) -> String {
    let error = run(script).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.next(), Some("run it by hand to see why"));
    assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
    error.what().to_owned()
}

#[tokio::test]
async fn a_printed_token_is_taken_without_the_white_space_around_it() {
    for script in ["echo AT-1", "printf AT-1", r"printf '\n  AT-1 \r\n'", r"printf '\357\273\277AT-1'"] {
        let token = run(script).await.unwrap();
        assert_eq!(token.expose_secret(), "AT-1", "{script}");
        assert!(lives(&token, 300), "the policy's lifetime, not {token:?}");
    }
}

#[tokio::test]
async fn printed_json_can_say_when_the_token_ends() {
    for (json, life) in [
        (r#"{"access_token":"AT-1","expires_in":600}"#, 600),
        (r#"{"token":"AT-1","expires_in":"600"}"#, 600),
        (r#"{"access_token":"AT-1"}"#, 300),
    ] {
        let token = run(&format!("printf '%s' '{json}'")).await.unwrap();
        assert_eq!(token.expose_secret(), "AT-1", "{json}");
        assert!(lives(&token, life), "{json}: {token:?}");
    }
}

#[tokio::test]
async fn printed_json_can_hold_an_absolute_end() {
    for end in [r#""expires_at":'$(( $(date +%s) + 900 ))'"#, r#""expires_on":"'$(( $(date +%s) + 900 ))'""#] {
        let token = run(&format!(r#"echo '{{"accessToken":"AT-1",{end}}}'"#)).await.unwrap();
        assert!(lives(&token, 900), "{token:?}");
    }
}

#[tokio::test]
async fn what_is_neither_one_token_nor_json_is_named_and_not_shown() {
    for (script, fault) in [
        ("true", "sh printed neither one token nor JSON"),
        ("echo planted planted", "sh printed neither one token nor JSON"),
        ("echo planted; echo planted", "sh printed neither one token nor JSON"),
        (r"printf '\377\376p'", "sh printed no text"),
        (r#"echo '{"planted":1}'"#, "sh printed JSON without an access_token"),
        (r#"echo '{"access_token":"planted'"#, "sh printed truncated JSON"),
        (r#"echo '{"access_token":"planted","expires_in":0}'"#, "sh printed an expires_in that is not above zero"),
        (r#"echo '{"access_token":"planted é"}'"#, "sh printed a token that no header can carry"),
    ] {
        assert_eq!(fault_of(script).await, fault, "{script}");
    }
}

#[tokio::test]
async fn a_failing_program_is_told_by_its_status_whatever_it_printed() {
    assert_eq!(fault_of("echo planted; echo planted >&2; exit 3").await, "sh ended with exit status: 3");
    assert_eq!(fault_of("kill -9 $$").await, "sh ended with signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_missing_program_is_refused() {
    let args = vec!["planted".to_owned()];
    let error = ask(Grant::Command { program: "/no/such/program".to_owned(), args }).await.unwrap_err();
    assert_eq!(error.code(), Code::Refused);
    assert_eq!(error.to_string(), "p0: /no/such/program cannot be run: there is no such program; check command");
}

#[tokio::test]
async fn a_program_that_asks_for_input_gets_none() {
    assert_eq!(fault_of("read answer && echo planted").await, "sh ended with exit status: 1");
}

#[tokio::test]
async fn a_program_that_prints_too_much_is_ended_with_all_that_it_started() {
    let ending = Ending::new();
    assert_eq!(fault_of(&ending.of("yes planted")).await, "sh printed more than 1 MiB");
    ending.seen().await;
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended_with_all_that_it_started() {
    let ending = Ending::new();
    let error = ask_within(Duration::from_secs(2), shell(&ending.of("sleep 1000"))).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.what(), "sh did not answer within 2 s");
    ending.seen().await;
}

#[tokio::test]
async fn what_a_successful_program_left_running_goes_on() {
    let ending = Ending::new();
    // As an agent does that a program starts on the way.
    run(&ending.of("sleep 1000 >/dev/null & printf AT-1; exit")).await.unwrap();
    assert!(ending.process_lives().await);
}

/// Notices when the last process ends that a script started.
struct Ending {
    folder: tempfile::TempDir,
    pipe: pipe::Receiver,
}

impl Ending {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let pipe = pipe::OpenOptions::new().open_receiver(path).unwrap();
        Self { folder, pipe }
    }

    /// The script, in a shell and beside a child that both hold the pipe open.
    fn of(&self, script: &str) -> String {
        format!("exec 3>'{}'; echo $$ >&3; {script}; true", self.folder.path().join("pipe").display())
    }

    async fn seen(mut self) {
        let mut said = String::new();
        let all = tokio::time::timeout(Duration::from_secs(20), self.pipe.read_to_string(&mut said));
        all.await.expect("something of it goes on").unwrap();
        assert!(said.ends_with('\n'), "it never ran");
    }

    /// Whether the pipe is still held; ends whatever holds it.
    async fn process_lives(mut self) -> bool {
        let mut group = [0; 16];
        let read = self.pipe.read(&mut group).await.unwrap();
        let lives = self.pipe.try_read(&mut [0; 16]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        let group = format!("-{}", std::str::from_utf8(&group[..read]).unwrap().trim());
        std::process::Command::new("kill").args(["-9", "--", &group]).status().unwrap();
        lives
    }
}

#[tokio::test]
async fn a_command_line_in_place_of_a_program_is_not_shown() {
    let grant = Grant::Command { program: "vault read -token=planted secret/x".to_owned(), args: Vec::new() };
    assert!(!format!("{grant:?}").contains("planted"));
    let handle = handle(grant).await;
    let error = handle.token().await.unwrap_err();
    assert_eq!(error.what(), "vault cannot be run: there is no such program");
    assert!(!format!("{error:?} {:?}", handle.status().await).contains("planted"));
}
