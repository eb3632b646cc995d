//! What a change of the configuration means for the callers, for the log.

use std::sync::Arc;

use tokenkeep::config::{CallerSettings, Listen};
use tracing::{info, warn};

use super::Callers;

/// The names of those who are not as they were, with spaces between; `None` where there are none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    added: Option<String>,
    changed: Option<String>,
    removed: Option<String>,
    /// Whether everybody may do everything from now on, and could not before.
    is_open_now: bool,
}

impl News {
    /// Writes them down, if there are any, for a server with these addresses.
    pub(crate) fn log(&self, addresses: &[Listen]) {
        if *self != Self::default() {
            let Self { added, changed, removed, is_open_now: _ } = self;
            info!(added, changed, removed, "took over the callers");
        }
        if self.is_open_now {
            warn!(addresses = shown(addresses), "{OPEN}");
        }
    }
}

impl Callers {
    /// What is new since these.
    pub(crate) fn news_since(&self, before: &Self) -> News {
        let was = |now: &CallerSettings| before.settings().find(|was| was.name == now.name);
        let is_gone = |was: &&Arc<CallerSettings>| !self.settings().any(|now| now.name == was.name);
        News {
            added: names(self.settings().filter(|now| was(now).is_none())),
            changed: names(self.settings().filter(|now| was(now).is_some_and(|was| !is_same(was, now)))),
            removed: names(before.settings().filter(is_gone)),
            is_open_now: self.is_empty() && !before.is_empty(),
        }
    }

    /// Writes down that everybody may do everything at these addresses, if it is so.
    pub(crate) fn log_if_open(&self, addresses: &[Listen]) {
        if self.is_empty() {
            info!(addresses = shown(addresses), "{OPEN}");
        }
    }

    fn settings(&self) -> impl Iterator<Item = &Arc<CallerSettings>> {
        self.known.iter().filter_map(|caller| caller.settings.as_ref())
    }
}

fn is_same(was: &CallerSettings, now: &CallerSettings) -> bool {
    super::is_recognised_alike(was, now)
        && was.tokens == now.tokens
        && was.allow == now.allow
        && was.requests == now.requests
}

fn names<'a>(callers: impl Iterator<Item = &'a Arc<CallerSettings>>) -> Option<String> {
    let names: Vec<_> = callers.map(|caller| caller.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

fn shown(addresses: &[Listen]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const OPEN: &str = "no callers are configured: everybody who reaches an address may do everything";
