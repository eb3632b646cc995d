//! The parameters of a request, checked by name first: a misspelt one must not be taken for an absent one.

use std::str::FromStr;
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use crate::problem::{Problem, shortened};

/// The parameters of a request: all of known names, none there twice.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`; `known` are the parameters of the route.
    pub(crate) fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                return Err(unknown(&name, known));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Problem::invalid(format!("parameter `{name}` is there twice")));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// The same where a secret can be among them. What is wrong is not named: the name of a parameter can be what follows
    /// an `&` in a password.
    pub(crate) fn parse_secret(raw: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let wrong = |_| Problem::invalid(format!("a parameter is not known, or there twice; {}", taken(known)));
        Self::parse(raw, known).map_err(wrong)
    }

    /// The text of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that some type can read; `form` says what it looks like.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, form: &str) -> Result<Option<T>, Problem> {
        let parsed = self.text(name).map(str::parse).transpose();
        parsed.map_err(|_| Problem::invalid(format!("parameter `{name}` is not {form}")))
    }

    /// A length of time, e.g. `30s`, `5m`, `1h 30m` or a number of seconds.
    pub(crate) fn duration(&self, name: &str, max: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let duration = if is_number {
            text.parse().ok().map(Duration::from_secs)
        } else {
            SpanParser::new().parse_unsigned_duration(text).ok()
        };
        match duration {
            Some(duration) if duration <= max => Ok(Some(duration)),
            Some(_) => Err(Problem::invalid(format!("parameter `{name}` is more than {} s", max.as_secs()))),
            None => Err(Problem::invalid(format!(
                "parameter `{name}` is not a length of time; write e.g. 30s, 5m, 1h30m or a number of seconds"
            ))),
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let name = shortened(name);
    Problem::invalid(format!("there is no parameter `{}`; {}", name.escape_debug(), taken(known)))
}

fn taken(known: &[&str]) -> String {
    match known {
        [] => "this route takes none".to_owned(),
        known => format!("this route takes {}", known.join(", ")),
    }
}
