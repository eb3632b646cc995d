//! `tokenkeep serve`: hands out tokens over HTTP.

mod reload;

use std::io;
use std::path::Path;
use std::pin::pin;

use clap::Args;
use tokenkeep::TokenManager;
use tokenkeep::config::{InvalidListen, Listen, ServerSettings};
use tokenkeep_server::{PassedSocket, Server};
use tokio::sync::oneshot;

use self::reload::Version;
use super::GlobalArgs;
use crate::context::{Context, find_config};
use crate::exit::Failure;
use crate::logging::{BackgroundLog, LogFormat};
use crate::signals::{self, Signals};
use crate::systemd;

/// Hand out tokens over HTTP, and renew them ahead of their end.
///
/// SIGTERM and Ctrl-C end it: requests under way are answered first, and no token is lost. A second one ends it at once.
/// A configuration that changes is taken over, at once on SIGHUP: providers that did not change keep their tokens, and one
/// with faults changes nothing. systemd is told of all that, and sockets that it passes are listened at instead.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ServeArgs {
    /// Where to listen instead of what the configuration says: IP:PORT, https://IP:PORT or unix:PATH; can be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    listen: Vec<Listen>,
    /// How the log on stderr looks
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_format: LogFormat,
}

pub(super) async fn run(
    global: &GlobalArgs,
    mut args: ServeArgs,
    passed: Vec<PassedSocket>,
    log: BackgroundLog,
) -> Result<(), Failure> {
    let mut signals = Signals::install()?;
    let own = log.clone();
    signals::watch(move || own.wait_no_more())?;
    // Before the file is read: what changes from here on is taken over.
    let version = Version::of(&find_config(global)?);
    let mut context = signals.or(Context::load(global)).await??;
    context.config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if !args.listen.is_empty() {
        context.config.server.listen.clone_from(&args.listen);
    }
    let manager = signals.or(context.manager()).await??;
    let server = if passed.is_empty() {
        let server = bind(&context.config.server, &manager).await?;
        // Those of the file were warned of above.
        let exposed = |address: &&Listen| matches!(address, Listen::Tcp(address) if !address.ip().is_loopback());
        args.listen.iter().filter(exposed).for_each(
            |address| tracing::warn!(%address, "other machines can reach this address, and keys and tokens travel unencrypted there"),
        );
        server
    } else {
        let server = Server::adopt(passed, &context.config.server, manager.clone()).map_err(|error| refused(&error))?;
        // What the configuration says of it is of no account now and later.
        args.listen = server.local_addrs().cloned().collect();
        context.config.server.listen.clone_from(&args.listen);
        server
    };
    manager.start();
    let talk = |text: &str| match args.log_format {
        LogFormat::Text => log.talk(text),
        // The log says it, and nothing but JSON stands there.
        LogFormat::Json => {}
    };
    let listening = format!("listening on {}", addresses(&server).join(", "));
    talk(&listening);
    systemd::ready(&listening);

    let (end, ended) = oneshot::channel::<()>();
    let control = server.control();
    let mut serving = pin!(server.run(async { ended.await.unwrap_or_default() }));
    let reloading = reload::run(version, context, args.listen, manager.clone(), control, signals.take_hang_ups());
    let work = async {
        tokio::select! {
            () = &mut serving => {}
            () = reloading => {}
            () = systemd::watchdog() => {}
        }
    };
    // It serves until it is told to end, so the signal comes first.
    signals.or(work).await.err();
    systemd::stopping();
    talk("stopping: requests under way are finished, new ones are not accepted");
    let finish = async {
        end.send(()).ok();
        serving.await;
        manager.close().await
    };
    Ok(signals.finish(finish, talk).await??)
}

/// Takes the addresses of the settings.
pub(super) async fn bind(settings: &ServerSettings, manager: &TokenManager) -> Result<Server, Failure> {
    Server::bind(settings, manager.clone()).await.map_err(|error| refused(&error))
}

fn refused(error: &io::Error) -> Failure {
    // What happened, and mostly what to do about it.
    let text = error.to_string();
    let (what, next) = text.split_once("; ").unwrap_or((&text, "choose another address with --listen"));
    Failure::usage(what, next)
}

/// Where a server listens, as people write it: URLs, and paths of sockets.
pub(super) fn addresses(server: &Server) -> Vec<String> {
    let shown = |address: &Listen| match address {
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Tls(_) | Listen::Unix(_) => address.to_string(),
    };
    server.local_addrs().map(shown).collect()
}

fn listen(text: &str) -> Result<Listen, InvalidListen> {
    Listen::parse(text, Path::new(""))
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep serve
  tokenkeep serve --listen unix:/run/tokenkeep/tokenkeep.sock
  tokenkeep serve --listen https://0.0.0.0:8443
  tokenkeep serve --log-format json
  curl http://127.0.0.1:8640/tokens/graph

Without an address in the configuration it listens on 127.0.0.1:8640. Addresses
that other machines can reach need [[server.keys]] and `tls` in [server].";
