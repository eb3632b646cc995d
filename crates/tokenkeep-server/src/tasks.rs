//! All tasks of a running server: none outlives it.

use std::time::Duration;

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
        let until_cut = self.cut.clone().run_until_cancelled_owned(future);
        drop(self.tracker.spawn(async move {
            until_cut.await;
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

impl<F: Future + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}
