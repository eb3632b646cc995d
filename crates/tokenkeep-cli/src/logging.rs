//! The log: to stderr, as text or JSON.

mod background;

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;

pub(crate) use self::background::LogEnd;

use crate::environment;
use crate::output;

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Sends the log to stderr, at the level that `RUST_LOG` sets.
pub(crate) fn init(default: &str, format: LogFormat) {
    init_with(default, format, std::io::stderr);
}

/// The same for a program that has so much to say that nobody may wait for it: another thread writes it. What is returned
/// is kept until all is said.
pub(crate) fn init_in_background(default: &str, format: LogFormat) -> LogEnd {
    let (log, end) = background::start(std::io::stderr());
    init_with(default, format, log);
    end
}

fn init_with<W>(default: &str, format: LogFormat, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = environment::text("RUST_LOG");
    let filter = match EnvFilter::builder().parse(wanted.as_deref().unwrap_or(default)) {
        Ok(filter) => filter,
        Err(error) => {
            output::warning(&format!("RUST_LOG is not understood ({error}); it is taken for {default}"));
            EnvFilter::new(default)
        }
    };
    let colors = std::io::stderr().is_terminal() && environment::text("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colors);
    match format {
        LogFormat::Text => log.with_timer(SystemTime).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
