//! What four variables say of all providers of a manager, over what is configured for each.

use std::time::Duration;

use super::{Environment, yes_or_no};
use crate::error::{Code, Error};
use crate::expiry::{MIN_EVERY, Policy, Refresh};

/// What the environment says. The default says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    interval: Option<Duration>,
    periodic: Option<bool>,
    max_failures: Option<u32>,
    without_fallbacks: bool,
}

impl Overrides {
    /// Reads the variables with this prefix; one that is empty counts as one that is not set. The error names all that
    /// are wrong, and shows no value.
    pub(crate) fn read(prefix: &str, env: &dyn Environment) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let mut reader = Reader { prefix, env, faults: &mut faults };
        let interval = reader.read(INTERVAL, "a number of minutes, e.g. 45, at least 10 seconds", minutes);
        let periodic = reader.read(PERIODIC, "true or false", yes_or_no);
        let max_failures = reader
            .read(MAX_FAILURES, "a whole number from 1", |text| text.parse().ok().filter(|failures| *failures > 0));
        let fallback = reader.read(FALLBACK, "true or false", yes_or_no);
        if !faults.is_empty() {
            return Err(Error::new(Code::InvalidRequest, faults.join("; ")).with_next("set them anew, or not at all"));
        }
        Ok(Self { interval, periodic, max_failures, without_fallbacks: fallback == Some(false) })
    }

    /// The policy that is in force instead of a configured one.
    pub(crate) fn policy(&self, configured: &Policy) -> Policy {
        let refresh = match (self.periodic, self.interval, configured.refresh) {
            (Some(false), _, _) => Refresh::OnDemand,
            (_, Some(interval), _) => Refresh::Every(interval),
            (Some(true), None, Refresh::OnDemand) => Refresh::Ahead,
            (_, None, refresh) => refresh,
        };
        Policy { refresh, ..configured.clone() }
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

struct Reader<'a> {
    prefix: &'a str,
    env: &'a dyn Environment,
    faults: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn read<T>(&mut self, name: &str, wanted: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let name = format!("{}{name}", self.prefix);
        let text = self.env.variable(&name).filter(|text| !text.trim().is_empty())?;
        let parsed = parse(text.trim());
        if parsed.is_none() {
            self.faults.push(format!("the environment variable `{name}` is not {wanted}"));
        }
        parsed
    }
}

fn minutes(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()? * 60.0;
    Duration::try_from_secs_f64(seconds).ok().filter(|interval| *interval >= MIN_EVERY)
}

const INTERVAL: &str = "TOKEN_REFRESH_INTERVAL_MINUTES";
const PERIODIC: &str = "TOKEN_ENABLE_PERIODIC_REFRESH";
const MAX_FAILURES: &str = "TOKEN_MAX_FAILURES_BEFORE_FALLBACK";
const FALLBACK: &str = "TOKEN_ENABLE_FALLBACK";
