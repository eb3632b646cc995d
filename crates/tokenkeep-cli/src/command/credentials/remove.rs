//! `tokenkeep credentials remove KEY`: forgets an account.

use clap::Args;

use crate::command::GlobalArgs;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Forget the credentials of an account, with its token and its login.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct RemoveArgs {
    /// Whose: the name of a provider in the configuration, or provider:account
    key: String,
    /// Say what was done as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: RemoveArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |broker| {
        let key = broker.meant(&args.key).await?;
        let removed = broker.remove_credentials(&args.key).await?;
        if args.json {
            return output::json(&serde_json::json!({ "key": key, "removed": removed }));
        }
        let what = if removed { "the credentials are removed" } else { "there were no credentials" };
        output::done(&args.key, &key, what);
        Ok(())
    })
    .await?;
    Ok(stopped?)
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep credentials remove bluestakes:123

The issuer is told nothing: a token that was handed out is good until its end.";
