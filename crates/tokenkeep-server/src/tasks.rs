//! All tasks of a running server: none outlives it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Owns accept loops, connections and the streams of HTTP/2 connections. Clones own the same tasks.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    cut: CancellationToken,
}

impl Tasks {
    /// No tasks yet; dropping the guard cuts those that will be.
    pub(crate) fn new() -> (Self, DropGuard) {
        let tasks =
            Self { tracker: TaskTracker::new(), stopping: CancellationToken::new(), cut: CancellationToken::new() };
        tasks.tracker.close();
        let guard = tasks.cut.clone().drop_guard();
        (tasks, guard)
    }

    /// Runs a future until it ends or is cut.
    pub(crate) fn spawn(&self, future: impl Future + Send + 'static) {
        let cut = seldom(self.cut.clone().cancelled_owned());
        // In a box: what is moved into a block has two places there, and that of a connection takes 7 KiB.
        let future = Box::pin(future);
        drop(self.tracker.spawn(async move {
            tokio::select! {
                biased;
                _ = future => {}
                () = cut => {}
            }
        }));
    }

    /// Cancelled when the server begins to stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Resolves so long after that.
    pub(crate) async fn stopping_for(&self, long: Duration) {
        self.stopping.cancelled().await;
        tokio::time::sleep(long).await;
    }

    /// Tells all tasks to finish, waits, and cuts those that have not ended after `limit`; `false` if there were some.
    pub(crate) async fn stop(&self, limit: Duration) -> bool {
        self.stopping.cancel();
        let finished = tokio::time::timeout(limit, self.tracker.wait()).await.is_ok();
        self.cut.cancel();
        self.tracker.wait().await;
        finished
    }
}

/// The same future for a task that runs often and mostly not for it: it is polled only when it was woken itself. What all
/// tasks wait for has a lock, which they would contend for each time that one of them runs.
pub(crate) async fn seldom<F: Future>(future: F) -> F::Output {
    let mut alone = FuturesUnordered::from_iter([future]);
    match alone.next().await {
        Some(output) => output,
        None => std::future::pending().await,
    }
}

impl<F: Future + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}
