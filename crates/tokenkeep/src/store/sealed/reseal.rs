//! Brings every record under the first key, while others work with the store.

use super::{PAGE, SealedStore, with_texts};
use crate::key::Key;
use crate::seal::Unopenable;
use crate::store::{Record, SaveOutcome, StoreError, Version, Versioned};

/// What became of the records and the credentials of a store; each counts as one.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// # use tokenkeep::seal::{SealKey, SealKeys};
/// # use tokenkeep::store::{SealedStore, Store, WhenUnopenable};
/// # let (store, _clock) = memory();
/// # let store = Arc::new(store);
/// # let (old, new) = (SealKey::generate()?.0, SealKey::generate()?.0);
/// let _saved = store.save(&key("graph"), &record(1), None).await?; // plain
/// let sealed = SealedStore::new(store, SealKeys::new(new, []));
/// let first = sealed.reseal(WhenUnopenable::Keep).await?;
/// let again = sealed.reseal(WhenUnopenable::Keep).await?;
/// assert_eq!((first.resealed, first.already_right), (1, 0));
/// assert_eq!((again.resealed, again.already_right), (0, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Resealed {
    /// How many were sealed anew.
    pub resealed: usize,
    /// How many had nothing in them that is not sealed with the first key.
    pub already_right: usize,
    /// Those that no key opens, each with why and what to do; forgotten, if that was asked for.
    pub unopenable: Vec<(Key, Unopenable)>,
    /// Those that cannot even be read, by what they are called in the store, each with why. They stay as they are.
    pub unreadable: Vec<(String, String)>,
}

/// What to do with a record, or credentials, that no key opens.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// # use tokenkeep::seal::{SealKey, SealKeys};
/// # use tokenkeep::store::{SealedStore, Store, WhenUnopenable};
/// # let (store, _clock) = memory();
/// # let store = Arc::new(store);
/// # let (old, new) = (SealKey::generate()?.0, SealKey::generate()?.0);
/// let before = SealedStore::new(store.clone(), SealKeys::new(old, []));
/// let _saved = before.save(&key("graph"), &record(7), None).await?;
/// let sealed = SealedStore::new(store, SealKeys::new(new, [])); // the old key is lost
/// assert_eq!(sealed.reseal(WhenUnopenable::Forget).await?.unopenable[0].0, key("graph"));
/// let left = sealed.load(&key("graph")).await?.ok_or("nothing")?.record;
/// assert!(left.generation == 7 && left.token.is_none() && left.refresh_token.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnopenable {
    /// They stay as they are.
    Keep,
    /// The record's token, refresh token and failure are dropped; its generation stays, for generations never restart.
    /// Credentials are removed.
    Forget,
}

/// What a record needs.
enum Need {
    Nothing,
    /// To be written like this, sealed.
    Seal(Record),
    /// A key that is not there.
    Key(Unopenable),
}

