//! What was done, for people and programs; never a token.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;
use tokenkeep::Code;

use crate::exit::Failure;
use crate::output::{self, counted};

/// What was done with one token.
pub(super) struct Done {
    /// What it is called in the source.
    pub(super) name: String,
    /// What it is called here.
    pub(super) key: String,
    pub(super) outcome: Outcome,
    pub(super) expires_at: Option<SystemTime>,
}

/// What became of a token, and why.
pub(super) enum Outcome {
    Imported,
    /// Its refresh token only: itself, it is over.
    Login,
    Kept(&'static str),
    Over,
    Unknown(String),
    Unfit(String),
    Busy,
    /// It cannot be told whether the store has it.
    Failed(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Login => "login",
            Self::Kept(_) => "kept",
            Self::Over => "over",
            Self::Unknown(_) => "unknown",
            Self::Unfit(_) => "unfit",
            Self::Busy => "busy",
            Self::Failed(_) => "failed",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Imported => None,
            Self::Login => Some("the token is over, its refresh token is imported"),
            Self::Over => Some("the token is over, or too near to its end to be handed out"),
            Self::Busy => Some("a token is being obtained by somebody; if that fails, run this again"),
            Self::Kept(why) => Some(why),
            Self::Unknown(why) | Self::Unfit(why) | Self::Failed(why) => Some(why),
        }
    }
}

/// Prints a row for each token, and says how many.
pub(super) fn table(done: &[Done], dry_run: bool) -> Result<(), Failure> {
    let rows = done.iter().map(|done| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let why = done.outcome.why().map(ToOwned::to_owned);
        vec![done.name.clone(), done.key.clone(), done.outcome.word().to_owned(), or_dash(end(done)), or_dash(why)]
    });
    output::table(&["NAME", "KEY", "OUTCOME", "EXPIRES AT", "WHY"], rows)?;
    let counts = WORDS.map(|word| (word, count(done, word)));
    let counts: Vec<_> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")).collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    let not = if dry_run { "; nothing was written" } else { "" };
    output::talk(&format!("{}{counts}{not}", counted(done.len(), "token")));
    Ok(())
}

/// Prints the same as JSON.
pub(super) fn json(done: &[Done], dry_run: bool) -> Result<(), Failure> {
    let tokens = done.iter().map(|done| Shown {
        name: &done.name,
        key: &done.key,
        outcome: done.outcome.word(),
        expires_at: end(done),
        why: done.outcome.why(),
    });
    let [imported, login, kept, over, unknown, unfit, busy, failed] = WORDS.map(|word| count(done, word));
    let tokens = tokens.collect();
    output::json(&All { dry_run, imported, login, kept, over, unknown, unfit, busy, failed, tokens })
}

/// How it ends: all that could be done was done.
pub(super) fn verdict(done: &[Done]) -> Result<(), Failure> {
    let codes = [
        ("failed", Code::Unavailable),
        ("unfit", Code::InvalidRequest),
        ("unknown", Code::UnknownKey),
        ("busy", Code::Unavailable),
    ];
    match codes.into_iter().find(|(word, _)| count(done, word) > 0) {
        Some((_, code)) => Err(Failure::Reported(code)),
        None => Ok(()),
    }
}

fn count(done: &[Done], word: &str) -> usize {
    done.iter().filter(|done| done.outcome.word() == word).count()
}

fn end(done: &Done) -> Option<String> {
    let end = Timestamp::try_from(done.expires_at?).ok()?;
    Timestamp::from_second(end.as_second()).ok().map(|end| end.to_string())
}

#[derive(Serialize)]
struct All<'a> {
    dry_run: bool,
    imported: usize,
    login: usize,
    kept: usize,
    over: usize,
    unknown: usize,
    unfit: usize,
    busy: usize,
    failed: usize,
    tokens: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    key: &'a str,
    outcome: &'static str,
    expires_at: Option<String>,
    why: Option<&'a str>,
}

const WORDS: [&str; 8] = ["imported", "login", "kept", "over", "unknown", "unfit", "busy", "failed"];
