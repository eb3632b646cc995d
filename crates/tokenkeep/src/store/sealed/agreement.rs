//! Whether the keys at hand are those with which a store is sealed.
//!
//! It cannot be asked of a store in which nothing is sealed, and is not asked again once something was opened, until
//! something does not open: in a process that was forgotten when keys were changed, what it has opened is closed by then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{SealedStore, credentials_field, with_texts};
use crate::credentials::Credentials;
use crate::key::Key;
use crate::seal::{Unopenable, is_sealed};
use crate::secret::Secret;
use crate::store::{Record, StoreError};

/// What is known of the keys.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Whether one of them opened what was read last.
    holds: AtomicBool,
    /// Of whom something was opened.
    opened: Mutex<Option<Key>>,
}

/// What something that is stored tells of the keys.
enum Sight {
    Opens,
    /// It is sealed with another key.
    Closed(Unopenable),
    /// Nothing in it is sealed, or it was damaged.
    Nothing,
}

impl SealedStore {
    /// The same as [`check_keys`](Self::check_keys) for whoever would begin something from what was read, and save it
    /// later: where the key is lost, that is an error before anything is spent.
    pub(super) async fn check_keys_to_save(&self) -> Result<(), StoreError> {
        match self.keys.loss() {
            Some(loss) => Err(self.error(loss.to_string())),
            None => self.check_keys().await,
        }
    }

    /// An error where things are sealed and nothing that is looked at opens: the keys are not those of the others, who
    /// could not open what is written here.
    pub(super) async fn check_keys(&self) -> Result<(), StoreError> {
        if self.keys.first_id().is_none() || self.agreement.holds.load(Ordering::Relaxed) {
            return Ok(());
        }
        let sight = match self.look_again().await? {
            Sight::Opens => Sight::Opens,
            Sight::Closed(_) | Sight::Nothing => match self.look_at_records().await? {
                Sight::Nothing => self.look_at_credentials().await?,
                told => told,
            },
        };
        match sight {
            Sight::Closed(why) => Err(self.error(format!("nothing in it opens, so nothing is written: {why}"))),
            Sight::Opens | Sight::Nothing => Ok(()),
        }
    }

    /// At that which was opened before.
    async fn look_again(&self) -> Result<Sight, StoreError> {
        let Some(key) = self.agreement.opened().clone() else { return Ok(Sight::Nothing) };
        if let Some(found) = self.inner.load(&key).await?
            && matches!(self.see(&key, &found.record), Sight::Opens)
        {
            return Ok(Sight::Opens);
        }
        if !self.inner.keeps_credentials() {
            return Ok(Sight::Nothing);
        }
        let found = self.inner.credentials(&key).await?;
        Ok(found.map_or(Sight::Nothing, |found| self.see_credentials(&key, &found)))
    }

    /// At the first records. Those of keys that nobody uses may have nothing that is sealed.
    async fn look_at_records(&self) -> Result<Sight, StoreError> {
        let mut after: Option<Key> = None;
        for limit in [LOOKED_AT, LOOKED_AT_AFTER_EMPTY] {
            let page = self.inner.page(after.as_ref(), limit).await?;
            let mut told = Sight::Nothing;
            for (key, found) in &page {
                match self.see(key, &found.record) {
                    Sight::Opens => return Ok(Sight::Opens),
                    Sight::Closed(why) => told = Sight::Closed(why),
                    Sight::Nothing => {}
                }
            }
            let Some((last, _)) = page.last() else { return Ok(told) };
            if matches!(told, Sight::Closed(_)) {
                return Ok(told);
            }
            after = Some(last.clone());
        }
        Ok(Sight::Nothing)
    }

    /// At the first credentials; the first that can be read tell.
    async fn look_at_credentials(&self) -> Result<Sight, StoreError> {
        if !self.inner.keeps_credentials() {
            return Ok(Sight::Nothing);
        }
        for key in self.inner.accounts(None, LOOKED_AT).await? {
            let Ok(Some(found)) = self.inner.credentials(&key).await else { continue };
            match self.see_credentials(&key, &found) {
                Sight::Nothing => {}
                told => return Ok(told),
            }
        }
        Ok(Sight::Nothing)
    }

    fn see(&self, key: &Key, record: &Record) -> Sight {
        let mut any = false;
        let opened = with_texts(record, |field, text| {
            any |= is_sealed(text);
            self.open(key, field, text)
        });
        sight(opened, any)
    }

    fn see_credentials(&self, key: &Key, credentials: &Credentials) -> Sight {
        let any = credentials.iter().any(|(_, value)| is_sealed(value.expose_secret()));
        let opened = credentials.try_map(|name, value| self.open(key, &credentials_field(name), value.expose_secret()));
        sight(opened, any)
    }

    /// Opens a text of the store, and remembers what that tells of the keys.
    pub(super) fn open(&self, key: &Key, field: &str, text: &str) -> Result<Secret, Unopenable> {
        let opened = self.keys.open(key, field, text);
        match &opened {
            Ok(_) if is_sealed(text) => {
                if !self.agreement.holds.swap(true, Ordering::Relaxed) {
                    *self.agreement.opened() = Some(key.clone());
                }
            }
            Err(Unopenable::UnknownKey { .. }) => self.agreement.holds.store(false, Ordering::Relaxed),
            Ok(_) | Err(Unopenable::Altered { .. } | Unopenable::UnknownForm) => {}
        }
        opened
    }
}

impl Agreement {
    fn opened(&self) -> std::sync::MutexGuard<'_, Option<Key>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sight<T>(opened: Result<T, Unopenable>, any_is_sealed: bool) -> Sight {
    match opened {
        Ok(_) if any_is_sealed => Sight::Opens,
        Err(why @ Unopenable::UnknownKey { .. }) => Sight::Closed(why),
        Ok(_) | Err(Unopenable::Altered { .. } | Unopenable::UnknownForm) => Sight::Nothing,
    }
}

/// How many records are looked at, and how many accounts. Where others share the store, the first one tells.
const LOOKED_AT: usize = 20;
/// How many more records are looked at if the first ones have nothing that is sealed.
const LOOKED_AT_AFTER_EMPTY: usize = 500;
