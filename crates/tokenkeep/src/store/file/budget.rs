//! Requests that were counted, for as long as they lie within the window, in one file for each budget.
//!
//! Time within one boot is the boot clock's. From one boot to the next only the wall clock goes on; what it puts more
//! than a window ahead was written before it was set back, and no longer counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::content::json;
use super::disk::{self, Durability};
use super::fault::Fault;
use super::folder::Folder;
use super::lock::Lock;
use crate::budget::{Budget, Spending};
use crate::clock::{Moment, millis};

impl Folder {
    /// Counts one request of a budget, unless as many as it allows were counted within its window.
    pub(super) fn spend(&self, _lock: &Lock, name: &str, budget: Budget) -> Result<Spending, Fault> {
        let (path, now) = (self.budget(name), self.clock.now());
        let mut counted: Vec<Counted> = match disk::read(&path)? {
            None => Vec::new(),
            Some(content) => serde_json::from_slice(&content.bytes).or_else(|_| {
                let aside = disk::set_aside(&path, now.wall_ms)?;
                warn!(name, aside = %aside.display(), "what was spent of a budget cannot be read and is counted anew");
                Ok::<_, Fault>(Vec::new())
            })?,
        };
        let (boot_id, window_ms) = (self.clock.boot_id(), millis(budget.window()));
        counted.retain(|request| (1 - window_ms..window_ms).contains(&request.age_ms(boot_id, now)));
        if let Some(over) = counted.len().checked_sub(budget.requests() as usize) {
            // The youngest of those that have to leave the window before there is room again.
            let age_ms = counted.get(over).map_or(0, |request| request.age_ms(boot_id, now));
            let left_ms = window_ms.saturating_sub(age_ms).clamp(0, window_ms);
            return Ok(Spending::Exhausted(Duration::from_millis(left_ms.unsigned_abs())));
        }
        counted.push(Counted { boot_id: boot_id.to_owned(), boot_ms: now.boot_ms, wall_ms: now.wall_ms });
        disk::replace(&path, &path.with_extension("budget.new"), &json(&counted, 0)?, Durability::PowerCut)?;
        Ok(Spending::Counted)
    }
}

/// When a request was counted.
#[derive(Serialize, Deserialize)]
struct Counted {
    boot_id: String,
    boot_ms: i64,
    wall_ms: i64,
}

impl Counted {
    fn age_ms(&self, boot_id: &str, now: Moment) -> i64 {
        if self.boot_id == boot_id && !boot_id.is_empty() {
            now.boot_ms.saturating_sub(self.boot_ms)
        } else {
            now.wall_ms.saturating_sub(self.wall_ms)
        }
    }
}
