//! `tokenkeep request KEY METHOD PATH`: sends a request to the API that a token is for.

mod by_server;
mod call;

use std::time::Duration;

use clap::Args;
use reqwest::{Method, Response};
use tokenkeep::{Demand, Token, TokenHandle};

use self::call::Call;
use super::GlobalArgs;
use crate::broker::{Broker, Here};
use crate::duration;
use crate::exit::Failure;
use crate::oneshot;
use crate::output;

/// Send a request to the API of a provider, with its token.
///
/// The path is added to the provider's `api_base`, and no other place is ever asked: redirects are printed, not
/// followed. If the API refuses the token (with a status of `reject_on`), a new one takes its place for all who share
/// the store, and the request is sent once more, unless the token is one that stays the same. The body of the answer goes
/// to stdout as it comes, its status to stderr. With --server all of this is done by the server, in whose configuration
/// `api_base` stands.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct RequestArgs {
    /// Whose token: the name of a provider in the configuration, or provider:account
    key: String,
    /// GET, POST, PUT, …
    #[arg(value_parser = call::method)]
    method: Method,
    /// The path below `api_base`, with its query, e.g. /users?top=1
    path: String,
    /// A header to send, e.g. 'Accept: text/csv'; several with several options
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body to send: a text, @PATH for a file, @- for stdin
    #[arg(short, long, value_name = "BODY", conflicts_with = "json")]
    data: Option<String>,
    /// The same for JSON: checked, and sent with its content type
    #[arg(long, value_name = "BODY")]
    json: Option<String>,
    /// Print status and headers to stdout too, before the body
    #[arg(short, long)]
    include: bool,
    /// Wait at most so long for the answer to begin, and as long whenever it pauses
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive, default_value = "30s")]
    timeout: Duration,
    /// Wait at most so long for a token
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive, default_value = "30s")]
    max_wait: Duration,
}

pub(super) async fn run(global: &GlobalArgs, args: RequestArgs) -> Result<(), Failure> {
    let call = Call::new(args.method.clone(), &args.headers, args.data.as_deref(), args.json.as_deref())?;
    let stopped = oneshot::run(global, async |broker| {
        let (answer, host, without_token) = match broker {
            Broker::Local(here) => Box::pin(ask_here(here, &args, &call)).await?,
            Broker::Remote(client) => {
                let (answer, host) = by_server::ask(client, &args, &call).await?;
                (answer, host, None)
            }
        };
        let printed = print(answer, &host, &args).await;
        match (printed, without_token) {
            // That there is no token says more than that the API refused the one before.
            (Ok(()) | Err(Failure::Answered(_)), Some(failure)) => Err(failure),
            (printed, _) => printed,
        }
    })
    .await?;
    // The request has been sent all the same.
    oneshot::warn_of(stopped);
    Ok(())
}

/// The API's answer, which API that is, and why it was not asked with another token, if the first was refused and there is
/// none.
async fn ask_here(
    here: Here<'_>,
    args: &RequestArgs,
    call: &Call,
) -> Result<(Response, String, Option<Failure>), Failure> {
    let handle = here.handle(&args.key)?;
    let base = handle.api_base()?;
    let url = base.join(&args.path).map_err(|error| Failure::usage(format!("the path {error}"), PATH_FORM))?;
    let api = call::Api::new(&base, url, args.timeout)?;
    let (answer, without_token) = ask(&handle, &api, call, Demand::default().with_max_wait(args.max_wait)).await?;
    Ok((answer, base.host(), without_token))
}

/// Asks once, and once more with another token if the API refuses the first. If there is none, it is
/// the first answer, with why.
async fn ask(
    handle: &TokenHandle,
    api: &call::Api,
    call: &Call,
    demand: Demand,
) -> Result<(Response, Option<Failure>), Failure> {
    let first = token(handle, demand).await?;
    let answer = api.send(call, handle.header(&first)).await?;
    let status = answer.status().as_u16();
    if !handle.api().reject_on.contains(&status) {
        return Ok((answer, None));
    }
    handle.reject(&first);
    let second = match token(handle, demand).await {
        Ok(second) => second,
        Err(failure) => return Ok((answer, Some(failure))),
    };
    let header = handle.header(&second);
    if header == handle.header(&first) {
        output::talk(&format!("{}: {status}, and the token stays the same; not sent once more", handle.key()));
        return Ok((answer, None));
    }
    output::talk(&format!(
        "{}: {status} for generation {}; sent once more with generation {}",
        handle.key(),
        first.generation(),
        second.generation()
    ));
    Ok((api.send(call, header).await?, None))
}

async fn token(handle: &TokenHandle, demand: Demand) -> Result<Token, Failure> {
    let answer = handle.get(demand).await?;
    for warning in &answer.warnings {
        output::warning(&format!("{}: {warning}", handle.key()));
    }
    Ok(answer.token)
}

async fn print(mut answer: Response, host: &str, args: &RequestArgs) -> Result<(), Failure> {
    let status = answer.status();
    let line = format!("{:?} {} {}", answer.version(), status.as_u16(), status.canonical_reason().unwrap_or_default());
    let line = line.trim_end();
    if args.include {
        let mut head = format!("{line}\r\n").into_bytes();
        for (name, value) in answer.headers() {
            head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        output::bytes(&[&*head, b"\r\n"].concat())?;
    } else {
        output::talk(line);
    }
    while let Some(piece) = call::piece(&mut answer, host, args.timeout).await? {
        output::bytes(&piece)?;
    }
    if status.as_u16() >= 400 { Err(Failure::Answered(status.as_u16())) } else { Ok(()) }
}

const PATH_FORM: &str = "a path is added to api_base; write e.g. /users?top=1";
const AFTER_HELP: &str = "\
Examples:
  tokenkeep request graph GET '/users?top=1' | jq .
  tokenkeep request graph POST /users --json '{\"name\": \"Ada\"}'
  tokenkeep request graph PUT /files/1 --header 'Content-Type: text/csv' \\
    --data @report.csv
  tokenkeep request graph GET /users --include

Exits with 10 if the API answers with a status from 400 to 499, with 11 from 500
on; the answer is printed all the same. With 7 if it does not answer, with 5, 6
or 7 if no token can be had: then nothing is sent, or, if the API has refused
the token before, nothing more; its answer is printed.";
