//! Takes over a configuration that changed, on SIGHUP or when the file is another.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokenkeep::TokenManager;
use tokenkeep::config::{self, Config, Listen, Severity};
use tokenkeep::environment::ProcessEnvironment;
use tokenkeep_server::ServerControl;
use tracing::{error, info, warn};

use crate::context::Context;
use crate::signals::HangUps;
use crate::systemd;

/// Takes over each configuration that is right; never ends. `taken` is the file before it was read at the start, the
/// context the one that was started with, `listen` what
/// stands there in place of the file's, if anything.
pub(super) async fn run(
    mut taken: Version,
    context: Context,
    listen: Vec<Listen>,
    manager: TokenManager,
    server: ServerControl,
    mut hang_ups: HangUps,
) {
    let Context { config: started, path } = context;
    let mut last = taken.clone();
    loop {
        let asked = tokio::select! {
            () = hang_ups.next() => true,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        let version = Version::of(&path);
        // A file that is still being written is another one at the next look.
        let settled = version == last;
        last = version.clone();
        if asked || (settled && version != taken) {
            taken = version;
            systemd::reloading();
            let taken_over = take_over(&path, &manager, &server).await;
            systemd::reloaded();
            let Some(mut config) = taken_over else { continue };
            if !listen.is_empty() {
                config.server.listen.clone_from(&listen);
            }
            for what in needs_restart(&started, &config) {
                warn!("a change of {what} takes effect when tokenkeep is started again");
            }
        }
    }
}

/// The configuration that is in force from now on, as far as it can be.
async fn take_over(path: &Path, manager: &TokenManager, server: &ServerControl) -> Option<Config> {
    let config = match config::load(path, &ProcessEnvironment).await {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                match problem.severity() {
                    Severity::Error => error!("the configuration is not taken over: {problem}"),
                    Severity::Warning => warn!("{problem}"),
                }
            }
            return None;
        }
    };
    match manager.reload(&config.providers) {
        Ok(news) => {
            let names = |names: &[String]| (!names.is_empty()).then(|| names.join(" "));
            let (added, changed, removed) = (names(&news.added), names(&news.changed), names(&news.removed));
            info!(added, changed, removed, "took over the configuration");
            server.reload(&config.server);
            Some(config)
        }
        Err(error) => {
            error!("the configuration is not taken over: {error}");
            None
        }
    }
}

/// What is not as it was when the program started, and stays so until it is started again.
fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let changes = [
        ("store", before.store != after.store),
        ("seal_keys", before.seal_keys != after.seal_keys),
        ("listen in [server]", before.server.listen != after.server.listen),
        ("tls in [server]", before.server.tls != after.server.tls),
        ("max_connections in [server]", before.server.max_connections != after.server.max_connections),
    ];
    changes.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| what).collect()
}

/// Tells one content of a file from another, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version(Option<(u64, u64, i64, i64)>);

impl Version {
    /// Of the file that is there now.
    pub(super) fn of(path: &Path) -> Self {
        let metadata = path.metadata().ok();
        Self(metadata.map(|metadata| (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())))
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
