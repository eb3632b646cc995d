//! `tokenkeep doctor [KEY]`: what is known of each token, what `get` would answer, and what is wrong.

mod clock;
mod examine;
mod finding;
mod report;
mod ways;

use std::collections::BTreeMap;

use clap::{Args, ValueEnum as _};
use tokenkeep::diagnosis::IssuerClock;
use tokenkeep::{Code, Error, Key, TokenManager};

use self::examine::{Examined, Examiner};
use self::report::Report;
use super::GlobalArgs;
use crate::broker::Here;
use crate::context::Context;
use crate::environment;
use crate::exit::Failure;
use crate::foreign::{Format, Found, Names, PlaceArgs};
use crate::output;
use crate::signals::Signals;

/// Say of each token how it is, when it ends, what `get` would answer, and what is wrong.
///
/// Looks into the store of the configuration. Asks no issuer for a token and writes none; an issuer's clock is read from
/// the answer to a request for the root of its host (HEAD /), which holds no credentials. What a running server has in memory
/// alone it does not see: `tokenkeep status --server` does. No secret is shown.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DoctorArgs {
    /// Of this token only: the name of a provider in the configuration, or provider:account
    #[arg(id = "KEY")]
    name: Option<String>,
    /// Examine the tokens of another system where they lie, as if they were imported; FORMAT and SOURCE are those of
    /// `tokenkeep import`
    #[arg(long, num_args = 2, value_names = ["FORMAT", "SOURCE"])]
    from: Option<Vec<String>>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Print all that is found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: DoctorArgs) -> Result<(), Failure> {
    let source = args.source()?;
    let mut signals = Signals::install()?;
    let context = signals.or(Context::load(global)).await??;
    context.config.warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
    let store = context.store()?.to_string();
    let manager = signals.or(context.manager()).await??;
    let examined = signals.or(args.examine(&context, &manager, source)).await;
    let trouble = manager.store_trouble();
    signals.finish(manager.close(), output::talk).await??;
    let now = manager.now().to_system_time().unwrap_or(std::time::UNIX_EPOCH);
    let report = Report::new(&context.path, store, trouble, now, &environment::time_zone(), examined??);
    if args.json {
        output::json(&report)?;
    } else {
        report.print()?;
    }
    if report.well { Ok(()) } else { Err(Failure::Unwell) }
}

impl DoctorArgs {
    fn source(&self) -> Result<Option<(Format, &str)>, Failure> {
        match self.from.as_deref() {
            None if self.place.is_given() => {
                Err(Failure::usage("columns and the like are those of a source", "name it with --from FORMAT SOURCE"))
            }
            Some([format, source]) => {
                let format = Format::from_str(format, false)
                    .map_err(|_| Failure::usage(format!("--from has no format {}", format.escape_debug()), FORMATS))?;
                Ok(Some((format, source)))
            }
            _ => Ok(None),
        }
    }

    async fn examine(
        &self,
        context: &Context,
        manager: &TokenManager,
        source: Option<(Format, &str)>,
    ) -> Result<Vec<Examined>, Failure> {
        let here = Here::new(manager, context.config.server.default_provider.as_deref());
        let wanted =
            self.name.as_deref().map(|name| here.handle(name).map(|handle| handle.key().clone())).transpose()?;
        match source {
            None => in_store(manager, wanted).await,
            Some((format, source)) => {
                let names = Names::new(manager, context, format, &self.place);
                in_source(manager, &names, format.read(source, &self.place).await?, wanted.as_ref()).await
            }
        }
    }
}

/// Examines what is configured or stored, or this one of it.
async fn in_store(manager: &TokenManager, wanted: Option<Key>) -> Result<Vec<Examined>, Failure> {
    let doctor = Examiner::new(environment::time_zone());
    let mut clocks = Clocks { manager, known: BTreeMap::new() };
    let mut examined = Vec::new();
    let keys = match wanted {
        Some(key) => vec![key],
        None => all(manager).await,
    };
    for key in keys {
        let diagnosis = manager.diagnose(key.as_str()).await?;
        examined.push(doctor.stored(&diagnosis, &clocks.of(key.provider()).await?));
    }
    Ok(examined)
}

/// Examines what was found at another system, or this one of it.
async fn in_source(
    manager: &TokenManager,
    names: &Names<'_>,
    mut found: Vec<Found>,
    wanted: Option<&Key>,
) -> Result<Vec<Examined>, Failure> {
    let doctor = Examiner::new(environment::time_zone());
    let mut clocks = Clocks { manager, known: BTreeMap::new() };
    let mut examined = Vec::new();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    for found in found {
        let key = names.key(&found.name);
        if wanted.is_some_and(|wanted| wanted.as_str() != key) {
            continue;
        }
        let told = match &found.token {
            Err(why) => Err(Error::new(Code::InvalidRequest, why.clone()).with_next(UNFIT)),
            Ok(token) => match manager.diagnose_foreign(&key, token).await {
                Err(error) => Err(error),
                Ok(diagnosis) => manager.would_import(&key, token).await.map(|imported| (token, diagnosis, imported)),
            },
        };
        examined.push(match told {
            Err(error) => doctor.useless(&found, &key, &error, manager.now()),
            Ok((token, diagnosis, imported)) => {
                let clock = clocks.of(diagnosis.status.key.provider()).await?;
                doctor.found(&found, token, &diagnosis, imported, &clock)
            }
        });
    }
    match wanted {
        Some(wanted) if examined.is_empty() => {
            let error = Error::new(Code::UnknownKey, "the source has no token of this name").with_key(wanted);
            Err(error.with_next("leave out the KEY to see all that it has").into())
        }
        _ => Ok(examined),
    }
}

/// The keys that are configured or stored.
async fn all(manager: &TokenManager) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    loop {
        let page = manager.statuses(keys.last(), PAGE).await;
        let is_last = page.len() < PAGE;
        keys.extend(page.into_iter().map(|status| status.key));
        if is_last {
            return keys;
        }
    }
}

/// Each issuer's clock is read once.
struct Clocks<'a> {
    manager: &'a TokenManager,
    known: BTreeMap<String, IssuerClock>,
}

impl Clocks<'_> {
    async fn of(&mut self, provider: &str) -> Result<IssuerClock, Error> {
        if let Some(clock) = self.known.get(provider) {
            return Ok(clock.clone());
        }
        let clock = self.manager.issuer_clock(provider).await?;
        self.known.insert(provider.to_owned(), clock.clone());
        Ok(clock)
    }
}

const PAGE: usize = 1000;
const FORMATS: &str = "write --from whodis SOURCE, --from bluestakes SOURCE or --from verteil SOURCE";
const UNFIT: &str = "mend or remove it where it lies; import skips it";
const AFTER_HELP: &str = "\
Examples:
  tokenkeep doctor
  tokenkeep doctor graph
  tokenkeep doctor --json | jq -r '.tokens[].findings[] | .detail'
  tokenkeep doctor --from whodis whodis.db

It works with the store and the configuration themselves, so run it where they
are, as the user and with the variables that the server has. It asks no server.

Exits with 0 if all is well, and with 3 if a token has a finding.";
