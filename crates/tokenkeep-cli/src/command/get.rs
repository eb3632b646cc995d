//! `tokenkeep get KEY`: prints a token.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tokenkeep::{Answer, Code, Demand, Error, Token, TokenHandle};

use super::GlobalArgs;
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;
use crate::shell;

/// Print a token that can be used now, obtaining one if there is none.
///
/// A token that is still good is taken from the store and the issuer is asked nothing, however many programs do this at
/// once. With no good token one of them asks the issuer, and all get its answer. A request that is under way when
/// --max-wait has passed is still waited for before the program ends: its answer may be the only copy of a login.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct GetArgs {
    /// Which token: the name of a provider in the configuration, or provider:account
    key: String,
    /// The token must live at least so long, e.g. 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0s")]
    min_valid: Duration,
    /// Wait at most so long for a token
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive, default_value = "30s")]
    max_wait: Duration,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Obtain a new token even if the present one is good
    #[arg(long)]
    refresh: bool,
    /// Obtain a new token by the fallbacks of the provider, whether its own way works or not
    #[arg(long)]
    fallback: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The token alone
    #[default]
    Token,
    /// An HTTP header: Authorization: Bearer …, or what `header` in the configuration says
    Header,
    /// The token with its type, end of life, scope and generation
    Json,
    #[value(help = "A line for a shell to evaluate: export TOKENKEEP_TOKEN=…")]
    Env,
}

pub(super) async fn run(global: &GlobalArgs, args: GetArgs) -> Result<(), Failure> {
    let stopped = oneshot::run(global, async |manager| {
        let handle = manager.handle(&args.key)?;
        let answer = answer(&handle, &args).await?;
        for warning in &answer.warnings {
            output::warning(&format!("{}: {warning}", handle.key()));
        }
        print(&handle, &answer, if args.json { Format::Json } else { args.format })
    })
    .await?;
    // The token is good all the same, and it has been printed.
    oneshot::warn_of(stopped);
    Ok(())
}

async fn answer(handle: &TokenHandle, args: &GetArgs) -> Result<Answer, Error> {
    if args.refresh || args.fallback {
        let refreshing =
            async { if args.fallback { handle.refresh_by_fallback().await } else { handle.refresh().await } };
        tokio::time::timeout(args.max_wait, refreshing).await.unwrap_or_else(|_| {
            Err(Error::new(Code::Unavailable, format!("no new token within {}", duration::short(args.max_wait)))
                .with_key(handle.key())
                .with_next("try again, or allow a longer --max-wait"))
        })?;
    }
    handle.get(Demand::default().with_min_valid(args.min_valid).with_max_wait(args.max_wait)).await
}

fn print(handle: &TokenHandle, answer: &Answer, format: Format) -> Result<(), Failure> {
    let token = &answer.token;
    match format {
        Format::Token => output::data(token.expose_secret()),
        Format::Header => output::data(&header(handle, token)?),
        Format::Json => output::json(&tokenkeep_server::answer::token(handle.key(), answer)),
        Format::Env => output::data(&format!("export TOKENKEEP_TOKEN={}", shell::word(token.expose_secret()))),
    }
}

fn header(handle: &TokenHandle, token: &Token) -> Result<String, Failure> {
    let (name, value) = handle.header(token);
    let text = value.to_str().map_err(|error| Failure::internal("the token does not fit into a header", &error))?;
    let name = if name.as_str() == "authorization" { "Authorization" } else { name.as_str() };
    Ok(format!("{name}: {text}"))
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep get graph
  tokenkeep get graph --min-valid 5m
  curl -H \"$(tokenkeep get graph --format header)\" https://api.example.com/
  eval \"$(tokenkeep get graph --format env)\"
  tokenkeep get graph --json | jq -r .expires_in

Exits with 5 if a person must log in again, 6 if the issuer refuses, 7 if no token can be had now.";
