//! `tokenkeep store`: what is stored, as a whole.

mod reseal;
mod sql;

use clap::{Args, Subcommand};

use super::GlobalArgs;
use crate::exit::Failure;

/// Look after the store.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    Reseal(reseal::ResealArgs),
    Sql(sql::SqlArgs),
}

pub(super) async fn run(global: &GlobalArgs, args: StoreArgs) -> Result<(), Failure> {
    match args.command {
        StoreCommand::Reseal(args) => reseal::run(global, args).await,
        StoreCommand::Sql(args) => sql::run(global, args).await,
    }
}
