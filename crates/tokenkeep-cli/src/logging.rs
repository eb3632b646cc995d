//! The log: to stderr, as text or JSON.

mod background;
mod plain;

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use self::background::{BackgroundLog, LogEnd};
use self::plain::PlainFields;
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
    let no_paths = filter_fn(|metadata| shows_no_path(metadata.target(), *metadata.level()));
    match format {
        LogFormat::Text if colors => log.with_timer(SystemTime).finish().with(no_paths).init(),
        LogFormat::Text => log.with_timer(SystemTime).fmt_fields(PlainFields).finish().with(no_paths).init(),
        LogFormat::Json => log.json().flatten_event(true).finish().with(no_paths).init(),
    }
}

/// Whatever `RUST_LOG` says: what a request asks for can be a password, and the library for HTTP/2 logs what is wrong
/// with it before anybody has seen it.
fn shows_no_path(target: &str, level: Level) -> bool {
    let is_http2 = target.strip_prefix("h2").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    !is_http2 || level <= Level::WARN
}
