//! A cached token by its handle, on one thread and from many tasks.
//!
//! The limit does what no cache can leave out: it reads a pointer that another thread may change, and the time. Peers
//! are asked in batches, so that asking any of them through one trait is not measured.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use arc_swap::ArcSwap;
use tokenkeep::expiry::Policy;
use tokenkeep::{TokenHandle, TokenManager};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::Effort;
use crate::fixture::{self, Issuer, WORKERS, key_name, manager_builder, two_workers};
use crate::measure::work_in_turn_beside;
use crate::peers::{Filled, SHARE};
use crate::table::{Line, nanos_beside};

/// The least that a cache keeps.
pub(crate) struct Cached {
    text: String,
    end: Instant,
}

impl Cached {
    pub(crate) fn new() -> Self {
        Self { text: "t".repeat(fixture::TOKEN_BYTES), end: Instant::now() + Duration::from_hours(1) }
    }

    /// What everybody does who looks into a cache.
    #[inline]
    pub(crate) fn look(&self) {
        if Instant::now() < self.end {
            black_box(self.text.as_str());
        }
    }
}

pub(super) fn one_thread(effort: &Effort) -> Result<Vec<Line>> {
    let operations = effort.operations;
    let runtime = fixture::one_thread()?;
    let (_manager, handle) = runtime.block_on(warm_handle())?;
    let swap = ArcSwap::from_pointee(Cached::new());
    let peers = runtime.block_on(Filled::with_keys(1))?;
    let batches = operations / SHARE / BATCH;
    let peer_work = peers.work(batches * BATCH, |peer| {
        runtime.block_on(async {
            for _ in 0..batches {
                peer.ask(&[0; BATCH]).await;
            }
        });
    });
    let ([limit, token, current], beside) = work_in_turn_beside(
        effort.rounds,
        operations,
        [
            &mut |_| {
                for _ in 0..operations {
                    black_box(&swap).load().look();
                }
            },
            &mut |_| {
                runtime.block_on(async {
                    for _ in 0..operations {
                        black_box(black_box(&handle).token().await).ok();
                    }
                });
            },
            &mut |_| {
                for _ in 0..operations {
                    drop(black_box(black_box(&handle).current()));
                }
            },
        ],
        &peer_work,
    );
    Ok(vec![
        Line::of_ratio("cached token by handle, 1 thread", LIMIT, &limit, &token, 1.0)
            .beside(nanos_beside(&limit, &token), peers.cells(&limit, &beside)),
        Line::of_ratio("  the same, handle.current()", LIMIT, &limit, &current, 1.0),
    ])
}

pub(super) fn many_tasks(effort: &Effort) -> Result<Vec<Line>> {
    let runtime = two_workers()?;
    let (_manager, handle) = runtime.block_on(warm_handle())?;
    let swap = Arc::new(ArcSwap::from_pointee(Cached::new()));
    // In every task the same body, and the same way back to the runtime after each BATCH.
    let batches = effort.operations * WORKERS / TASKS / BATCH;
    let peers = runtime.block_on(Filled::with_keys(1))?;
    let peer_batches = batches.div_ceil(SHARE);
    let peer_work = peers.work(peer_batches * BATCH * TASKS, |peer| {
        in_tasks(&runtime, || {
            let peer = Arc::clone(peer);
            async move {
                for _ in 0..peer_batches {
                    peer.ask(&[0; BATCH]).await;
                    tokio::task::yield_now().await;
                }
            }
        });
    });
    let ([limit, ours], beside) = work_in_turn_beside(
        effort.rounds,
        batches * BATCH * TASKS,
        [
            &mut |_| {
                in_tasks(&runtime, || {
                    let swap = Arc::clone(&swap);
                    async move {
                        for _ in 0..batches {
                            for _ in 0..BATCH {
                                black_box(&*swap).load().look();
                            }
                            tokio::task::yield_now().await;
                        }
                    }
                });
            },
            &mut |_| {
                in_tasks(&runtime, || {
                    let handle = handle.clone();
                    async move {
                        for _ in 0..batches {
                            for _ in 0..BATCH {
                                black_box(black_box(&handle).token().await).ok();
                            }
                            tokio::task::yield_now().await;
                        }
                    }
                });
            },
        ],
        &peer_work,
    );
    let line = Line::of_ratio("cached token by handle, 64 tasks on 2 workers", LIMIT, &limit, &ours, 1.5);
    Ok(vec![line.beside(nanos_beside(&limit, &ours), peers.cells(&limit, &beside))])
}

fn in_tasks<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, body: impl Fn() -> F) {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            tasks.spawn(body());
        }
        tasks.join_all().await;
    });
}

async fn warm_handle() -> Result<(TokenManager, TokenHandle)> {
    let manager = manager_builder(&Arc::new(Issuer::new()), Policy::default()).build().await?;
    let handle = manager.handle(&key_name(1))?;
    handle.token().await?;
    Ok((manager, handle))
}

const TASKS: usize = 64;
const BATCH: usize = 250;
const LIMIT: &str = "ArcSwap load + Instant::now";
