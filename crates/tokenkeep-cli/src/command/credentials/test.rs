//! `tokenkeep credentials test KEY`: logs in once and shows how that went.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use tokenkeep::source::TrialStep;
use tokenkeep::{Error, Trial, TrialLife, TrialToken};

use super::given;
use crate::command::GlobalArgs;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Log in once and show each step; nothing of it is kept.
///
/// The issuer is asked whatever token there is and however the last attempt ended. The token is not stored, not handed
/// out and not shown, nor is any secret: ‹password› stands where the password was sent.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::command) struct TestArgs {
    /// Which login: the name of a provider in the configuration, or provider:account
    key: String,
    /// Try credentials that are not kept: those on stdin, as `credentials set` takes them
    #[arg(long)]
    stdin: bool,
    /// Print what happened as JSON, also if the login fails
    #[arg(long)]
    json: bool,
}

pub(in crate::command) async fn run(global: &GlobalArgs, args: TestArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |manager| {
        let given = if args.stdin {
            let names = manager.wanted_credentials(&args.key)?;
            Some(given::read(None, &names).await?)
        } else {
            None
        };
        let trial = manager.try_login(&args.key, given.as_ref()).await?;
        if args.json {
            output::json(&Shown::from(&trial))?;
        } else {
            output::data(told(&trial).trim_end())?;
        }
        match trial.outcome {
            Ok(_) => Ok(()),
            Err(error) if args.json => Err(Failure::Reported(error.code())),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    Ok(stopped?)
}

fn told(trial: &Trial) -> String {
    let mut text = format!("{}: the login at {}\n", trial.key, trial.issuer);
    for step in &trial.steps {
        tell_step(&mut text, step).unwrap_or_default();
    }
    if let Some(how) = unanswered(trial) {
        writeln!(text, "  {how}").unwrap_or_default();
    }
    if let Ok(token) = &trial.outcome {
        writeln!(text, "{}: {}", trial.key, verdict(token)).unwrap_or_default();
    }
    text
}

fn tell_step(text: &mut String, step: &TrialStep) -> std::fmt::Result {
    writeln!(text, "{}: {} {}", step.name, step.method, step.url)?;
    for line in step.headers.iter().chain(&step.body) {
        writeln!(text, "  > {line}")?;
    }
    if let Some(answer) = &step.answer {
        let content_type = answer.content_type.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
        let bytes = output::counted(answer.bytes, "byte");
        writeln!(text, "  < {}{content_type}, {bytes}: {}", answer.status, answer.kind)?;
    }
    for found in &step.found {
        writeln!(text, "  found {found}")?;
    }
    Ok(())
}

/// What became of the last request, if there is no answer to it. An issuer that is asked and says nothing is
/// unavailable; all else is known before anything is sent.
fn unanswered(trial: &Trial) -> Option<&'static str> {
    let error = trial.outcome.as_ref().err()?;
    let is_answered = trial.steps.last()?.answer.is_some();
    (!is_answered).then(|| if error.is_transient() { "no answer" } else { "not sent" })
}

fn verdict(token: &TrialToken) -> String {
    let life = match token.life {
        TrialLife::Stated(life) => format!("it lives {}", duration::short(life)),
        TrialLife::Assumed(life) => {
            format!("how long it lives is not said; {} is assumed (lifetime)", duration::short(life))
        }
        TrialLife::Endless => "it does not end".to_owned(),
    };
    let refresh = if token.has_refresh_token { "; a refresh token came with it" } else { "" };
    format!("good, a {} token; {life}{refresh}", token.token_type)
}

/// A trial as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    issuer: &'a str,
    steps: Vec<ShownStep<'a>>,
    token: Option<ShownToken<'a>>,
    error: Option<ShownError<'a>>,
}

#[derive(Serialize)]
struct ShownStep<'a> {
    name: &'a str,
    method: &'a str,
    url: &'a str,
    headers: &'a [String],
    body: Option<&'a str>,
    answer: Option<ShownAnswer<'a>>,
    found: &'a [String],
}

#[derive(Serialize)]
struct ShownAnswer<'a> {
    status: u16,
    content_type: Option<&'a str>,
    bytes: usize,
    kind: &'a str,
}

#[derive(Serialize)]
struct ShownToken<'a> {
    token_type: &'a str,
    scope: Option<&'a str>,
    /// In seconds; `null` for a token that does not end.
    expires_in: Option<u64>,
    /// Whether the issuer says so, or the configuration.
    expiry_is_stated: bool,
    has_refresh_token: bool,
}

#[derive(Serialize)]
struct ShownError<'a> {
    code: &'a str,
    detail: &'a str,
    next: Option<&'a str>,
}

impl<'a> From<&'a Trial> for Shown<'a> {
    fn from(trial: &'a Trial) -> Self {
        Self {
            key: trial.key.as_str(),
            issuer: &trial.issuer,
            steps: trial.steps.iter().map(ShownStep::from).collect(),
            token: trial.outcome.as_ref().ok().map(ShownToken::from),
            error: trial.outcome.as_ref().err().map(ShownError::from),
        }
    }
}

impl<'a> From<&'a TrialStep> for ShownStep<'a> {
    fn from(step: &'a TrialStep) -> Self {
        Self {
            name: &step.name,
            method: step.method,
            url: &step.url,
            headers: &step.headers,
            body: step.body.as_deref(),
            answer: step.answer.as_ref().map(|answer| ShownAnswer {
                status: answer.status,
                content_type: answer.content_type.as_deref(),
                bytes: answer.bytes,
                kind: &answer.kind,
            }),
            found: &step.found,
        }
    }
}

impl<'a> From<&'a TrialToken> for ShownToken<'a> {
    fn from(token: &'a TrialToken) -> Self {
        let (life, is_stated) = match token.life {
            TrialLife::Stated(life) => (Some(life), true),
            TrialLife::Assumed(life) => (Some(life), false),
            TrialLife::Endless => (None, true),
        };
        Self {
            token_type: &token.token_type,
            scope: token.scope.as_deref(),
            expires_in: life.map(|life| life.as_secs()),
            expiry_is_stated: is_stated,
            has_refresh_token: token.has_refresh_token,
        }
    }
}

impl<'a> From<&'a Error> for ShownError<'a> {
    fn from(error: &'a Error) -> Self {
        Self { code: error.code().as_str(), detail: error.what(), next: error.next() }
    }
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep credentials test bluestakes
  tokenkeep credentials test bluestakes --json | jq '.steps[-1].answer'
  tokenkeep credentials test bluestakes:123 --stdin < credentials.json

It makes exactly one login, so it counts where a vendor limits them; two trials right after each other are two logins.
If the login brings a refresh token, [login.refresh] is tried with it. Fallbacks are not tried. A login whose refresh token only a person can replace is not tried: that would spend it.

Exits with 4 if there is no such provider, or no credentials of the account; with 5 if the credentials lack a value that
the login needs; with 6 if the issuer refuses; with 7 if it cannot be asked now or answers nonsense.";
