//! `tokenkeep credentials`: what proves an account to an issuer.

mod test;

use clap::{Args, Subcommand};

use super::GlobalArgs;
use crate::exit::Failure;

/// Look after credentials.
#[derive(Debug, Args)]
pub(super) struct CredentialsArgs {
    #[command(subcommand)]
    command: CredentialsCommand,
}

#[derive(Debug, Subcommand)]
enum CredentialsCommand {
    Test(test::TestArgs),
}

pub(super) async fn run(global: &GlobalArgs, args: CredentialsArgs) -> Result<(), Failure> {
    match args.command {
        CredentialsCommand::Test(args) => test::run(global, args).await,
    }
}
