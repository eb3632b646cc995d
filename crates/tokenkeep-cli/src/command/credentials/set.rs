//! `tokenkeep credentials set KEY`: keeps the credentials of an account.

use std::time::Duration;

use clap::Args;

use super::given;
use crate::command::GlobalArgs;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Keep the credentials of an account, in place of those before.
///
/// They come from stdin, never from the command line, where others could read them: as a JSON object such as
/// {"username": "…", "password": "…"}, or with --username as the password alone. At a terminal they are asked for. The
/// token of the account is forgotten; the next get obtains one with the new credentials. Credentials that have other names
/// than the provider logs in with are refused, and those before are kept.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct SetArgs {
    /// Whose: the name of a provider in the configuration, or provider:account
    key: String,
    /// The name that goes with the password
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The life of this account's tokens, where the issuer states none
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    lifetime: Option<Duration>,
    /// Say what was done as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: SetArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |broker| {
        let key = broker.meant(&args.key).await?;
        // Before anybody types what nobody wants.
        let names = broker.wanted_credentials(&args.key).await?;
        let credentials = given::read(args.username.as_deref(), &names).await?;
        let lifetime = args.lifetime.or(credentials.lifetime());
        let credentials = credentials.with_lifetime(lifetime).map_err(given::invalid)?;
        broker.set_credentials(&args.key, credentials).await?;
        if args.json {
            return output::json(&serde_json::json!({ "key": key, "stored": true }));
        }
        output::done(&args.key, &key, "the credentials are kept; the next get uses them");
        Ok(())
    })
    .await?;
    Ok(stopped?)
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep credentials set bluestakes:123 < credentials.json
  pass show bluestakes \\
    | tokenkeep credentials set bluestakes:123 --username company --lifetime 1h
  tokenkeep credentials set bluestakes:123      asks for each

Exits with 2 if the provider or the store takes no such credentials, with 4 if
there is no such provider.";
