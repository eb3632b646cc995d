//! A limit on silence that costs nothing while there is none.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Runs out when nothing has happened for a time that is at least the limit and at most twice that: the timer is not set
/// anew each time that something happens, but looks back when it ends.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    something_happened: bool,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, timer: None, something_happened: false }
    }

    pub(super) fn something_happened(&mut self) {
        self.something_happened = true;
    }

    /// Ready when it has run out.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let limit = self.limit;
            let timer = self.timer.get_or_insert_with(|| {
                self.something_happened = false;
                Box::pin(sleep(limit))
            });
            ready!(timer.as_mut().poll(context));
            if !self.something_happened {
                return Poll::Ready(());
            }
            self.timer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_runs_out_when_nothing_happens_and_not_before() {
        let mut patience = Patience::new(Duration::from_secs(10));
        for _ in 0..5 {
            let waited = tokio::time::timeout(Duration::from_secs(9), poll_fn(|context| patience.poll(context))).await;
            waited.unwrap_err();
            patience.something_happened();
        }
        poll_fn(|context| patience.poll(context)).await;
    }
}
