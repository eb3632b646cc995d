//! `chat.py` before a broker whose tokens live for three seconds and are withdrawn at times.

use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokenkeep_sandbox::{Client, ClientCounters, Sandbox};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// What happened meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chatted {
    /// What the program printed last, a count of its answers.
    pub summary: String,
    /// Its process, which was the same from beginning to end.
    pub process: Option<u32>,
    /// How often all tokens that there were have been withdrawn.
    pub withdrawals: u64,
    /// What the issuer and the model counted.
    pub counters: ClientCounters,
}

/// Runs the program to its end with this Python and this `tokenkeep`; `tell` gets each line that it prints.
///
/// Fails if it or the broker does, if an answer of it failed, and if tokens are withdrawn less often than is wanted.
pub async fn chat(python: &Path, tokenkeep: &Path, mut tell: impl FnMut(&str)) -> Result<Chatted, Box<dyn Error>> {
    let life = Duration::from_secs(3);
    let sandbox = Sandbox::builder().client(Client::new(CLIENT, SECRET).life(life)).start().await?;
    let mut broker = serve(tokenkeep, &sandbox)?;
    let mut log = lines(broker.stderr.take())?;
    let base = format!("{}/proxy/llm/v1", address(&mut log).await?);
    // Who does not read its log keeps it waiting.
    let (log, chatted) = (drain(log), converse(python, &base, &sandbox, &mut tell));
    tokio::select! {
        chatted = chatted => chatted,
        log = log => Err(format!("the broker ended: {log}").into()),
    }
}

async fn converse(
    python: &Path,
    base: &str,
    sandbox: &Sandbox,
    tell: &mut impl FnMut(&str),
) -> Result<Chatted, Box<dyn Error>> {
    let mut program = Command::new(python);
    program.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/chat.py")).env_clear();
    program.env("LLM_BASE_URL", base).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut program = program.spawn()?;
    let process = program.id();
    let mut printed = lines(program.stdout.take())?;
    let (mut summary, mut count, mut withdrawals) = (String::new(), 0, 0);
    while let Some(line) = printed.next_line().await? {
        tell(&line);
        count += 1;
        if count % ANSWERS_BEFORE_WITHDRAWAL == 0 && withdrawals < WITHDRAWALS {
            sandbox.revoke_all();
            withdrawals += 1;
            tell("-- the issuer withdraws all tokens, and tells nobody");
        }
        summary = line;
    }
    let ended = program.wait().await?;
    if ended.success() && withdrawals == WITHDRAWALS {
        Ok(Chatted { summary, process, withdrawals, counters: sandbox.counters_of(CLIENT) })
    } else {
        Err(format!("the program ended with {ended} after {withdrawals} withdrawals: {summary}").into())
    }
}

/// A broker of the shipped configuration, on a free port.
fn serve(tokenkeep: &Path, sandbox: &Sandbox) -> Result<Child, Box<dyn Error>> {
    let mut broker = Command::new(tokenkeep);
    broker
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tokenkeep.toml"))
        .env_clear()
        .env("LLM_TOKEN_URL", sandbox.token_url())
        .env("LLM_API_BASE", sandbox.llm_url())
        .env("LLM_CLIENT_ID", CLIENT)
        .env("LLM_CLIENT_SECRET", SECRET)
        // It is there and of no use: what happens happens with the first way.
        .env("LLM_FALLBACK_TOKEN_URL", sandbox.token_url())
        .env("LLM_FALLBACK_CLIENT_ID", "nobody")
        .env("LLM_FALLBACK_CLIENT_SECRET", "nothing")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(broker.spawn()?)
}

async fn address(log: &mut Lines<BufReader<ChildStderr>>) -> Result<String, Box<dyn Error>> {
    let mut read = String::new();
    while let Some(line) = log.next_line().await? {
        if let Some(listening) = line.strip_prefix("listening on ") {
            return Ok(listening.split(',').next().unwrap_or(listening).to_owned());
        }
        read.push_str(&line);
    }
    Err(format!("the broker does not listen: {read}").into())
}

/// Reads to the end; the last line.
async fn drain(mut log: Lines<BufReader<ChildStderr>>) -> String {
    let mut last = String::new();
    while let Ok(Some(line)) = log.next_line().await {
        last = line;
    }
    last
}

fn lines<R: AsyncRead + Unpin>(read: Option<R>) -> Result<Lines<BufReader<R>>, Box<dyn Error>> {
    Ok(BufReader::new(read.ok_or("no pipe")?).lines())
}

const CLIENT: &str = "chat";
const SECRET: &str = "chat-secret";
const ANSWERS_BEFORE_WITHDRAWAL: u64 = 4;
/// How often all tokens are withdrawn while the program streams.
const WITHDRAWALS: u64 = 4;
