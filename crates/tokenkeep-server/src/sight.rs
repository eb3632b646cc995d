//! The statuses of the keys that a caller may see.
//!
//! Whoever may see few keys must not have to wait while all others are read, and how long it takes must not tell how
//! many there are. So the keys are gone through in stretches: one key, the accounts of one provider, or everything.

use std::collections::{BTreeSet, VecDeque};

use tokenkeep::config::KeyPattern;
use tokenkeep::{Key, KeyState, Obstacle, Status, TokenManager};

use crate::caller::Caller;

/// Goes through the statuses that a caller may see, in the order of provider and account; for who may see everything,
/// in that of the whole keys.
pub(crate) struct Sight {
    stretches: VecDeque<Stretch>,
    /// How far the first of them has been read.
    read_to: Option<Key>,
}

/// Whether a caller may see each account of a provider, whichever there will be.
pub(crate) fn sees_whole(caller: &Caller, provider: &str) -> bool {
    caller.sight().is_none_or(|patterns| any_whole(patterns, provider))
}

enum Stretch {
    All,
    Provider(Key),
    Key(Key),
}

impl Sight {
    /// Of all providers or one, after a key.
    pub(crate) fn new(caller: &Caller, manager: &TokenManager, provider: Option<&Key>, after: Option<Key>) -> Self {
        let stretches = match (caller.sight(), provider) {
            (None, None) => [Stretch::All].into(),
            (None, Some(provider)) => [Stretch::Provider(provider.clone())].into(),
            (Some(patterns), _) => stretches(patterns, &manager.providers(), provider),
        };
        let is_over = |stretch: &Stretch| after.as_ref().is_some_and(|after| stretch.lies_before(after));
        let stretches: VecDeque<_> = stretches.into_iter().filter(|stretch| !is_over(stretch)).collect();
        let read_to = after.filter(|after| stretches.front().is_some_and(|first| first.includes(after)));
        Self { stretches, read_to }
    }

    /// Of everything.
    pub(crate) fn whole() -> Self {
        Self { stretches: [Stretch::All].into(), read_to: None }
    }

    /// The next statuses, about `limit` of them; none when there are no more.
    pub(crate) async fn next(&mut self, manager: &TokenManager, limit: usize) -> Vec<Status> {
        while let Some(stretch) = self.stretches.front() {
            let (found, is_over) = match stretch {
                Stretch::All => all(manager, &mut self.read_to, limit).await,
                Stretch::Provider(provider) => of_provider(manager, provider, &mut self.read_to, limit).await,
                Stretch::Key(key) => (of_key(manager, key).await.into_iter().collect(), true),
            };
            if is_over {
                self.stretches.pop_front();
                self.read_to = None;
            }
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

impl Stretch {
    /// Its place in the order.
    fn place(&self) -> Option<(&str, &str)> {
        match self {
            Self::All => None,
            Self::Provider(key) | Self::Key(key) => Some(place(key)),
        }
    }

    fn includes(&self, key: &Key) -> bool {
        match self {
            Self::All => true,
            Self::Provider(provider) => provider.provider() == key.provider(),
            Self::Key(own) => own == key,
        }
    }

    /// Whether nothing of it comes after a key.
    fn lies_before(&self, after: &Key) -> bool {
        match self {
            Self::All => false,
            Self::Provider(provider) => provider.provider() < after.provider(),
            Self::Key(key) => place(key) <= place(after),
        }
    }
}

fn place(key: &Key) -> (&str, &str) {
    // The key that names no account comes first, as in the order of whole keys.
    let account = if key.account() == Key::DEFAULT_ACCOUNT { "" } else { key.account() };
    (key.provider(), account)
}

fn stretches(patterns: &[KeyPattern], providers: &[String], only: Option<&Key>) -> VecDeque<Stretch> {
    let providers: Vec<Key> = providers.iter().filter_map(|name| Key::parse(name).ok()).collect();
    let wanted = || providers.iter().filter(|key| only.is_none_or(|only| only == *key));
    let whole: BTreeSet<&Key> = wanted().filter(|key| any_whole(patterns, key.as_str())).collect();
    let mut keys: BTreeSet<Key> = BTreeSet::new();
    for pattern in patterns {
        let Some(account) = pattern.account() else { continue };
        let of_pattern = wanted().filter(|key| pattern.provider().is_none_or(|name| name == key.as_str()));
        let named = of_pattern.filter(|key| !whole.contains(key));
        keys.extend(named.filter_map(|key| Key::parse(&format!("{key}:{account}")).ok()));
    }
    let mut stretches: Vec<_> = whole.into_iter().cloned().map(Stretch::Provider).collect();
    stretches.extend(keys.into_iter().map(Stretch::Key));
    stretches.sort_by(|one, other| one.place().cmp(&other.place()));
    stretches.into()
}

/// Whether one of the patterns stands for each account of a provider.
fn any_whole(patterns: &[KeyPattern], provider: &str) -> bool {
    let is_whole =
        |pattern: &KeyPattern| pattern.account().is_none() && pattern.provider().is_none_or(|name| name == provider);
    patterns.iter().any(is_whole)
}

async fn all(manager: &TokenManager, read_to: &mut Option<Key>, limit: usize) -> (Vec<Status>, bool) {
    let found = manager.statuses(read_to.as_ref(), limit).await;
    if let Some(last) = found.last() {
        *read_to = Some(last.key.clone());
    }
    let is_over = found.len() < limit;
    (found, is_over)
}

/// The provider's own key, which is always there, and then its accounts, among which other providers' keys can lie.
async fn of_provider(
    manager: &TokenManager,
    provider: &Key,
    read_to: &mut Option<Key>,
    limit: usize,
) -> (Vec<Status>, bool) {
    if read_to.is_none() {
        *read_to = Some(provider.clone());
        return (of_key(manager, provider).await.into_iter().collect(), false);
    }
    let (mut found, was_last) = all(manager, read_to, limit).await;
    // `;` follows `:`.
    let end = format!("{provider};");
    let is_over = was_last || found.last().is_some_and(|last| *last.key.as_str() >= *end);
    found.retain(|status| status.key.provider() == provider.as_str());
    (found, is_over)
}

/// The status of a key, unless it is an account that was never given.
async fn of_key(manager: &TokenManager, key: &Key) -> Option<Status> {
    let status = manager.handle(key.as_str()).ok()?.status().await;
    let is_account = key.account() != Key::DEFAULT_ACCOUNT;
    let is_nothing = status.state == KeyState::Absent && status.obstacle == Some(Obstacle::NoCredentials);
    (!(is_account && is_nothing)).then_some(status)
}
