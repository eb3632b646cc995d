//! An example as its user runs it: the configuration that is shipped, an issuer, and the binary in an environment that
//! holds nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokenkeep_sandbox::Sandbox;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a law needs around the binary. Everything is gone when it is dropped.
pub(crate) struct Example {
    pub(crate) home: TempDir,
    pub(crate) sandbox: Sandbox,
    /// The configuration file: the one in `examples/` unless a law writes its own.
    pub(crate) config: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Example {
    /// That of this name, with the variables that it needs.
    pub(crate) fn new(name: &str, sandbox: Sandbox, variables: &[(&str, &str)]) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).join("tokenkeep.toml");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { home: TempDir::new().unwrap(), sandbox, config, variables }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Something in the home folder, which is the working and the temporary folder too.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The binary with this configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_after("", args)
    }

    /// The binary, in a shell that has done something before.
    pub(crate) fn command_after(&self, before: &str, args: &[&str]) -> Command {
        // Whoever runs the tests may ignore signals, e.g. by nohup; the binary would too.
        let start = r#"exec /usr/bin/env --default-signal=HUP,INT,QUIT,TERM "$@""#;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("{before}\n{start}"), "sh", env!("CARGO_BIN_EXE_tokenkeep"), "--config"])
            .arg(&self.config)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .envs(&self.variables)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        let output = in_time(self.command(args).output()).await.unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What it printed, if all went well.
    pub(crate) async fn printed(&self, args: &[&str]) -> String {
        let ended = self.run(args).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout.trim_end().to_owned()
    }

    /// `tokenkeep serve`, once it listens.
    pub(crate) async fn serve(&self) -> Server {
        Server::start(self.command(&SERVE)).await
    }

    /// What the configuration finds in the environment.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Token requests that have come to the issuer so far.
    pub(crate) fn requests(&self) -> u64 {
        self.sandbox.counters().total.token_requests
    }
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running `tokenkeep serve`. It is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    log: watch::Receiver<Vec<String>>,
    _reading: JoinSet<()>,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = watch::channel(Vec::new());
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| log.push(line));
            }
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut server = Self { child, url: String::new(), http, log, _reading: reading };
        let line = server.says("listening on http").await;
        let addresses = line.strip_prefix("listening on ").unwrap();
        server.url = addresses.split(',').map(str::to_owned).next().unwrap();
        server
    }

    /// A request without a body: its status and its answer.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> (u16, String) {
        let answer = in_time(self.http.request(method, format!("{}{path}", self.url)).send()).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The answer to a GET, which is good.
    pub(crate) async fn get(&self, path: &str) -> String {
        let (status, text) = self.ask(Method::GET, path).await;
        assert_eq!(status, 200, "{path}: {text}\n{:#?}", self.log());
        text
    }

    /// The same as JSON.
    pub(crate) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await).unwrap()
    }

    /// The token of a key.
    pub(crate) async fn token(&self, key: &str) -> String {
        let answer = self.json(&format!("/tokens/{key}")).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Waits until a GET answers something that fulfils a condition, e.g. because time has gone by.
    pub(crate) async fn becomes(&self, path: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let looking = async {
            loop {
                last = self.json(path).await;
                if condition(&last) {
                    return;
                }
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        };
        let in_time = tokio::time::timeout(LONG, looking).await;
        assert!(in_time.is_ok(), "{path} still is {last}\n{:#?}", self.log());
        last
    }

    /// Waits for a line of the log that has this text; the first one.
    pub(crate) async fn says(&self, text: &str) -> String {
        self.says_all(&[text]).await
    }

    /// The same with a line that has all of these.
    pub(crate) async fn says_all(&self, texts: &[&str]) -> String {
        let mut log = self.log.clone();
        let line = |log: &Vec<String>| log.iter().find(|line| texts.iter().all(|text| line.contains(text))).cloned();
        let heard = tokio::time::timeout(LONG, log.wait_for(|log| line(log).is_some())).await;
        let found = heard.ok().and_then(|log| line(&*log.ok()?));
        found.unwrap_or_else(|| panic!("{texts:?} is not in the log: {:#?}", self.log()))
    }

    /// All that it has logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap()
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Has it end when it is done; all that it has logged.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.signal(Signal::TERM);
        let ended = in_time(self.child.wait()).await.unwrap();
        let mut log = self.log.clone();
        // The reader drops its end when there is no more.
        while in_time(log.changed()).await.is_ok() {}
        assert!(ended.success(), "{ended}: {:#?}", self.log());
        self.log()
    }
}

/// Waits for what must come.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(LONG, what).await;
    waited.unwrap_or_else(|_| panic!("what must come did not come in time"))
}

/// What starts a server on a free port.
pub(crate) const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];
/// So long a law waits for what must come, on a machine that has much else to do.
pub(crate) const LONG: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
