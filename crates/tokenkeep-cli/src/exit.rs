//! How a command fails: what it says on stderr, and its exit code.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use tokenkeep::config::{Color, Problems};
use tokenkeep::{Code, Error};

use crate::duration;
use crate::output;
use crate::signals::Signal;

/// Why a command ended before its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong; the code says what the caller will do about it.
    Error(Error),
    /// There is no configuration file in any of these places.
    NoConfig(Vec<PathBuf>),
    /// The configuration file is wrong.
    Problems(Problems),
    /// The report has been printed already.
    Reported(Code),
    /// Something was found that is not well; what, has been printed.
    Unwell,
    /// An API answered with the status of an error; its answer has been printed.
    Answered(u16),
    /// A signal asked for it.
    Ended(Signal),
    /// Whoever read stdout has had enough.
    OutputClosed,
}

impl Failure {
    /// A call that must be changed.
    pub(crate) fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Error(Error::new(Code::InvalidRequest, what).with_next(next))
    }

    /// The operating system denies what every machine has.
    pub(crate) fn internal(what: &str, error: &dyn Display) -> Self {
        Self::Error(Error::new(Code::Internal, format!("{what}: {error}")))
    }

    /// Says on stderr what happened and what to try.
    pub(crate) fn report(&self) {
        match self {
            Self::Error(error) => output::error(&without_next(error), next(error).as_deref()),
            Self::NoConfig(places) => no_config(places),
            Self::Problems(problems) => {
                output::talk(&problems.render(Color::Always));
                output::next(
                    "mend the file or set its variables; `tokenkeep config check` says whether it is right then",
                );
            }
            Self::Reported(_) | Self::Unwell | Self::Answered(_) | Self::Ended(_) | Self::OutputClosed => {}
        }
    }

    /// See [`Code::TABLE`]. An API's errors are no errors of tokenkeep, nor is what `doctor` finds, and have codes
    /// beside it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Error(error) => error.code().exit_code(),
            Self::NoConfig(_) | Self::Problems(_) => Code::InvalidRequest.exit_code(),
            Self::Reported(code) => code.exit_code(),
            Self::Unwell => 3,
            Self::Answered(..500) => 10,
            Self::Answered(_) => 11,
            Self::Ended(signal) => signal.exit_code(),
            Self::OutputClosed => 0,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems)
    }
}

impl From<Signal> for Failure {
    fn from(signal: Signal) -> Self {
        Self::Ended(signal)
    }
}

/// Which key it is about, and what happened.
pub(crate) fn without_next(error: &Error) -> String {
    match error.key() {
        Some(key) => format!("{key}: {}", error.what()),
        None => error.what().to_owned(),
    }
}

/// What to try, and when.
pub(crate) fn next(error: &Error) -> Option<String> {
    let again = error.retry_after().map(|after| {
        let after = Duration::from_secs(duration::seconds_to_wait(after));
        format!("try again in {}", duration::short(after))
    });
    let advice = error.next().map(|next| match (error.code(), error.key()) {
        // Until then the issuer is left alone, and `get` repeats what it said.
        (Code::Refused, Some(key)) => format!("{next}; once it is mended at the issuer: tokenkeep refresh {key}"),
        _ => next.to_owned(),
    });
    match (advice, again) {
        (Some(advice), Some(again)) => Some(format!("{advice}; {again}")),
        (advice, None) => advice,
        (None, again) => again,
    }
}

fn no_config(places: &[PathBuf]) {
    let places: Vec<_> = places.iter().map(|place| format!("  {}", place.display())).collect();
    output::error("there is no configuration file", None);
    output::talk(&format!("looked at:\n{}\n\nthis could be in it:\n\n{EXAMPLE}\n", places.join("\n")));
    output::next(
        "write such a file (tokenkeep config example prints one with everything), name one with --config, or see it all \
         work without: tokenkeep dev",
    );
}

const EXAMPLE: &str = r#"  [providers.graph]
  grant = "client_credentials"
  token_url = "https://login.example.com/oauth2/token"
  client_id = "my-client"
  client_secret = { env = "GRAPH_CLIENT_SECRET" }"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_thing_to_try_says_when_and_never_too_early() {
        let error = Error::new(Code::Unavailable, "it is down");
        assert_eq!(next(&error), None);
        let error = error.with_retry_after(Duration::from_millis(3001));
        assert_eq!(next(&error).as_deref(), Some("try again in 4s"));
        assert_eq!(next(&error.with_next("wait")).as_deref(), Some("wait; try again in 4s"));
    }
}
