//! `tokenkeep openapi`: what a broker can be asked over HTTP.

use clap::Args;

use crate::exit::Failure;
use crate::output;

/// Print the description of the HTTP API.
///
/// It is OpenAPI 3.1, out of which programs make clients. A running broker answers the same at /openapi.json and /docs.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct OpenapiArgs {
    /// Print it as a page for a browser, which needs nothing else
    #[arg(long)]
    html: bool,
}

pub(super) fn run(args: &OpenapiArgs) -> Result<(), Failure> {
    let description = if args.html { tokenkeep_server::openapi_page() } else { tokenkeep_server::OPENAPI };
    output::data(description.trim_end())
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep openapi > openapi.json
  tokenkeep openapi --html > api.html";
