//! `tokenkeep completions SHELL`: what a shell completes.

use clap::Args;
use clap_complete::Shell;

use super::Cli;
use crate::exit::Failure;
use crate::output;

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::arguments(), "tokenkeep", &mut script);
    output::data(String::from_utf8_lossy(&script).trim_end())
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep completions bash \\
    > ~/.local/share/bash-completion/completions/tokenkeep
  tokenkeep completions zsh > ~/.zfunc/_tokenkeep
  tokenkeep completions fish > ~/.config/fish/completions/tokenkeep.fish";
