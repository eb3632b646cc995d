//! One connection, HTTP/1.1 or HTTP/2, from its first byte to its end.
//!
//! The hard problem is a client that connects and then does nothing, or little: it must not keep its place for ever,
//! in whatever phase it stops. hyper's own timer covers the head of an HTTP/1 request only. So a connection is wound up
//! as soon as nothing has gone on on it for a while: no request waits for something else than its client, and nothing was
//! written. That covers the first byte, both protocols and clients that do not read their answer, and leaves alone an
//! answer that comes slowly because whoever gives it takes time.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use hyper::Request;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tower::ServiceExt as _;
use tracing::debug;

use crate::peer::Peer;
use crate::places::Place;
use crate::server::Limits;
use crate::stall::WriteTimeout;
use crate::tasks::Tasks;

/// Answers the requests of a connection until either side ends it, it is idle for too long, its place is wanted by
/// another while it is idle, or the server stops.
pub(crate) async fn serve<I>(io: I, peer: Peer, place: &Place, router: Router, tasks: Tasks, limits: &Limits)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (under_way, activity) = (UnderWay::default(), Activity::default());
    place.watch(under_way.0.subscribe());
    let peer = Arc::new(peer);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        let (counted, waiting) = (under_way.count(), activity.wait());
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await?;
            let activity = waiting.0.clone();
            // From here on the body says when it waits.
            drop(waiting);
            Ok::<_, Infallible>(answer.map(|body| AnswerBody::new(body, counted, activity)))
        }
    });
    let builder = builder(tasks.clone(), limits.head_timeout);
    let io = Watched { io: WriteTimeout::new(io, limits.write_timeout), activity: activity.clone() };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let last_words = tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                debug!(%error, "a connection broke off");
            }
            return;
        }
        () = tasks.stopping().cancelled() => LAST_WORDS,
        () = activity.none_for(limits.head_timeout) => LAST_WORDS,
        () = place.wanted() => MOMENT,
    };
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        // How it ends no longer matters.
        _ = connection.as_mut() => {}
        () = activity.none_for(last_words) => {}
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

/// Counts the requests whose answer has not been handed over whole: for whoever gives away places.
struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    /// Counts one more until the guard is dropped.
    fn count(&self) -> Counted {
        self.0.send_modify(|count| *count += 1);
        Counted(self.0.clone())
    }
}

impl Default for UnderWay {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// What goes on on a connection. Clones watch the same one.
#[derive(Debug, Clone, Default)]
struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests that wait for something else than their client.
    waiting: AtomicUsize,
    /// Grows with each of their waits that ends and with all that is written.
    events: AtomicUsize,
}

impl Activity {
    /// A request waits until the guard is dropped.
    fn wait(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }

    fn something_happened(&self) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
    }

    /// Resolves when nothing has gone on for so long; at the latest after twice that.
    async fn none_for(&self, limit: Duration) {
        loop {
            let before = self.0.events.load(Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            if self.0.waiting.load(Ordering::Relaxed) == 0 && self.0.events.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

struct Waiting(Activity);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.something_happened();
        self.0.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer. Its request waits as long as more of it is to come; whether the client takes what is there
/// shows in what is written.
struct AnswerBody {
    body: Body,
    activity: Activity,
    waiting: Option<Waiting>,
    _counted: Counted,
}

impl AnswerBody {
    fn new(body: Body, counted: Counted, activity: Activity) -> Self {
        Self { body, activity, waiting: None, _counted: counted }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.waiting = None;
        } else if self.waiting.is_none() {
            self.waiting = Some(self.activity.wait());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose writes are noticed.
struct Watched<I> {
    io: I,
    activity: Activity,
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        if written.is_ready() {
            self.activity.something_happened();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        if written.is_ready() {
            self.activity.something_happened();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
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
/// How long an answer may take to be sent when the connection is wound up and nothing else is under way.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The same when somebody else wants the place.
const MOMENT: Duration = Duration::from_millis(10);
