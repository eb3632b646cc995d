//! `tokenkeep key`: keys with which callers prove themselves to a server.

mod new;

use clap::{Args, Subcommand};

use crate::exit::Failure;

/// Make keys for the callers of a server.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    New(new::NewArgs),
}

pub(super) fn run(args: &KeyArgs) -> Result<(), Failure> {
    match &args.command {
        KeyCommand::New(args) => new::run(args),
    }
}
