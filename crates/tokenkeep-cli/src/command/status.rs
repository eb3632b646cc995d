//! `tokenkeep status [KEY]`: the state of tokens, and why.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokenkeep_api::{State, StatusAnswer};

use super::GlobalArgs;
use crate::broker::Broker;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Show the state of each token, and why.
///
/// Asks the store and no issuer. What a running `tokenkeep serve` did is seen here, because it keeps its tokens in the
/// same store; with --server it tells itself.
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
    let stopped = oneshot::run(global, async |broker| {
        if args.watch {
            return watch(broker, &args).await;
        }
        let statuses = of(broker, args.key.as_deref()).await?;
        if args.json { output::json(&answer(&args, &statuses)) } else { print(&statuses) }
    })
    .await?;
    oneshot::warn_of(stopped);
    Ok(())
}

/// Ends when a signal does, or whoever reads.
async fn watch(broker: Broker<'_>, args: &StatusArgs) -> Result<(), Failure> {
    loop {
        let statuses = of(broker, args.key.as_deref()).await?;
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
enum Shown<'a> {
    One(&'a StatusAnswer),
    All(&'a [StatusAnswer]),
}

fn answer<'a>(args: &StatusArgs, statuses: &'a [StatusAnswer]) -> Shown<'a> {
    match (&args.key, statuses) {
        (Some(_), [status]) => Shown::One(status),
        _ => Shown::All(statuses),
    }
}

async fn of(broker: Broker<'_>, key: Option<&str>) -> Result<Vec<StatusAnswer>, Failure> {
    match key {
        Some(key) => Ok(vec![broker.status(key).await?]),
        None => broker.statuses().await,
    }
}

fn print(statuses: &[StatusAnswer]) -> Result<(), Failure> {
    let rows = statuses.iter().map(|status| {
        vec![
            status.key.clone(),
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

fn expires_in(status: &StatusAnswer) -> String {
    match (status.expires_in, status.state) {
        (Some(left), _) => seconds(left),
        (None, State::Fresh | State::Due) => "never".into(),
        (None, _) => "-".into(),
    }
}

fn why(status: &StatusAnswer) -> String {
    // Some warnings are the reason already.
    let more = status.warnings.iter().filter(|warning| warning.code != "refresh_failing");
    let more = more.map(|warning| &*warning.detail);
    std::iter::once(&*status.reason).chain(more).collect::<Vec<_>>().join("; ")
}

/// What happens next by itself, or what a person can do.
fn next(status: &StatusAnswer) -> String {
    let failure = status.failure.as_ref();
    let again = failure.and_then(|failure| failure.retry_in).map(|wait| match wait {
        0 => "asked again on the next get".to_owned(),
        wait => format!("asked again in {}", seconds(wait)),
    });
    let advice = failure.and_then(|failure| failure.next.clone());
    match (advice, again) {
        (Some(advice), Some(again)) => format!("{advice}; {again}"),
        (Some(next), None) | (None, Some(next)) => next,
        (None, None) => match (status.state, status.refresh_in, status.obstacle) {
            (State::Fresh, Some(left), _) => format!("renewed in {}", seconds(left)),
            (State::Fresh, None, _) | (_, _, Some(_)) => "-".into(),
            (_, _, None) => "obtained on the next get".into(),
        },
    }
}

fn seconds(seconds: u64) -> String {
    duration::short(Duration::from_secs(seconds))
}

const WATCH_INTERVAL: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Examples:
  tokenkeep status
  tokenkeep status graph
  tokenkeep status --watch
  tokenkeep status graph --watch --json | jq --unbuffered -r .state
  tokenkeep status --json \\
    | jq -r '.[] | select(.consecutive_failures > 0) | .key'

States: fresh, due (good, to be renewed), expiring (too near to its end to be
handed out), expired, absent, backing_off (the issuer is left alone for a
while), refused (it said no), login_required.

Exits with 0 whatever the states are: it could tell them. `tokenkeep get` says
by its exit code whether a token can be had.";
