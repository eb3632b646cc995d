//! Accounts whose credentials are kept in the store: who they are, and how they are changed.
//!
//! The hard problem is a login that is under way with the old credentials while new ones are given: its token must not
//! end up as the account's. So what proves the account is part of the record's fingerprint, and whoever changes
//! credentials writes the record afterwards, so that a save which began before fails to find its version.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;

use super::flight::{Clear, clear_stored};
use super::provider::ProviderRuntime;
use super::slot::Slot;
use super::store_trouble::Part;
use super::{Shared, StoreTask, TokenManager, lost_flight};
use crate::credentials::Credentials;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::provider::{Accounts, Grant, Provider};
use crate::store::StoreError;

/// As whom an issuer is asked.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// What the store has for the account; `None` if its provider's credentials are configured, or there are none.
    pub(super) credentials: Option<Credentials>,
    /// What shapes the tokens of this account.
    pub(super) fingerprint: Fingerprint,
}

impl TokenManager {
    /// The names that the credentials of an account must have; none where the provider's source does not say. Fails as
    /// [`TokenManager::set_credentials`] would, before there are any credentials.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert_eq!(manager.wanted_credentials("bluestakes:123")?, ["username", "password"]);
    /// assert!(manager.wanted_credentials("graph").is_err()); // they are configured
    /// # Ok(())
    /// # }
    /// ```
    pub fn wanted_credentials(&self, key: &str) -> Result<Vec<String>, Error> {
        let slot = self.shared.account_to_set(key)?;
        let provider = slot.provider();
        let names = provider.config.as_ref().map(|config| config.grant.needed_credentials()).unwrap_or_default();
        Ok(names.into_iter().map(ToOwned::to_owned).collect())
    }

    /// Keeps these credentials for an account, in place of those before, and forgets its token: the next who asks has
    /// one obtained with them. They are not tried.
    ///
    /// `invalid_request` if the provider's credentials are configured, if it does not log in with such names, or if the
    /// store keeps none; `unavailable` if the store does not work. Cancel safe.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::{Credentials, Secret};
    ///
    /// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// manager.set_credentials("bluestakes:123", credentials).await?;
    /// let token = manager.token("bluestakes:123").await?; // logs in with them
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_credentials(&self, key: &str, credentials: Credentials) -> Result<(), Error> {
        let slot = self.shared.account_to_set(key)?;
        if let Some(config) = &slot.provider().config {
            check_names(config, &credentials).map_err(|error| error.with_key(slot.key()))?;
        }
        let own = Arc::clone(&self.shared);
        self.shared
            .tasks
            .spawn(async move { own.set_credentials(&slot, &credentials).await })
            .await
            .unwrap_or_else(|_| Err(lost_flight()))
    }

    /// Forgets the credentials of an account, its token and its login; whether there were any.
    ///
    /// `invalid_request` if the provider's credentials are configured; `unavailable` if the store does not work. Cancel
    /// safe.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// # let credentials = tokenkeep::Credentials::with_password("ann", tokenkeep::Secret::new("ann-secret"))?;
    /// manager.set_credentials("bluestakes:123", credentials).await?;
    /// assert!(manager.remove_credentials("bluestakes:123").await?);
    /// assert!(!manager.remove_credentials("bluestakes:123").await?); // there are none any more
    /// # Ok(())
    /// # }
    /// ```
    pub async fn remove_credentials(&self, key: &str) -> Result<bool, Error> {
        let slot = self.shared.account(key)?;
        let own = Arc::clone(&self.shared);
        self.shared
            .tasks
            .spawn(async move { own.remove_credentials(&slot).await })
            .await
            .unwrap_or_else(|_| Err(lost_flight()))
    }

    /// The accounts whose credentials the store has, in the order of their keys, at most `limit` from the first after
    /// `after`. `unavailable` if the store does not work.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// # let credentials = tokenkeep::Credentials::with_password("ann", tokenkeep::Secret::new("ann-secret"))?;
    /// manager.set_credentials("bluestakes:123", credentials).await?;
    /// let accounts = manager.accounts(None, 100).await?;
    /// assert_eq!(accounts, ["bluestakes:123".parse()?]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        let accounts = self.shared.store.accounts(after, limit).await;
        self.shared.note_store(StoreTask::Read, &accounts);
        accounts.map_err(|_| store_fails("the accounts cannot be read"))
    }
}

impl Shared {
    /// As whom an issuer is asked for a key.
    pub(super) async fn identity(&self, key: &Key, provider: &ProviderRuntime) -> Result<Identity, StoreError> {
        let fingerprint = &provider.fingerprint;
        if provider.accounts() != Accounts::Stored {
            return Ok(Identity { credentials: None, fingerprint: fingerprint.clone() });
        }
        let credentials = self.store.credentials(key).await;
        self.note_read(key, Part::Credentials, &credentials).await;
        let credentials = credentials?;
        let fingerprint =
            credentials.as_ref().map_or_else(|| fingerprint.clone(), |known| with_account(fingerprint, known));
        Ok(Identity { credentials, fingerprint })
    }

