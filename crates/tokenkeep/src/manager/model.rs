//! The laws of one key under every schedule that can be tried in seconds: who goes on when is drawn, not timed.
//!
//! What runs is this manager, from the handle to the store, on the stand-ins of [`super::sync`]: between any two steps
//! on a lock, on the present token, at the issuer or in the store somebody else may go on. A wait that nobody ends is
//! found too, since nobody is left then who could. The schedules are the same in each run, so what fails fails again.
//!
//! Not modelled: memory that cores see in different orders (all is as if in one order, here), the inside of `arc_swap`
//! and of tokio's channels (each call is one step), time-outs, and the background work of a started manager.

mod failures;
mod flights;
mod rejections;
mod several;
mod subscribers;
mod world;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// Runs a law in many schedules; `SHUTTLE_RANDOM_SEED` names others than the usual ones. In some each step is drawn; in
/// the others somebody is passed over for long, which hardly ever happens when each step is drawn.
fn in_many_schedules(law: impl AsyncFn() + Clone + Send + Sync + 'static) {
    run(law.clone(), RandomScheduler::new_from_seed(SEED, DRAWN));
    for interruptions in 0..=MAX_INTERRUPTIONS {
        run(law.clone(), PctScheduler::new_from_seed(SEED, interruptions + 1, BY_RANK));
    }
}

fn run(law: impl AsyncFn() + Send + Sync + 'static, scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || shuttle::future::block_on(law()));
}

const SEED: u64 = 7;
/// Schedules in which each step is drawn.
const DRAWN: usize = 200;
/// Schedules in which always the first goes on who can, for each number of times that the first becomes the last.
const BY_RANK: usize = 400;
const MAX_INTERRUPTIONS: usize = 2;
/// Bytes of stack for each task: futures are large where nothing is optimized.
const STACK: usize = 256 * 1024;
