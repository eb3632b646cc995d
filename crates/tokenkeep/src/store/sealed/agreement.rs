//! Whether the keys at hand are those with which a store is sealed.
//!
//! It cannot be asked of a store in which nothing is sealed, and is not asked again once something was opened: what a
//! store keeps is sealed with keys that follow one another.

use std::sync::atomic::Ordering;

use super::SealedStore;
use crate::key::Key;
use crate::seal::{Unopenable, is_sealed};
use crate::secret::Secret;
use crate::store::StoreError;

impl SealedStore {
    /// The same as [`check_keys`](Self::check_keys) for whoever would begin something from what was read, and save it
    /// later: where the key is lost, that is an error before anything is spent.
    pub(super) async fn check_keys_to_save(&self) -> Result<(), StoreError> {
        self.keys.check().map_err(|error| self.error(error.to_string()))?;
        self.check_keys().await
    }

    /// An error where things are sealed and nothing that is looked at opens: the keys are not those of the others, who
    /// could not open what is written here.
    pub(super) async fn check_keys(&self) -> Result<(), StoreError> {
        if self.keys.first_id().is_none() || self.agrees() {
            return Ok(());
        }
        let foreign = match self.foreign_record().await? {
            None if !self.agrees() => self.foreign_credentials().await?,
            foreign => foreign,
        };
        match foreign {
            Some(why) if !self.agrees() => {
                Err(self.error(format!("nothing in it opens, so nothing is written: {why}")))
            }
            _ => Ok(()),
        }
    }

    /// Why none of the first records opens that are sealed. Those of keys that nobody uses may have nothing that is.
    async fn foreign_record(&self) -> Result<Option<Unopenable>, StoreError> {
        let mut after: Option<Key> = None;
        for limit in [LOOKED_AT, LOOKED_AT_AFTER_EMPTY] {
            let page = self.inner.page(after.as_ref(), limit).await?;
            let mut foreign = None;
            for (key, found) in &page {
                foreign = foreign_key(self.opened(key, &found.record)).or(foreign);
                if self.agrees() {
                    return Ok(None);
                }
            }
            if foreign.is_some() {
                return Ok(foreign);
            }
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
        }
        Ok(None)
    }

    /// Why the first credentials do not open.
    async fn foreign_credentials(&self) -> Result<Option<Unopenable>, StoreError> {
        if !self.inner.keeps_credentials() {
            return Ok(None);
        }
        for key in self.inner.accounts(None, LOOKED_AT).await? {
            let Ok(Some(found)) = self.inner.credentials(&key).await else { continue };
            let foreign = foreign_key(self.opened_credentials(&key, &found));
            if foreign.is_some() || self.agrees() {
                return Ok(foreign);
            }
        }
        Ok(None)
    }

    /// Opens a text of the store, and remembers that the keys are the right ones.
    pub(super) fn open(&self, key: &Key, field: &str, text: &str) -> Result<Secret, Unopenable> {
        let opened = self.keys.open(key, field, text)?;
        if is_sealed(text) {
            self.agrees.store(true, Ordering::Relaxed);
        }
        Ok(opened)
    }

    fn agrees(&self) -> bool {
        self.agrees.load(Ordering::Relaxed)
    }
}

/// Why something does not open, if it is sealed with a key that is not here.
fn foreign_key<T>(opened: Result<T, Unopenable>) -> Option<Unopenable> {
    match opened {
        Err(why @ Unopenable::UnknownKey { .. }) => Some(why),
        Ok(_) | Err(Unopenable::Altered { .. } | Unopenable::UnknownForm) => None,
    }
}

/// How many records are looked at, and how many accounts. Where others share the store, the first one tells.
const LOOKED_AT: usize = 20;
/// How many more records are looked at if the first ones have nothing that is sealed.
const LOOKED_AT_AFTER_EMPTY: usize = 500;
