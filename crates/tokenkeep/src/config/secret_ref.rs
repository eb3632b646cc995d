//! Where a secret comes from: `{ env = "X" }` (or `["X", "Y"]`, names that mean the same), `{ file = "…" }`,
//! `{ command = ["…"] }` or, with a warning, the file itself.
//!
//! No message here holds anything of a secret: not what a program printed on stderr, not the error of a conversion.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use toml::de::DeValue;

use super::document::{Field, Text};
use super::interpolate::sole_reference;
use super::problem::Finding;
use super::read_file;
use super::variables::{Lookup, look_up};
use crate::environment::is_variable_name;
use crate::secret::Secret;

/// Gets the secret that an option holds or refers to.
pub(super) async fn read(field: &Field<'_>) -> Option<Secret> {
    match field.value {
        DeValue::String(literal) => from_literal(field, literal),
        DeValue::Table(_) => from_reference(field).await,
        _ => field.mismatch(FORMS),
    }
}

fn from_literal(field: &Field<'_>, literal: &str) -> Option<Secret> {
    let name = field.name;
    if literal.is_empty() {
        field.report(Finding::error(format!("`{name}` is empty")));
        return None;
    }
    if let Some(variables) = sole_reference(literal) {
        let help = match &*variables {
            [variable] => format!("write {{ env = \"{variable}\" }} in its place"),
            // Debug of names is TOML.
            variables => format!("write {{ env = {variables:?} }} in its place"),
        };
        field.report(Finding::error("a secret is not made of `${…}`").help(help));
        return None;
    }
    field.report(
        Finding::warning(format!("`{name}` stands in the configuration file"))
            .help(format!("whoever can read the file has it; write in its place {FORMS}")),
    );
    Some(Secret::new(literal))
}

async fn from_reference(field: &Field<'_>) -> Option<Secret> {
    let name = field.name;
    let mut table = field.table(format!("`{name}`"))?;
    let (env, file, command) = (table.take("env"), table.take("file"), table.take("command"));
    let has_more = table.finish(|_| None) > 0;
    match (env, file, command) {
        (Some(env), None, None) => from_variables(&env),
        (None, Some(file), None) => from_file(&file.text()?),
        (None, None, Some(command)) => from_command(&command).await,
        (None, None, None) if has_more => None,
        (None, None, None) => {
            field.report(
                Finding::error(format!("`{name}` does not say where the secret is")).help(format!("write {FORMS}")),
            );
            None
        }
        _ => {
            field.report(
                Finding::error(format!("`{name}` names several places of the secret")).help("keep one of them"),
            );
            None
        }
    }
}

fn from_variables(field: &Field<'_>) -> Option<Secret> {
    let names = match field.value {
        DeValue::Array(_) => field.texts()?,
        _ => vec![field.text()?],
    };
    let [first, ..] = &*names else {
        field.report(Finding::error("`env` is empty").help("write the name of a variable, or several in an array"));
        return None;
    };
    let misnamed: Vec<_> = names.iter().filter(|name| !is_variable_name(&name.value)).collect();
    for name in &misnamed {
        // Not shown: it may be the secret itself.
        name.report(Finding::error("this is not the name of an environment variable"));
    }
    if !misnamed.is_empty() {
        return None;
    }
    let variables: Vec<_> = names.iter().map(|name| &*name.value).collect();
    match look_up(&variables, first.context().env) {
        Lookup::Found(value) => Some(Secret::new(&**value)),
        Lookup::Missing(message) | Lookup::Differing(message) => {
            field.report(Finding::error(message));
            None
        }
    }
}

fn from_file(name: &Text<'_>) -> Option<Secret> {
    let path = name.path();
    let secret = read_secret_file(&path);
    secret.map_err(|what| name.report(Finding::error(format!("the secret file {} {what}", path.display())))).ok()
}

fn read_secret_file(path: &Path) -> Result<Secret, String> {
    // A pipe that nobody writes to would block for ever.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Err("is not a regular file".into());
    }
    let bytes = read_file::read(path, MAX_SECRET).map_err(|error| format!("cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err("is empty".into()) } else { Ok(Secret::new(text)) }
}

async fn from_command(field: &Field<'_>) -> Option<Secret> {
    let (program, args) = field.command()?;
    let output = tokio::time::timeout(COMMAND_TIMEOUT, run(&program, &args)).await;
    let secret = output.unwrap_or_else(|_| Err(format!("did not end within {} s", COMMAND_TIMEOUT.as_secs())));
    // A command line in place of a program can hold a secret.
    let shown = program.split_whitespace().next().unwrap_or_default();
    secret
        .map_err(|what| {
            let finding = Finding::error(format!("the command `{}` {what}", shown.escape_debug()));
            let is_line = shown.len() < program.len();
            field.report(if is_line { finding.help("write each argument as a string of its own") } else { finding });
        })
        .ok()
}

/// Runs a program for the first line of its output. It is killed when this is cancelled.
async fn run(program: &str, args: &[String]) -> Result<Secret, String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child =
        command.spawn().map_err(|error| format!("cannot be run: {}", read_file::Unreadable::from(error)))?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let limit = u64::try_from(MAX_SECRET).unwrap_or(u64::MAX).saturating_add(1);
        stdout.take(limit).read_to_end(&mut bytes).await.map_err(|_| "broke off its output")?;
    }
    if bytes.len() > MAX_SECRET {
        return Err(format!("printed more than {MAX_SECRET} bytes"));
    }
    let status = child.wait().await.map_err(|_| "was lost")?;
    if !status.success() {
        return Err(format!("failed with {}; run it by hand to see why", shown(status)));
    }
    let text = String::from_utf8(bytes).map_err(|_| "printed something that is not UTF-8")?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err("printed nothing in its first line".into()),
    }
}

fn shown(status: ExitStatus) -> String {
    status.code().map_or_else(|| "a signal".into(), |code| format!("exit status {code}"))
}

const FORMS: &str = "{ env = \"NAME\" }, { file = \"PATH\" } or { command = [\"PROGRAM\", \"ARGUMENT\"] }";

/// The longest secret that a file or a program may give, in bytes.
const MAX_SECRET: usize = 64 * 1024;

/// How long a program may take to print a secret.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
