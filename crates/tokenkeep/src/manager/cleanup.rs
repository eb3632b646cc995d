//! Counts the tokens that are kept, and throws away those that are long over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{PAGE, Shared, StoreTask, TokenManager};
use crate::clock::Moment;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::key::Key;
use crate::status::Stats;
use crate::store::{Record, SaveOutcome, StoreError, Versioned};

impl TokenManager {
    /// Throws tokens out of the store that have been over for [`CLEANUP_GRACE`]; how many. Their records stay, with the
    /// generation, and with the refresh token if there is one: that is the login, and does not end with the token.
    ///
    /// `unavailable` if the store does not work; what was thrown out until then stays so. Cancel safe.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager, clock) = example_with_clock().await?;
    /// use std::time::Duration;
    ///
    /// manager.token("graph").await?; // lives an hour
    /// assert_eq!(manager.cleanup().await?, 0);
    /// clock.advance(Duration::from_hours(1) + tokenkeep::CLEANUP_GRACE);
    /// assert_eq!(manager.cleanup().await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cleanup(&self) -> Result<usize, Error> {
        self.shared.cleanup().await.map_err(|error| {
            Error::new(Code::Unavailable, error.to_string())
                .with_next("try again when the store works")
                .with_retry_after(Duration::from_secs(5))
        })
    }

    /// How many tokens are kept, of all providers or of one, and how many of them are good.
    ///
    /// `unknown_key` if there is no such provider, `invalid_request` if none can have this name.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// manager.token("graph").await?;
    /// let (all, cloud) = (manager.stats(None).await?, manager.stats(Some("cloud")).await?);
    /// assert_eq!((all.total_cached, all.valid_tokens, cloud.total_cached), (1, 1, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stats(&self, provider: Option<&str>) -> Result<Stats, Error> {
        if let Some(name) = provider {
            self.check_provider(name)?;
        }
        let statuses = self.statuses(None, usize::MAX).await;
        Ok(Stats::of(statuses.iter().filter(|status| provider.is_none_or(|name| name == status.key.provider()))))
    }
}

/// Cleans up again and again; a store that does not work now is tried the next time.
pub(super) async fn run(shared: Weak<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CLEANUP_INTERVAL) => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = shared.cleanup() => {}
        }
    }
}

impl Shared {
    async fn cleanup(self: &Arc<Self>) -> Result<usize, StoreError> {
        let mut removed = 0;
        let mut after: Option<Key> = None;
        loop {
            let now = self.clock.now();
            let page = self.page_to_clean_up(after.as_ref(), now).await;
            self.note_store(StoreTask::Read, &page);
            let page = page?;
            for (key, stored) in &page {
                if !is_long_over(&stored.record, now) {
                    self.keep_dated(key, stored, now).await?;
                } else if self.throw_out(key, stored).await? {
                    removed += 1;
                }
            }
            match page.last() {
                Some((last, _)) => after = Some(last.clone()),
                None => break,
            }
        }
        self.emit(Event::CleanedUp { removed });
        Ok(removed)
    }

    /// What is over if the store can tell; else, and where records are to be dated, all.
    async fn page_to_clean_up(&self, after: Option<&Key>, now: Moment) -> Result<Vec<(Key, Versioned)>, StoreError> {
        if !self.providers.load().values().any(|provider| self.is_claimed(provider))
            && let Some(page) = self.store.page_ended(now.minus(CLEANUP_GRACE), after, PAGE).await?
        {
            return Ok(page);
        }
        self.store.page(after, PAGE).await
    }

    /// What other versions of this program write does not say when it is due.
    async fn keep_dated(&self, key: &Key, stored: &Versioned, now: Moment) -> Result<(), StoreError> {
        match self.provider_of(key) {
            Ok(provider) if self.is_claimed(&provider) => self.date(key, stored, self.due_of(key, stored, now)).await,
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether it was still there to be thrown out; one that was replaced meanwhile is not.
    async fn throw_out(&self, key: &Key, stored: &Versioned) -> Result<bool, StoreError> {
        let record = Record { token: None, ..stored.record.clone() };
        let bare = Versioned { version: stored.version, record };
        let record = Record { due_at: self.due_of(key, &bare, self.clock.now()), ..bare.record };
        let saved = self.store.save(key, &record, Some(stored.version)).await;
        self.note_store(StoreTask::Save, &saved);
        let is_out = matches!(saved?, SaveOutcome::Saved(_));
        if is_out && let Some(slot) = self.slots.find(key.as_str()) {
            let mut state = slot.lock();
            if slot.live().is_some_and(|live| live.generation() <= record.generation) {
                slot.set_aside(&mut state);
            }
        }
        Ok(is_out)
    }
}

fn is_long_over(record: &Record, now: Moment) -> bool {
    // By the wall clock alone: another boot may have written it.
    let end = record.token.as_ref().map_or(Moment::NEVER, |token| token.expires_at());
    end.plus(CLEANUP_GRACE).wall_ms <= now.wall_ms
}

/// How often a started manager cleans up by itself.
pub const CLEANUP_INTERVAL: Duration = Duration::from_mins(30);
/// How long a token is kept after its end.
pub const CLEANUP_GRACE: Duration = Duration::from_mins(5);
