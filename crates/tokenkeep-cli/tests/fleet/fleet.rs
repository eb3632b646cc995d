//! Members, the store that they share, and the issuer that they ask.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokenkeep::clock::SystemClock;
use tokenkeep::{Clock as _, Moment};
use tokenkeep_sandbox::{Client, Sandbox};
use tokenkeep_test_servers::{Link, Relay};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::member::{Answer, Member};
use crate::place::{Engine, Place};

/// Everything is gone when it is dropped.
pub(crate) struct Fleet {
    home: TempDir,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) members: Vec<Member>,
    place: Place,
    http: reqwest::Client,
    clock: SystemClock,
}

impl Fleet {
    /// Nobody yet, on an empty store; clients of the issuer have [`SECRET`], its one user `backend` too.
    pub(crate) async fn on(engine: Engine, clients: impl IntoIterator<Item = Client>) -> Self {
        let sandbox = clients.into_iter().fold(Sandbox::builder(), tokenkeep_sandbox::SandboxBuilder::client);
        let sandbox = sandbox.user("backend", SECRET).start().await.unwrap();
        Self {
            home: TempDir::new().unwrap(),
            sandbox: Arc::new(sandbox),
            members: Vec::new(),
            place: Place::of(engine),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            clock: SystemClock::new(),
        }
    }

    /// Gives all members that start from now on these providers.
    pub(crate) fn configure(&self, providers: &[String]) {
        let config = format!("store = \"${{STORE}}\"\nseal_keys = [{{ env = \"SEAL_KEY\" }}]\n{}", providers.concat());
        std::fs::write(self.home.path().join("tokenkeep.toml"), config).unwrap();
    }

    /// The table of a provider with these lines, whose client at the issuer has the same name.
    pub(crate) fn provider(&self, name: &str, lines: &str) -> String {
        format!(
            "[providers.{name}]\ntoken_url = \"{}\"\nclient_id = \"{name}\"\nclient_secret = {{ env = \"SECRET\" }}\n\
             {lines}\n",
            self.sandbox.token_url()
        )
    }

    /// Starts so many more.
    pub(crate) async fn start(&mut self, members: usize) {
        let starting = (0..members).map(|_| Relay::to(self.place.port())).map(Arc::new);
        let starting: JoinSet<Member> = starting.map(|link| Member::start(self.command(&link), link)).collect();
        self.members.extend(starting.join_all().await);
    }

    /// Starts one again in the place of one that has ended.
    pub(crate) async fn start_again(&mut self, member: usize) {
        let link = Arc::clone(&self.members[member].link);
        self.members[member] = Member::start(self.command(&link), link).await;
    }

    fn command(&self, link: &Relay) -> Command {
        // Whoever runs the tests may ignore signals, e.g. by nohup; the binary would too.
        let mut command = Command::new("/usr/bin/env");
        command
            .arg("--default-signal=HUP,INT,QUIT,TERM")
            .arg(env!("CARGO_BIN_EXE_tokenkeep"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("RUST_LOG", "info,tokenkeep::audit=off")
            .env("STORE", self.place.url(link.port()))
            .env("SEAL_KEY", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=")
            .env("SECRET", SECRET)
            .current_dir(self.home.path());
        command
    }

    /// Asks a member for a token.
    pub(crate) async fn get(&self, member: usize, key: &str) -> Answer {
        self.ask(member, Method::GET, &format!("tokens/{key}"), None).await
    }

    /// Sends a request to a member, which answers in time.
    pub(crate) async fn ask(&self, member: usize, method: Method, path: &str, body: Option<Value>) -> Answer {
        let answer = in_time("a member does not answer", self.try_to_ask(member, method, path, body)).await;
        answer.unwrap_or_else(|error| panic!("member {member}: {path}: {error}"))
    }

    /// The same of a member that may be stopped or killed meanwhile.
    pub(crate) fn try_to_ask(
        &self,
        member: usize,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> impl Future<Output = reqwest::Result<Answer>> + Send + use<> {
        self.caller(member).ask(method, path, body)
    }

    /// Somebody who asks a member as long as that process runs.
    pub(crate) fn caller(&self, member: usize) -> Caller {
        Caller { http: self.http.clone(), url: self.members[member].url.clone() }
    }

    /// Asks each of these members for each of these keys, all at once as far as 200 callers of each member can.
    pub(crate) async fn get_all(&self, asked: impl IntoIterator<Item = (usize, String)>) -> Vec<(String, Answer)> {
        let callers: Vec<_> = self.members.iter().map(|_| Arc::new(Semaphore::new(CALLERS))).collect();
        let mut asking = JoinSet::new();
        for (member, key) in asked {
            let caller = Arc::clone(&callers[member]);
            let answer = self.try_to_ask(member, Method::GET, &format!("tokens/{key}"), None);
            asking.spawn(async move {
                let _caller = caller.acquire_owned().await.unwrap();
                (key, answer.await.unwrap())
            });
        }
        in_time("callers do not get their answers", asking.join_all()).await
    }

    /// Gives accounts of a provider the credentials of the one user, over all members.
    pub(crate) async fn give_credentials(&self, keys: &[String]) {
        let callers = Arc::new(Semaphore::new(32));
        let mut giving = JoinSet::new();
        for (number, key) in keys.iter().enumerate() {
            let credentials = json!({ "username": "backend", "password": SECRET });
            let path = format!("tokens/{key}/credentials");
            let given = self.try_to_ask(number % self.members.len(), Method::PUT, &path, Some(credentials));
            let callers = Arc::clone(&callers);
            giving.spawn(async move {
                let _caller = callers.acquire_owned().await.unwrap();
                given.await.unwrap()
            });
        }
        let given = in_time("credentials are not taken", giving.join_all()).await;
        assert!(given.iter().all(|answer| answer.status == 204), "{given:?}");
    }

    /// The tokens that the members hand out for a key.
    pub(crate) async fn tokens(&self, key: &str) -> BTreeSet<String> {
        let asked = (0..self.members.len()).map(|member| (member, key.to_owned()));
        self.get_all(asked).await.iter().map(|(_, answer)| answer.token().to_owned()).collect()
    }

    /// Does something to the links of all members to their store.
    pub(crate) fn link(&self, link: Link) {
        for member in &self.members {
            member.link.set(link);
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Says how long something took, for whoever runs the tests with `--nocapture`.
    pub(crate) fn took(&self, what: &str, since: Moment) {
        println!("{what}: {} ms", self.now().since(since).as_millis());
    }
}

/// Somebody who asks one member.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    url: String,
}

impl Caller {
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> impl Future<Output = reqwest::Result<Answer>> + Send + use<> {
        let request = self.http.request(method, format!("{}/{path}", self.url));
        let request = if let Some(body) = body { request.json(&body) } else { request };
        async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            Ok(Answer { status, body: serde_json::from_slice(&answer.bytes().await?).unwrap_or_default() })
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (number, member) in self.members.iter().enumerate() {
                println!("member {number}: {:#?}", member.last_lines());
            }
        }
    }
}

/// Waits for what must come.
pub(crate) async fn in_time<T>(otherwise: &str, what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.unwrap_or_else(|_| panic!("{otherwise}: not within {} s", LONG.as_secs()))
}

/// Asks again until it is so.
pub(crate) async fn until(otherwise: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    in_time(otherwise, asking).await;
}

/// Of clients at the issuer and of its user.
pub(crate) const SECRET: &str = "planted-secret-5d1c";
/// Callers of one member at once.
pub(crate) const CALLERS: usize = 200;
/// So long a test waits for what must come, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(2);
/// Between two questions of whoever waits.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
