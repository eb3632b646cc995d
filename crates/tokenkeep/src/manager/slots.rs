//! All slots of a manager, by key.
//!
//! Looking one up takes a read lock on one of [`SHARDS`] small tables, for as long as the look-up takes. A concurrent
//! map without locks was left aside: to let an idle slot go, one must know that nobody else has it and keep it so
//! while it is removed, which is what a shard's write lock gives.

use std::hash::BuildHasher as _;
use std::sync::{Arc, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::slot::Slot;
use super::sync::RwLock;
use crate::clock::Moment;
use crate::token::Token;

#[derive(Debug)]
pub(crate) struct Slots {
    hasher: DefaultHashBuilder,
    shards: Box<[RwLock<HashTable<Arc<Slot>>>]>,
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self { hasher: DefaultHashBuilder::default(), shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    pub(crate) fn find(&self, key: &str) -> Option<Arc<Slot>> {
        self.with(key, Arc::clone)
    }

    /// The token of a key if it is good and nothing is to be done; see [`Slot::fresh`].
    pub(crate) fn fresh(&self, key: &str, now: Moment) -> Option<Token> {
        self.with(key, |slot| slot.fresh(now)).flatten()
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&Arc<Slot>) -> T) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        shard.find(hash, |slot| slot.key().as_str() == key).map(act)
    }

    /// The slot of this slot's key: the one that is there, or this one.
    pub(crate) fn find_or_insert(&self, new: Slot) -> Arc<Slot> {
        let hash = self.hasher.hash_one(new.key().as_str());
        let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entry(hash, |slot| slot.key() == new.key(), |slot| self.hasher.hash_one(slot.key().as_str()));
        Arc::clone(entry.or_insert_with(|| Arc::new(new)).get())
    }

    /// Removes a slot that nobody has but this table and the caller.
    pub(crate) fn remove_if_unshared(&self, slot: &Arc<Slot>) -> bool {
        let hash = self.hasher.hash_one(slot.key().as_str());
        let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
        // Nobody can get at the slot while the shard is locked, so a count of two cannot grow.
        if Arc::strong_count(slot) > 2 {
            return false;
        }
        let Ok(entry) = shard.find_entry(hash, |other| Arc::ptr_eq(other, slot)) else { return false };
        drop(entry.remove());
        if shard.len() < shard.capacity() / 4 {
            let room = shard.len() * 2;
            shard.shrink_to(room, |slot| self.hasher.hash_one(slot.key().as_str()));
        }
        true
    }

    pub(crate) fn for_each(&self, mut act: impl FnMut(&Arc<Slot>)) {
        for shard in &self.shards {
            // Copied out, so that `act` may look slots up.
            let slots: Vec<_> = shard.read().unwrap_or_else(PoisonError::into_inner).iter().map(Arc::clone).collect();
            slots.iter().for_each(&mut act);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, hash: u64) -> &RwLock<HashTable<Arc<Slot>>> {
        // The table takes its buckets from the low bits and its tags from the top seven.
        let index = usize::try_from((hash >> 40) % SHARDS).unwrap_or(0);
        &self.shards[index]
    }
}

const SHARDS: u64 = 64;
