//! `tokenkeep clear KEY`: forgets a token.

use clap::Args;

use super::GlobalArgs;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Forget a token; the next `get` obtains a new one.
///
/// All programs that share the store forget it, a running `tokenkeep serve` within about a second. A failure that is
/// remembered is forgotten too. The refresh token stays: it is the login.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ClearArgs {
    /// Which token: the name of a provider in the configuration, or provider:account
    key: String,
    /// Print the state afterwards as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ClearArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |broker| {
        let key = broker.meant(&args.key).await?;
        broker.clear(&args.key).await?;
        if args.json {
            return output::json(&broker.status(&args.key).await?);
        }
        output::done(&args.key, &key, "cleared; the next get obtains a new token");
        Ok(())
    })
    .await?;
    Ok(stopped?)
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep clear graph

The issuer is told nothing: a token that was handed out is good until its end.";
