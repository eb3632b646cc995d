//! `tokenkeep refresh KEY`: obtains a new token now.

use clap::Args;

use super::GlobalArgs;
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
    let stopped = oneshot::run(global, async |manager| {
        let handle = manager.handle(&args.key)?;
        let token = if args.fallback { handle.refresh_by_fallback().await? } else { handle.refresh().await? };
        if args.json {
            return output::json(&tokenkeep_server::answer::status(&handle.status().await));
        }
        let life = token
            .expires_in()
            .map_or_else(|| "does not end".into(), |left| format!("good for {}", duration::short(left)));
        output::talk(&format!("{}: obtained generation {}, {life}", handle.key(), token.generation()));
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
