//! What four variables say of all providers of a manager, over what is configured for each.

use std::time::Duration;

use super::Environment;
use crate::error::{Code, Error};
use crate::expiry::{MIN_EVERY, Policy, Refresh};

/// What the environment says. The default says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    refresh: Option<Refresh>,
    max_failures: Option<u32>,
    without_fallbacks: bool,
}

impl Overrides {
    /// Reads the variables; one that is empty counts as one that is not set. The error names all that are wrong, and
    /// shows no value.
    pub(crate) fn read(env: &dyn Environment) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let interval = read(env, INTERVAL, &mut faults, "a number of minutes, e.g. 45, at least 10 seconds", minutes);
        let periodic = read(env, PERIODIC, &mut faults, "true or false", yes_or_no);
        let max_failures = read(env, MAX_FAILURES, &mut faults, "a whole number from 1", |text| {
            text.parse().ok().filter(|failures| *failures > 0)
        });
        let fallback = read(env, FALLBACK, &mut faults, "true or false", yes_or_no);
        if !faults.is_empty() {
            return Err(Error::new(Code::InvalidRequest, faults.join("; ")).with_next("set them anew, or not at all"));
        }
        let refresh = if periodic == Some(false) { Some(Refresh::OnDemand) } else { interval.map(Refresh::Every) };
        Ok(Self { refresh, max_failures, without_fallbacks: fallback == Some(false) })
    }

    /// The policy that is in force instead of a configured one.
    pub(crate) fn policy(&self, configured: &Policy) -> Policy {
        Policy { refresh: self.refresh.unwrap_or(configured.refresh), ..configured.clone() }
    }

    /// After how many failures fallbacks are used, instead of the configured number.
    pub(crate) fn max_failures(&self, configured: u32) -> u32 {
        self.max_failures.unwrap_or(configured)
    }

    /// The fallbacks that are in force of those that are configured.
    pub(crate) fn fallbacks<T>(&self, configured: Vec<T>) -> Vec<T> {
        if self.without_fallbacks { Vec::new() } else { configured }
    }
}

fn read<T>(
    env: &dyn Environment,
    name: &str,
    faults: &mut Vec<String>,
    wanted: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let text = env.variable(name).filter(|text| !text.trim().is_empty())?;
    let parsed = parse(text.trim());
    if parsed.is_none() {
        faults.push(format!("the environment variable `{}` is not {wanted}", env.full_name(name)));
    }
    parsed
}

fn minutes(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()? * 60.0;
    Duration::try_from_secs_f64(seconds).ok().filter(|interval| *interval >= MIN_EVERY)
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

const INTERVAL: &str = "TOKEN_REFRESH_INTERVAL_MINUTES";
const PERIODIC: &str = "TOKEN_ENABLE_PERIODIC_REFRESH";
const MAX_FAILURES: &str = "TOKEN_MAX_FAILURES_BEFORE_FALLBACK";
const FALLBACK: &str = "TOKEN_ENABLE_FALLBACK";
