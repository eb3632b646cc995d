//! A home folder, a configuration, an issuer, and the binary that finds nothing else.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokenkeep_sandbox::{Client, Sandbox};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

pub(crate) const CLIENT_SECRET: &str = "planted-client-secret-5d1c";
pub(crate) const PASSWORD: &str = "planted-password-88a0";
pub(crate) const STATIC_TOKEN: &str = "planted-static-token-41f7";
pub(crate) const COMMAND_TOKEN: &str = "planted-command-token-e93b";
/// What the sandbox's tokens start with, refresh tokens included.
pub(crate) const ISSUED: &str = "sbx";

/// What a test needs around the binary. Everything is gone when it is dropped.
pub(crate) struct World {
    pub(crate) home: TempDir,
    pub(crate) sandbox: Sandbox,
    /// The refresh token of `calendar`.
    pub(crate) seed: String,
}

impl World {
    /// With `tokenkeep.toml` in the home folder, which is the working folder too: `graph`, `people`, `calendar`,
    /// `billing` and `legacy`, and the other clients' secrets in variables.
    pub(crate) async fn start() -> Self {
        let world = Self::without_config().await;
        world.write_config(&world.usual_config());
        world
    }

    pub(crate) async fn without_config() -> Self {
        let life = Duration::from_mins(10);
        let sandbox = Sandbox::builder()
            .client(Client::new("graph", CLIENT_SECRET).life(life).scope("read write"))
            .client(Client::new("people", CLIENT_SECRET).life(life))
            .client(Client::new("calendar", CLIENT_SECRET).life(life))
            .user("backend", PASSWORD)
            .start()
            .await
            .unwrap();
        let seed = sandbox.issue_refresh_token("calendar");
        Self { home: TempDir::new().unwrap(), sandbox, seed }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write_config(&self, text: &str) {
        std::fs::write(self.path("tokenkeep.toml"), text).unwrap();
    }

    /// `graph` alone, at this issuer.
    pub(crate) fn graph_at(token_url: &str) -> String {
        format!(
            "store = \"sqlite:tokens.db\"\n\
             [providers.graph]\n\
             grant = \"client_credentials\"\n\
             token_url = \"{token_url}\"\n\
             client_id = \"graph\"\n\
             client_secret = {{ env = \"CLIENT_SECRET\" }}\n"
        )
    }

    pub(crate) fn usual_config(&self) -> String {
        let token_url = self.sandbox.token_url();
        let client = format!("token_url = \"{token_url}\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}\n");
        format!(
            "{graph}\
             api_base = \"{api}\"\n\
             [providers.people]\n\
             grant = \"password\"\n\
             client_id = \"people\"\n\
             {client}\
             username = \"backend\"\n\
             password = {{ env = \"PASSWORD\" }}\n\
             [providers.calendar]\n\
             grant = \"refresh_token\"\n\
             client_id = \"calendar\"\n\
             {client}\
             refresh_token = {{ env = \"SEED\" }}\n\
             [providers.billing]\n\
             grant = \"static\"\n\
             token = {{ env = \"STATIC_TOKEN\" }}\n\
             [providers.legacy]\n\
             grant = \"command\"\n\
             command = [\"echo\", \"{COMMAND_TOKEN}\"]\n",
            graph = Self::graph_at(&token_url),
            api = self.sandbox.api_url(),
        )
    }

    /// The binary in the home folder, with no environment but what the configuration refers to.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        // Whoever runs the tests may ignore signals, e.g. by nohup; the binary would too.
        let mut command = Command::new("/usr/bin/env");
        command
            .arg("--default-signal=HUP,INT,QUIT,TERM")
            .arg(env!("CARGO_BIN_EXE_tokenkeep"))
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("CLIENT_SECRET", CLIENT_SECRET)
            .env("PASSWORD", PASSWORD)
            .env("SEED", &self.seed)
            .env("STATIC_TOKEN", STATIC_TOKEN)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args)).await
    }

    /// A process that goes on while the test looks at it.
    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    /// Waits until so many token requests of a client have arrived.
    pub(crate) async fn arrived(&self, client: &str, requests: u64) {
        in_time(self.sandbox.wait_for_requests(client, requests)).await;
    }

    /// Waits until so many tokens of a client are made, whether or not the answer has left.
    pub(crate) async fn issued(&self, client: &str, tokens: u64) {
        in_time(self.sandbox.wait_until(|counters| counters.clients[client].issued >= tokens)).await;
    }

    /// Token requests of a client so far.
    pub(crate) fn requests(&self, client: &str) -> u64 {
        self.sandbox.counters_of(client).token_requests
    }
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// What it printed, if all went well and it had nothing to say.
    #[track_caller]
    pub(crate) fn data(&self) -> &str {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""), "{self:?}");
        self.stdout.strip_suffix('\n').unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.data()).unwrap()
    }

    /// What it said, if it failed with this code and printed no data.
    #[track_caller]
    pub(crate) fn failure(&self, code: i32) -> &str {
        assert_eq!((self.code, &*self.stdout), (Some(code), ""), "{self:?}");
        &self.stderr
    }
}

pub(crate) async fn ended(mut command: Command) -> Ended {
    // Not `output`, which would replace a stdout that the test has chosen.
    let output = in_time(command.spawn().unwrap().wait_with_output()).await.unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A process that runs, line by line.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Lines<BufReader<ChildStdout>>,
    pub(crate) stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        // A test may have chosen another stdout.
        let stdout = BufReader::new(child.stdout.take().unwrap_or_else(nothing)).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stdout, stderr }
    }

    /// Reads stdout up to a line that holds this text; all of them, that one included.
    pub(crate) async fn read_to(&mut self, text: &str) -> String {
        let mut read = String::new();
        let reading = async {
            loop {
                let line = self.stdout.next_line().await.unwrap();
                let Some(line) = line else { panic!("{text:?} did not come after:\n{read}") };
                read.push_str(&line);
                read.push('\n');
                if line.contains(text) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(LONG, reading).await;
        assert!(in_time.is_ok(), "{text:?} did not come in time after:\n{read}");
        read
    }

    /// Reads stderr up to a line that holds this text; that one.
    pub(crate) async fn hear(&mut self, text: &str) -> String {
        let hearing = async {
            loop {
                let line = self.stderr.next_line().await.unwrap().unwrap();
                if line.contains(text) {
                    return line;
                }
            }
        };
        in_time(hearing).await
    }

    /// Its stdin, if that is a pipe.
    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ended {
        let mut rest = (String::new(), String::new());
        let read = |lines: &mut String, line: Option<String>| line.map(|line| lines.push_str(&(line + "\n"))).is_some();
        let all = async {
            while read(&mut rest.0, self.stdout.next_line().await.unwrap()) {}
            while read(&mut rest.1, self.stderr.next_line().await.unwrap()) {}
            self.child.wait().await.unwrap().code()
        };
        let code = in_time(all).await;
        Ended { code, stdout: rest.0, stderr: rest.1 }
    }
}

fn nothing() -> ChildStdout {
    let (end, _) = std::io::pipe().unwrap();
    ChildStdout::from_std(OwnedFd::from(end).into()).unwrap()
}

/// Waits for what must come.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("what must come did not come in time")
}

/// Whether a folder holds nothing of this name.
pub(crate) fn is_free_of(folder: &Path, name: &str) -> bool {
    !std::fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().contains(name))
}

/// So long a test waits for what must come, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(1);
