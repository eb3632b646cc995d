//! Notices what other processes did to the keys that are in memory here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::record::Stored;
use super::slot::{Slot, State};
use super::{Shared, StoreTask};
use crate::event::Event;
use crate::key::Key;
use crate::store::Version;
use crate::token::IssuedToken;

/// Looks once a second, and when the store has a notice, which records are newer than what was seen, and takes over what
/// concerns this process.
pub(super) async fn run(shared: Weak<Shared>, stop: CancellationToken) {
    let mut seen = Seen::default();
    loop {
        {
            let Some(shared) = shared.upgrade() else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = look(&shared, &mut seen) => {}
            }
        }
        let Some(store) = shared.upgrade().map(|shared| Arc::clone(&shared.store)) else { return };
        // However many notices there are, each look has them all, and looks are not all that this process does.
        let notice = async {
            tokio::time::sleep(PAUSE).await;
            store.changed().await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = notice => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// What was seen of the store, and what is still to be taken over.
#[derive(Default)]
struct Seen {
    until: Option<Version>,
    /// Keys whose change could not be taken over yet: a flight was under way, or the record could not be read.
    open: Vec<(Key, Version)>,
}

async fn look(shared: &Arc<Shared>, seen: &mut Seen) {
    let Some(mut until) = seen.until else {
        let newest = shared.store.newest_version().await;
        shared.note_store(StoreTask::Read, &newest);
        // However often this is tried, each key is looked up once.
        let Ok(newest) = newest else { return };
        seen.until = Some(newest);
        // What changed before is looked up for each key that is here.
        shared.slots.for_each(|slot| seen.open.push((slot.key().clone(), NEWER_THAN_ALL)));
        return;
    };
    let mut keys = std::mem::take(&mut seen.open);
    loop {
        let changes = shared.store.changes(until, BATCH).await;
        shared.note_store(StoreTask::Read, &changes);
        let changes = changes.unwrap_or_default();
        let last = changes.len() < BATCH;
        until = changes.last().map_or(until, |(_, version)| *version);
        keys.extend(changes);
        if last {
            break;
        }
    }
    if shared.store.newest_version().await.is_ok_and(|newest| newest < until) {
        // An older copy of the store was put in its place: all that was seen of the other one says nothing of it.
        shared.slots.for_each(|slot| slot.lock().version = 0);
        *seen = Seen::default();
        return;
    }
    seen.until = Some(until);
    for (key, version) in keys {
        match shared.slots.find(key.as_str()) {
            Some(slot) if !take_over(shared, &slot, version).await => seen.open.push((key, version)),
            Some(_) => {}
            None => shared.keep_if_always(&key),
        }
    }
}

/// Whether what is stored is taken over, or need not be.
pub(super) async fn take_over(shared: &Arc<Shared>, slot: &Arc<Slot>, version: Version) -> bool {
    {
        let state = slot.lock();
        if state.version >= version.0 {
            return true;
        }
        // A flight reads the record itself, but perhaps did so before the change.
        if state.flight().is_some() && slot.live().is_none() {
            return false;
        }
    }
    let provider = slot.provider();
    let stored = match shared.read(slot, &provider).await {
        Ok(Some(stored)) => stored,
        Ok(None) => return true,
        Err(_) => return false,
    };
    let now = shared.clock.now();
    let mut state = slot.lock();
    if !Arc::ptr_eq(&provider, &slot.provider()) {
        return false;
    }
    if state.flight().is_some() {
        // Its answer may take long, and until then callers are handed what is here.
        let is_gone = withdraw_if_gone(shared, slot, &mut state, &stored);
        drop(state);
        if is_gone {
            shared.emit(Event::Cleared { key: slot.key().clone() });
        }
        return false;
    }
    // What another configuration wrote says nothing about this one's token.
    if state.version >= stored.version.0 || stored.foreign {
        return true;
    }
    let live = slot.live();
    let generation = live.as_ref().map_or(0, |live| live.generation());
    // Two processes that could not see each other count alike; what is stored is what all others have.
    let is_other = |token: &IssuedToken| live.as_ref().is_none_or(|live| live.access_token() != token.access_token());
    let event = match &stored.record.token {
        Some(token) if token.generation() > generation || (token.generation() == generation && is_other(token)) => {
            slot.publish(&mut state, token, stored.record.failure.clone(), Some(stored.version), now);
            Some(Event::Loaded {
                key: slot.key().clone(),
                generation: token.generation(),
                expires_in: (!token.expires_at().is_never()).then(|| token.expires_at().remaining(now)),
            })
        }
        Some(_) => None,
        None => {
            let is_gone = withdraw_if_gone(shared, slot, &mut state, &stored);
            is_gone.then(|| Event::Cleared { key: slot.key().clone() })
        }
    };
    state.version = stored.version.0;
    if stored.record.failure.is_some() || state.failure().is_some() {
        state.busy().failure = stored.record.failure;
    }
    state.settle(slot.live().as_deref(), shared.clock.now());
    shared.schedule_next(slot, &mut state);
    drop(state);
    if let Some(event) = event {
        shared.emit(event);
    }
    true
}

/// Takes the present token away if what is stored, and was not known, is that it was cleared or rejected; whether it was.
pub(super) fn withdraw_if_gone(shared: &Arc<Shared>, slot: &Arc<Slot>, state: &mut State, stored: &Stored) -> bool {
    let is_news = !stored.foreign && state.version < stored.version.0;
    let is_gone = |live: &IssuedToken| stored.record.token.is_none() && stored.record.generation >= live.generation();
    if !is_news || !slot.live().is_some_and(|live| is_gone(&live)) {
        return false;
    }
    slot.withdraw(state);
    // Somebody may wait for the next one.
    state.busy().kept |= slot.provider().policy().refresh.is_always();
    shared.wake_soon(slot, state);
    true
}

const INTERVAL: Duration = Duration::from_secs(1);
/// From one look to the next, whatever notices there are.
const PAUSE: Duration = Duration::from_millis(50);
const BATCH: usize = 500;
/// The version of a change of which nothing is known.
pub(super) const NEWER_THAN_ALL: Version = Version(u64::MAX);
