//! `tokenkeep config example`: a configuration to start from.

use clap::Args;

use crate::exit::Failure;
use crate::output;

/// Print a configuration with every grant and every option, explained.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ExampleArgs {}

pub(super) fn run() -> Result<(), Failure> {
    output::data(EXAMPLE.trim_end())
}

const EXAMPLE: &str = include_str!("example.toml");
const AFTER_HELP: &str = "\
Examples:
  tokenkeep config example > tokenkeep.toml";
