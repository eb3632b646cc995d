//! Whether the store does its work: as a whole, and for what it keeps of each key.
//!
//! A record that cannot be read, because nobody has its key or somebody has damaged it, says nothing about the others.
//! Were it counted as the store's trouble, that would end with the next record that can be read, begin again a moment
//! later, and each time be said. So when a record cannot be read, the store is asked for something else: if it answers,
//! the trouble is the record's, and lasts until that one is read.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::Shared;
use super::sync::MutexGuard;
use crate::event::Event;
use crate::key::Key;
use crate::store::StoreError;

/// What is not done.
#[derive(Debug, Default)]
pub(super) struct StoreTrouble {
    /// The most that failed, and how.
    whole: Option<(StoreTask, String)>,
    /// What is wrong with what is kept of keys in memory.
    parts: BTreeMap<(Key, Part), String>,
}

/// What a store keeps of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Record,
    Credentials,
}

impl Part {
    const ALL: [Self; 2] = [Self::Record, Self::Credentials];
}

/// What a store is asked to do, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StoreTask {
    Read,
    Lease,
    Save,
}

impl Shared {
    /// What is wrong with the store, or else with a record in it.
    pub(crate) fn store_trouble(&self) -> Option<String> {
        let trouble = self.trouble();
        let of_record = || {
            let (_, what) = trouble.parts.first_key_value()?;
            Some(match trouble.parts.len() - 1 {
                0 => what.clone(),
                more => format!("{what} (and {more} more like it)"),
            })
        };
        trouble.whole.as_ref().map(|(_, what)| what.clone()).or_else(of_record)
    }

    /// What is wrong with the store as far as a key is concerned.
    pub(super) fn store_trouble_of(&self, key: &Key) -> Option<String> {
        let trouble = self.trouble();
        let of_key = || Part::ALL.iter().find_map(|part| trouble.parts.get(&(key.clone(), *part)));
        trouble.whole.as_ref().map(|(_, what)| what).or_else(of_key).cloned()
    }

    /// Whether the store as a whole does not do its work.
    pub(super) fn is_store_failing(&self) -> bool {
        self.trouble().whole.is_some()
    }

    /// Remembers whether the store works, and says so when that changes. What failed is well again when it, or more
    /// than it, succeeds: a full disk still reads.
    pub(crate) fn note_store<T>(&self, task: StoreTask, outcome: &Result<T, StoreError>) {
        let news = {
            let whole = &mut self.trouble().whole;
            let known = whole.as_ref().map(|(failed, _)| *failed);
            match (outcome, known) {
                (Ok(_), Some(failed)) if task >= failed => {
                    *whole = None;
                    Some(Event::StoreRecovered)
                }
                (Ok(_), _) => None,
                (Err(error), known) => {
                    *whole = Some((known.map_or(task, |failed| failed.max(task)), error.to_string()));
                    known.is_none().then(|| Event::StoreFailed { what: error.to_string() })
                }
            }
        };
        if let Some(event) = news {
            self.emit(event);
        }
    }

    /// Remembers whether what is kept of a key could be read.
    pub(super) async fn note_read<T>(&self, key: &Key, part: Part, outcome: &Result<T, StoreError>) {
        match outcome {
            Ok(_) => {
                self.forget(key, &[part]);
                self.note_store(StoreTask::Read, outcome);
            }
            Err(error) if self.is_only(key, part, error).await => {
                let known = self.trouble().parts.insert((key.clone(), part), error.to_string());
                if known.is_none() {
                    self.emit(Event::StoreFailed { what: error.to_string() });
                }
            }
            Err(_) => self.note_store(StoreTask::Read, outcome),
        }
    }

    /// Nobody here wants what is kept of a key any more.
    pub(super) fn forget_trouble_of(&self, key: &Key) {
        self.forget(key, &Part::ALL);
    }

    /// The trouble with these is over, or of no matter.
    fn forget(&self, key: &Key, parts: &[Part]) {
        let is_last = {
            let mut trouble = self.trouble();
            // Mostly there is none.
            let was_there = !trouble.parts.is_empty()
                && parts.iter().filter_map(|part| trouble.parts.remove(&(key.clone(), *part))).count() > 0;
            was_there && trouble.parts.is_empty() && trouble.whole.is_none()
        };
        if is_last {
            self.emit(Event::StoreRecovered);
        }
    }

    /// Whether the store works but for this.
    async fn is_only(&self, key: &Key, part: Part, error: &StoreError) -> bool {
        {
            let trouble = self.trouble();
            if trouble.parts.contains_key(&(key.clone(), part)) {
                return true;
            }
            if error.busy || trouble.whole.is_some() {
                return false;
            }
        }
        self.store.newest_version().await.is_ok()
    }

    fn trouble(&self) -> MutexGuard<'_, StoreTrouble> {
        // Each change to it is one that cannot panic half-way.
        self.store_trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
