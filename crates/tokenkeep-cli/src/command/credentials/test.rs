//! `tokenkeep credentials test KEY`: logs in once and shows how that went.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use tokenkeep_api::{ProblemCode, TrialAnswer, TrialStep, TrialToken};

use super::given;
use crate::command::GlobalArgs;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output::{self, on_one_line};

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
    let stopped = oneshot::run(global, async |broker| {
        let given = if args.stdin {
            let names = broker.wanted_credentials(&args.key).await?;
            Some(given::read(None, &names).await?)
        } else {
            None
        };
        let (trial, failure) = broker.try_login(&args.key, given.as_ref()).await?;
        if args.json {
            output::json(&trial)?;
        } else {
            output::data(told(&trial).trim_end())?;
        }
        match failure {
            Some(Failure::Error(error)) if args.json => Err(Failure::Reported(error.code())),
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    })
    .await?;
    Ok(stopped?)
}

fn told(trial: &TrialAnswer) -> String {
    let key = on_one_line(&trial.key);
    let mut text = format!("{key}: the login at {}\n", on_one_line(&trial.issuer));
    for step in &trial.steps {
        tell_step(&mut text, step).unwrap_or_default();
    }
    if let Some(how) = unanswered(trial) {
        writeln!(text, "  {how}").unwrap_or_default();
    }
    if let Some(token) = &trial.token {
        writeln!(text, "{key}: {}", on_one_line(&verdict(token))).unwrap_or_default();
    }
    text
}

fn tell_step(text: &mut String, step: &TrialStep) -> std::fmt::Result {
    writeln!(text, "{}", on_one_line(&format!("{}: {} {}", step.name, step.method, step.url)))?;
    for line in step.headers.iter().chain(&step.body) {
        writeln!(text, "  > {}", on_one_line(line))?;
    }
    if let Some(answer) = &step.answer {
        let content_type = answer.content_type.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
        let bytes = output::counted(answer.bytes, "byte");
        let told = format!("{}{content_type}, {bytes}: {}", answer.status, answer.kind);
        writeln!(text, "  < {}", on_one_line(&told))?;
    }
    for found in &step.found {
        writeln!(text, "  found {}", on_one_line(found))?;
    }
    Ok(())
}

/// What became of the last request, if there is no answer to it. An issuer that is asked and says nothing is
/// unavailable; all else is known before anything is sent.
fn unanswered(trial: &TrialAnswer) -> Option<&'static str> {
    let problem = trial.problem.as_ref()?;
    let is_answered = trial.steps.last()?.answer.is_some();
    (!is_answered).then(|| if problem.code == ProblemCode::Unavailable { "no answer" } else { "not sent" })
}

fn verdict(token: &TrialToken) -> String {
    let life = match token.life.map(|life| duration::short(Duration::from_secs(life))) {
        Some(life) if token.life_is_stated => format!("it lives {life}"),
        Some(life) => format!("how long it lives is not said; {life} is assumed (lifetime)"),
        None => "it does not end".to_owned(),
    };
    let refresh = if token.has_refresh_token { "; a refresh token came with it" } else { "" };
    format!("good, a {} token; {life}{refresh}", token.token_type)
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep credentials test bluestakes
  tokenkeep credentials test bluestakes --json | jq '.steps[-1].answer'
  tokenkeep credentials test bluestakes:123 --stdin < credentials.json

It makes exactly one login, so it counts where a vendor limits them; two trials
right after each other are two logins. If the login brings a refresh token,
[login.refresh] is tried with it. Fallbacks are not tried. A login whose refresh
token only a person can replace is not tried: that would spend it.

Exits with 4 if there is no such provider, or no credentials of the account;
with 5 if the credentials lack a value that the login needs; with 6 if the
issuer refuses; with 7 if it cannot be asked now or answers nonsense.";
