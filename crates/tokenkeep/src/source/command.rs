//! `command`: a program that prints a token, alone or as JSON with the names of an OAuth answer.

use std::fmt;
use std::io::ErrorKind;
use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command as Process};
use zeroize::Zeroizing;

use super::{Ask, Fault, FetchError, Fetched, TokenSource, token_response};
use crate::fingerprint::Fingerprint;
use crate::secret::Secret;

pub(super) struct Command {
    program: String,
    args: Vec<String>,
    /// The program without what a whole line in its place would show: arguments can hold a secret.
    shown: String,
}

impl Command {
    pub(super) fn new(program: String, args: Vec<String>) -> Self {
        let shown = program.split_whitespace().next().unwrap_or_default().to_owned();
        Self { program, args, shown }
    }

    async fn output(&self) -> Result<Zeroizing<Vec<u8>>, FetchError> {
        let mut process = Process::new(&self.program);
        #[cfg(unix)]
        process.process_group(0);
        let child = process
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What a program says on stderr can hold a secret.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let why = match error.kind() {
                    ErrorKind::NotFound => "there is no such program".to_owned(),
                    kind => kind.to_string(),
                };
                FetchError::new(Fault::Refused, format!("{} cannot be run: {why}", self.shown))
                    .with_next("check command")
            })?;
        let mut running = Running(child);
        let mut output = Zeroizing::new(Vec::new());
        if let Some(stdout) = running.0.stdout.take() {
            let read = stdout.take(token_response::MAX_BODY as u64 + 1).read_to_end(&mut output).await;
            read.map_err(|error| self.broken(&format!("cannot be read: {}", error.kind())))?;
        }
        if output.len() > token_response::MAX_BODY {
            return Err(self.broken("printed more than 1 MiB"));
        }
        let status = running.0.wait().await.map_err(|error| self.broken(&format!("broke off: {}", error.kind())))?;
        if status.success() { Ok(output) } else { Err(self.broken(&format!("ended with {status}"))) }
    }

    fn broken(&self, what: &str) -> FetchError {
        FetchError::new(Fault::Unavailable, format!("{} {what}", self.shown)).with_next("run it by hand to see why")
    }
}

/// A program that has not ended. One that nobody waits for any longer is ended with all that it started: a script's
/// children would go on without it, one more with each attempt.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has none once it has ended.
        #[cfg(unix)]
        if let Some(group) = self.0.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
        }
    }
}

impl fmt::Debug for Command {
    // Arguments can hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("program", &self.shown).finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenSource for Command {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let output = self.output().await?;
        let text = std::str::from_utf8(&output).map_err(|_| self.broken("printed no text"))?;
        let text = token_response::without_mark(text);
        if text.starts_with('{') {
            return token_response::parse_json(text).map_err(|what| self.broken(&format!("printed {what}")));
        }
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(self.broken("printed neither one token nor JSON"));
        }
        Ok(Fetched::new(Secret::new(text)))
    }

    fn issuer(&self) -> &str {
        &self.shown
    }

    fn fingerprint(&self) -> Fingerprint {
        let args = self.args.iter().map(|arg| ("arg", &**arg));
        Fingerprint::of([("grant", "command"), ("program", &*self.program)].into_iter().chain(args))
    }
}
