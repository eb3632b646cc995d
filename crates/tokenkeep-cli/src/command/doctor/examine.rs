//! From what is known of a token to what is told of it.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::Serialize;
use tokenkeep::diagnosis::{Diagnosis, IssuerClock, Prospect};
use tokenkeep::expiry::MAX_BUFFER;
use tokenkeep::token::ForeignToken;
use tokenkeep::{Error, Imported, Moment};

use super::clock::Clock;
use super::finding::{Finding, Place, findings};
use super::ways::{Ways, in_utc, shown};
use crate::foreign::{Form, Found};

/// All that is told of a token.
#[derive(Debug, Serialize)]
pub(super) struct Examined {
    /// What it is called where it lies.
    pub(super) name: String,
    pub(super) key: String,
    pub(super) issuer: Option<String>,
    pub(super) state: &'static str,
    pub(super) reason: String,
    pub(super) generation: u64,
    /// Its end as it is stored.
    pub(super) stored: Option<String>,
    /// The offset that it is stored with.
    pub(super) offset: Option<String>,
    pub(super) expires_at: Option<String>,
    /// When it was looked at: what is read of other tokens, and of issuers' clocks, takes time.
    pub(super) now: String,
    /// From then to the end; less than zero if it is over.
    pub(super) seconds_left: Option<i64>,
    pub(super) expiry_buffer: Option<u64>,
    pub(super) life: Option<u64>,
    pub(super) expected_life: Option<u64>,
    pub(super) ways: Option<Ways>,
    pub(super) get: Get,
    pub(super) clock: Clock,
    pub(super) findings: Vec<Finding>,
}

/// What `get` would answer now.
#[derive(Debug, Serialize)]
pub(super) struct Get {
    /// `hand_out`, `hand_out_and_refresh`, `obtain` or `fail`.
    pub(super) answer: &'static str,
    pub(super) why: String,
}

/// Examines tokens for whoever sits at this clock.
pub(super) struct Examiner {
    zone: TimeZone,
}

impl Examiner {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// A token of the store.
    pub(super) fn stored(&self, diagnosis: &Diagnosis, clock: &IssuerClock) -> Examined {
        let form = diagnosis.expires_at.and_then(in_utc);
        let get = get(diagnosis);
        let findings = findings(diagnosis, Place::Store, clock);
        let life = diagnosis.status.life.map(|life| life.as_secs());
        let name = diagnosis.status.key.to_string();
        Examined { life, ..self.examined(name, diagnosis, form.as_ref(), get, Clock::of(clock), findings) }
    }

    /// A token of another system.
    pub(super) fn found(
        &self,
        found: &Found,
        token: &ForeignToken,
        diagnosis: &Diagnosis,
        imported: Imported,
        clock: &IssuerClock,
    ) -> Examined {
        let form = found.form.clone().or_else(|| in_utc(token.expires_at));
        let findings = findings(diagnosis, Place::Source, clock);
        let get = get(diagnosis);
        let get = Get { why: format!("{}; {}", would(imported), get.why), ..get };
        self.examined(found.name.clone(), diagnosis, form.as_ref(), get, Clock::of(clock), findings)
    }

    /// What can be of no use here.
    pub(super) fn useless(&self, found: &Found, key: &str, error: &Error, now: Moment) -> Examined {
        let now = now.to_system_time().unwrap_or(SystemTime::UNIX_EPOCH);
        let end = found.token.as_ref().ok().map(|token| token.expires_at);
        let form = found.form.clone().or_else(|| end.and_then(in_utc));
        let ways = end.zip(form.as_ref()).and_then(|(end, form)| Ways::of(end, form, MAX_BUFFER, now, &self.zone));
        let (stored, offset) = written(form.as_ref());
        let finding = Finding::of_error(error);
        Examined {
            name: found.name.clone(),
            key: key.to_owned(),
            issuer: None,
            state: if found.token.is_ok() { "unknown" } else { "unfit" },
            reason: finding.detail.clone(),
            generation: 0,
            stored,
            offset,
            expires_at: ways.as_ref().map(|ways| ways.raw.expires_at.clone()),
            now: time(now),
            seconds_left: ways.as_ref().map(|ways| ways.raw.seconds_left),
            expiry_buffer: None,
            life: None,
            expected_life: None,
            ways,
            get: Get { answer: "fail", why: "it is not imported".to_owned() },
            clock: Clock::of(&IssuerClock::Unknown("it is not known who issued it")),
            findings: vec![finding],
        }
    }

    fn examined(
        &self,
        name: String,
        diagnosis: &Diagnosis,
        form: Option<&Form>,
        get: Get,
        clock: Clock,
        findings: Vec<Finding>,
    ) -> Examined {
        let ends = diagnosis.expires_at.zip(form);
        let ways = ends.and_then(|(end, form)| Ways::of(end, form, diagnosis.expiry_buffer, diagnosis.now, &self.zone));
        let (stored, offset) = written(form);
        Examined {
            name,
            key: diagnosis.status.key.to_string(),
            issuer: Some(diagnosis.status.issuer.clone()),
            state: diagnosis.status.state.as_str(),
            reason: diagnosis.status.reason.clone(),
            generation: diagnosis.status.generation,
            stored,
            offset,
            expires_at: ways.as_ref().map(|ways| ways.raw.expires_at.clone()),
            now: time(diagnosis.now),
            seconds_left: ways.as_ref().map(|ways| ways.raw.seconds_left),
            expiry_buffer: Some(diagnosis.expiry_buffer.as_secs()),
            life: None,
            expected_life: diagnosis.expected_life.map(|life| life.as_secs()),
            ways,
            get,
            clock,
            findings,
        }
    }
}

fn get(diagnosis: &Diagnosis) -> Get {
    let reason = diagnosis.status.reason.clone();
    let (answer, why) = match &diagnosis.prospect {
        Prospect::HandOut => ("hand_out", reason),
        Prospect::HandOutAndRefresh => ("hand_out_and_refresh", reason),
        Prospect::Obtain => ("obtain", reason),
        Prospect::Fail(error) => ("fail", error.what().to_owned()),
        _ => ("unknown", reason),
    };
    Get { answer, why }
}

/// What an import would do with it.
fn would(imported: Imported) -> &'static str {
    match imported {
        Imported::Token(_) => "once it is imported",
        Imported::Login => "it is over, and its refresh token would be imported",
        Imported::Over => "it is over, and would not be imported",
        Imported::HasLogin => "the store has a login of its own, which stays; this one",
        Imported::HasToken => "the store has a token that ends no earlier; this one",
        _ => "somebody is obtaining one; this one",
    }
}

/// An end as it is stored, and its offset.
fn written(form: Option<&Form>) -> (Option<String>, Option<String>) {
    match form {
        None => (None, None),
        Some(Form::Number(text)) => (Some(text.clone()), None),
        Some(Form::Time { text, offset, .. }) => (Some(text.clone()), offset.map(offset_text)),
    }
}

/// As it stands in a time, e.g. `+02:00`.
pub(super) fn offset_text(offset: Offset) -> String {
    let seconds = offset.seconds();
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// As times are shown.
pub(super) fn time(time: SystemTime) -> String {
    Timestamp::try_from(time).map(shown).unwrap_or_default()
}
