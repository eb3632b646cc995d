//! Seals what another store keeps: tokens, scopes and the words of failures never reach it as they are.
//!
//! The hard problem is a record that no key opens. It is not absent: whoever took it for absent would write over the
//! only copy of a refresh token. So it is an error for those who want that key, and is left out where many are asked
//! for; a write that expects no record conflicts with it as with any other.
//!
//! A record that was written before there was a seal is read as it is, and sealed when it is written next.
//!
//! Where several share a store, one of them may have been given a key that none of the others has. What it was the first
//! to write would be closed to them, so it writes nothing (`agreement`).

mod agreement;
mod reseal;

#[cfg(feature = "sqlite")]
use std::collections::BTreeSet;
#[cfg(feature = "sqlite")]
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use crate::budget::{Budget, Spending};
use crate::clock::Moment;
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::key::Key;
#[cfg(feature = "sqlite")]
use crate::seal::sealed_with;
use crate::seal::{SealKeys, Unopenable};
use crate::secret::Secret;
use crate::token::{IssuedToken, TokenKind};

use agreement::Agreement;
pub use reseal::{Resealed, WhenUnopenable};

/// A store whose records and credentials are sealed. Keys, generations, fingerprints, times, the kinds of failures and
/// the names of credentials are not.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (store, _clock) = memory();
/// use std::sync::Arc;
/// use tokenkeep::seal::{SealKey, SealKeys};
/// use tokenkeep::store::{SealedStore, Store};
///
/// let (inner, (seal_key, _text)) = (Arc::new(store), SealKey::generate()?);
/// let sealed = SealedStore::new(inner.clone(), SealKeys::new(seal_key, []));
/// let _saved = sealed.save(&key("graph"), &record(1), None).await?;
/// let (opened, kept) = (sealed.load(&key("graph")).await?, inner.load(&key("graph")).await?);
/// assert_eq!(opened.and_then(|found| found.record.refresh_token), record(1).refresh_token);
/// assert_ne!(kept.and_then(|found| found.record.refresh_token), record(1).refresh_token);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SealedStore {
    inner: Arc<dyn Store>,
    keys: SealKeys,
    agreement: Agreement,
    /// The key file that is lost: once it is back, whoever opens the store anew has its key.
    lost: Option<PathBuf>,
}

