//! The stand-ins: the same few methods, with a point before and after each at which somebody else may go on.

use std::mem;
use std::ops::Deref;
use std::sync::{Arc, PoisonError};

use shuttle::future::JoinHandle;

pub(in crate::manager) use shuttle::sync::atomic::AtomicU32;
pub(in crate::manager) use shuttle::sync::{Mutex, MutexGuard, RwLock};

pub(in crate::manager) type ArcSwap<T> = Swap<Arc<T>>;
pub(in crate::manager) type ArcSwapOption<T> = Swap<Option<Arc<T>>>;

/// A pointer that is read and replaced as a whole.
#[derive(Debug)]
pub(in crate::manager) struct Swap<P>(Mutex<P>);

impl<P: Clone> Swap<P> {
    pub(in crate::manager) fn new(pointer: P) -> Self {
        Self(Mutex::new(pointer))
    }

    pub(in crate::manager) fn load(&self) -> P {
        self.lock().clone()
    }

    pub(in crate::manager) fn load_full(&self) -> P {
        self.load()
    }

    pub(in crate::manager) fn swap(&self, pointer: P) -> P {
        mem::replace(&mut *self.lock(), pointer)
    }

    pub(in crate::manager) fn store(&self, pointer: P) {
        drop(self.swap(pointer));
    }

    fn lock(&self) -> MutexGuard<'_, P> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Swap<Arc<T>> {
    pub(in crate::manager) fn from_pointee(value: T) -> Self {
        Self::new(Arc::new(value))
    }
}

impl<T> Swap<Option<Arc<T>>> {
    pub(in crate::manager) fn empty() -> Self {
        Self::new(None)
    }

    pub(in crate::manager) fn compare_and_swap(&self, current: &Arc<T>, new: Option<Arc<T>>) -> Option<Arc<T>> {
        let mut present = self.lock();
        match &*present {
            Some(there) if Arc::ptr_eq(there, current) => mem::replace(&mut *present, new),
            there => there.clone(),
        }
    }

    pub(in crate::manager) fn rcu<R: Into<Option<Arc<T>>>>(&self, mut change: impl FnMut(&Option<Arc<T>>) -> R) {
        loop {
            let before = self.load();
            let after = change(&before).into();
            let mut present = self.lock();
            if present.as_ref().map(Arc::as_ptr) == before.as_ref().map(Arc::as_ptr) {
                *present = after;
                return;
            }
        }
    }
}

/// Tasks that can be waited for.
#[derive(Debug)]
pub(in crate::manager) struct TaskTracker(tokio_util::task::TaskTracker);

impl TaskTracker {
    pub(in crate::manager) fn new() -> Self {
        Self(tokio_util::task::TaskTracker::new())
    }

    pub(in crate::manager) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        shuttle::future::spawn(self.0.track_future(task))
    }
}

impl Deref for TaskTracker {
    type Target = tokio_util::task::TaskTracker;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Whoever is modelled can.
pub(in crate::manager) fn can_spawn() -> bool {
    true
}

/// Time that passes when the schedule has it so.
pub(in crate::manager) mod time {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::Map;
    use shuttle::rand::{Rng as _, thread_rng};
    use tokio::time::error::Elapsed;

    /// Ends at any moment: at once, or after all others had a turn.
    pub(in crate::manager) async fn sleep(duration: Duration) {
        if thread_rng().gen_bool(0.5) {
            shuttle::future::yield_now().await;
        } else {
            shuttle::thread::sleep(duration);
        }
    }

    /// Nobody is too slow.
    pub(in crate::manager) fn timeout<F: Future>(_: Duration, future: F) -> InTime<F> {
        future.map(Ok)
    }

    type InTime<F> = Map<F, fn(<F as Future>::Output) -> Result<<F as Future>::Output, Elapsed>>;
}
