//! `tokenkeep refresh KEY`: obtains a new token now.

use std::time::Duration;

use clap::Args;

use super::GlobalArgs;
use crate::broker::Way;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Obtain a new token now, whatever the present one is like.
///
/// It passes over a back-off or a refusal that is remembered. If it fails, the present token stays, and other programs
/// go on using it. All programs that share the store have the new token from then on.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct RefreshArgs {
    /// Which token: the name of a provider in the configuration, or provider:account
    key: String,
    /// By the fallbacks of the provider, whether its own way works or not
    #[arg(long)]
    fallback: bool,
    /// Print the state afterwards as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: RefreshArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |broker| {
        let status = broker.refresh(&args.key, if args.fallback { Way::Fallback } else { Way::Usual }).await?;
        if args.json {
            return output::json(&status);
        }
        let life = match status.expires_in {
            Some(left) => format!("good for {}", duration::short(Duration::from_secs(left))),
            None => "does not end".to_owned(),
        };
        let key = output::on_one_line(&status.key);
        output::talk(&format!("{key}: obtained generation {}, {life}", status.generation));
        Ok(())
    })
    .await?;
    // A new token that others cannot see is not what was asked for.
    Ok(stopped?)
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep refresh graph

To get a new token and print it: tokenkeep get graph --refresh";
