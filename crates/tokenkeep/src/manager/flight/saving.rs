//! Into the store, now or later: what was answered is never dropped.

use std::sync::Arc;
use std::time::Duration;

use super::Flight;
use super::request::Attempt;
use crate::clock::Moment;
use crate::event::Event;
use crate::failure::FailureKind;
use crate::fingerprint::Fingerprint;
use crate::manager::record::Stored;
use crate::manager::slot::Slot;
use crate::manager::sync::time;
use crate::manager::{Shared, StoreTask, watch_store};
use crate::secret::Secret;
use crate::source::Keep;
use crate::store::{Record, SaveOutcome, StoreError, Version};
use crate::token::IssuedToken;

impl Flight {
    /// Saves a record with a new token. What cannot be saved is noted in the slot and comes back all the same; when
    /// another holder has overtaken this one, what comes back is theirs. Until the record is there, no other process may
    /// use the refresh token before, so the lease is kept while a slow store is at it.
    pub(super) async fn save(&self, record: Record, expected: Option<Version>) -> (Arc<Record>, Option<Version>) {
        if self.keep() == Keep::InMemory {
            return (Arc::new(record), None);
        }
        self.under_lease(self.save_or_note(record, expected)).await
    }

    async fn save_or_note(&self, mut record: Record, mut expected: Option<Version>) -> (Arc<Record>, Option<Version>) {
        let error = loop {
            let saved = self.shared.save_dated(self.slot.key(), &record, expected).await;
            self.shared.note_store(StoreTask::Save, &saved);
            match saved {
                Ok(SaveOutcome::Saved(version)) => {
                    if let Some(busy) = self.slot.lock().busy_if_any() {
                        busy.unsaved = None;
                    }
                    return (Arc::new(record), Some(version));
                }
                Err(error) => break error,
                // Cleared by somebody, a failure noted by a holder whose lease has ended, or overtaken.
                Ok(SaveOutcome::Conflict) => match self.shared.read(&self.slot, &self.provider).await {
                    // What was obtained with other credentials is nobody's any more, and another login is not given up.
                    Ok(Some(theirs))
                        if theirs.other_login || !theirs.record.fingerprint.is_same_login(&record.fingerprint) =>
                    {
                        return (Arc::new(Record { token: None, ..theirs.record }), Some(theirs.version));
                    }
                    Ok(Some(theirs))
                        if theirs.record.generation >= record.generation && theirs.record.token.is_some() =>
                    {
                        return (Arc::new(theirs.record), Some(theirs.version));
                    }
                    Ok(theirs) => {
                        if let Some(theirs) =
                            theirs.as_ref().filter(|theirs| theirs.record.generation >= record.generation)
                        {
                            record = record.with_generation(theirs.record.generation + 1);
                            record.refresh_token = newest_login(&theirs.record).or(record.refresh_token);
                        }
                        expected = theirs.map(|theirs| theirs.version);
                    }
                    Err(error) => break error,
                },
            }
        };
        let record = Arc::new(record);
        self.slot.lock().busy().unsaved = Some(Arc::clone(&record));
        self.shared.emit(Event::Unsaved { key: self.slot.key().clone(), what: error.to_string() });
        (record, None)
    }

    /// Saves the failure in force, so that other processes leave the issuer alone too. Without a new refresh token
    /// nothing is lost if this does not succeed. The login of another configuration is not given up for a failure.
    /// A token that another process has brought meanwhile comes back: the failure is of no account then.
    pub(super) async fn save_failure(&self, attempt: &Attempt, rotated: bool) -> Option<Arc<IssuedToken>> {
        let stored = attempt.stored.as_ref();
        if self.keep() == Keep::InMemory || (!rotated && stored.is_some_and(|stored| stored.other_login)) {
            return None;
        }
        let failure = self.slot.lock().failure().cloned();
        let obsolete = self.slot.lock().obsolete();
        let before = stored.map(|stored| &stored.record);
        let record = Record {
            generation: self.last_generation(stored),
            fingerprint: self.identity().fingerprint,
            // A token that was rejected here must not be found good by the next start.
            token: before.and_then(|record| record.token.clone()).filter(|token| token.generation() > obsolete),
            refresh_in: before.and_then(|record| record.refresh_in),
            jitter: before.map_or(0.0, |record| record.jitter),
            refresh_token: attempt.login.token().cloned(),
            asked_at: attempt.asked_at,
            failure,
            due_at: None,
            boot_id: self.shared.clock.boot_id().into(),
        };
        if rotated {
            return self.save_rotated(record, stored.map(|stored| stored.version)).await;
        }
        let saved = self.shared.save_dated(self.slot.key(), &record, stored.map(|stored| stored.version)).await;
        // Nobody tries again to save a failure, so it is enough for the store to be well that leases can be had.
        self.shared.note_store(StoreTask::Lease, &saved);
        match saved {
            Ok(SaveOutcome::Saved(version)) => {
                self.take_over_beside_failure(&record, version);
                None
            }
            Ok(SaveOutcome::Conflict) => self.failed_too_late(&record.fingerprint, attempt.asked_at).await,
            Err(_) => None,
        }
    }

