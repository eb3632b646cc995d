//! The `tokenkeep` command line.
//!
//! ```text
//! arguments ─▶ command ─▶ context (configuration, manager) ─▶ action ─▶ output (stdout: data, stderr: talk)
//!                 │                                              │
//!                 └── signals: finish what is under way ◀────────┴──▶ exit (error:, next:, exit code)
//! ```
//!
//! Each command is one file in `command/`: its arguments, its help, its action. The environment and the terminal are
//! read here and nowhere below.

mod broker;
mod command;
mod context;
mod duration;
mod environment;
mod exit;
mod input;
mod logging;
mod oneshot;
mod output;
mod remote;
mod shell;
mod signals;
mod systemd;

use std::process::ExitCode;

/// A request that is served makes and drops many small things on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::Parser as _;

use self::command::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.exit_code())
        }
    }
}
