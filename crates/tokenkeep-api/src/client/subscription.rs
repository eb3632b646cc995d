//! The tokens of a key for as long as it takes: over as many connections as are needed, each token once.
//!
//! The hard problem is a broker that goes away while thousands of programs watch it: they must not all come back at
//! once, nor at the pace of their own processors. So each waits longer from try to try, and never exactly as long as the
//! others; one that the broker told when to come waits until then.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use zeroize::Zeroizing;

use super::error::ClientError;
use super::transport::Transport;
use super::watch::{Watch, WatchEvent};
use crate::TokenAnswer;

/// A stream of the tokens of one key; see [`super::Client::subscribe`].
///
/// It ends after an error that does not mend by itself: an API key that is not known or lacks the permission, a key that
/// is not there. All other trouble it sits out, that of the broker with the issuer too, which [`super::Client::watch`]
/// tells.
pub struct Subscription(Pin<Box<dyn Stream<Item = Result<TokenAnswer, ClientError>> + Send>>);

impl Subscription {
    pub(super) fn new(transport: Transport, key: String) -> Self {
        let start = Follower::new(transport, key);
        let tokens = unfold(start, async |mut follower| Some((follower.next().await?, follower)));
        Self(Box::pin(tokens.fuse()))
    }

    /// The present token if it was not given yet, else the next one; `None` after an error. Cancel safe: no token is lost
    /// by dropping the future.
    pub async fn next(&mut self) -> Option<Result<TokenAnswer, ClientError>> {
        self.0.next().await
    }
}

impl Stream for Subscription {
    type Item = Result<TokenAnswer, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

struct Follower {
    transport: Transport,
    key: String,
    /// The token that was given last. After a restart a broker may send it again, or another one of its generation.
    given: Option<(u64, Zeroizing<String>)>,
    last_event_id: Option<String>,
    watch: Option<Watch>,
    /// Connections in a row that came to nothing.
    failures: u32,
    /// How long the broker said to wait.
    told: Option<Duration>,
    is_over: bool,
}

impl Follower {
    fn new(transport: Transport, key: String) -> Self {
        let (given, last_event_id, watch, told) = (None, None, None, None);
        Self { transport, key, given, last_event_id, watch, failures: 0, told, is_over: false }
    }

    async fn next(&mut self) -> Option<Result<TokenAnswer, ClientError>> {
        while !self.is_over {
            match self.event().await {
                Ok(Some(WatchEvent::Token(token))) if self.is_given(&token) => {}
                Ok(Some(WatchEvent::Token(token))) => {
                    self.given = Some((token.generation, Zeroizing::new(token.access_token.clone())));
                    return Some(Ok(token));
                }
                Ok(Some(WatchEvent::Problem(problem))) => {
                    let error = ClientError::Answered { status: STREAMED, problem };
                    if !error.can_mend() {
                        self.is_over = true;
                        return Some(Err(error));
                    }
                }
                Ok(None) => self.lose(None),
                Err(error) if error.can_mend() => self.lose(error.retry_after()),
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// What comes next over a connection, which is made if there is none.
    async fn event(&mut self) -> Result<Option<WatchEvent>, ClientError> {
        if let Some(watch) = &mut self.watch {
            return watch.next().await;
        }
        if self.failures > 0 {
            tokio::time::sleep(pause(self.failures, self.told.take(), fastrand::f64())).await;
        }
        let watch = Watch::open(&self.transport, &self.key, self.last_event_id.as_deref()).await?;
        self.watch.insert(watch).next().await
    }

    fn is_given(&self, token: &TokenAnswer) -> bool {
        let given = self.given.as_ref();
        given.is_some_and(|(generation, text)| *generation == token.generation && **text == token.access_token)
    }

    fn lose(&mut self, told: Option<Duration>) {
        let Some(watch) = self.watch.take() else {
            self.failures = self.failures.saturating_add(1);
            self.told = told;
            return;
        };
        self.failures = if watch.is_alive() { 1 } else { self.failures.saturating_add(1) };
        self.told = told.or(watch.retry());
        self.last_event_id = watch.last_event_id().map(ToOwned::to_owned);
    }
}

/// How long to wait after so many failures in a row: as long as was told, else twice as long from one to the next; `dice`
/// from 0 to 1 makes it up to twice as short, or, where it was told, somewhat longer.
fn pause(failures: u32, told: Option<Duration>, dice: f64) -> Duration {
    match told {
        Some(told) => told.min(LONGEST_TOLD) + FIRST.mul_f64(dice),
        None => FIRST.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST).mul_f64(1.0 - dice / 2.0),
    }
}

/// The HTTP status of an answer in which problems stand.
const STREAMED: u16 = 200;
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
const LONGEST_TOLD: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_half_a_minute_and_is_never_shorter_than_half_of_it() {
        let longest = [1, 2, 3, 4, 5, 6, 60].map(|failures| pause(failures, None, 0.0).as_secs());
        assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
        let shortest = [1, 60].map(|failures| pause(failures, None, 1.0).as_millis());
        assert_eq!(shortest, [500, 15_000]);
        assert_eq!(pause(u32::MAX, None, 0.0), LONGEST);
    }

    #[test]
    fn who_was_told_when_to_come_does_not_come_earlier() {
        for dice in [0.0, 1.0] {
            let waited = pause(9, Some(Duration::from_mins(2)), dice);
            assert!((120..=121).contains(&waited.as_secs()), "{waited:?}");
        }
        assert!(pause(1, Some(Duration::MAX), 1.0) <= Duration::from_secs(3601));
    }
}