impl SealedStore {
    /// Seals with the first key whatever is not, records and credentials. Nobody is disturbed: a record that somebody else
    /// writes meanwhile is looked at again. After an error what was sealed until then stays so; call it again.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use tokenkeep::seal::{SealKey, SealKeys};
    /// # use tokenkeep::store::{SealedStore, Store, WhenUnopenable};
    /// # let (store, _clock) = memory();
    /// # let store = Arc::new(store);
    /// # let (old, new) = (SealKey::generate()?.0, SealKey::generate()?.0);
    /// let before = SealedStore::new(store.clone(), SealKeys::new(old.clone(), []));
    /// let _saved = before.save(&key("graph"), &record(1), None).await?;
    /// let both = SealedStore::new(store.clone(), SealKeys::new(new.clone(), [old]));
    /// assert_eq!(both.reseal(WhenUnopenable::Keep).await?.resealed, 1);
    /// let after = SealedStore::new(store, SealKeys::new(new, [])); // the old key can be thrown away
    /// assert!(after.load(&key("graph")).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reseal(&self, unopenable: WhenUnopenable) -> Result<Resealed, StoreError> {
        let mut sum = Resealed::default();
        let mut after: Option<Key> = None;
        loop {
            let page = self.inner.page(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, found) in page {
                self.reseal_one(key, found, unopenable, &mut sum).await?;
            }
        }
        self.reseal_accounts(unopenable, &mut sum).await?;
        sum.unreadable.extend(self.inner.unreadable().await?);
        // What was plain before is not to be left behind in a log.
        self.inner.purge().await?;
        Ok(sum)
    }

    /// The same for credentials. Those that somebody gives meanwhile are sealed with the first key anyway.
    async fn reseal_accounts(&self, unopenable: WhenUnopenable, sum: &mut Resealed) -> Result<(), StoreError> {
        let mut after: Option<Key> = None;
        loop {
            let accounts = self.inner.accounts(after.as_ref(), PAGE).await?;
            let Some(last) = accounts.last() else { return Ok(()) };
            after = Some(last.clone());
            for key in accounts {
                let found = match self.inner.credentials(&key).await {
                    Ok(Some(found)) => found,
                    Ok(None) => continue,
                    Err(error) if error.busy => return Err(error),
                    Err(error) => {
                        sum.unreadable.push((key.to_string(), error.what));
                        continue;
                    }
                };
                let is_right = found.iter().all(|(_, value)| self.keys.is_newest(value.expose_secret()));
                match (self.opened_credentials(&key, &found), unopenable) {
                    (Ok(_), _) if is_right => sum.already_right += 1,
                    (Ok(credentials), _) => {
                        let sealed = self.sealed_credentials(&key, &credentials)?;
                        sum.resealed += usize::from(self.inner.replace_credentials(&key, &found, &sealed).await?);
                    }
                    (Err(why), WhenUnopenable::Keep) => sum.unopenable.push((key, why)),
                    (Err(why), WhenUnopenable::Forget) => {
                        self.inner.remove_credentials(&key).await?;
                        sum.unopenable.push((key, why));
                    }
                }
            }
        }
    }

    async fn reseal_one(
        &self,
        key: Key,
        found: Versioned,
        unopenable: WhenUnopenable,
        sum: &mut Resealed,
    ) -> Result<(), StoreError> {
        let mut found = Some(found);
        for _ in 0..TRIES {
            let Some(Versioned { version, record }) = found else { return Ok(()) };
            let written = match (self.need(&key, &record), unopenable) {
                (Need::Nothing, _) => {
                    sum.already_right += 1;
                    return Ok(());
                }
                (Need::Seal(record), _) => {
                    let written = self.write(&key, &record, version).await?;
                    sum.resealed += usize::from(written);
                    written
                }
                (Need::Key(why), WhenUnopenable::Keep) => {
                    sum.unopenable.push((key, why));
                    return Ok(());
                }
                (Need::Key(why), WhenUnopenable::Forget) => {
                    let empty = Record { token: None, refresh_token: None, failure: None, ..record };
                    let written = self.write(&key, &empty, version).await?;
                    sum.unopenable.extend(written.then(|| (key.clone(), why)));
                    written
                }
            };
            if written {
                return Ok(());
            }
            found = self.inner.load(&key).await?;
        }
        let what = format!("the record of '{key}' is written by somebody else all the time; try again");
        Err(StoreError { busy: true, ..self.error(what) })
    }

    fn need(&self, key: &Key, record: &Record) -> Need {
        let mut is_right = true;
        let opened = with_texts(record, |field, text| {
            is_right &= self.keys.is_newest(text);
            self.open(key, field, text)
        });
        match opened {
            Ok(_) if is_right => Need::Nothing,
            Ok(record) => Need::Seal(record),
            Err(why) => Need::Key(why),
        }
    }

    /// Whether nobody else has written it meanwhile.
    async fn write(&self, key: &Key, record: &Record, version: Version) -> Result<bool, StoreError> {
        // Whoever calls this wants what there is under the present key, whichever sealed it before.
        let saved = self.inner.save(key, &self.sealed(key, record)?, Some(version)).await?;
        Ok(matches!(saved, SaveOutcome::Saved(_)))
    }
}

/// How often a record is looked at that others write meanwhile.
const TRIES: u32 = 20;
