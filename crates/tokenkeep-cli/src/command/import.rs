//! `tokenkeep import FORMAT SOURCE`: tokens that another system has obtained.

mod columns;
mod database;
mod expiry;
mod report;
mod source;
mod spreadsheet;
mod token_files;

use std::collections::HashSet;

use clap::{Args, ValueEnum};
use tokenkeep::{Code, Error, Imported, Key, TokenManager};

use self::columns::Wanted;
use self::report::{Done, Outcome};
use self::source::Found;
use super::GlobalArgs;
use crate::context::Context;
use crate::exit::{self, Failure};
use crate::output;
use crate::signals::Signals;

/// Take over the tokens of another system, so that its end costs no login.
///
/// They are put into the store of the configuration, sealed as all that is kept there. What the store has that is newer
/// stays, so it can be run again, and while servers run. The source is only read. No issuer is asked for anything.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ImportArgs {
    /// Whose form the tokens are in
    #[arg(value_enum)]
    format: Format,
    #[arg(
        help = "A token file or a folder of them; for the other formats a SQLite file, a CSV file, or the URL of a \
                  PostgreSQL database"
    )]
    source: String,
    /// The provider whose tokens they are: of a file its token, else names of accounts stand in the key column
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The column that says whose a token is
    #[arg(long, value_name = "COL")]
    key: Option<String>,
    /// The column of the tokens
    #[arg(long, value_name = "COL")]
    token: Option<String>,
    /// The column that says when they end: a time, in UTC if it names no offset, or Unix seconds
    #[arg(long, value_name = "COL")]
    expires: Option<String>,
    /// The column of the refresh tokens
    #[arg(long, value_name = "COL")]
    refresh_token: Option<String>,
    /// The table, with its schema before a dot if it is in another one [default: tokens]
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    #[value(help = "JSON files that are called PROVIDER_token.json, as docs/stores.md shows them")]
    Verteil,
    #[value(help = "A table with the columns service, access_token and expires_at")]
    Whodis,
    #[value(help = "A table with the columns company_id, token and expires_at, of the accounts of one provider")]
    Bluestakes,
}

pub(super) async fn run(global: &GlobalArgs, args: ImportArgs) -> Result<(), Failure> {
    let mut signals = Signals::install()?;
    let context = signals.or(Context::load(global)).await??;
    context.config.warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
    let found = signals.or(args.read()).await??;
    let manager = signals.or(context.manager()).await??;
    let mut done = Vec::with_capacity(found.len());
    let names = Names { manager: &manager, provider: args.provider(&context) };
    let imported = signals.or(import(&names, found, args.dry_run, &mut done)).await;
    // What is under way is finished.
    let stopped = signals.finish(manager.close(), output::talk).await?;
    if args.json {
        report::json(&done, args.dry_run)?;
    } else {
        report::table(&done, args.dry_run)?;
    }
    if let Err(failure) = imported? {
        if let Some(what) = manager.store_trouble() {
            output::warning(&format!("the store does not work: {what}"));
        }
        return Err(failure);
    }
    stopped?;
    report::verdict(&done)
}

impl ImportArgs {
    async fn read(&self) -> Result<Vec<Found>, Failure> {
        match self.format {
            Format::Verteil => {
                let columns = [&self.key, &self.token, &self.expires, &self.refresh_token, &self.table];
                if columns.into_iter().any(Option::is_some) {
                    return Err(Failure::usage("token files have no tables and columns", "leave out what names them"));
                }
                token_files::read(&self.source, self.provider.as_deref()).await
            }
            Format::Whodis | Format::Bluestakes => source::read(&self.source, &self.wanted()?).await,
        }
    }

    /// The columns that are named, or else have the names of the format.
    fn wanted(&self) -> Result<Wanted, Failure> {
        let (key, token) = match self.format {
            Format::Verteil | Format::Whodis => ("service", "access_token"),
            Format::Bluestakes => ("company_id", "token"),
        };
        let name = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
        let wanted = Wanted {
            table: self.table.clone(),
            key: name(&self.key, key),
            token: name(&self.token, token),
            expires: name(&self.expires, "expires_at"),
            refresh_token: self.refresh_token.clone(),
        };
        // Names are shown.
        if wanted.key == wanted.token || Some(&wanted.key) == wanted.refresh_token.as_ref() {
            return Err(Failure::usage("one column cannot be name and token", "name two with --key and --token"));
        }
        Ok(wanted)
    }

