//! Redis, from its package or a folder that `./test` has made.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::process::{Folder, Server, command, content, free_port, is_open, run, wait_until};

/// A Redis server, Sentinel or node of a cluster on a port of the loopback address.
///
/// ```no_run
/// use tokenkeep_test_servers::Redis;
///
/// let redis = Redis::shared();
/// println!("{}?prefix={}", redis.url(), redis.prefix()); // redis://127.0.0.1:40123?prefix=test_1
/// ```
#[derive(Debug)]
pub struct Redis {
    folder: Folder,
    port: u16,
    arguments: Vec<String>,
    prefixes: AtomicU32,
    server: Mutex<Option<Server>>,
}

impl Redis {
    /// The one server of this process, for tests that do it no harm.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of one test, with settings as in `redis.conf`; a file of TLS is named by its content. It keeps nothing on
    /// its disk unless a setting says so.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, &[])
    }

    /// A replica that follows this server, which only reads.
    #[must_use]
    pub fn replica(&self) -> Self {
        let replica = Self::start(&[("replicaof", &format!("127.0.0.1 {}", self.port))]);
        wait_until("the replica does not follow", || replica.cli(&["INFO", "replication"]).contains("link_status:up"));
        replica
    }

    /// A Sentinel that watches this server under a name, and needs no other to replace it.
    #[must_use]
    pub fn sentinel(&self, master: &str) -> Self {
        let watched = format!("{master} 127.0.0.1 {} 1", self.port);
        let settings = [
            ("sentinel monitor", &*watched),
            ("sentinel down-after-milliseconds", &format!("{master} 500")),
            ("sentinel failover-timeout", &format!("{master} 3000")),
        ];
        Self::start_with(&settings, &["--sentinel"])
    }

    /// Two nodes of a cluster, each with half of the slots.
    pub fn cluster() -> [Self; 2] {
        let nodes = [Self::cluster_node(), Self::cluster_node()];
        for (node, slots) in nodes.iter().zip([["0", "8191"], ["8192", "16383"]]) {
            node.cli(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
        }
        nodes[0].meet(&nodes[1]);
        wait_until("the cluster does not come together", || {
            nodes.iter().all(|node| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
        });
        nodes
    }

    /// One more node of a cluster, as a replica of this one.
    #[must_use]
    pub fn cluster_replica(&self) -> Self {
        let replica = Self::cluster_node();
        self.meet(&replica);
        let id = self.cli(&["CLUSTER", "MYID"]);
        wait_until("the node is not known", || replica.cli(&["CLUSTER", "NODES"]).contains(&id));
        replica.cli(&["CLUSTER", "REPLICATE", &id]);
        wait_until("the replica does not follow", || replica.cli(&["INFO", "replication"]).contains("link_status:up"));
        replica
    }

    /// The URL of the server, as a store takes it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A prefix that nobody else has on this server.
    pub fn prefix(&self) -> String {
        format!("test_{}", self.prefixes.fetch_add(1, Ordering::Relaxed))
    }

    /// Has `redis-cli` do what a person would; what it answers. An error is one of the test.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut cli = command(&program("redis-cli"), &self.folder);
        cli.args(["-e", "-p", &self.port.to_string()]).args(arguments);
        run(cli).trim_end().to_owned()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        content(&self.folder.path().join("log"))
    }

    /// The folder with its files; its socket, if it has one, is `socket` there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it at once, as a crash does: what is not on its disk is gone.
    pub fn stop(&self) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.stop();
        }
    }

    /// Starts it on the same port and folder; comes back when it answers.
    pub fn start_again(&self) {
        self.stop();
        let mut redis = command(&program("redis-server"), &self.folder);
        redis.arg(self.folder.path().join("redis.conf")).args(&self.arguments);
        let mut server = Server::start(&redis, &self.folder, "KILL");
        wait_until("Redis does not answer", || {
            assert!(!server.has_ended(), "Redis has ended:\n{}", self.log());
            is_open(self.port)
        });
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
    }

    fn cluster_node() -> Self {
        let bus = free_port().to_string();
        let node = Self::start(&[("cluster-enabled", "yes"), ("cluster-port", &bus), ("cluster-node-timeout", "2000")]);
        node.folder.write("bus", &bus);
        node
    }

    fn meet(&self, other: &Self) {
        let bus = content(&other.folder.path().join("bus"));
        self.cli(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), &bus]);
    }

    fn start_with(settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let (folder, port) = (Folder::new("redis"), free_port());
        let mut lines = String::new();
        for (name, value) in settings {
            let value = if value.starts_with("-----BEGIN") {
                folder.write(name, value).display().to_string()
            } else {
                (*value).to_owned()
            };
            if *name == "tls-port" {
                // Who has one does without the other; the test does not know which are free.
                writeln!(lines, "tls-port {port}\nport 0").ok();
            } else {
                writeln!(lines, "{name} {value}").ok();
            }
        }
        if !lines.contains("tls-port") {
            writeln!(lines, "port {port}").ok();
        }
        let is_server = arguments.is_empty();
        let socket = folder.path().join("socket");
        if is_server {
            writeln!(lines, "unixsocket {}\nunixsocketperm 777", socket.display()).ok();
            for name in ["save", "appendonly"].into_iter().filter(|name| !settings.iter().any(|(of, _)| of == name)) {
                writeln!(lines, "{name} {}", if name == "save" { "\"\"" } else { "no" }).ok();
            }
        }
        writeln!(lines, "bind 127.0.0.1\ndir {}", folder.path().display()).ok();
        folder.write("redis.conf", &lines);
        let arguments = arguments.iter().map(|&argument| argument.into()).collect();
        let this = Self { folder, port, arguments, prefixes: AtomicU32::new(0), server: Mutex::default() };
        this.start_again();
        this
    }
}

/// Where a program of Redis is.
fn program(name: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests are told by it where ./test has unpacked the server")]
    let folder = std::env::var("TOKENKEEP_REDIS").unwrap_or_else(|_| "/usr/bin".into());
    let program = Path::new(&folder).join(name);
    assert!(program.exists(), "there is no {name} in {folder}: ./test installs it, or set TOKENKEEP_REDIS");
    program
}