impl SealedStore {
    /// Seals what `inner` keeps.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use tokenkeep::seal::{SealKey, SealKeys};
    /// # use tokenkeep::store::{SealedStore, Store};
    /// # let (store, _clock) = memory();
    /// # let (seal_key, _text) = SealKey::generate()?;
    /// let _saved = store.save(&key("graph"), &record(1), None).await?; // before there was a seal
    /// let sealed = SealedStore::new(Arc::new(store), SealKeys::new(seal_key, []));
    /// let found = sealed.load(&key("graph")).await?.ok_or("nothing")?;
    /// assert_eq!(found.record.refresh_token, record(1).refresh_token);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(inner: Arc<dyn Store>, keys: SealKeys) -> Self {
        Self { inner, keys, agreement: Agreement::default(), lost: None }
    }

    /// Has no key for what is sealed in `inner`, since this file is lost; `what` says so, and what to do.
    #[cfg(feature = "sqlite")]
    pub(super) fn without_key(inner: Arc<dyn Store>, file: PathBuf, what: String) -> Self {
        Self { inner, keys: SealKeys::lost(what), agreement: Agreement::default(), lost: Some(file) }
    }

    /// The id of the key that seals, if there is one.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use tokenkeep::seal::{SealKey, SealKeys};
    /// # use tokenkeep::store::SealedStore;
    /// # let (store, _clock) = memory();
    /// # let store = Arc::new(store);
    /// let (seal_key, _text) = SealKey::generate()?;
    /// let sealed = SealedStore::new(store.clone(), SealKeys::new(seal_key.clone(), []));
    /// assert_eq!(sealed.key_id(), Some(seal_key.id()));
    /// assert_eq!(SealedStore::new(store, SealKeys::none()).key_id(), None); // opens nothing, seals nothing
    /// # Ok(())
    /// # }
    /// ```
    pub fn key_id(&self) -> Option<&str> {
        self.keys.first_id()
    }

    fn opened(&self, key: &Key, record: &Record) -> Result<Record, Unopenable> {
        with_texts(record, |field, text| self.open(key, field, text))
    }

    /// Those of a page that can be opened.
    fn opened_page(&self, found: Vec<(Key, Versioned)>) -> impl Iterator<Item = (Key, Versioned)> {
        found.into_iter().filter_map(|(key, Versioned { version, record })| match self.opened(&key, &record) {
            Ok(record) => Some((key, Versioned { version, record })),
            Err(why) => {
                tracing::warn!(store = %self.label(), %key, %why, "a record cannot be opened and is left out");
                None
            }
        })
    }

    fn sealed(&self, key: &Key, record: &Record) -> Result<Record, StoreError> {
        with_texts(record, |field, text| self.keys.seal(key, field, text).map(Secret::new))
            .map_err(|error| self.error(error.to_string()))
    }

    fn opened_credentials(&self, key: &Key, credentials: &Credentials) -> Result<Credentials, Unopenable> {
        credentials.try_map(|name, value| self.open(key, &credentials_field(name), value.expose_secret()))
    }

    fn sealed_credentials(&self, key: &Key, credentials: &Credentials) -> Result<Credentials, StoreError> {
        let sealed = credentials.try_map(|name, value| {
            self.keys.seal(key, &credentials_field(name), value.expose_secret()).map(Secret::new)
        });
        sealed.map_err(|error| self.error(error.to_string()))
    }

    fn error(&self, what: String) -> StoreError {
        StoreError::new(self.label(), what)
    }
}

#[async_trait]
impl Store for SealedStore {
    fn label(&self) -> &str {
        self.inner.label()
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let found = self.inner.load(key).await?.map(|Versioned { version, record }| {
            let record = self.opened(key, &record);
            let record = record.map_err(|why| self.error(format!("the record of '{key}' cannot be opened: {why}")))?;
            Ok(Versioned { version, record })
        });
        let found = found.transpose()?;
        if found.as_ref().is_none_or(|found| found.record.token.is_none()) {
            self.check_keys_to_save().await?;
        }
        Ok(found)
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        self.check_keys().await?;
        self.inner.save(key, &self.sealed(key, record)?, expected).await
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let mut page = Vec::new();
        let mut after = after.cloned();
        // Records that are left out are made up for: only an empty page is the end.
        while page.len() < limit {
            let found = self.inner.page(after.as_ref(), limit - page.len()).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(last.clone());
            page.extend(self.opened_page(found));
        }
        Ok(page)
    }

