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
mod foreign;
mod input;
mod logging;
mod oneshot;
mod output;
mod remote;
mod shell;
mod signals;
mod systemd;

use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

use self::command::Cli;

/// A request that is served makes and drops many small things on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| output::talk(&fault(panic))));
    match Cli::read().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Where a panic was. What it says can hold what was worked on, and that can be a secret.
fn fault(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!("a fault in tokenkeep, at {place}: please report it")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn of_a_panic_its_place_is_told_and_not_what_it_says() {
        let told = Arc::new(Mutex::new(String::new()));
        let hook = Arc::clone(&told);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| hook.lock().unwrap().push_str(&fault(panic))));
        panic::catch_unwind(|| panic!("planted-{}", "secret")).unwrap_err();
        panic::set_hook(before);
        let told = told.lock().unwrap().clone();
        assert!(told.contains(file!()) && !told.contains("planted"), "{told}");
    }
}
