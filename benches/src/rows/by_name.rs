//! A cached token by the name of its key, among a thousand.
//!
//! The limits look a name up in a map that readers do not lock, and then do what the limit by handle does.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use tokenkeep::expiry::Policy;

use super::Effort;
use super::by_handle::Cached;
use crate::fixture::{Issuer, fill, key_name, manager_builder, one_thread};
use crate::measure::work_in_turn_beside;
use crate::peers::{Filled, SHARE};
use crate::table::{Line, nanos_beside};

pub(super) fn measure(effort: &Effort) -> Result<Vec<Line>> {
    let runtime = one_thread()?;
    let manager = runtime.block_on(manager_builder(&Arc::new(Issuer::new()), Policy::default()).build())?;
    runtime.block_on(fill(&manager, KEYS))?;
    let swapped: ArcSwap<HashMap<String, Arc<ArcSwap<Cached>>>> =
        ArcSwap::from_pointee((0..KEYS).map(|index| (key_name(index), slot())).collect());
    let papaya: papaya::HashMap<String, Arc<ArcSwap<Cached>>> =
        (0..KEYS).map(|index| (key_name(index), slot())).collect();
    let mut order: Vec<_> = (0..KEYS).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut order);
    let names: Vec<_> = order.iter().copied().map(key_name).collect();
    let passes = effort.operations / KEYS;
    let asked = || names.iter().cycle().take(passes * KEYS).map(|name| black_box(name.as_str()));
    let peers = runtime.block_on(Filled::with_keys(KEYS))?;
    let peer_passes = passes.div_ceil(SHARE);
    let peer_work = peers.work(peer_passes * KEYS, |peer| {
        runtime.block_on(async {
            for _ in 0..peer_passes {
                peer.ask(&order).await;
            }
        });
    });
    let ([limit, other_limit, ours], beside) = work_in_turn_beside(
        effort.rounds,
        passes * KEYS,
        [
            &mut |_| {
                for name in asked() {
                    if let Some(slot) = swapped.load().get(name) {
                        slot.load().look();
                    }
                }
            },
            &mut |_| {
                for name in asked() {
                    if let Some(slot) = papaya.pin().get(name) {
                        slot.load().look();
                    }
                }
            },
            &mut |_| {
                runtime.block_on(async {
                    for name in asked() {
                        black_box(manager.token(name).await).ok();
                    }
                });
            },
        ],
        &peer_work,
    );
    Ok(vec![
        Line::of_ratio("by name among 1,000, 1 thread", "ArcSwap<HashMap>", &limit, &ours, 2.0)
            .beside(nanos_beside(&limit, &ours), peers.cells(&limit, &beside)),
        Line::of_ratio("  the same", "papaya", &other_limit, &ours, 2.0),
    ])
}

fn slot() -> Arc<ArcSwap<Cached>> {
    Arc::new(ArcSwap::from_pointee(Cached::new()))
}

const KEYS: usize = 1000;
