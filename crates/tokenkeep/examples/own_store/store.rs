//! A store of one's own: here around maps, in your program around your database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::store::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use tokenkeep::{Clock, Key, Moment, Secret};

#[derive(Debug)]
pub(crate) struct OwnStore {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) records: BTreeMap<Key, (Version, Secret)>,
    newest: Version,
    leases: BTreeMap<Key, (Holder, Moment)>,
}

#[async_trait]
impl Store for OwnStore {
    fn label(&self) -> &'static str {
        "own:"
    }
    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.tables().records.get(key).map(read).transpose()
    }
    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        let mut tables = self.tables(); // one transaction: compare, count, write
        if tables.records.get(key).map(|(version, _)| *version) != expected {
            return Ok(SaveOutcome::Conflict);
        }
        let version = Version(tables.newest.0 + 1);
        tables.records.insert(key.clone(), (version, Secret::new(record.expose_json().as_str())));
        tables.newest = version;
        Ok(SaveOutcome::Saved(version))
    }
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let tables = self.tables();
        let rows = tables.records.iter().filter(|(key, _)| after.is_none_or(|after| *key > after)).take(limit);
        rows.map(|(key, row)| Ok((key.clone(), read(row)?))).collect()
    }
    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        let tables = self.tables();
        let rows = tables.records.iter().map(|(key, (version, _))| (key.clone(), *version));
        let mut later: Vec<_> = rows.filter(|(_, version)| *version > since).collect();
        later.sort_by_key(|(_, version)| *version);
        later.truncate(limit);
        Ok(later)
    }
    async fn newest_version(&self) -> Result<Version, StoreError> {
        Ok(self.tables().newest)
    }
    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        let (now, mut tables) = (self.clock.now(), self.tables());
        let others = tables.leases.get(key).filter(|(by, end)| by != holder && !end.since(now).is_zero());
        if let Some((_, end)) = others {
            return Ok(LeaseOutcome::Held(end.since(now)));
        }
        tables.leases.insert(key.clone(), (holder.clone(), now.plus(ttl)));
        Ok(LeaseOutcome::Acquired)
    }
    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        let (now, mut tables) = (self.clock.now(), self.tables());
        let own = tables.leases.get_mut(key).filter(|(by, end)| by == holder && !end.since(now).is_zero());
        Ok(own.map(|(_, end)| *end = now.plus(ttl)).is_some())
    }
    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        self.tables().leases.retain(|other, (by, _)| (other, &*by) != (key, holder));
        Ok(())
    }
}

impl OwnStore {
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read((version, text): &(Version, Secret)) -> Result<Versioned, StoreError> {
    let record = Record::from_json(text.expose_secret());
    let record = record.map_err(|why| StoreError::new("own:", format!("a record is of no use: {why}")))?;
    Ok(Versioned { version: *version, record })
}
