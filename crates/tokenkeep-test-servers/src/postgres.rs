//! PostgreSQL, from its package or a folder that `./test` has made.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::process::{Folder, Server, command, content, free_port, is_open, run, wait_until};

/// A PostgreSQL server on a port of the loopback address. The role [`Postgres::USER`] may do everything, without a
/// password; others need theirs.
///
/// ```no_run
/// use tokenkeep_test_servers::Postgres;
///
/// let database = Postgres::shared().database();
/// println!("{}", Postgres::shared().url(&database)); // postgres://tokenkeep@127.0.0.1:40123/test_1
/// ```
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: Folder,
    port: u16,
    databases: AtomicU32,
    server: Mutex<Option<Server>>,
}

impl Postgres {
    /// The role of tests.
    pub const USER: &str = "tokenkeep";

    /// The one server of this process, for tests that do it no harm.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of one test, with settings as in `postgresql.conf`; a file of TLS is named by its content.
    #[must_use]
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let (programs, folder) = (programs(), Folder::new("postgres"));
        let data = folder.path().join("data");
        let mut initdb = command(&programs.join("initdb"), &folder);
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust"]);
        initdb.args(["--username", Self::USER, "--pgdata"]).arg(&data);
        run(initdb);
        let this = Self { programs, folder, port: free_port(), databases: AtomicU32::new(0), server: Mutex::default() };
        this.configure(settings);
        this.start_again();
        this
    }

    /// A standby that follows this server, which only reads.
    #[must_use]
    pub fn standby(&self) -> Self {
        let folder = Folder::new("standby");
        let mut copy = command(&self.programs.join("pg_basebackup"), &folder);
        copy.args([
            "--host=127.0.0.1",
            "--username",
            Self::USER,
            "--no-sync",
            "--checkpoint=fast",
            "--write-recovery-conf",
        ]);
        copy.args(["--port", &self.port.to_string(), "--pgdata"]).arg(folder.path().join("data"));
        run(copy);
        let programs = self.programs.clone();
        let this = Self { programs, folder, port: free_port(), databases: AtomicU32::new(0), server: Mutex::default() };
        this.start_again();
        this
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}", Self::USER, self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database, and gives its name.
    pub fn database(&self) -> String {
        let database = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {database}"));
        database
    }

    /// Has `psql` do what a person would; what it answers, a row in each line.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = command(&self.programs.join("psql"), &self.folder);
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        run({
            psql.args(["--dbname", &self.url(database), "--command", sql]);
            psql
        })
        .trim_end()
        .to_owned()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        content(&self.folder.path().join("log"))
    }

    /// Ends it at once, as a crash does: connections break, what was committed is there after the next start.
    pub fn stop(&self) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.stop();
        }
    }

    /// Starts it on the same port and folder; comes back when it answers.
    pub fn start_again(&self) {
        self.stop();
        let mut postgres = command(&self.programs.join("postgres"), &self.folder);
        postgres.arg("-D").arg(self.folder.path().join("data"));
        postgres.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        let socket = format!("unix_socket_directories={}", self.folder.path().display());
        postgres.args(["-c", &socket]);
        let mut server = Server::start(&postgres, &self.folder, "QUIT");
        wait_until("PostgreSQL does not answer", || {
            assert!(!server.has_ended(), "PostgreSQL has ended:\n{}", self.log());
            is_open(self.port) && self.is_ready()
        });
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
    }

    /// The folder with its socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn is_ready(&self) -> bool {
        let mut ready = command(&self.programs.join("pg_isready"), &self.folder);
        ready.args(["--quiet", "--host=127.0.0.1", "--port", &self.port.to_string()]);
        ready.status().is_ok_and(|status| status.success())
    }

    fn configure(&self, settings: &[(&str, &str)]) {
        // Nothing here needs to outlive the machine.
        let mut lines =
            "fsync = off\nfull_page_writes = off\nmax_connections = 300\nshared_buffers = 32MB\n".to_owned();
        for (name, value) in settings {
            let value = if value.starts_with("-----BEGIN") {
                self.folder.write(name, value).display().to_string()
            } else {
                (*value).to_owned()
            };
            // Infallible: it is a text.
            writeln!(lines, "{name} = '{}'", value.replace('\'', "''")).ok();
        }
        let data = self.folder.path().join("data");
        let mut conf = content(&data.join("postgresql.conf"));
        conf.push_str(&lines);
        self.folder.write("data/postgresql.conf", &conf);
        let user = Self::USER;
        self.folder.write(
            "data/pg_hba.conf",
            &format!(
                "local all {user} trust\n\
                 host all {user} 127.0.0.1/32 trust\n\
                 host replication {user} 127.0.0.1/32 trust\n\
                 hostssl all with_certificate 127.0.0.1/32 cert\n\
                 host all all 127.0.0.1/32 scram-sha-256\n"
            ),
        );
    }
}

/// Where the server's programs are.
fn programs() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests are told by it where ./test has unpacked the server")]
    if let Ok(folder) = std::env::var("TOKENKEEP_POSTGRES") {
        return folder.into();
    }
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest =
        installed.map(|entry| entry.path()).filter(|path| path.join("bin/postgres").exists()).max_by_key(version);
    let newest = newest.map(|folder| folder.join("bin"));
    newest.unwrap_or_else(|| panic!("there is no PostgreSQL here: ./test installs it, or set TOKENKEEP_POSTGRES"))
}
