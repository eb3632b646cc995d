//! `tokenkeep get KEY`: prints a token.

use std::time::Duration;

use clap::{Args, ValueEnum};
use reqwest::header::{HeaderName, HeaderValue};
use tokenkeep::{Code, Error, Key};
use tokenkeep_api::TokenAnswer;

use super::GlobalArgs;
use crate::broker::{Broker, Need, Way};
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
    let stopped = oneshot::run(global, async |broker| {
        if args.refresh || args.fallback {
            refresh(broker, &args).await?;
        }
        let need = Need { min_valid: args.min_valid, max_wait: args.max_wait };
        let token = broker.get(&args.key, need).await?;
        output::warnings_of(&token);
        print(broker, &token, if args.json { Format::Json } else { args.format }).await
    })
    .await?;
    // The token is good all the same, and it has been printed.
    oneshot::warn_of(stopped);
    Ok(())
}

async fn refresh(broker: Broker<'_>, args: &GetArgs) -> Result<(), Failure> {
    let way = if args.fallback { Way::Fallback } else { Way::Usual };
    let refreshed = tokio::time::timeout(args.max_wait, broker.refresh(&args.key, way)).await;
    let in_time = refreshed.map_err(|_| {
        let what = format!("no new token within {}", duration::short(args.max_wait));
        let error = Error::new(Code::Unavailable, what).with_next("try again, or allow a longer --max-wait");
        Failure::Error(Key::parse(&args.key).map_or(error.clone(), |key| error.with_key(&key)))
    });
    in_time?.map(drop)
}

async fn print(broker: Broker<'_>, token: &TokenAnswer, format: Format) -> Result<(), Failure> {
    let secret = &token.access_token;
    match format {
        Format::Token => output::data(secret),
        Format::Header => output::data(&line(&broker.header(token).await?)?),
        Format::Json => output::json(token),
        Format::Env => output::data(&format!("export TOKENKEEP_TOKEN={}", shell::word(secret))),
    }
}

fn line((name, value): &(HeaderName, HeaderValue)) -> Result<String, Failure> {
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

Exits with 5 if a person must log in again, 6 if the issuer refuses, 7 if no
token can be had now.";
