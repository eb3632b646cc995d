//! `tokenkeep config schema`: the configuration file as editors want it explained.

use clap::Args;
use tokenkeep::config;

use crate::exit::Failure;
use crate::output;

/// Print a JSON Schema of the configuration file, for editors.
///
/// With it an editor completes options, explains them and underlines what is wrong while it is typed. What only the
/// machine can know, such as missing variables, says `tokenkeep config check`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct SchemaArgs {}

pub(super) fn run() -> Result<(), Failure> {
    output::json(&config::schema())
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep config schema > tokenkeep.schema.json

Then write as the first line of tokenkeep.toml:
  #:schema ./tokenkeep.schema.json";
