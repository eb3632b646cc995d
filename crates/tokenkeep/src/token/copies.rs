//! Copies of a token for threads that hand it out all the time.
//!
//! Handing out a token counts one more user of it. Cores that do so a million times a second pass that counter back and
//! forth, which costs several times as much as all the rest. So a token that a thread comes across again and again is
//! copied, once for each core, with a counter of its own. Which tokens those are, each thread guesses for itself, from
//! one in [`SAMPLE`] of the tokens that it hands out; so tokens by the million, each of them used now and then, are not
//! copied.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::IssuedToken;

/// A token once for each core, in turn.
pub(super) struct Copies([Arc<IssuedToken>; PLACES]);

impl Copies {
    pub(super) fn of(token: &IssuedToken) -> Self {
        static CORES: OnceLock<usize> = OnceLock::new();
        let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
        let copy = || Arc::new(token.with_times(token.sent_at, token.windows));
        let copies: Vec<_> = (0..cores.min(PLACES)).map(|_| copy()).collect();
        Self(std::array::from_fn(|place| Arc::clone(&copies[place % copies.len()])))
    }

    /// The one that this thread shares with few others.
    #[inline]
    pub(super) fn of_this_thread(&self) -> &Arc<IssuedToken> {
        &self.0[THREAD.with(Thread::number) % PLACES]
    }
}

/// Whether this thread hands out this token again and again, as far as it can tell.
#[inline]
pub(super) fn is_popular(token: &Arc<IssuedToken>) -> bool {
    THREAD.with(|thread| {
        let left = thread.until_sample.get() - 1;
        thread.until_sample.set(left);
        left == 0 && thread.sample(Arc::as_ptr(token).addr())
    })
}

struct Thread {
    /// Counted from 1; 0: not yet.
    number: Cell<usize>,
    until_sample: Cell<u32>,
    /// The address of the token that was looked at last.
    sampled: Cell<usize>,
}

impl Thread {
    #[inline]
    fn number(&self) -> usize {
        let number = self.number.get();
        if number == 0 { self.take_number() } else { number }
    }

    #[cold]
    fn take_number(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        self.number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        self.number.get()
    }

    #[cold]
    fn sample(&self, token: usize) -> bool {
        self.until_sample.set(SAMPLE);
        self.sampled.replace(token) == token
    }
}

thread_local! {
    static THREAD: Thread =
        const { Thread { number: Cell::new(0), until_sample: Cell::new(SAMPLE), sampled: Cell::new(0) } };
}

/// One in so many tokens that a thread hands out is looked at.
const SAMPLE: u32 = 1024;
/// A power of two, because a thread finds its place by the remainder.
const PLACES: usize = 16;
