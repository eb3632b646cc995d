//! Accepts connections until the server stops, whatever happens to any of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tracing::{debug, warn};

use crate::app::App;
use crate::connection::{FIRST_WORDS, serve};
use crate::listen::{Listener, Stream};
use crate::peer::Peer;
use crate::places::{Place, Places};
use crate::server::Limits;
use crate::tasks::Tasks;

/// Accepts connections of one address. Ends, and gives up the address, when the server begins to stop.
pub(crate) async fn accept(
    listener: Listener,
    (app, router): (Arc<App>, Router),
    tasks: Tasks,
    places: Arc<Places>,
    limits: Limits,
) {
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            () = tasks.stopping().cancelled() => return,
            accepted = next(&listener, &app, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, Some(place))) => {
                is_failing = false;
                tasks.spawn(connect(stream, peer, place, router.clone(), tasks.clone(), limits.clone()));
            }
            Ok((_, peer, None)) => debug!(?peer, "an address has its part of the connections; one more is closed"),
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

/// Waits for a place after, not before: waiting for a connection must not take up what another could use. So what cannot
/// be served stays in the system's queue but for one.
async fn next(listener: &Listener, app: &App, places: &Arc<Places>) -> io::Result<(Stream, Peer, Option<Place>)> {
    let (stream, mut peer) = listener.accept().await?;
    peer.is_anybody &= app.access().callers.is_empty();
    let place = places.take(peer.address).await?;
    Ok((stream, peer, place))
}

/// A connection from its beginning, with TLS if it shall have it, to its end.
async fn connect(stream: Stream, peer: Peer, place: Place, router: Router, tasks: Tasks, limits: Limits) {
    match stream {
        Stream::Tcp(stream, None) => serve(stream, peer, &place, router, tasks, &limits).await,
        Stream::Tcp(stream, Some(tls)) => {
            let handshake = tokio::select! {
                () = tasks.stopping_for(FIRST_WORDS) => return,
                () = place.wanted() => return,
                handshake = tokio::time::timeout(limits.head_timeout, tls.accept(stream)) => handshake,
            };
            match handshake {
                Ok(Ok((stream, certificate))) => {
                    let peer = Peer { is_encrypted: true, certificate, ..peer };
                    serve(stream, peer, &place, router, tasks, &limits).await;
                }
                Ok(Err(error)) => debug!(?peer, %error, "a TLS handshake failed"),
                Err(_) => debug!(?peer, "a TLS handshake took too long"),
            }
        }
        #[cfg(unix)]
        Stream::Unix(stream) => serve(stream, peer, &place, router, tasks, &limits).await,
    }
}

/// A connection that died in the queue says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

const PAUSE: Duration = Duration::from_millis(100);
