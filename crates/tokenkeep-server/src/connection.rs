//! One connection, HTTP/1.1 or HTTP/2, from its first byte to its end.
//!
//! The hard problem is a client that connects and then does nothing, or little: it must not keep its place for ever,
//! in whatever phase it stops. hyper's own timer covers the head of an HTTP/1 request only. So a connection is wound up
//! as soon as nothing has gone on on it for a while: no request waits, for us or for a body that has a limit of its own,
//! and nothing of an answer was taken. That covers the first byte, both protocols and clients that do not read their
//! answer, and leaves alone an answer that comes slowly because whoever gives it takes time.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt as _;
use tracing::debug;

use crate::activity::Activity;
use crate::audit::Who;
use crate::peer::Peer;
use crate::places::Place;
use crate::server::Limits;
use crate::stall::WriteTimeout;
use crate::tasks::{Tasks, seldom};
use crate::watched::{AnswerBody, RequestBody, Written};

/// Answers the requests of a connection until either side ends it, it is idle for too long, its place is wanted by
/// another while it is idle, or the server stops.
pub(crate) async fn serve<I>(io: I, peer: Peer, place: &Place, router: Router, tasks: Tasks, limits: &Limits)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    place.watch(activity.clone());
    let peer = Arc::new(peer);
    let service = service_fn(|mut request: Request<Incoming>| {
        let who = Who::at(&peer, request.headers());
        request.extensions_mut().insert(who);
        let under_way = activity.begin();
        if request.version() < Version::HTTP_2 {
            activity.count_writes();
        }
        request.extensions_mut().insert(under_way.exchange());
        let request = request.map(|body| RequestBody::new(body, under_way.exchange()));
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await?;
            under_way.answered();
            Ok::<_, Infallible>(answer.map(|body| AnswerBody::new(body, under_way)))
        }
    });
    let builder = builder(tasks.clone(), limits.head_timeout);
    let io = Written::new(WriteTimeout::new(io, limits.write_timeout), activity.clone());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let is_place_wanted = seldom(async {
        tokio::select! {
            () = tasks.stopping().cancelled() => {
                tokio::select! {
                    () = activity.had_request() => {}
                    () = tokio::time::sleep(FIRST_WORDS) => {}
                }
                false
            }
            () = activity.none_for(limits.head_timeout) => false,
            () = activity.shall_end() => false,
            () = place.wanted() => true,
        }
    });
    let is_place_wanted = tokio::select! {
        biased;
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                debug!(%error, "a connection broke off");
            }
            return;
        }
        wanted = is_place_wanted => wanted,
    };
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        () = activity.not_busy_for(MOMENT), if is_place_wanted => {}
        () = activity.none_of_ours_for(LAST_WORDS), if !is_place_wanted => {}
    }
}

fn builder(tasks: Tasks, head_timeout: Duration) -> Builder<Tasks> {
    let mut builder = Builder::new(tasks);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(MAX_HEAD);
    // Streams that are reset as soon as they are opened end the connection; that is hyper's own limit.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_send_buf_size(MAX_UNSENT);
    builder
}

/// The longest head of an HTTP/1 request, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// The longest list of headers of an HTTP/2 request, in bytes.
const MAX_HEADER_LIST: u32 = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// What an HTTP/2 connection may send of bodies that nobody has read yet, in bytes.
const WINDOW: u32 = 256 * 1024;
/// What is kept of an answer that an HTTP/2 client does not take yet, in bytes.
const MAX_UNSENT: usize = 64 * 1024;
/// Finds out that the other end of an HTTP/2 connection is gone while it waits for an answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long an answer may take to be sent, or a body that is read whole to come, when the connection is wound up and
/// nothing else is under way.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long who has connected has for its first request when the server stops: it may be on its way.
pub(crate) const FIRST_WORDS: Duration = Duration::from_millis(250);
/// How long an answer may take to be sent when somebody else wants the place.
const MOMENT: Duration = Duration::from_millis(10);
