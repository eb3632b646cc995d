//! Another configuration while the program runs: what did not change goes on, what did starts anew.
//!
//! Handles are held for as long as programs run, so a slot stays the slot of its key and is given another provider. A
//! flight that began under the old one goes on under that, and what it brings is not published.

use std::collections::HashMap;
use std::sync::Arc;

use super::provider::ProviderRuntime;
use super::slot::Slot;
use super::{Shared, TokenManager};
use crate::error::{Code, Error};
use crate::expiry::windows;
use crate::key::Key;
use crate::provider::Provider;

/// The providers of a manager by name.
pub(super) type Providers = HashMap<Box<str>, Arc<ProviderRuntime>>;

/// What another configuration came to.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// let reloaded = manager.reload(&[])?;
/// assert_eq!(reloaded.removed, ["bluestakes", "cloud", "graph"]);
/// assert!(reloaded.added.is_empty() && reloaded.changed.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Providers that were not there before, sorted.
    pub added: Vec<String>,
    /// Providers that are configured otherwise than before, sorted.
    pub changed: Vec<String>,
    /// Providers that are there no more, sorted.
    pub removed: Vec<String>,
}

impl TokenManager {
    /// Goes over to other configured providers; those of [`crate::ManagerBuilder::source`] stay as they are.
    ///
    /// A provider that did not change keeps everything. One that did keeps its tokens if nothing that shapes them
    /// changed, e.g. only when they are renewed; else they are forgotten. What held it back, a back-off or a refusal, is
    /// forgotten in any case. Handles stay good; for a provider that is gone they answer `unknown_key`.
    ///
    /// `invalid_request` if a name stands twice, or a provider needs a store and none is named; nothing has changed then.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (sandbox, manager) = example().await?;
    /// # use tokenkeep::config;
    /// # let toml = configuration(&sandbox).replace("[providers.cloud]", "[providers.sky]").replace("cloud.", "sky.");
    /// let config = config::parse(&toml, "tokenkeep.toml", "/etc".as_ref(), &environment).await?;
    /// let graph = manager.handle("graph")?;
    /// let token = graph.token().await?;
    /// let reloaded = manager.reload(&config.providers)?; // with cloud called sky now
    /// assert_eq!((reloaded.added, reloaded.removed), (vec!["sky".to_owned()], vec!["cloud".to_owned()]));
    /// assert_eq!(graph.token().await?.generation(), token.generation());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload(&self, providers: &[Provider]) -> Result<Reloaded, Error> {
        self.shared.reload(providers)
    }
}

impl Shared {
    fn reload(self: &Arc<Self>, providers: &[Provider]) -> Result<Reloaded, Error> {
        let before = self.providers.load_full();
        let mut after: Providers = HashMap::new();
        for (name, runtime) in before.iter().filter(|(_, runtime)| runtime.config.is_none()) {
            after.insert(name.clone(), Arc::clone(runtime));
        }
        let mut news = Reloaded::default();
        for provider in providers {
            let known = before.get(provider.name());
            let runtime = match known {
                Some(runtime) if runtime.config.as_ref() == Some(provider) => Arc::clone(runtime),
                Some(before) => {
                    news.changed.push(provider.name().to_owned());
                    let after = ProviderRuntime::of_config(provider, &self.sources, &self.overrides);
                    Arc::new(after.counting_on(before))
                }
                None => {
                    news.added.push(provider.name().to_owned());
                    Arc::new(ProviderRuntime::of_config(provider, &self.sources, &self.overrides))
                }
            };
            runtime.check_store(self.store_is_named)?;
            if after.insert(provider.name().into(), runtime).is_some() {
                let what = format!("provider {:?} is there twice", provider.name());
                return Err(Error::new(Code::InvalidRequest, what));
            }
        }
        let removed = before.keys().filter(|name| !after.contains_key(*name));
        news.removed = removed.map(|name| name.clone().into_string()).collect();
        for names in [&mut news.added, &mut news.changed, &mut news.removed] {
            names.sort_unstable();
        }
        self.providers.store(Arc::new(after));
        self.slots.for_each(|slot| self.adopt(slot));
        self.find_kept_soon();
        Ok(news)
    }

    /// Gives a slot the provider that its key has now.
    pub(super) fn adopt(self: &Arc<Self>, slot: &Arc<Slot>) {
        let mut state = slot.lock();
        let before = slot.provider();
        let present = self.providers.load().get(slot.key().provider()).cloned();
        let present = present.unwrap_or_else(|| before.removed());
        if Arc::ptr_eq(&before, &present) || (before.is_removed && present.is_removed) {
            return;
        }
        slot.set_provider(&mut state, Arc::clone(&present));
        if let Some(busy) = state.busy_if_any() {
            busy.failure = None;
        }
        if present.is_removed {
            // In the store it is still good, should the provider come back.
            slot.set_aside(&mut state);
        } else if !before.fingerprint.is_same_token(&present.fingerprint) {
            slot.withdraw(&mut state);
        } else if let Some(live) = slot.live()
            && let Some(life) = live.life()
        {
            let windows = windows(life, None, fastrand::f32(), present.policy());
            slot.replace_live(&mut state, live.with_windows_of(windows));
        }
        self.wake_soon(slot, &mut state);
    }

    /// The error of a caller whose provider is not configured.
    pub(super) fn unknown_provider(&self, key: &Key) -> Error {
        let providers = self.providers.load();
        let mut names: Vec<_> = providers.keys().map(|name| &**name).collect();
        names.sort_unstable();
        let next = if names.is_empty() {
            "no provider is configured: add [providers.NAME]".to_owned()
        } else {
            names.truncate(20);
            format!("configured are: {}", names.join(", "))
        };
        Error::new(Code::UnknownKey, "there is no such provider").with_key(key).with_next(next)
    }
}
