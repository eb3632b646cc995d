//! The accept loop and its connections.
//!
//! A fault may have to cut the connection without a word, which no HTTP framework offers. A route
//! marks its response with [`Cut`]; here the mark becomes an error of the service, which makes
//! hyper give up the connection, and the socket taken back from it is closed with a reset. HTTP/1
//! only: on HTTP/2 a cut would hit every other request of the connection too.

use std::{convert::Infallible, error::Error, fmt, future::poll_fn, time::Duration};

use axum::{Router, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// The mark on a response that must not be sent: the connection is reset instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

/// Accepts connections until cancelled; each runs as a task of `tasks` and ends with `cancel` too.
pub(crate) async fn accept(listener: TcpListener, router: Router, tasks: TaskTracker, cancel: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(_) if tasks.len() > MAX_CONNECTIONS => {}
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone());
                drop(tasks.spawn(cancel.clone().run_until_cancelled_owned(connection)));
            }
            // A connection that died in the queue, or no file descriptors left: neither is for ever.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // Without it the answers are only later, not wrong.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| Box::pin(respond(router.clone(), request)));
    let mut connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    let cut = ended.is_err_and(|error| error.source().is_some_and(<dyn Error>::is::<Cut>));
    if cut {
        // Closing now sends RST instead of FIN; where that fails, the caller sees a plain close.
        stream.set_zero_linger().ok();
    }
}

async fn respond(router: Router, request: Request<Incoming>) -> Result<Response, Cut> {
    let response = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
    if response.extensions().get::<Cut>().is_some() { Err(Cut) } else { Ok(response) }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection cut by a fault")
    }
}

impl Error for Cut {}

const MAX_CONNECTIONS: usize = 10_000;
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
