//! `tokenkeep credentials`: the accounts of a provider with `accounts = "stored"`.

mod remove;
mod set;

use clap::{Args, Subcommand};

use super::GlobalArgs;
use crate::exit::Failure;

/// Give, or remove the credentials of an account.
///
/// For providers with accounts = "stored". Credentials are kept in the store; a running `tokenkeep serve` uses them
/// within about a second.
#[derive(Debug, Args)]
pub(super) struct CredentialsArgs {
    #[command(subcommand)]
    command: CredentialsCommand,
}

#[derive(Debug, Subcommand)]
enum CredentialsCommand {
    Set(set::SetArgs),
    Remove(remove::RemoveArgs),
}

pub(super) async fn run(global: &GlobalArgs, args: CredentialsArgs) -> Result<(), Failure> {
    match args.command {
        CredentialsCommand::Set(args) => set::run(global, args).await,
        CredentialsCommand::Remove(args) => remove::run(global, args).await,
    }
}