    async fn page_ended(
        &self,
        by: Moment,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Option<Vec<(Key, Versioned)>>, StoreError> {
        let mut page = Vec::new();
        let mut after = after.cloned();
        while page.len() < limit {
            let found = self.inner.page_ended(by, after.as_ref(), limit - page.len()).await?;
            let Some(found) = found else { return Ok(None) };
            let Some((last, _)) = found.last() else { break };
            after = Some(last.clone());
            page.extend(self.opened_page(found));
        }
        Ok(Some(page))
    }

    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.unreadable().await
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        self.inner.changes(since, limit).await
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        self.inner.newest_version().await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }

    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        // Whoever cannot open them is not to hold them back from those who can.
        self.check_keys().await?;
        self.inner.claim_due(limit, hold).await
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        self.inner.acquire_lease(key, holder, ttl).await
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        self.inner.renew_lease(key, holder, ttl).await
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        self.inner.release_lease(key, holder).await
    }

    fn keeps_credentials(&self) -> bool {
        self.inner.keeps_credentials()
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        let Some(found) = self.inner.credentials(key).await? else { return Ok(None) };
        let opened = self.opened_credentials(key, &found);
        opened.map(Some).map_err(|why| self.error(format!("the credentials of '{key}' cannot be opened: {why}")))
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        self.check_keys().await?;
        self.inner.save_credentials(key, &self.sealed_credentials(key, credentials)?).await
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        // What is sealed twice looks different each time, so what is there is compared after it was opened.
        let Some(found) = self.inner.credentials(key).await? else { return Ok(false) };
        if self.opened_credentials(key, &found).ok().as_ref() != Some(before) {
            return Ok(false);
        }
        self.inner.replace_credentials(key, &found, &self.sealed_credentials(key, after)?).await
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        self.inner.remove_credentials(key).await
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.inner.accounts(after, limit).await
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        self.inner.spend(name, budget).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        self.inner.purge().await
    }

    fn is_in_place(&self) -> bool {
        self.inner.is_in_place() && !self.lost.as_ref().is_some_and(|file| file.exists())
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// What the keys are called that sealed something in a store.
#[cfg(feature = "sqlite")]
pub(super) async fn keys_of(store: &dyn Store) -> Result<BTreeSet<String>, StoreError> {
    let mut keys = BTreeSet::new();
    let mut after: Option<Key> = None;
    loop {
        let page = store.page(after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (_, Versioned { record, .. }) in &page {
            let Ok(_) = with_texts(record, |_, text| {
                keys.extend(sealed_with(text));
                Ok::<_, Infallible>(Secret::new(""))
            });
        }
    }
    let mut after: Option<Key> = None;
    loop {
        let accounts = store.accounts(after.as_ref(), PAGE).await?;
        let Some(last) = accounts.last() else { return Ok(keys) };
        after = Some(last.clone());
        for key in &accounts {
            let credentials = store.credentials(key).await?;
            let values = credentials.iter().flat_map(Credentials::iter);
            keys.extend(values.filter_map(|(_, value)| sealed_with(value.expose_secret())));
        }
    }
}

/// The field in whose place a value of credentials stands.
fn credentials_field(name: &str) -> String {
    format!("credentials.{name}")
}

/// The same record with each text that is sealed changed. This is the one list of them; a new part of a record does not
/// compile before it is decided here whether it is sealed.
fn with_texts<E>(
    record: &Record,
    mut change: impl FnMut(&'static str, &str) -> Result<Secret, E>,
) -> Result<Record, E> {
    let Record {
        generation,
        fingerprint,
        token,
        refresh_in,
        jitter,
        refresh_token,
        asked_at,
        failure,
        due_at,
        boot_id,
    } = record;
    let token = token.as_deref().map(|token| {
        let TokenKind { token_type, scope } = &**token.kind();
        let access_token = change("access_token", token.access_token().expose_secret())?;
        let token_type = change("token_type", token_type)?;
        let scope = scope.as_deref().map(|scope| change("scope", scope)).transpose()?;
        let kind = TokenKind {
            token_type: token_type.expose_secret().into(),
            scope: scope.map(|scope| scope.expose_secret().into()),
        };
        let times = (token.sent_at(), token.expires_at());
        Ok(Arc::new(IssuedToken::new(access_token, Arc::new(kind), token.generation(), times.0, times.1)))
    });
    let token = token.transpose()?;
    let refresh_token =
        refresh_token.as_ref().map(|token| change("refresh_token", token.expose_secret())).transpose()?;
    let failure = failure.as_ref().map(|failure| {
        let what = change("failure_what", &failure.what)?.expose_secret().to_owned();
        let next = failure.next.as_deref().map(|next| change("failure_next", next)).transpose()?;
        Ok(Failure { what, next: next.map(|next| next.expose_secret().to_owned()), ..failure.clone() })
    });
    Ok(Record {
        generation: *generation,
        fingerprint: fingerprint.clone(),
        token,
        refresh_in: *refresh_in,
        jitter: *jitter,
        refresh_token,
        asked_at: *asked_at,
        failure: failure.transpose()?,
        due_at: *due_at,
        boot_id: boot_id.clone(),
    })
}

/// Records that are read at once.
const PAGE: usize = 500;
