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
    /// An error where things are sealed and nothing that is looked at opens: the keys are not those of the others, who
    /// could not open what is written here.
    pub(super) async fn check_keys(&self) -> Result<(), StoreError> {
        if self.keys.first_id().is_none() || self.agrees() {
            return Ok(());
        }
        let mut foreign = None;
        let mut look = |opened: Result<(), Unopenable>| match opened {
            Err(why @ Unopenable::UnknownKey { .. }) => foreign = Some(why),
            Ok(()) | Err(Unopenable::Altered { .. } | Unopenable::UnknownForm) => {}
        };
        for (key, found) in self.inner.page(None, LOOKED_AT).await? {
            look(self.opened(&key, &found.record).map(drop));
        }
        let accounts =
            if self.inner.keeps_credentials() { self.inner.accounts(None, LOOKED_AT).await? } else { Vec::new() };
        for key in accounts {
            if let Ok(Some(found)) = self.inner.credentials(&key).await {
                look(self.opened_credentials(&key, &found).map(drop));
            }
        }
        match foreign {
            Some(why) if !self.agrees() => {
                Err(self.error(format!("nothing in it opens, so nothing is written: {why}")))
            }
            _ => Ok(()),
        }
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

/// How many records are looked at, and how many accounts. Where others share the store, the first one tells.
const LOOKED_AT: usize = 20;
