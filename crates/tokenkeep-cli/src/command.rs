//! The commands, one file each.

mod cleanup;
mod clear;
mod completions;
mod config;
mod credentials;
mod dev;
mod doctor;
mod exec;
mod get;
mod import;
mod key;
mod man;
mod openapi;
mod refresh;
mod request;
mod serve;
mod stats;
mod status;
mod store;

use std::future::Future;
use std::path::PathBuf;

use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::exit::Failure;
use crate::logging::{self, LogFormat};
use crate::systemd;

/// Obtains access tokens, keeps them, renews them before they end, and hands them out.
///
/// One request to the issuer per token life, however many programs ask.
#[derive(Debug, Parser)]
#[command(name = "tokenkeep", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// The configuration file [default: the first that is there, see `tokenkeep --help`]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    #[arg(long, global = true, value_name = "URL", conflicts_with = "config", help = SERVER_HELP)]
    pub(crate) server: Option<String>,
}

// What each does is said at its arguments.
#[derive(Debug, Subcommand)]
enum Command {
    Get(get::GetArgs),
    Exec(exec::ExecArgs),
    Status(status::StatusArgs),
    Refresh(refresh::RefreshArgs),
    Request(request::RequestArgs),
    Clear(clear::ClearArgs),
    Cleanup(cleanup::CleanupArgs),
    Stats(stats::StatsArgs),
    Credentials(credentials::CredentialsArgs),
    Import(import::ImportArgs),
    Config(config::ConfigArgs),
    Store(store::StoreArgs),
    Key(key::KeyArgs),
    Serve(serve::ServeArgs),
    Doctor(doctor::DoctorArgs),
    Dev(dev::DevArgs),
    Completions(completions::CompletionsArgs),
    Openapi(openapi::OpenapiArgs),
    Man(man::ManArgs),
}

