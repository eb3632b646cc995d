//! What is not well with a token, and what to do about it.

use std::time::Duration;

use serde::Serialize;
use tokenkeep::diagnosis::{Diagnosis, IssuerClock, Prospect};
use tokenkeep::{Error, KeyState, Warning};

use super::clock::{Clock, differs_by_more};
use crate::exit;

/// One thing that is not well.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// One word for programs: that of a warning or of an error, or one of those below.
    pub(super) code: &'static str,
    /// In a sentence.
    pub(super) detail: String,
    /// What to do.
    pub(super) next: Option<String>,
}

impl Finding {
    pub(super) fn new(code: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), next: Some(next.into()) }
    }

    /// What an error says.
    pub(super) fn of_error(error: &Error) -> Self {
        Self { code: error.code().as_str(), detail: error.what().to_owned(), next: exit::next(error) }
    }
}

/// Where a token lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Store,
    /// Another system's.
    Source,
}

/// What is not well with a token.
pub(super) fn findings(diagnosis: &Diagnosis, place: Place, clock: &IssuerClock) -> Vec<Finding> {
    let status = &diagnosis.status;
    let mut findings = Vec::new();
    if let Prospect::Fail(error) = &diagnosis.prospect {
        findings.push(Finding::of_error(error));
    }
    // A failure that callers are told is said already.
    let is_said = |warning: &&Warning| matches!(warning, Warning::RefreshFailing { .. }) && !findings.is_empty();
    let warnings: Vec<_> = status.warnings.iter().filter(|warning| !is_said(warning)).collect();
    findings.extend(warnings.into_iter().map(|warning| Finding {
        code: warning.code(),
        detail: detail(warning, place),
        next: Some(advice(warning, diagnosis, place)),
    }));
    if diagnosis.is_of_another_configuration {
        findings.push(Finding::new("another_configuration", ANOTHER_CONFIGURATION, SAME_CONFIGURATION));
    }
    let is_over = matches!(status.state, KeyState::Expiring | KeyState::Expired);
    if place == Place::Store && is_over && diagnosis.is_renewed_unasked {
        findings.push(Finding::new("not_renewed", NOT_RENEWED, IS_IT_RUNNING));
    }
    findings.extend(of_clock(clock, diagnosis.expiry_buffer));
    findings
}

fn of_clock(clock: &IssuerClock, buffer: Duration) -> Option<Finding> {
    match clock {
        IssuerClock::Unreachable(what) => Some(Finding::new(
            "issuer_unreachable",
            format!("the issuer {what}"),
            "see that it can be reached from here; tokens that are there are handed out meanwhile",
        )),
        clock if differs_by_more(clock, buffer) => Some(Finding::new(
            "clock_differs",
            format!(
                "the issuer's clock is {}: more than the expiry_buffer of {} s",
                Clock::of(clock).in_words(),
                buffer.as_secs_f32()
            ),
            "have both clocks set by NTP: an end that one of them wrote down as a time is over earlier or later at the other",
        )),
        _ => None,
    }
}

fn detail(warning: &Warning, place: Place) -> String {
    match warning {
        // When it was issued is not known there, and its issuer may be right.
        Warning::UnusualLife { expected, life } if place == Place::Source => {
            format!("it has {} s left, and its issuer gives {} s in all", life.as_secs(), expected.as_secs())
        }
        warning => warning.to_string(),
    }
}

fn advice(warning: &Warning, diagnosis: &Diagnosis, place: Place) -> String {
    let key = &diagnosis.status.key;
    match warning {
        Warning::RefreshFailing { .. } => {
            let next = diagnosis.status.failure.as_ref().and_then(|failure| failure.next.clone());
            next.unwrap_or_else(|| format!("it is tried again by itself; `tokenkeep refresh {key}` tries it now"))
        }
        Warning::BufferClamped { .. } => format!(
            "set expiry_buffer of {} to less than half of the life that its issuer gives",
            key.provider()
        ),
        Warning::UnusualLife { .. } if place == Place::Source => {
            "look whether its end was written down in local time without an offset: that makes lives longer or shorter by hours"
                .to_owned()
        }
        Warning::UnusualLife { .. } => {
            "find out why the issuer gives another life, and set expected_life to it if it is to stay".to_owned()
        }
        Warning::OnFallback { .. } => format!("mend the first way to log in; `tokenkeep refresh {key}` tries it"),
        Warning::Unsaved => "see to the store before this process ends".to_owned(),
        Warning::FrequentFailures { .. } | Warning::NoTokenForCallers { .. } => {
            "look into the log for how it failed, and at the issuer; it is told for an hour".to_owned()
        }
        Warning::StoreFailing { .. } => "see to the store; tokens go on from memory, where a server runs".to_owned(),
        _ => "see docs/cli.md".to_owned(),
    }
}

const ANOTHER_CONFIGURATION: &str =
    "what is stored was obtained with another configuration or other credentials, so it does not count";
const SAME_CONFIGURATION: &str = "if that is not meant, use the configuration and the variables that the server has; else the next \
                                  get obtains a token";
const NOT_RENEWED: &str = "it is to be renewed though nobody asks for it, and is over";
const IS_IT_RUNNING: &str = "look whether `tokenkeep serve` runs, with this configuration and this store";