    /// The slot of an account whose credentials can be given and kept.
    fn account_to_set(self: &Arc<Self>, key: &str) -> Result<Arc<Slot>, Error> {
        let slot = self.account(key)?;
        if self.store.keeps_credentials() {
            return Ok(slot);
        }
        Err(Error::new(Code::InvalidRequest, "credentials are not kept in this store, which is not sealed")
            .with_key(slot.key())
            .with_next("configure seal_keys, or a store that seals itself: store = \"sqlite:PATH\""))
    }

    /// The slot of an account whose credentials are not configured.
    fn account(self: &Arc<Self>, key: &str) -> Result<Arc<Slot>, Error> {
        let slot = self.slot(key)?;
        if slot.provider().accounts() == Accounts::Stored {
            return Ok(slot);
        }
        Err(Error::new(Code::InvalidRequest, "the credentials of this provider are configured")
            .with_key(slot.key())
            .with_next(format!(
                "change them there, or set accounts = \"stored\" in [providers.{}]",
                slot.key().provider()
            )))
    }

    async fn set_credentials(&self, slot: &Arc<Slot>, credentials: &Credentials) -> Result<(), Error> {
        let saved = self.store.save_credentials(slot.key(), credentials).await;
        self.note_store(StoreTask::Save, &saved);
        saved.map_err(|_| store_fails("the credentials are not kept").with_key(slot.key()))?;
        self.forget_login(slot).await?;
        self.emit(Event::CredentialsChanged { key: slot.key().clone() });
        Ok(())
    }

    async fn remove_credentials(&self, slot: &Arc<Slot>) -> Result<bool, Error> {
        let removed = self.store.remove_credentials(slot.key()).await;
        self.note_store(StoreTask::Save, &removed);
        let removed = removed.map_err(|_| store_fails("the credentials are not removed").with_key(slot.key()))?;
        // Without credentials nobody is logging in, so nothing need be written where there is nothing.
        if removed || !self.is_unheard_of(slot).await {
            self.forget_login(slot).await?;
        }
        if removed {
            self.emit(Event::CredentialsRemoved { key: slot.key().clone() });
        }
        Ok(removed)
    }

    /// Whether neither this process nor the store has anything of an account.
    async fn is_unheard_of(&self, slot: &Slot) -> bool {
        let is_idle = {
            let state = slot.lock();
            state.flight().is_none() && state.unsaved().is_none() && state.failure().is_none()
        };
        is_idle && slot.live().is_none() && self.read(slot, &slot.provider()).await.is_ok_and(|stored| stored.is_none())
    }

    /// Forgets what the credentials before have brought.
    async fn forget_login(&self, slot: &Arc<Slot>) -> Result<(), Error> {
        let provider = slot.provider();
        provider.ways.first_works(slot.key());
        {
            let mut state = slot.lock();
            slot.withdraw(&mut state);
            let busy = state.busy();
            busy.failure = None;
            busy.kept = provider.policy().refresh.is_always();
        }
        let cleared = clear_stored(self, slot, Clear::Login).await;
        self.wake_soon(slot, &mut slot.lock());
        cleared.map_err(|_| {
            store_fails("what the credentials before brought is not forgotten in the store")
                .with_key(slot.key())
                .with_next("the credentials are changed; clear the token when the store works")
        })
    }
}

/// The fingerprint of a provider's tokens for one account.
fn with_account(provider: &Fingerprint, credentials: &Credentials) -> Fingerprint {
    provider.with_account(credentials.iter().map(|(name, value)| (name, value.expose_secret())))
}

/// Whether credentials have the names that their provider logs in with, and no others: one that is spelt wrong is both.
fn check_names(provider: &Provider, credentials: &Credentials) -> Result<(), Error> {
    let needed = provider.grant.needed_credentials();
    let known: BTreeSet<_> =
        iter::once(&provider.grant).chain(&provider.fallbacks).flat_map(Grant::credential_names).collect();
    let missing: Vec<_> = needed.iter().filter(|name| credentials.get(name).is_none()).copied().collect();
    let unknown: Vec<_> = credentials.iter().map(|(name, _)| name).filter(|name| !known.contains(name)).collect();
    let what = match (missing.as_slice(), unknown.as_slice()) {
        ([], []) => return Ok(()),
        (missing, []) => format!("the credentials have no {}", missing.join(" and no ")),
        ([], unknown) => format!("this provider does not log in with {}", unknown.join(", ")),
        (missing, unknown) => {
            format!("the credentials have no {}, but {}", missing.join(" and no "), unknown.join(", "))
        }
    };
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(Error::new(Code::InvalidRequest, what).with_next(format!("this provider logs in with: {known}")))
}

/// The error of a caller whose account has no credentials.
pub(super) fn no_credentials(key: &Key) -> Error {
    Error::new(Code::UnknownKey, "there are no credentials of this account")
        .with_key(key)
        .with_next(format!("give them: tokenkeep credentials set {key}"))
}

/// The error of a caller for whom the store does not do this. How it fails is not for everybody who asks: it names
/// places, and keys of others. The log has it, and who is told of the store's trouble.
pub(super) fn store_fails(what: &str) -> Error {
    Error::new(Code::Unavailable, format!("{what}: the store does not work"))
        .with_next("see to the store, then try again")
}

/// What a caller is told whose account cannot be read.
pub(super) const UNREADABLE: &str = "the account's credentials cannot be read";