    /// Whose accounts names are that are no keys.
    fn provider(&self, context: &Context) -> Option<Whose> {
        let configured = context.config.server.default_provider.clone();
        match (self.format, &self.provider) {
            // The files say it.
            (Format::Verteil, _) => None,
            (Format::Whodis | Format::Bluestakes, Some(name)) => Some(Whose::All(name.clone())),
            (Format::Whodis, None) => configured.map(Whose::Bare),
            (Format::Bluestakes, None) => Some(Whose::All(configured.unwrap_or_else(|| "bluestakes".to_owned()))),
        }
    }
}

/// Which names are those of accounts, and of which provider.
enum Whose {
    All(String),
    /// Those that are no provider and name none.
    Bare(String),
}

struct Names<'a> {
    manager: &'a TokenManager,
    provider: Option<Whose>,
}

impl Names<'_> {
    fn key(&self, name: &str) -> String {
        match &self.provider {
            Some(Whose::All(provider)) => format!("{provider}:{name}"),
            Some(Whose::Bare(provider)) if !name.contains(':') && !self.manager.has_provider(name) => {
                format!("{provider}:{name}")
            }
            Some(Whose::Bare(_)) | None => name.to_owned(),
        }
    }
}

/// Imports one after the other; a store that does not work ends it.
async fn import(names: &Names<'_>, mut found: Vec<Found>, dry_run: bool, done: &mut Vec<Done>) -> Result<(), Failure> {
    // Of several of one name the one that ends last.
    found.sort_by_cached_key(|found| std::cmp::Reverse(found.token.as_ref().ok().map(|token| token.expires_at)));
    let mut seen = HashSet::new();
    for found in found {
        let key = names.key(&found.name);
        let expires_at = found.token.as_ref().ok().map(|token| token.expires_at);
        let outcome = match found.token {
            // What can be no key is none that the configuration knows.
            Ok(_) if let Err(why) = Key::parse(&key) => Outcome::Unknown(format!("it is no key: {why}")),
            Err(why) => Outcome::Unfit(why),
            Ok(_) if !seen.insert(key.clone()) => Outcome::Kept("another one of this name ends no earlier"),
            Ok(token) => {
                let imported = if dry_run {
                    names.manager.would_import(&key, &token).await
                } else {
                    names.manager.import(&key, token).await
                };
                match imported {
                    Ok(imported) => of(imported),
                    Err(error) if names.manager.is_store_failing() => return Err(error.into()),
                    Err(error) => of_error(&error),
                }
            }
        };
        done.push(Done { name: found.name, key, outcome, expires_at });
    }
    done.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(())
}

fn of(imported: Imported) -> Outcome {
    match imported {
        Imported::Token(_) => Outcome::Imported,
        Imported::Login => Outcome::Login,
        Imported::Over => Outcome::Over,
        Imported::HasLogin => Outcome::Kept("the store has a login of its own"),
        Imported::HasToken => Outcome::Kept("the store has a token that ends no earlier"),
        _ => Outcome::Busy,
    }
}

fn of_error(error: &Error) -> Outcome {
    let why = match exit::next(error) {
        Some(next) => format!("{}; {next}", error.what()),
        None => error.what().to_owned(),
    };
    match error.code() {
        Code::UnknownKey => Outcome::Unknown(why),
        Code::InvalidRequest => Outcome::Unfit(why),
        _ => Outcome::Failed(why),
    }
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep import verteil /tmp/flight_app_tokens --dry-run
  tokenkeep import whodis whodis.db
  tokenkeep import whodis tokens.csv --key name --token value
  tokenkeep import bluestakes 'postgres://reader@db.example/bluestakes'

Names are keys: NAME, a provider of the configuration, or NAME:ACCOUNT; with
--provider and with bluestakes they are accounts of one provider.

Of a URL all but schema, max_connections and the like is as in docs/stores.md.
$PGPASSWORD or ~/.pgpass keep the password out of the list of processes.

Exits with 2 if a token could not be read or is of no use, with 4 if the
configuration does not know a name, and with 7 if a token was just being
obtained: all others are imported.";
