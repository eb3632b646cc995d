//! Requests that were counted, as rows: one for each, for as long as it lies within the window.
//!
//! Time within one boot is the boot clock's. From one boot to the next only the wall clock goes on; what it puts more
//! than a window ahead was written before it was set back, and no longer counts.

use std::time::Duration;

use sqlx::{Row as _, SqliteConnection};

use crate::budget::{Budget, Spending};
use crate::clock::Moment;

pub(super) async fn spend(
    connection: &mut SqliteConnection,
    name: &str,
    budget: Budget,
    boot_id: &str,
    now: Moment,
) -> Result<Spending, sqlx::Error> {
    let window_ms = i64::try_from(budget.window().as_millis()).unwrap_or(i64::MAX);
    // By itself, since whoever comes in between can only have counted more.
    let forget = sqlx::query(FORGET).bind(name).bind(boot_id).bind(now.boot_ms).bind(now.wall_ms).bind(window_ms);
    forget.execute(&mut *connection).await?;
    let count = sqlx::query(COUNT).bind(name).bind(boot_id).bind(now.boot_ms).bind(now.wall_ms);
    let counted = count.bind(i64::from(budget.requests())).execute(&mut *connection).await?;
    if counted.rows_affected() > 0 {
        return Ok(Spending::Counted);
    }
    let query = sqlx::query(IN_THE_WAY).bind(name).bind(i64::from(budget.requests()) - 1);
    let Some(row) = query.fetch_optional(&mut *connection).await? else {
        return Ok(Spending::Exhausted(Duration::ZERO));
    };
    let age_ms = if row.try_get::<&str, _>(0)? == boot_id && !boot_id.is_empty() {
        now.boot_ms.saturating_sub(row.try_get(1)?)
    } else {
        now.wall_ms.saturating_sub(row.try_get(2)?)
    };
    let left_ms = window_ms.saturating_sub(age_ms).clamp(0, window_ms);
    Ok(Spending::Exhausted(Duration::from_millis(left_ms.unsigned_abs())))
}

const FORGET: &str = "
    DELETE FROM spendings WHERE budget = ?1 AND NOT CASE
        WHEN boot_id = ?2 AND boot_id <> '' THEN boot_ms > ?3 - ?5
        ELSE wall_ms > ?4 - ?5 AND wall_ms < ?4 + ?5
    END";

const COUNT: &str = "
    INSERT INTO spendings (budget, boot_id, boot_ms, wall_ms)
    SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM spendings WHERE budget = ?1) < ?5";

/// The youngest of those that have to leave the window before there is room again.
const IN_THE_WAY: &str =
    "SELECT boot_id, boot_ms, wall_ms FROM spendings WHERE budget = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2";
