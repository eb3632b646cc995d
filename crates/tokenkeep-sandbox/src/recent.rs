//! A map that forgets its oldest entries, so that a sandbox that runs for weeks stays small.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// The newest [`Recent::CAPACITY`] entries by name.
pub(crate) struct Recent<T> {
    entries: HashMap<Arc<str>, T>,
    order: VecDeque<Arc<str>>,
}

impl<T> Recent<T> {
    pub(crate) const CAPACITY: usize = 100_000;

    pub(crate) fn new() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }

    /// Adds an entry under a name that is not there yet.
    pub(crate) fn insert(&mut self, name: &str, entry: T) {
        if self.order.len() >= Self::CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        let name: Arc<str> = name.into();
        self.order.push_back(Arc::clone(&name));
        self.entries.insert(name, entry);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.entries.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.entries.get_mut(name)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_makes_room_for_a_new_one() {
        let mut recent = Recent::new();
        for n in 0..=Recent::<usize>::CAPACITY {
            recent.insert(&n.to_string(), n);
        }
        assert_eq!(recent.get("0"), None);
        assert_eq!(recent.get("1"), Some(&1));
        assert_eq!(recent.entries.len(), Recent::<usize>::CAPACITY);
    }
}
