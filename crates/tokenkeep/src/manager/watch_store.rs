//! Notices what other processes did to the keys that are in memory here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::slot::Slot;
use super::{Shared, StoreTask};
use crate::event::Event;
use crate::store::Version;

/// Looks once a second which records are newer than what was seen, and takes over what concerns this process.
pub(super) async fn run(shared: Weak<Shared>, stop: CancellationToken) {
    let mut seen = None;
    loop {
        {
            let Some(shared) = shared.upgrade() else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                now_seen = look(&shared, seen) => seen = now_seen,
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn look(shared: &Arc<Shared>, seen: Option<Version>) -> Option<Version> {
    let Some(mut seen) = seen else {
        let newest = shared.store.newest_version().await;
        shared.note_store(StoreTask::Read, &newest);
        return newest.ok();
    };
    loop {
        let changes = shared.store.changes(seen, BATCH).await;
        shared.note_store(StoreTask::Read, &changes);
        let changes = changes.unwrap_or_default();
        for (key, version) in &changes {
            seen = *version;
            if let Some(slot) = shared.slots.find(key.as_str()) {
                take_over(shared, &slot, *version).await;
            }
        }
        if changes.len() < BATCH {
            return Some(seen);
        }
    }
}

async fn take_over(shared: &Arc<Shared>, slot: &Arc<Slot>, version: Version) {
    if slot.lock().version >= version.0 {
        return;
    }
    let Ok(Some(stored)) = shared.read(slot).await else { return };
    let now = shared.clock.now();
    let mut state = slot.lock();
    // A flight under way reads the record itself.
    if state.flight().is_some() || state.version >= stored.version.0 {
        return;
    }
    let generation = slot.live().map_or(0, |live| live.generation());
    let event = match &stored.record.token {
        Some(token) if token.generation() > generation => {
            slot.publish(&mut state, token, stored.record.failure.clone(), Some(stored.version), now);
            Some(Event::Loaded {
                key: slot.key().clone(),
                generation: token.generation(),
                expires_in: (!token.expires_at().is_never()).then(|| token.expires_at().remaining(now)),
            })
        }
        None if generation > 0 && stored.record.generation >= generation => {
            slot.withdraw(&mut state);
            Some(Event::Cleared { key: slot.key().clone() })
        }
        Some(_) | None => None,
    };
    state.version = stored.version.0;
    if stored.record.failure.is_some() || state.failure().is_some() {
        state.busy().failure = stored.record.failure;
    }
    state.settle(slot.live().as_deref());
    shared.schedule_next(slot, &mut state);
    drop(state);
    if let Some(event) = event {
        shared.emit(event);
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
const BATCH: usize = 500;
