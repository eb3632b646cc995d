//! What the machine says: of itself, of the time this process worked, of the memory it has.

use std::alloc::System;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cap::Cap;
use rustix::time::{ClockId, clock_gettime};

/// One line about the machine: ratios from two of them compare, times do not.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let read = |path| fs::read_to_string(path).map_or_else(|_| "?".into(), |text| text.trim().to_owned());
    format!(
        "{cores} cores, {}, Linux {}, clock source {}, load {}",
        model.map_or("?", |(_, name)| name),
        read("/proc/sys/kernel/osrelease"),
        read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        read("/proc/loadavg").split(' ').next().unwrap_or("?"),
    )
}

/// Time that the cores worked for this process: what other processes take does not count.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The system's allocator, counting.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes of memory that this program asked for and has not given back.
pub(crate) fn requested_bytes() -> u64 {
    u64::try_from(ALLOCATOR.allocated()).unwrap_or(u64::MAX)
}

/// Bytes of memory that this process occupies.
pub(crate) fn resident_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
