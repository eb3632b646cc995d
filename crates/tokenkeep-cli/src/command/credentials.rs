//! `tokenkeep credentials`: what proves an account to an issuer.

mod given;
mod remove;
mod set;
mod test;

use clap::{Args, Subcommand};

use super::GlobalArgs;
use crate::exit::Failure;

/// Give, remove or try out the credentials of an account.
///
/// Those that are given are for providers with accounts = "stored". They are kept in the store; a running `tokenkeep
/// serve` uses them within about a second.
#[derive(Debug, Args)]
pub(super) struct CredentialsArgs {
    #[command(subcommand)]
    command: CredentialsCommand,
}

#[derive(Debug, Subcommand)]
enum CredentialsCommand {
    Set(set::SetArgs),
    Remove(remove::RemoveArgs),
    Test(test::TestArgs),
}

pub(super) async fn run(global: &GlobalArgs, args: CredentialsArgs) -> Result<(), Failure> {
    match args.command {
        CredentialsCommand::Set(args) => set::run(global, args).await,
        CredentialsCommand::Remove(args) => remove::run(global, args).await,
        CredentialsCommand::Test(args) => test::run(global, args).await,
    }
}
