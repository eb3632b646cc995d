//! `tokenkeep config check [PATH]`: everything that is wrong with a configuration file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tokenkeep::Code;
use tokenkeep::config::{self, Color, Config, Listen, Problem, Problems, Severity};
use tokenkeep::environment::ProcessEnvironment;
use tokenkeep_server::check_tls;

use crate::command::GlobalArgs;
use crate::context::find_config;
use crate::exit::Failure;
use crate::output::{self, counted};
use crate::signals::Signals;

/// Say everything that is wrong with the configuration file, each fault with its line.
///
/// Secrets are looked up as `get` does it: variables and files must be there, and programs that print a secret are run.
/// A certificate and its key are read as `serve` does it. No issuer is asked. Secrets are not shown.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::command) struct CheckArgs {
    /// The file [default: the one that the other commands use]
    path: Option<PathBuf>,
    /// Print the problems as JSON on stdout
    #[arg(long)]
    json: bool,
}

pub(in crate::command) async fn run(global: &GlobalArgs, args: CheckArgs) -> Result<(), Failure> {
    let path = args.path.map_or_else(|| find_config(global), Ok)?;
    let checked = Signals::install()?.or(config::load(&path, &ProcessEnvironment)).await?;
    let unusable = checked.as_ref().ok().and_then(|config| unusable_tls(&path, config));
    let mut problems: Vec<_> = match &checked {
        Ok(config) => config.warnings.iter().cloned().map(as_it_is_here).collect(),
        Err(problems) => problems.iter().cloned().map(as_it_is_here).collect(),
    };
    problems.extend(unusable);
    if args.json {
        output::json(&problems.iter().map(Shown::from).collect::<Vec<_>>())?;
    } else {
        for problem in &problems {
            output::talk(&format!("{}\n", problem.render(Color::Always)));
        }
        output::talk(&verdict(&path, checked.as_ref(), &problems));
    }
    let is_good = problems.iter().all(|problem| problem.severity() != Severity::Error);
    if is_good { Ok(()) } else { Err(Failure::Reported(Code::InvalidRequest)) }
}

/// What it means to these commands, which have keys from nowhere else.
fn as_it_is_here(problem: Problem) -> Problem {
    if problem.lacks_seal_keys() { problem.into_error() } else { problem }
}

/// What `serve` would find in the files of `tls`; where no address uses them, sockets that systemd passes still may.
fn unusable_tls(path: &Path, config: &Config) -> Option<Problem> {
    let error = check_tls(config.server.tls.as_ref()?).err()?.to_string();
    let (what, next) = error.split_once("; ").unwrap_or((&error, "name other files in `tls` of [server]"));
    let problem = Problem::of_file(&path.display().to_string(), what, next);
    let is_used = config.server.listen.iter().any(|address| matches!(address, Listen::Tls(_)));
    Some(if is_used { problem } else { problem.into_warning() })
}

fn verdict(path: &Path, checked: Result<&Config, &Problems>, problems: &[Problem]) -> String {
    let count = |severity| problems.iter().filter(|problem| problem.severity() == severity).count();
    let warnings = match count(Severity::Warning) {
        0 => String::new(),
        warnings => format!(", {}", counted(warnings, "warning")),
    };
    let path = path.display();
    match checked {
        Ok(config) if count(Severity::Error) == 0 => {
            format!("{path}: good, {}{warnings}", counted(config.providers.len(), "provider"))
        }
        Ok(_) | Err(_) => format!("{path}: {}{warnings}", counted(count(Severity::Error), "error")),
    }
}

/// A problem as JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
}

impl<'a> From<&'a Problem> for Shown<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            severity: match problem.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: problem.message(),
            help: problem.help(),
            file: problem.file(),
            line: problem.line(),
            column: problem.column(),
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep config check
  tokenkeep config check ./tokenkeep.toml
  tokenkeep config check --json | jq -r '.[].message'

Exits with 2 if the file cannot be used, and with 0 if there are warnings only.";
