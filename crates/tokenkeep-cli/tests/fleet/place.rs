//! The one store that the members of a fleet share.

use tokenkeep_test_servers::{Postgres, Redis};

/// Which server keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Redis,
}

/// An empty store on the server of this process.
#[derive(Debug)]
pub(crate) struct Place {
    engine: Engine,
    name: String,
}

impl Place {
    pub(crate) fn of(engine: Engine) -> Self {
        let name = match engine {
            Engine::Postgres => Postgres::shared().database(),
            Engine::Redis => Redis::shared().prefix(),
        };
        Self { engine, name }
    }

    /// The port of the server.
    pub(crate) fn port(&self) -> u16 {
        match self.engine {
            Engine::Postgres => Postgres::shared().port(),
            Engine::Redis => Redis::shared().address().rsplit(':').next().unwrap().parse().unwrap(),
        }
    }

    /// What the configuration says of it, for somebody who reaches it by this port.
    pub(crate) fn url(&self, port: u16) -> String {
        match self.engine {
            Engine::Postgres => {
                format!("postgres://{}@127.0.0.1:{port}/{}?sslmode=disable", Postgres::USER, self.name)
            }
            Engine::Redis => format!("redis://127.0.0.1:{port}?prefix={}", self.name),
        }
    }
}
