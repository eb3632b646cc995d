//! `tokenkeep exec KEY -- PROGRAM`: becomes a program that has a token in its environment.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use tokenkeep::{Code, Error};

use super::GlobalArgs;
use crate::broker::Need;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Run a program with a token in its environment.
///
/// The token is a good one, from the store if there is one. Then tokenkeep becomes the program: what that does with
/// signals, input and output and its exit code is its own. It is not started if no token can be had.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ExecArgs {
    /// Which token: the name of a provider in the configuration, or provider:account
    key: String,
    /// The variable that holds the token
    #[arg(long, value_name = "NAME", value_parser = variable, default_value = "TOKENKEEP_TOKEN")]
    env: String,
    /// The token must live at least so long when the program starts, e.g. 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0s")]
    min_valid: Duration,
    /// Wait at most so long for a token
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive, default_value = "30s")]
    max_wait: Duration,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// Obtains the token, and ends everything that this process had under way.
pub(super) async fn prepare(global: &GlobalArgs, args: ExecArgs) -> Result<Command, Failure> {
    let (name, arguments) = args.program.split_first().ok_or_else(|| Failure::usage("no program is named", NO_NAME))?;
    let mut program = Command::new(name);
    program.args(arguments);
    // With these it could have what the server hands out, and not this token only.
    for variable in SERVER_KEYS {
        program.env_remove(variable);
    }
    let stopped = oneshot::run(global, async |broker| {
        let need = Need { min_valid: args.min_valid, max_wait: args.max_wait };
        let token = broker.get(&args.key, need).await?;
        output::warnings_of(&token);
        program.env(&args.env, &token.access_token);
        Ok(())
    })
    .await?;
    // The token is good all the same.
    oneshot::warn_of(stopped);
    Ok(program)
}

/// Becomes the program; what comes back is why that was not possible.
pub(super) fn become_it(mut program: Command) -> Failure {
    let error = program.exec();
    let name = program.get_program().display();
    let error = Error::new(Code::InvalidRequest, format!("cannot start {name}: {error}"));
    Failure::Error(error.with_next("check its name and whether it may be run"))
}

fn variable(name: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(good) {
        return Err("a variable has letters, digits and '_', and does not start with a digit".into());
    }
    Ok(name.to_owned())
}

const SERVER_KEYS: [&str; 3] = ["TOKENKEEP_API_KEY", "TOKENKEEP_API_KEY_FILE", "TOKENKEEP_CLIENT_CERTIFICATE"];
const NO_NAME: &str = "write it after --, e.g. tokenkeep exec graph -- ./report.sh";
const AFTER_HELP: &str = "\
Examples:
  tokenkeep exec graph -- ./report.sh
  tokenkeep exec graph --env GRAPH_TOKEN --min-valid 10m -- python3 report.py

The program also has the other variables that tokenkeep was started with, but
not the key that opens a server (TOKENKEEP_API_KEY, TOKENKEEP_API_KEY_FILE,
TOKENKEEP_CLIENT_CERTIFICATE). Its token is not renewed: a program that runs for
longer than a token lives asks again (tokenkeep get) or uses a server
(tokenkeep serve).";
