//! pgbouncer, in the place of a PostgreSQL server.

use std::path::PathBuf;

use crate::postgres::Postgres;
use crate::process::{Folder, Server, command, content, free_port, is_open, wait_until};

/// A pgbouncer before a server, in transaction mode: a connection of the server's is somebody else's with each
/// transaction.
#[derive(Debug)]
pub struct PgBouncer {
    folder: Folder,
    port: u16,
    _server: Server,
}

impl PgBouncer {
    /// Starts one that has so many connections to the server for each database.
    #[must_use]
    pub fn before(postgres: &Postgres, connections: u32) -> Self {
        let (folder, port) = (Folder::new("pgbouncer"), free_port());
        let users = folder.write("users", &format!("\"{}\" \"\"\n", Postgres::USER));
        let ini = folder.write(
            "pgbouncer.ini",
            &format!(
                "[databases]\n\
                 * = host=127.0.0.1 port={}\n\
                 [pgbouncer]\n\
                 listen_addr = 127.0.0.1\n\
                 listen_port = {port}\n\
                 unix_socket_dir =\n\
                 auth_type = trust\n\
                 auth_file = {}\n\
                 pool_mode = transaction\n\
                 default_pool_size = {connections}\n\
                 max_client_conn = 1000\n",
                postgres.port(),
                users.display(),
            ),
        );
        let mut pgbouncer = command(&program(), &folder);
        pgbouncer.arg(ini);
        let mut server = Server::start(&pgbouncer, &folder, "TERM");
        wait_until("pgbouncer does not answer", || {
            assert!(!server.has_ended(), "pgbouncer has ended:\n{}", content(&folder.path().join("log")));
            is_open(port)
        });
        Self { folder, port, _server: server }
    }

    /// The URL of a database of the server's.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}", Postgres::USER, self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        content(&self.folder.path().join("log"))
    }
}

fn program() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests are told by it where ./test has unpacked it")]
    let program = std::env::var("TOKENKEEP_PGBOUNCER").map_or_else(|_| "/usr/sbin/pgbouncer".into(), PathBuf::from);
    assert!(program.exists(), "there is no pgbouncer here: ./test brings it, or set TOKENKEEP_PGBOUNCER");
    program
}
