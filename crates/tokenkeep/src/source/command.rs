//! `command`: a program that prints a token, alone or as JSON with the names of an OAuth answer.

use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command as Process;
use zeroize::Zeroizing;

use super::{Ask, Expiry, Fault, FetchError, Fetched, TokenSource, token_response};
use crate::fingerprint::Fingerprint;
use crate::secret::Secret;

#[derive(Debug)]
pub(super) struct Command {
    program: String,
    args: Vec<String>,
}

impl Command {
    pub(super) fn new(program: String, args: Vec<String>) -> Self {
        Self { program, args }
    }

    async fn output(&self) -> Result<Zeroizing<Vec<u8>>, FetchError> {
        let mut child = Process::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What a program says on stderr can hold a secret.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                FetchError::new(Fault::Refused, format!("{} cannot be run: {}", self.program, error.kind()))
                    .with_next("check command")
            })?;
        let mut output = Zeroizing::new(Vec::new());
        if let Some(stdout) = child.stdout.take() {
            let read = stdout.take(token_response::MAX_BODY as u64 + 1).read_to_end(&mut output).await;
            read.map_err(|error| self.broken(format!("cannot be read: {}", error.kind())))?;
        }
        if output.len() > token_response::MAX_BODY {
            return Err(self.broken("printed more than 1 MiB".to_owned()));
        }
        let status = child.wait().await.map_err(|error| self.broken(format!("broke off: {}", error.kind())))?;
        if status.success() { Ok(output) } else { Err(self.broken(format!("ended with {status}"))) }
    }

    fn broken(&self, what: String) -> FetchError {
        FetchError::new(Fault::Unavailable, format!("{} {what}", self.program)).with_next("run it by hand to see why")
    }
}

#[async_trait]
impl TokenSource for Command {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let output = self.output().await?;
        let text = std::str::from_utf8(&output).map_err(|_| self.broken("printed no text".to_owned()))?.trim();
        if text.starts_with('{') {
            let answer = token_response::parse_json(text.as_bytes());
            let fetched = answer.map_err(|what| self.broken(format!("printed {what}")))?;
            return Ok(Fetched { refresh_token: None, ..fetched });
        }
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(self.broken("printed neither one token nor JSON".to_owned()));
        }
        Ok(Fetched {
            access_token: Secret::new(text),
            token_type: "Bearer".into(),
            scope: None,
            expiry: Expiry::Unstated,
            refresh_in: None,
            refresh_token: None,
        })
    }

    fn issuer(&self) -> &str {
        &self.program
    }

    fn fingerprint(&self) -> Fingerprint {
        let args = self.args.iter().map(|arg| ("arg", &**arg));
        Fingerprint::of([("grant", "command"), ("program", &*self.program)].into_iter().chain(args))
    }
}
