//! The same by a running server, which adds the token, asks the API and asks once more.

use reqwest::Response;
use tokenkeep_api::Problem;
use tokenkeep_api::client::Client;
use tokenkeep_api::headers::{API_KEY, PROBLEM};

use super::RequestArgs;
use super::call::{self, Call};
use crate::exit::Failure;

/// The API's answer, and who gave it. What the server itself has to say is an error.
pub(super) async fn ask(client: &Client, args: &RequestArgs, call: &Call) -> Result<(Response, String), Failure> {
    if call.has(API_KEY) {
        let what = format!("the header {API_KEY} goes to the server, not to the API");
        return Err(Failure::usage(what, "leave it out; the key for the server is TOKENKEEP_API_KEY"));
    }
    let host = client.server().to_string();
    let request = call.fill(client.proxy(&args.key, call.method(), &args.path)?);
    // The server waits for a token, and then for the API.
    let wait = args.timeout.saturating_add(args.max_wait);
    let mut answer = call::head(request, &host, wait).await?;
    if !answer.headers().contains_key(PROBLEM) {
        return Ok((answer, host));
    }
    let mut body = Vec::new();
    while let Some(piece) = call::piece(&mut answer, &host, args.timeout).await? {
        body.extend_from_slice(&piece[..piece.len().min(MAX_PROBLEM - body.len())]);
    }
    let problem: Problem =
        serde_json::from_slice(&body).map_err(|error| Failure::internal("the server's answer", &error))?;
    Err(problem.into())
}

/// In bytes.
const MAX_PROBLEM: usize = 64 * 1024;
