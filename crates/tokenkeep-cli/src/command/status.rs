//! `tokenkeep status [KEY]`: the state of tokens, and why.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokenkeep::{KeyState, Status, TokenManager};
use tokenkeep_api::StatusAnswer;

use super::GlobalArgs;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Show the state of each token, and why.
///
/// Asks the store and no issuer. What a running `tokenkeep serve` did is seen here, because it keeps its tokens in the
/// same store.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct StatusArgs {
    /// Of this token only: the name of a provider in the configuration, or provider:account
    key: Option<String>,
    /// Print all that is known as JSON: an object for one KEY, else an array
    #[arg(long)]
    json: bool,
    /// Show it again and again, until Ctrl-C; as JSON, one line for each look
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: StatusArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |manager| {
        if args.watch {
            return watch(manager, &args).await;
        }
        let statuses = of(manager, args.key.as_deref()).await?;
        if args.json { output::json(&answer(&args, &statuses)) } else { print(&statuses) }
    })
    .await?;
    oneshot::warn_of(stopped);
    Ok(())
}

/// Ends when a signal does, or whoever reads.
async fn watch(manager: &TokenManager, args: &StatusArgs) -> Result<(), Failure> {
    loop {
        let statuses = of(manager, args.key.as_deref()).await?;
        if args.json {
            output::json_line(&answer(args, &statuses))?;
        } else {
            output::clear_screen()?;
            print(&statuses)?;
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    One(Box<StatusAnswer>),
    All(Vec<StatusAnswer>),
}

fn answer(args: &StatusArgs, statuses: &[Status]) -> Shown {
    match (&args.key, statuses) {
        (Some(_), [status]) => Shown::One(Box::new(tokenkeep_server::answer::status(status))),
        _ => Shown::All(statuses.iter().map(tokenkeep_server::answer::status).collect()),
    }
}

async fn of(manager: &TokenManager, key: Option<&str>) -> Result<Vec<Status>, Failure> {
    match key {
        Some(key) => Ok(vec![manager.handle(key)?.status().await]),
        None => Ok(all(manager).await),
    }
}

async fn all(manager: &TokenManager) -> Vec<Status> {
    let mut statuses: Vec<Status> = Vec::new();
    loop {
        let after = statuses.last().map(|status| status.key.clone());
        let page = manager.statuses(after.as_ref(), PAGE).await;
        let is_last = page.len() < PAGE;
        statuses.extend(page);
        if is_last {
            return statuses;
        }
    }
}

fn print(statuses: &[Status]) -> Result<(), Failure> {
    let rows = statuses.iter().map(|status| {
        vec![
            status.key.to_string(),
            status.state.as_str().to_owned(),
            expires_in(status),
            status.generation.to_string(),
            status.consecutive_failures.to_string(),
            why(status),
            next(status),
        ]
    });
    output::table(&["KEY", "STATE", "EXPIRES IN", "GENERATION", "FAILURES", "WHY", "NEXT"], rows)
}

fn expires_in(status: &Status) -> String {
    match (status.expires_in, status.state) {
        (Some(left), _) => duration::short(left),
        (None, KeyState::Fresh | KeyState::Due) => "never".into(),
        (None, _) => "-".into(),
    }
}

fn why(status: &Status) -> String {
    // Some warnings are the reason already.
    let more =
        status.warnings.iter().map(ToString::to_string).filter(|warning| !warning.starts_with("refresh failing"));
    std::iter::once(status.reason.clone()).chain(more).collect::<Vec<_>>().join("; ")
}

/// What happens next by itself, or what a person can do.
fn next(status: &Status) -> String {
    let failure = status.failure.as_ref();
    let again = failure.and_then(|failure| failure.retry_in).map(|after| match duration::seconds_to_wait(after) {
        0 => "asked again on the next get".to_owned(),
        wait => format!("asked again in {}", duration::short(Duration::from_secs(wait))),
    });
    let advice = failure.and_then(|failure| failure.next.clone());
    match (advice, again) {
        (Some(advice), Some(again)) => format!("{advice}; {again}"),
        (Some(next), None) | (None, Some(next)) => next,
        (None, None) => match (status.state, status.refresh_in, status.obstacle) {
            (KeyState::Fresh, Some(left), _) => format!("renewed in {}", duration::short(left)),
            (KeyState::Fresh, None, _) | (_, _, Some(_)) => "-".into(),
            (_, _, None) => "obtained on the next get".into(),
        },
    }
}

const PAGE: usize = 1000;
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Examples:
  tokenkeep status
  tokenkeep status graph
  tokenkeep status --watch
  tokenkeep status graph --watch --json | jq --unbuffered -r .state
  tokenkeep status --json | jq -r '.[] | select(.consecutive_failures > 0) | .key'

States: fresh, due (good, to be renewed), expiring (too near to its end to be handed out), expired,
absent, backing_off (the issuer is left alone for a while), refused (it said no), login_required.

Exits with 0 whatever the states are: it could tell them. `tokenkeep get` says by its exit code
whether a token can be had.";
