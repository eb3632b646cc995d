//! `tokenkeep store reseal`: brings everything that is stored under the present key.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tokenkeep::clock::SystemClock;
use tokenkeep::store::{self, Resealed, SealedStore, Store as _, StoreError, WhenUnopenable};
use tokenkeep::{Clock, Code, Error};

use crate::command::GlobalArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{self, counted};
use crate::signals::Signals;

/// Seal every stored record with the first of `seal_keys`, or with the store's own key.
///
/// Programs that use the store go on meanwhile: a record that one of them writes is looked at again. It can be ended
/// and run again at any time.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::command) struct ResealArgs {
    /// Empty the records that no key opens: their logins are lost, and the tokens are obtained anew
    #[arg(long)]
    forget: bool,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    json: bool,
}

pub(in crate::command) async fn run(global: &GlobalArgs, args: ResealArgs) -> Result<(), Failure> {
    let mut signals = Signals::install()?;
    let context = signals.or(Context::load(global)).await??;
    context.config.warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
    let unopenable = if args.forget { WhenUnopenable::Forget } else { WhenUnopenable::Keep };
    let store = signals.or(open(&context, unopenable)).await??;
    let resealed = signals.or(store.reseal(unopenable)).await;
    signals.finish(store.close(), output::talk).await?;
    let resealed = resealed?.map_err(|error| failed(&error))?;
    if args.json {
        output::json(&Shown::new(&store, &resealed, unopenable))?;
    } else {
        tell(&store, &resealed, unopenable);
    }
    match unopenable {
        _ if !resealed.unreadable.is_empty() => Err(Failure::Reported(Code::InvalidRequest)),
        WhenUnopenable::Keep if !resealed.unopenable.is_empty() => Err(Failure::Reported(Code::InvalidRequest)),
        WhenUnopenable::Keep | WhenUnopenable::Forget => Ok(()),
    }
}

async fn open(context: &Context, unopenable: WhenUnopenable) -> Result<SealedStore, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opened = store::open_sealed(&context.store()?, &context.config.seal_keys, &clock, unopenable).await;
    opened.map_err(|error| failed(&error))?.ok_or_else(|| {
        Failure::usage("this store is not sealed", "one of files is with `seal_keys`; one in memory never is")
    })
}

fn failed(error: &StoreError) -> Failure {
    Failure::Error(Error::new(Code::Unavailable, error.to_string()).with_next("mend the store, and run this again"))
}

fn tell(store: &SealedStore, resealed: &Resealed, unopenable: WhenUnopenable) {
    let fate = match unopenable {
        WhenUnopenable::Keep => "cannot be opened",
        WhenUnopenable::Forget => "could not be opened and is forgotten",
    };
    for (key, why) in &resealed.unopenable {
        output::warning(&format!("{key}: {fate}: {why}"));
    }
    for (name, why) in &resealed.unreadable {
        output::warning(&format!("{name}: cannot be read and stays as it is: {why}"));
    }
    output::talk(&format!(
        "{}: {} sealed anew with key {}, {} already, {} {}",
        store.label(),
        counted(resealed.resealed, "record"),
        store.key_id().unwrap_or("none"),
        resealed.already_right,
        resealed.unopenable.len(),
        match unopenable {
            WhenUnopenable::Keep => "cannot be opened",
            WhenUnopenable::Forget => "forgotten",
        },
    ));
    if unopenable == WhenUnopenable::Keep && !resealed.unopenable.is_empty() {
        output::next("bring the missing keys back; if they are lost, --forget gives up what they sealed");
    }
}

/// What was done, as JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    store: &'a str,
    /// The id of the key that seals; `null` if it is lost.
    seal_key: Option<&'a str>,
    resealed: usize,
    already_right: usize,
    unopenable: Vec<Unopened<'a>>,
    forgotten: Vec<Unopened<'a>>,
    unreadable: Vec<Unopened<'a>>,
}

#[derive(Debug, Serialize)]
struct Unopened<'a> {
    key: &'a str,
    why: String,
}

impl<'a> Shown<'a> {
    fn new(store: &'a SealedStore, resealed: &'a Resealed, unopenable: WhenUnopenable) -> Self {
        let unopened = resealed.unopenable.iter();
        let unopened = unopened.map(|(key, why)| Unopened { key: key.as_str(), why: why.to_string() }).collect();
        let unreadable = resealed.unreadable.iter().map(|(key, why)| Unopened { key, why: why.clone() });
        let (unopenable, forgotten) = match unopenable {
            WhenUnopenable::Keep => (unopened, Vec::new()),
            WhenUnopenable::Forget => (Vec::new(), unopened),
        };
        Self {
            store: store.label(),
            seal_key: store.key_id(),
            resealed: resealed.resealed,
            already_right: resealed.already_right,
            unopenable,
            forgotten,
            unreadable: unreadable.collect(),
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep store reseal
  tokenkeep store reseal --json | jq .unopenable
  tokenkeep store reseal --forget

Exits with 2 if there are records that no key opens, or that cannot be read:
they stay as they are, and are named.";
