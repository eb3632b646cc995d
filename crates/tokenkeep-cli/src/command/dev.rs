//! `tokenkeep dev`: everything at work on this machine, with nothing set up.
//!
//! ```text
//! sandbox: issuer ◀── manager ◀── broker: HTTP and a socket ◀── traffic: callers ──▶ sandbox: API
//!                        │                                └── other terminals
//!                        └──▶ account: what happens, line by line
//! ```
//!
//! Nothing of it is a mock: the configuration is a file, the store is a database, and all requests are HTTP. So whatever is
//! seen here is what happens elsewhere, and another terminal can take part.

mod account;
mod lines;
mod traffic;
mod world;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokenkeep::TokenManager;
use tokenkeep_sandbox::Sandbox;
use tokenkeep_server::{Limits, Server};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::account::Account;
use self::lines::Places;
use self::traffic::{CALLERS_PER_KEY, Traffic};
use self::world::{Folder, Origin, SYSTEMS};
use super::{GlobalArgs, serve};
use crate::context::Context;
use crate::duration;
use crate::exit::Failure;
use crate::output;
use crate::signals::Signals;

/// See it all work: issuer, API, broker and callers, with nothing set up.
///
/// Everything runs on this machine and in a temporary folder, and is gone when it ends. An account says what happens;
/// lines to paste into another terminal show what can be done, and what happens when the issuer breaks.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DevArgs {
    /// End by itself after so long, e.g. 20s or 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse_positive)]
    lasting: Option<Duration>,
}

pub(super) async fn run(global: &GlobalArgs, args: DevArgs) -> Result<(), Failure> {
    if global.config.is_some() {
        return Err(Failure::usage("dev takes no --config", "it writes one, and says where; serve takes yours"));
    }
    let mut signals = Signals::install()?;
    let Ok(world) = signals.or(World::create()).await else { return Ok(()) };
    world?.live(&mut signals, args.lasting).await
}

/// All that runs.
struct World {
    folder: Folder,
    sandbox: Arc<Sandbox>,
    manager: TokenManager,
    server: Server,
}

impl World {
    async fn create() -> Result<Self, Failure> {
        let sandbox = world::start_sandbox().await?;
        let folder = Folder::create(&sandbox)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            folder.write_config(&sandbox, world::free_port()?)?;
            let context = Context::load(&GlobalArgs { config: Some(folder.config()), server: None }).await?;
            let manager = context.manager().await?;
            world::give_credentials(&manager).await?;
            match serve::bind(&context.config.server, &manager).await {
                Ok(server) => {
                    let server = server.with_limits(limits());
                    return Ok(Self { folder, sandbox: Arc::new(sandbox), manager, server });
                }
                // Somebody else was faster to take the port.
                Err(_) if attempts < MAX_ATTEMPTS => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn live(self, signals: &mut Signals, lasting: Option<Duration>) -> Result<(), Failure> {
        let Self { folder, sandbox, manager, server } = self;
        let places = Places {
            program: program(),
            config: folder.config(),
            broker: serve::addresses(&server).into_iter().next().unwrap_or_default(),
            socket: folder.socket(),
            sandbox: sandbox.url(),
        };
        output::data(&introduction(&places))?;

        let events = manager.events();
        let mut traffic = Traffic::start(&places.broker, &sandbox.api_url())?;
        let keeper = Account::new(Arc::clone(&sandbox), Arc::clone(&traffic.tallies));
        let (end_account, account_ended) = oneshot::channel();
        let (end_server, server_ended) = oneshot::channel::<()>();
        let mut account = JoinSet::new();
        account.spawn(keeper.keep(events, account_ended));
        let mut broker = JoinSet::new();
        broker.spawn(server.run(async { server_ended.await.unwrap_or_default() }));
        manager.start();

        // The account ends by itself only if nobody reads it any more.
        let early = tokio::select! {
            _ = signals.next() => None,
            () = sleep(lasting) => None,
            ended = account.join_next() => ended,
        };
        let finish = async {
            traffic.stop().await;
            end_server.send(()).ok();
            broker.join_all().await;
            let stopped = manager.close().await;
            end_account.send(()).ok();
            let last_words = account.join_all().await;
            sandbox.stop().await;
            last_words.into_iter().collect::<Result<(), _>>().and(stopped.map_err(Failure::from))
        };
        let finished = signals.finish(tokio::time::timeout(PATIENCE, finish), output::talk).await;
        folder.remove()?;
        if let Some(Ok(Err(failure))) = early {
            return Err(failure);
        }
        // What took too long is cut off: nothing of it is needed any more.
        finished?.unwrap_or(Ok(()))
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.drain_timeout = Duration::from_secs(1);
    limits
}

async fn sleep(lasting: Option<Duration>) {
    match lasting {
        Some(lasting) => tokio::time::sleep(lasting).await,
        None => std::future::pending().await,
    }
}

/// What stands above the account.
fn introduction(places: &Places) -> String {
    let Places { config, broker, socket, sandbox, .. } = places;
    let socket = socket.as_ref().map_or_else(String::new, |socket| format!(", and unix:{}", socket.display()));
    let systems: Vec<_> = SYSTEMS
        .iter()
        .map(|system| {
            let life = match system.origin {
                Origin::Issuer(life) => format!("lives {} s", life.as_secs()),
                Origin::Program => "lives 15 s".to_owned(),
                Origin::File => "does not end".to_owned(),
            };
            format!("  {:<8}  {:<18}  {life:<12}  {}", system.key, system.grant, system.about)
        })
        .collect();
    format!(
        "tokenkeep dev: an issuer of tokens, an API that wants them, and a broker between the two and their callers.\n\
         \n\
         \x20 issuer and API  {sandbox}, steered at {sandbox}/sandbox\n\
         \x20 broker          {broker}{socket}\n\
         \x20 dashboard       {broker}/dashboard\n\
         \x20 its API         {broker}/docs, and for monitoring {broker}/metrics\n\
         \x20 configuration   {config}\n\
         \x20 tokens          in a SQLite file beside it\n\
         \n\
         Tokens, each wanted by {CALLERS_PER_KEY} callers about three times a second:\n\
         {systems}\n\
         \n\
         To try, in another terminal:\n\
         {places}\n\
         Ctrl-C ends it and removes what it made. This is what happens:\n",
        config = config.display(),
        systems = systems.join("\n"),
    )
}

/// How this program was called, so that the same works in another terminal: by name if it was found by that.
fn program() -> String {
    let called = std::env::args_os().next().and_then(|called| called.into_string().ok());
    let name = called.filter(|called| !called.is_empty() && !called.contains('/'));
    let path = || std::env::current_exe().ok().map(|path| path.display().to_string());
    name.or_else(path).unwrap_or_else(|| "tokenkeep".to_owned())
}

/// Attempts to get a port that was free a moment before.
const MAX_ATTEMPTS: u32 = 5;
/// How long the end may take.
const PATIENCE: Duration = Duration::from_secs(2);

const AFTER_HELP: &str = "\
Examples:
  tokenkeep dev
  tokenkeep dev --for 20s";
