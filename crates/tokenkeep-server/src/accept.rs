//! Accepts connections until the server stops, whatever happens to any of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use crate::connection::serve;
use crate::listen::{Listener, Stream};
use crate::server::Limits;
use crate::tasks::Tasks;

/// Accepts connections of one address. Ends, and gives up the address, when the server begins to stop.
pub(crate) async fn accept(
    listener: Listener,
    router: Router,
    tasks: Tasks,
    connections: Arc<Semaphore>,
    limits: Limits,
) {
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            () = tasks.stopping().cancelled() => return,
            accepted = next(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                is_failing = false;
                let (router, limits, inner) = (router.clone(), limits.clone(), tasks.clone());
                tasks.spawn(async move {
                    match stream {
                        Stream::Tcp(stream) => serve(stream, router, inner, limits).await,
                        #[cfg(unix)]
                        Stream::Unix(stream) => serve(stream, router, inner, limits).await,
                    }
                    drop(permit);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            // Mostly no file descriptors left; they come back as connections end.
            Err(error) => {
                if !is_failing {
                    warn!(address = %listener.address(), %error, "cannot accept connections for now");
                }
                is_failing = true;
                tokio::select! {
                    () = tasks.stopping().cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Waits for room after, not before: waiting for a connection must not take up room that another listener could use.
/// So what cannot be served stays in the system's queue but for one.
async fn next(listener: &Listener, connections: &Arc<Semaphore>) -> io::Result<(Stream, OwnedSemaphorePermit)> {
    let stream = listener.accept().await?;
    let permit = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    Ok((stream, permit))
}

/// A connection that died in the queue says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

const PAUSE: Duration = Duration::from_millis(100);
