//! `tokenkeep cleanup`: throws out tokens that are long over.

use clap::Args;
use tokenkeep_api::CleanupAnswer;

use super::GlobalArgs;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Throw tokens out of the store that have been over for 5 minutes.
///
/// Logins stay: a refresh token does not end with the token that it came with. A running `tokenkeep serve` does this by
/// itself every 30 minutes.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CleanupArgs {
    /// Say how many as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: CleanupArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |broker| {
        let removed = broker.cleanup().await?;
        if args.json {
            return output::json(&CleanupAnswer { removed });
        }
        output::talk(&format!("threw out {}", output::counted(removed, "token")));
        Ok(())
    })
    .await?;
    Ok(stopped?)
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep cleanup
  tokenkeep cleanup --json | jq .removed";