    /// Cleared, or written by another process, meanwhile: what they wrote stays, but for when was asked. It is not noted
    /// as known here, since it may say more than this flight takes over.
    async fn failed_too_late(&self, own: &Fingerprint, asked_at: Option<Moment>) -> Option<Arc<IssuedToken>> {
        let theirs = self.shared.read(&self.slot, &self.provider).await.ok()??;
        if theirs.other_login || !theirs.record.fingerprint.is_same_token(own) {
            // The failure was of what is no longer in force.
            self.slot.lock().busy().failure = None;
            return None;
        }
        if let Some(Ok(token)) = self.consider(Some(&theirs)) {
            return Some(token);
        }
        let record = Record { asked_at, ..theirs.record };
        let saved = self.shared.save_dated(self.slot.key(), &record, Some(theirs.version)).await;
        self.shared.note_store(StoreTask::Lease, &saved);
        None
    }

    /// What is stored now is what is known here, the token beside the failure too: whoever was to bring a newer one by
    /// hand has read past it.
    fn take_over_beside_failure(&self, record: &Record, version: Version) {
        let now = self.shared.clock.now();
        let known = self.slot.live().map_or(0, |live| live.generation());
        let theirs = record.token.as_ref().filter(|token| token.generation() > known && token.serves(now));
        if let Some(token) = theirs {
            let mut state = self.slot.lock();
            if self.is_current() {
                self.slot.publish(&mut state, token, record.failure.clone(), Some(version), now);
            }
        }
        self.noted(version);
    }

    /// What is stored now is what is known here.
    fn noted(&self, version: Version) {
        let mut state = self.slot.lock();
        state.version = version.0;
        if let Some(busy) = state.busy_if_any() {
            busy.rejected = false;
        }
    }

    /// Saves a new refresh token that came without a token of use, by all means that a token is saved by. It takes a
    /// generation of its own, so that it counts as newer than what was stored; a token of the one before would be
    /// mistaken for this one's and is left out. What comes back is another process's token, if it has overtaken this one.
    async fn save_rotated(&self, record: Record, expected: Option<Version>) -> Option<Arc<IssuedToken>> {
        let record = Record { generation: record.generation.saturating_add(1), token: None, ..record };
        let (record, version) = self.save(record, expected).await;
        let version = version?;
        if record.token.is_none() {
            self.noted(version);
            return None;
        }
        let theirs = Stored { version, record: Record::clone(&record), foreign: false, other_login: false };
        self.consider(Some(&theirs))?.ok()
    }

    /// Saves what could not be saved, if anything, until it is, or there is something newer, or the manager stops.
    pub(super) async fn keep_saving(&self) {
        match self.slot.lock().busy_if_any() {
            Some(busy) if busy.unsaved.is_some() && !busy.saving => busy.saving = true,
            _ => return,
        }
        self.save_until_done().await;
        if let Some(busy) = self.slot.lock().busy_if_any() {
            busy.saving = false;
        }
    }

    async fn save_until_done(&self) {
        let mut finishing = self.shared.finishing.subscribe();
        let mut wait = Duration::from_secs(1);
        loop {
            tokio::select! {
                biased;
                () = time::sleep(wait) => {}
                // Whoever stops the manager tries for the last time.
                _ = finishing.wait_for(|finishing| *finishing > 0) => return,
            }
            let in_flight = self.slot.lock().flight().is_some();
            if !in_flight && save_again(&self.shared, &self.slot).await {
                return;
            }
            wait = (wait * 2).min(MAX_SAVE_WAIT);
        }
    }
}

