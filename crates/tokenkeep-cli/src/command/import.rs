//! `tokenkeep import FORMAT SOURCE`: tokens that another system has obtained.

mod report;

use std::collections::HashSet;

use clap::Args;
use tokenkeep::{Code, Error, Imported, Key, TokenManager};

use self::report::{Done, Outcome};
use super::GlobalArgs;
use crate::context::Context;
use crate::exit::{self, Failure};
use crate::foreign::{Format, Found, Names, PlaceArgs};
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
    #[command(flatten)]
    place: PlaceArgs,
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ImportArgs) -> Result<(), Failure> {
    let mut signals = Signals::install()?;
    let context = signals.or(Context::load(global)).await??;
    context.config.warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
    let found = signals.or(args.format.read(&args.source, &args.place)).await??;
    let manager = signals.or(context.manager()).await??;
    let mut done = Vec::with_capacity(found.len());
    let names = Names::new(&manager, &context, args.format, &args.place);
    let imported = signals.or(import(&manager, &names, found, args.dry_run, &mut done)).await;
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

/// Imports one after the other; a store that does not work ends it.
async fn import(
    manager: &TokenManager,
    names: &Names<'_>,
    mut found: Vec<Found>,
    dry_run: bool,
    done: &mut Vec<Done>,
) -> Result<(), Failure> {
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
                let imported =
                    if dry_run { manager.would_import(&key, &token).await } else { manager.import(&key, token).await };
                match imported {
                    Ok(imported) => of(imported),
                    Err(error) if manager.is_store_failing() => return Err(error.into()),
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
