//! What a change of the configuration means for the callers, for the log.

use std::sync::Arc;

use tokenkeep::config::CallerSettings;

use super::Callers;

/// The names of those who are not as they were, with spaces between.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) added: String,
    pub(crate) changed: String,
    pub(crate) removed: String,
    /// Whether everybody may do everything from now on, and could not before.
    pub(crate) is_open_now: bool,
}

impl News {
    /// Whether there are any.
    pub(crate) fn is_some(&self) -> bool {
        *self != Self::default()
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

fn names<'a>(callers: impl Iterator<Item = &'a Arc<CallerSettings>>) -> String {
    callers.map(|caller| caller.name.as_str()).collect::<Vec<_>>().join(" ")
}
