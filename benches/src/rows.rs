//! The rows of the table, in its order.

mod by_handle;
mod by_name;
mod empty_cache;
mod issuer_down;
mod memory;
mod renewals;
mod token_good;

use anyhow::Result;

use crate::table::Line;

/// A row: its name on the command line, and what measures it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) measure: fn(&Effort) -> Result<Vec<Line>>,
}

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// Keys where the table speaks of a million.
    pub(crate) million: usize,
    /// Operations of one thread in a round.
    pub(crate) operations: usize,
}

pub(crate) const ROWS: [Row; 9] = [
    Row { name: "handle", measure: by_handle::one_thread },
    Row { name: "tasks", measure: by_handle::many_tasks },
    Row { name: "name", measure: by_name::measure },
    Row { name: "empty", measure: empty_cache::measure },
    Row { name: "good", measure: token_good::measure },
    Row { name: "down", measure: issuer_down::measure },
    Row { name: "memory", measure: memory::measure },
    Row { name: "look-up", measure: memory::measure_look_up },
    Row { name: "renewals", measure: renewals::measure },
];

/// What a process of its own measures, by its name; see [`crate::child`].
pub(crate) fn measure_in_child(name: &str, effort: &Effort) -> Result<Vec<f64>> {
    match name {
        renewals::CHILD => renewals::measure_here(effort),
        memory::LOOK_UP_CHILD => memory::look_up_here(effort),
        variant => memory::measure_here(variant, effort),
    }
}
