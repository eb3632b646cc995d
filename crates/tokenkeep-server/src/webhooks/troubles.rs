//! Which keys are in trouble, and whether what happens to one is news.
//!
//! A change of state is told once, however many attempts fail. An outage says nothing of credentials: it neither begins
//! nor ends such a trouble.

use std::collections::HashMap;
use std::time::SystemTime;

use tokenkeep::config::WebhookEvent;
use tokenkeep::failure::FailureKind;
use tokenkeep::{Key, TokenManager};
use tracing::warn;

/// The keys whose credentials were refused and that had no token since.
#[derive(Debug, Default)]
pub(super) struct Troubles(HashMap<Key, Trouble>);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) event: WebhookEvent,
    pub(super) key: Key,
    pub(super) trouble: Trouble,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// As what it was told; `None` if it is to be told anew.
    told: Option<FailureKind>,
    pub(super) kind: FailureKind,
    pub(super) what: String,
    /// When the first attempt in a row failed.
    pub(super) since: Option<SystemTime>,
    /// How many failed.
    pub(super) count: u32,
}

impl Troubles {
    /// An attempt failed: what happened, since when attempts fail, and how many did.
    pub(super) fn failed(
        &mut self,
        key: &Key,
        kind: FailureKind,
        (what, since, count): (&str, Option<SystemTime>, u32),
    ) -> Option<News> {
        let Some(event) = event(kind) else {
            if let Some(trouble) = self.0.get_mut(key) {
                trouble.count = count;
            }
            return None;
        };
        if self.0.len() >= MAX && !self.0.contains_key(key) {
            warn!(%key, "webhooks are not told of this key: those of {MAX} keys are refused already");
            return None;
        }
        let trouble = Trouble { told: Some(kind), kind, what: what.to_owned(), since, count };
        let before = self.0.insert(key.clone(), trouble.clone());
        let is_news = before.is_none_or(|before| before.told != Some(kind));
        is_news.then(|| News { event, key: key.clone(), trouble })
    }

    /// There is a new token.
    pub(super) fn recovered(&mut self, key: &Key) -> Option<News> {
        let trouble = self.0.remove(key)?;
        Some(News { event: WebhookEvent::Recovered, key: key.clone(), trouble })
    }

    /// What fails from now on fails with other credentials.
    pub(super) fn tell_again(&mut self, key: &Key) {
        if let Some(trouble) = self.0.get_mut(key) {
            trouble.told = None;
        }
    }

    /// There is no such account any more.
    pub(super) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// After a change of the configuration: what is no longer in force may be told anew.
    pub(super) fn reconsider(&mut self, manager: &TokenManager) {
        self.0.retain(|key, _| manager.has_provider(key.provider()));
        for (key, trouble) in &mut self.0 {
            if manager.status_in_memory(key).is_none_or(|status| status.failure.is_none()) {
                trouble.told = None;
            }
        }
    }
}

/// What is told of a failure, if it is one of credentials.
fn event(kind: FailureKind) -> Option<WebhookEvent> {
    match kind {
        FailureKind::Refused => Some(WebhookEvent::Refused),
        FailureKind::LoginRequired => Some(WebhookEvent::LoginRequired),
        _ => None,
    }
}

/// How many keys are followed at once: a caller may be allowed to name as many accounts as it likes.
pub(super) const MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(news: Option<News>) -> Option<(&'static str, u32)> {
        news.map(|news| (news.event.as_str(), news.trouble.count))
    }

    #[test]
    fn a_change_is_told_once_and_an_outage_is_none() {
        let key: Key = "graph".parse().unwrap();
        let mut troubles = Troubles::default();
        let mut fails = |kind, count| told(troubles.failed(&key, kind, ("x", None, count)));
        assert_eq!(fails(FailureKind::Unavailable, 1), None);
        assert_eq!(fails(FailureKind::Refused, 2), Some(("refused", 2)));
        assert_eq!(fails(FailureKind::Refused, 3), None);
        assert_eq!(fails(FailureKind::RateLimited, 4), None);
        assert_eq!(fails(FailureKind::Refused, 5), None);
        assert_eq!(fails(FailureKind::LoginRequired, 6), Some(("login_required", 6)));
        assert_eq!(fails(FailureKind::Unavailable, 7), None);
        assert_eq!(told(troubles.recovered(&key)), Some(("recovered", 7)));
        assert_eq!(troubles.recovered(&key), None);
    }

    #[test]
    fn what_fails_with_other_credentials_is_told_anew_and_what_is_gone_never() {
        let key: Key = "vendor:1".parse().unwrap();
        let mut troubles = Troubles::default();
        let refused = |troubles: &mut Troubles| told(troubles.failed(&key, FailureKind::Refused, ("x", None, 1)));
        assert_eq!(refused(&mut troubles), Some(("refused", 1)));
        troubles.tell_again(&key);
        assert_eq!(refused(&mut troubles), Some(("refused", 1)));
        troubles.tell_again(&key);
        assert_eq!(told(troubles.recovered(&key)), Some(("recovered", 1)));
        refused(&mut troubles);
        troubles.forget(&key);
        assert_eq!(troubles.recovered(&key), None);
    }

    #[test]
    fn there_is_an_end_to_the_keys_that_are_followed() {
        let mut troubles = Troubles::default();
        for account in 0..=MAX {
            let key = format!("vendor:{account}").parse().unwrap();
            let news = troubles.failed(&key, FailureKind::Refused, ("x", None, 1));
            assert_eq!(news.is_some(), account < MAX);
        }
        assert!(troubles.recovered(&"vendor:0".parse().unwrap()).is_some());
    }
}
