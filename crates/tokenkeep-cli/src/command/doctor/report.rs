//! What was found, for people and programs; never a token.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::examine::{Examined, offset_text, time};
use super::ways::{Way, Ways};
use crate::duration;
use crate::exit::Failure;
use crate::output::{self, counted, on_one_line};

/// All that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether there is no finding.
    pub(super) well: bool,
    config: String,
    store: String,
    /// What the store does not do.
    store_trouble: Option<String>,
    now: String,
    /// The offset of this machine's time zone now.
    local_offset: String,
    tokens: Vec<Examined>,
}

impl Report {
    pub(super) fn new(
        config: &Path,
        store: String,
        store_trouble: Option<String>,
        now: SystemTime,
        zone: &TimeZone,
        tokens: Vec<Examined>,
    ) -> Self {
        let well = store_trouble.is_none() && tokens.iter().all(|token| token.findings.is_empty());
        let offset = zone.to_offset(Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH));
        let config = config.display().to_string();
        Self { well, config, store, store_trouble, now: time(now), local_offset: offset_text(offset), tokens }
    }

    /// A paragraph for each token; how many there are is said beside it.
    pub(super) fn print(&self) -> Result<(), Failure> {
        let mut lines = vec![
            format!("config  {}", self.config),
            format!("store   {}", self.store),
            format!("now     {}, local time is {}", self.now, self.local_offset),
        ];
        lines.extend(self.store_trouble.iter().map(|what| format!("WRONG   the store does not work: {what}")));
        for token in &self.tokens {
            lines.push(String::new());
            lines.extend(self.paragraph(token));
        }
        let lines: Vec<_> = lines.iter().map(|line| on_one_line(line).trim_end().to_owned()).collect();
        output::data(&lines.join("\n"))?;
        let unwell = self.tokens.iter().filter(|token| !token.findings.is_empty()).count();
        let tokens = counted(self.tokens.len(), "token");
        output::talk(&if self.well {
            format!("{tokens}: all is well")
        } else {
            format!("{tokens}: {unwell} not well")
        });
        Ok(())
    }

    fn paragraph(&self, token: &Examined) -> Vec<String> {
        let called = if token.name == token.key { String::new() } else { format!(" ({})", token.name) };
        let mut lines = vec![format!("{}{called}: {}, {}", token.key, token.state, token.reason)];
        let mut add = |label: &str, text: String| lines.push(format!("  {label:<12} {text}"));
        if let Some(issuer) = &token.issuer {
            add("issuer", format!("{issuer}; its clock: {}", token.clock.in_words()));
        }
        if let (Some(stored), Some(ways)) = (&token.stored, &token.ways) {
            let offset =
                token.offset.as_deref().map_or_else(|| "no offset: UTC".to_owned(), |it| format!("offset {it}"));
            add("stored", format!("{stored} ({offset})"));
            add("in UTC", format!("{}, {} at {}", ways.raw.expires_at, left(&ways.raw), token.now));
            self.add_ways(ways, token.expiry_buffer, &mut add);
        }
        match (token.life, token.expected_life) {
            (Some(life), Some(expected)) => add("life", format!("{life} s, {expected} s expected")),
            (Some(life), None) => add("life", format!("{life} s")),
            (None, Some(expected)) => add("life", format!("{expected} s expected")),
            (None, None) => {}
        }
        add("get", format!("{}: {}", in_words(token.get.answer), token.get.why));
        for finding in &token.findings {
            add("WRONG", format!("{}: {}", finding.code, finding.detail));
            if let Some(next) = &finding.next {
                add("next", next.clone());
            }
        }
        lines
    }

    fn add_ways(&self, ways: &Ways, buffer: Option<u64>, add: &mut impl FnMut(&str, String)) {
        let buffer = buffer.map_or_else(String::new, |buffer| format!(", with {buffer} s of buffer"));
        let other = if ways.naive_local == ways.raw { "" } else { "; who forgets the offset has this" };
        add("raw", way(&ways.raw));
        add("buffered", format!("{}{buffer}", way(&ways.buffered)));
        add("naive_local", format!("{}, as local time {}{other}", way(&ways.naive_local), self.local_offset));
    }
}

fn way(way: &Way) -> String {
    format!("{} {}, {}", if way.is_expired { "expired" } else { "good   " }, way.expires_at, left(way))
}

fn left(way: &Way) -> String {
    let seconds = way.seconds_left.unsigned_abs();
    let short = duration::short(Duration::from_secs(seconds));
    let side = if way.is_expired { "ago" } else { "left" };
    if seconds < 60 { format!("{seconds} s {side}") } else { format!("{seconds} s ({short}) {side}") }
}

fn in_words(answer: &str) -> &str {
    match answer {
        "hand_out" => "hands it out",
        "hand_out_and_refresh" => "hands it out, and a server renews it",
        "obtain" => "obtains a new one, and waits for it",
        "fail" => "fails",
        other => other,
    }
}
