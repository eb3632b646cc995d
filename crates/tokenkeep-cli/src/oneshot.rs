//! A command that does one thing by a broker and ends.
//!
//! The hard problem is the end: where the broker is this process, a flight may be under way whose refresh token is spent
//! by the time the answer comes. So whatever happens, an error or a signal included, the manager is stopped before the
//! process ends, which waits for flights and saves what they bring. A server sees to that itself.

use tokenkeep::Error;

use crate::broker::{Broker, Here};
use crate::command::GlobalArgs;
use crate::context::Context;
use crate::exit::{self, Failure};
use crate::output;
use crate::remote;
use crate::signals::Signals;

/// Does something by the server that is named, else with a manager of the configuration, without background work.
///
/// `Ok` holds what the manager says at its end: an error there means that a token is not saved.
pub(crate) async fn run(
    global: &GlobalArgs,
    action: impl AsyncFnOnce(Broker<'_>) -> Result<(), Failure>,
) -> Result<Result<(), Error>, Failure> {
    let mut signals = Signals::install()?;
    if let Some(client) = remote::client(global)? {
        tracing::debug!(server = %client.server(), "asking a server");
        signals.or(action(Broker::Remote(&client))).await??;
        return Ok(Ok(()));
    }
    let context = signals.or(Context::load(global)).await??;
    if tracing::enabled!(tracing::Level::WARN) {
        context.config.warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
    }
    let manager = signals.or(context.manager()).await??;
    let here = Here::new(&manager, context.config.server.default_provider.as_deref());
    let outcome = signals.or(action(Broker::Local(here))).await;
    let stopped = signals.finish(manager.close(), output::talk).await?;
    let failure = match outcome {
        Ok(Ok(())) => return Ok(stopped),
        Ok(Err(failure)) => {
            // Errors do not say how a store fails: those of a server are for others too.
            if let Some(what) = manager.store_trouble() {
                output::warning(&format!("the store does not work: {what}"));
            }
            failure
        }
        Err(signal) => signal.into(),
    };
    warn_of(stopped);
    Err(failure)
}

/// Says that a token was not saved, where that is no failure of the command.
pub(crate) fn warn_of(stopped: Result<(), Error>) {
    if let Err(error) = stopped {
        output::warning(&exit::without_next(&error));
        if let Some(next) = exit::next(&error) {
            output::next(&next);
        }
    }
}