/// Saves what could not be saved before, or takes over what another process has saved since; whether there is nothing
/// left to save.
pub(in crate::manager) async fn save_again(shared: &Arc<Shared>, slot: &Arc<Slot>) -> bool {
    let Some(record) = slot.lock().unsaved().cloned() else { return true };
    let Ok(theirs) = shared.read(slot, &slot.provider()).await else { return false };
    // What was obtained with other credentials is nobody's any more, and another login is not given up.
    let is_of_others = theirs
        .as_ref()
        .is_some_and(|theirs| theirs.other_login || !theirs.record.fingerprint.is_same_login(&record.fingerprint));
    let overtaken = is_of_others || theirs.as_ref().is_some_and(|theirs| theirs.record.generation >= record.generation);
    let mut version = None;
    if overtaken {
        // Nobody here tries again.
        shared.note_store(StoreTask::Save, &Ok(()));
    } else {
        let expected = theirs.map(|theirs| theirs.version);
        let saved = shared.save_dated(slot.key(), &record, expected).await;
        shared.note_store(StoreTask::Save, &saved);
        let Ok(SaveOutcome::Saved(written)) = saved else { return false };
        version = Some(written);
        shared.emit(Event::Saved { key: slot.key().clone() });
    }
    {
        let mut state = slot.lock();
        if let Some(version) = version {
            state.version = version.0;
        }
        // Something newer may have come to be saved meanwhile.
        if state.unsaved().is_some_and(|unsaved| !Arc::ptr_eq(unsaved, &record)) {
            return false;
        }
        state.busy().unsaved = None;
        if is_of_others && slot.live().is_some_and(|live| live.generation() <= record.generation) {
            slot.withdraw(&mut state);
        }
        state.settle(slot.live().as_deref(), shared.clock.now());
    }
    if overtaken {
        watch_store::take_over(shared, slot, watch_store::NEWER_THAN_ALL).await;
    }
    true
}

/// What of a key is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::manager) enum Clear {
    /// The token and the failure. The refresh token stays: it is the login.
    Token,
    /// All that came of credentials that were changed; there is a record afterwards even if there was none, so that a
    /// login that is under way with the old ones cannot be saved.
    Login,
}

/// Clears what is in the store of a key. The generation stays.
pub(in crate::manager) async fn clear_stored(shared: &Shared, slot: &Slot, clear: Clear) -> Result<(), StoreError> {
    if let Some(busy) = slot.lock().busy_if_any()
        && let Some(unsaved) = busy.unsaved.take()
        && clear == Clear::Token
    {
        busy.unsaved = Some(Arc::new(Record { token: None, failure: None, ..Record::clone(&unsaved) }));
    }
    if slot.provider().source().keep() == Keep::InMemory {
        return Ok(());
    }
    loop {
        let stored = shared.read(slot, &slot.provider()).await?;
        let version = stored.as_ref().map(|stored| stored.version);
        let record = match (stored, clear) {
            (None, Clear::Token) => return Ok(()),
            (None, Clear::Login) => shared.empty_record(slot).await?,
            // What is not this configuration's is not for it to clear.
            (Some(stored), Clear::Token) if stored.other_login => return Ok(()),
            (Some(stored), _) => Record { token: None, failure: None, ..stored.record },
        };
        let saved = shared.save_dated(slot.key(), &record, version).await;
        shared.note_store(StoreTask::Save, &saved);
        if let SaveOutcome::Saved(version) = saved? {
            let mut state = slot.lock();
            state.version = version.0;
            // A flight may have saved it and published it only now.
            let busy = state.busy();
            busy.obsolete = busy.obsolete.max(record.generation);
            if slot.live().is_some_and(|live| live.generation() <= record.generation) {
                slot.withdraw(&mut state);
            }
            return Ok(());
        }
    }
}

impl Shared {
    async fn empty_record(&self, slot: &Slot) -> Result<Record, StoreError> {
        let identity = self.identity(slot.key(), &slot.provider()).await?;
        let generation = slot.lock().obsolete();
        Ok(Record {
            generation,
            fingerprint: identity.fingerprint,
            token: None,
            refresh_in: None,
            jitter: 0.0,
            refresh_token: None,
            asked_at: None,
            failure: None,
            due_at: None,
            boot_id: self.clock.boot_id().into(),
        })
    }
}

/// Has the store forget a token that was rejected, so that neither the next start nor another process hands it out.
pub(in crate::manager) async fn forget_rejected(shared: Arc<Shared>, slot: Arc<Slot>) {
    let obsolete = slot.lock().obsolete();
    let Ok(stored) = shared.read(&slot, &slot.provider()).await else { return };
    let rejected = |record: &Record| record.token.as_ref().is_some_and(|token| token.generation() <= obsolete);
    if let Some(stored) = stored.filter(|stored| rejected(&stored.record)) {
        let record = Record { token: None, ..stored.record };
        let saved = shared.save_dated(slot.key(), &record, Some(stored.version)).await;
        shared.note_store(StoreTask::Lease, &saved);
        if !matches!(saved, Ok(SaveOutcome::Saved(_))) {
            return;
        }
    }
    if let Some(busy) = slot.lock().busy_if_any() {
        busy.rejected = false;
    }
}

/// The login that was used after one's own: whoever has counted as far has had a token since, though it is gone. One that
/// was refused is none.
fn newest_login(theirs: &Record) -> Option<Secret> {
    let is_refused = theirs.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::LoginRequired);
    theirs.refresh_token.clone().filter(|_| !is_refused)
}

/// The longest wait between two attempts to save.
const MAX_SAVE_WAIT: Duration = Duration::from_secs(5);
