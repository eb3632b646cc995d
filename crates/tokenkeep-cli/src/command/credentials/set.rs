//! `tokenkeep credentials set KEY`: keeps the credentials of an account.

use std::time::Duration;

use clap::Args;
use tokenkeep::Credentials;

use crate::command::GlobalArgs;
use crate::duration;
use crate::exit::Failure;
use crate::input;
use crate::oneshot;
use crate::output;

/// Keep the credentials of an account, in place of those before.
///
/// They come from stdin, never from the command line, where others could read them: as a JSON object such as
/// {"username": "…", "password": "…"}, or with --username as the password alone. At a terminal they are asked for. The
/// token of the account is forgotten; the next get obtains one with the new credentials.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct SetArgs {
    /// Whose: provider:account
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
    let stopped = oneshot::run(global, async |manager| {
        // Before anybody types what nobody wants.
        manager.check_account(&args.key)?;
        let credentials = read(&args).await?;
        manager.set_credentials(&args.key, credentials).await?;
        if args.json {
            return output::json(&serde_json::json!({ "key": args.key, "stored": true }));
        }
        output::talk(&format!("{}: the credentials are kept; the next get uses them", args.key));
        Ok(())
    })
    .await?;
    Ok(stopped?)
}

async fn read(args: &SetArgs) -> Result<Credentials, Failure> {
    let given = match &args.username {
        Some(username) => Credentials::with_password(username, input::secret_line("password: ").await?),
        None if input::is_terminal() => {
            let username = input::line("username: ").await?;
            Credentials::with_password(&username, input::secret_line("password: ").await?)
        }
        None => Credentials::from_json(input::all().await?.expose_secret()),
    };
    let credentials = given.and_then(|given| {
        let lifetime = args.lifetime.or(given.lifetime());
        given.with_lifetime(lifetime)
    });
    credentials.map_err(|error| Failure::usage(error.to_string(), FORMS))
}

const FORMS: &str =
    "give {\"username\": \"…\", \"password\": \"…\"} on stdin, or --username NAME and the password on stdin";

const AFTER_HELP: &str = "\
Examples:
  tokenkeep credentials set bluestakes:123 < credentials.json
  pass show bluestakes | tokenkeep credentials set bluestakes:123 --username company --lifetime 1h
  tokenkeep credentials set bluestakes:123      asks for both";
