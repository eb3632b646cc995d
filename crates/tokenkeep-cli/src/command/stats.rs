//! `tokenkeep stats [PROVIDER]`: how many tokens are kept.

use clap::Args;

use super::GlobalArgs;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Count the tokens that are kept, and how many of them are good.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct StatsArgs {
    /// Of this provider only
    provider: Option<String>,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: StatsArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |broker| {
        let stats = broker.stats(args.provider.as_deref()).await?;
        if args.json {
            return output::json(&stats);
        }
        let counts = [stats.total_cached, stats.valid_tokens, stats.expiring_soon, stats.expired_tokens];
        output::table(&["TOKENS", "GOOD", "TO BE RENEWED", "OVER"], [counts.map(|count| count.to_string()).to_vec()])
    })
    .await?;
    oneshot::warn_of(stopped);
    Ok(())
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep stats
  tokenkeep stats bluestakes --json

Those that are to be renewed are alive; tokenkeep status says of each key how it
is.";
