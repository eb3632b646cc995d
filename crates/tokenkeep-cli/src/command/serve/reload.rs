//! Takes over a configuration that changed, on SIGHUP or when the file is another.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokenkeep::TokenManager;
use tokenkeep::config::{self, Config};
use tracing::{error, info, warn};

use crate::context::Context;
use crate::environment::ProcessEnvironment;
use crate::signals::HangUps;

/// Takes over each configuration that is right; never ends.
pub(super) async fn run(context: Context, manager: TokenManager, mut hang_ups: HangUps) {
    let Context { config: mut present, path } = context;
    let mut taken = Version::of(&path);
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
            take_over(&path, &mut present, &manager).await;
        }
    }
}

async fn take_over(path: &Path, present: &mut Config, manager: &TokenManager) {
    let config = match config::load(path, &ProcessEnvironment).await {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                error!("the configuration is not taken over: {problem}");
            }
            return;
        }
    };
    match manager.reload(&config.providers) {
        Ok(news) => {
            let (added, changed, removed) = (news.added.join(" "), news.changed.join(" "), news.removed.join(" "));
            info!(added, changed, removed, "took over the configuration");
        }
        Err(error) => return error!("the configuration is not taken over: {error}"),
    }
    for what in needs_restart(present, &config) {
        warn!("a change of {what} takes effect when tokenkeep is started again");
    }
    *present = config;
}

fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let key = |config: &Config| config.server.key.as_ref().map(|key| *key.as_bytes());
    let changes = [
        ("store", before.store != after.store),
        ("seal_keys", before.seal_keys != after.seal_keys),
        ("listen in [server]", before.server.listen != after.server.listen),
        ("key in [server]", key(before) != key(after)),
    ];
    changes.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| what).collect()
}

/// Tells one content of a file from another, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version(Option<(u64, u64, i64, i64)>);

impl Version {
    fn of(path: &Path) -> Self {
        let metadata = path.metadata().ok();
        Self(metadata.map(|metadata| (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())))
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
