//! `tokenkeep man FOLDER`: the manual pages.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use tokenkeep::{Code, Error};

use super::Cli;
use crate::exit::Failure;
use crate::output;

/// Write the manual pages into a folder.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ManArgs {
    /// Where to; it is made if it is not there
    folder: PathBuf,
}

pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    let written =
        fs::create_dir_all(&args.folder).and_then(|()| clap_mangen::generate_to(Cli::arguments(), &args.folder));
    written.map_err(|error| {
        let folder = args.folder.display();
        let error = Error::new(Code::InvalidRequest, format!("cannot write manual pages into {folder}: {error}"));
        Failure::Error(error.with_next("name a folder that you may write into"))
    })?;
    output::talk(&format!("written into {}; see them with: man -l {0}/tokenkeep.1", args.folder.display()));
    Ok(())
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep man ~/.local/share/man/man1";
