//! `tokenkeep key new`: makes a key, and the table that lets a server recognise it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokenkeep::config::{Action, KeyPattern};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::output;

/// Make a key for a caller of `tokenkeep serve`.
///
/// The key is printed once and kept nowhere: give it to the caller. The table for the configuration of the server, which
/// holds a hash of the key, is printed to stderr. No configuration is read or changed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct NewArgs {
    /// What logs call the caller
    #[arg(long, value_parser = name)]
    name: String,
    /// The keys that it may see: NAME, NAME:ACCOUNT, NAME:*, *:ACCOUNT or *
    #[arg(long, value_name = "PATTERN", value_parser = pattern, value_delimiter = ',', num_args = 1.., required = true)]
    tokens: Vec<String>,
    /// What it may do with them; none: only see how they are
    #[arg(
        long,
        value_name = "ACTION",
        value_parser = PossibleValuesParser::new(Action::ALL.map(|(name, _)| name).into_iter().chain([NONE])),
        value_delimiter = ',',
        num_args = 1..,
        default_values = Action::DEFAULT.map(Action::as_str)
    )]
    allow: Vec<String>,
    /// Print the key and all that the table says as JSON
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    name: &'a str,
    sha256: &'a str,
    tokens: &'a [String],
    allow: &'a [String],
}

pub(super) fn run(args: &NewArgs) -> Result<(), Failure> {
    let allow = actions(&args.allow)?;
    let key = random_key()?;
    let sha256 = hex(&Sha256::digest(key.as_bytes()));
    if args.json {
        let NewArgs { name, tokens, .. } = args;
        return output::json(&Shown { key: &key, name, sha256: &sha256, tokens, allow });
    }
    output::data(&key)?;
    output::talk(&format!(
        "\nthis goes into the configuration of the server:\n\n\
         [[server.keys]]\nname = {}\nsha256 = \"{sha256}\"\ntokens = {}\nallow = {}\n",
        quoted(&args.name),
        list(&args.tokens),
        list(allow)
    ));
    output::next("give the key above to the caller; it is kept nowhere and is not shown again");
    Ok(())
}

fn actions(words: &[String]) -> Result<&[String], Failure> {
    match words {
        [word] if word == NONE => Ok(&[]),
        words if words.iter().any(|word| word == NONE) => {
            Err(Failure::usage("--allow none stands beside other actions", "leave out either it or the others"))
        }
        words => Ok(words),
    }
}

/// A prefix that scanners for leaked secrets can look for, and 256 random bits.
fn random_key() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *bytes)
        .map_err(|error| Failure::internal("the system gives no random numbers", &error))?;
    let mut key = Zeroizing::new(String::with_capacity(64));
    key.push_str(PREFIX);
    BASE64_URL_SAFE_NO_PAD.encode_string(*bytes, &mut key);
    Ok(key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("a name has 1 to {MAX_NAME} visible ASCII characters"));
    }
    Ok(text.to_owned())
}

fn pattern(text: &str) -> Result<String, String> {
    match KeyPattern::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write e.g. graph, bluestakes:123, bluestakes:* or *".to_owned()),
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// As TOML writes it, which for visible characters is as JSON does.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// In place of actions: none of them.
const NONE: &str = "none";
const PREFIX: &str = "tk_";
/// As the configuration has it.
const MAX_NAME: usize = 64;

const AFTER_HELP: &str = "\
Examples:
  tokenkeep key new --name billing --tokens graph --tokens 'bluestakes:*'
  tokenkeep key new --name monitoring --tokens '*' --allow none > monitoring.key
  tokenkeep key new --name deploy --tokens '*' --allow refresh,credentials \\
    --json | jq -r .key

A server takes the table over when its configuration is reloaded. Keys begin
with tk_, so that scanners for leaked secrets can find them.";
