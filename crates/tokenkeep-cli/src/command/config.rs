//! `tokenkeep config`: the configuration itself.

mod check;
mod example;
mod schema;

use clap::{Args, Subcommand};

use super::GlobalArgs;
use crate::exit::Failure;

/// Look at the configuration.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Check(check::CheckArgs),
    Example(example::ExampleArgs),
    Schema(schema::SchemaArgs),
}

pub(super) async fn run(global: &GlobalArgs, args: ConfigArgs) -> Result<(), Failure> {
    match args.command {
        ConfigCommand::Check(args) => check::run(global, args).await,
        ConfigCommand::Example(_) => example::run(),
        ConfigCommand::Schema(_) => schema::run(),
    }
}