impl Cli {
    /// What this process was called with; help and faults end it.
    pub(crate) fn read() -> Self {
        Self::from_arg_matches(&Self::arguments().get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// All arguments, those that do nothing for a command being left out of its help.
    fn arguments() -> clap::Command {
        let without_server = |command: clap::Command| {
            command.arg(Arg::new("server").long("server").value_name("URL").global(true).hide(true))
        };
        ALONE.into_iter().fold(Self::command(), |all, name| all.mut_subcommand(name, without_server))
    }

    /// Does what the arguments say.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let global = &self.global;
        if global.server.is_some() && !self.command.asks_a_broker() {
            return Err(Failure::usage("this command asks no server", "leave out --server"));
        }
        match self.command {
            Command::Get(args) => one_shot(get::run(global, args)),
            Command::Exec(args) => {
                let program = one_shot(exec::prepare(global, args))?;
                Err(exec::become_it(program))
            }
            Command::Status(args) => one_shot(status::run(global, args)),
            Command::Refresh(args) => one_shot(refresh::run(global, args)),
            Command::Request(args) => one_shot(request::run(global, args)),
            Command::Clear(args) => one_shot(clear::run(global, args)),
            Command::Cleanup(args) => one_shot(cleanup::run(global, args)),
            Command::Stats(args) => one_shot(stats::run(global, args)),
            Command::Credentials(args) => one_shot(credentials::run(global, args)),
            Command::Import(args) => one_shot(import::run(global, args)),
            Command::Config(args) => one_shot(config::run(global, args)),
            Command::Store(args) => one_shot(store::run(global, args)),
            Command::Key(args) => key::run(&args),
            Command::Serve(args) => {
                let default = match args.log_format {
                    // Where it listens and that it stops is said without the log.
                    LogFormat::Text => "info,tokenkeep_server::server=warn",
                    LogFormat::Json => "info",
                };
                // Before there are other threads, for it changes the environment.
                let passed = systemd::sockets()?;
                let log_end = logging::init_in_background(default, args.log_format);
                block_on(Builder::new_multi_thread(), serve::run(global, args, passed, log_end.log()))
            }
            Command::Doctor(args) => one_shot(doctor::run(global, args)),
            Command::Dev(args) => {
                // The account that it prints says what a log would say.
                logging::init("error", LogFormat::Text);
                block_on(Builder::new_multi_thread(), dev::run(global, args))
            }
            Command::Completions(args) => completions::run(&args),
            Command::Openapi(args) => openapi::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}

impl Command {
    /// Whether a server can do it as well as this process.
    fn asks_a_broker(&self) -> bool {
        match self {
            Self::Get(_)
            | Self::Exec(_)
            | Self::Status(_)
            | Self::Refresh(_)
            | Self::Request(_)
            | Self::Clear(_)
            | Self::Cleanup(_)
            | Self::Stats(_)
            | Self::Credentials(_) => true,
            Self::Import(_)
            | Self::Config(_)
            | Self::Store(_)
            | Self::Key(_)
            | Self::Serve(_)
            | Self::Doctor(_)
            | Self::Dev(_)
            | Self::Openapi(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

/// A command that does one thing and ends: one thread, so that it starts fast.
fn one_shot<T>(action: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // What happens to the token of such a command is its own output and need not stand in a log beside it.
    logging::init("warn,tokenkeep::event=error", LogFormat::Text);
    block_on(Builder::new_current_thread(), action)
}

fn block_on<T>(mut builder: Builder, action: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime: Runtime = builder.enable_all().build().map_err(|error| Failure::internal("cannot start", &error))?;
    let outcome = runtime.block_on(action);
    // What matters has been waited for; a name that is still being looked up need not be.
    runtime.shutdown_background();
    outcome
}

/// The commands that ask no broker.
const ALONE: [&str; 10] =
    ["import", "config", "store", "key", "serve", "doctor", "dev", "openapi", "completions", "man"];
const SERVER_HELP: &str =
    "Have a running `tokenkeep serve` do it: http://…, https://… or unix:/path [default: $TOKENKEEP_SERVER]";
const AFTER_HELP: &str = "\
First steps:
  tokenkeep dev             see it work; nothing is needed
  tokenkeep config example  a configuration to start from
  tokenkeep config check    is mine right?
  tokenkeep get graph       the token of the provider 'graph'

A KEY names one token: the name of a provider in the configuration, e.g. graph,
or with accounts of its own provider:account, e.g. bluestakes:123.

The configuration is the first of these that is there:
  --config PATH, $TOKENKEEP_CONFIG
  ./tokenkeep.toml
  $XDG_CONFIG_HOME/tokenkeep/tokenkeep.toml, else in ~/.config/tokenkeep
  /etc/tokenkeep/tokenkeep.toml

With --server or $TOKENKEEP_SERVER a running `tokenkeep serve` does what these
commands ask for, and no configuration is read: get, exec, status, refresh,
request, clear, cleanup, stats, credentials.
  $TOKENKEEP_API_KEY             the key for it
  $TOKENKEEP_API_KEY_FILE        or the file that it stands in
  $TOKENKEEP_CLIENT_CERTIFICATE  a certificate to show, with its key (PEM)
  $TOKENKEEP_CA_FILE             whom to trust instead of the system's (PEM)
  $TOKENKEEP_INSECURE            true allows http:// to other machines

Unless the configuration names a store, tokens are kept in a SQLite file of its
own in $XDG_STATE_HOME/tokenkeep, else in ~/.local/state/tokenkeep; with a
configuration below /etc in /var/lib/tokenkeep.

Exit codes:
  0         done
  1         a fault of tokenkeep
  2         wrong arguments or configuration
  3         doctor: something is not well
  4         no such provider or account
  5         a person must log in again
  6         the issuer refuses: fix configuration or credentials
  7         unavailable now: try later
  8, 9      the server does not allow it, or does not know the key
  10, 11    request: the API answered 4xx, 5xx
  130, 143  ended by a signal

Data goes to stdout, all else to stderr. RUST_LOG sets the level of the log,
e.g. RUST_LOG=info; NO_COLOR turns colours off.";

#[cfg(test)]
mod tests {
    use super::*;

    /// Each command with those below it.
    fn all(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().flat_map(all);
        std::iter::once(command.clone()).chain(below.collect::<Vec<_>>()).collect()
    }

    #[test]
    fn what_help_says_at_its_end_fits_into_eighty_columns() {
        for command in all(&Cli::arguments()) {
            let end = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in end.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
        }
    }

    #[test]
    fn help_names_a_server_where_one_is_asked_and_nowhere_else() {
        let mut root = Cli::arguments();
        root.build();
        for command in root.get_subcommands().flat_map(all) {
            let server = command.get_arguments().find(|argument| argument.get_id() == "server").unwrap();
            let name = command.get_display_name().unwrap_or_default().split('-').nth(1).unwrap_or_default();
            assert_eq!(server.is_hide_set(), ALONE.contains(&name), "{:?}", command.get_display_name());
        }
    }
}
