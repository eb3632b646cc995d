//! One connection, HTTP/1.1 or HTTP/2 without TLS, from its first byte to its end.
//!
//! The hard problem is a client that connects and then does nothing, or little: it must not keep its place for ever,
//! in whatever phase it stops. hyper's own timer covers the head of an HTTP/1 request only. So a connection is wound up
//! as soon as nothing has gone on on it for a while: no request waits for something else than its caller, and nothing was
//! written. That covers the first byte, both protocols and clients that do not read their answer, and leaves alone an
//! answer that comes slowly because whoever gives it takes time.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
use tower::ServiceExt as _;
use tracing::debug;

use crate::server::Limits;
use crate::tasks::Tasks;

/// Answers the requests of a connection until either side ends it, it is idle for too long, or the server stops.
pub(crate) async fn serve<I>(io: I, router: Router, tasks: Tasks, limits: Limits)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::default();
    let service = service_fn(|request: Request<Incoming>| {
        let under_way = activity.begin();
        let (answer, activity) = (router.clone().oneshot(request), activity.clone());
        async move {
            let answer = answer.await;
            drop(under_way);
            answer.map(|answer| answer.map(|body| AnswerBody { body, activity, under_way: None }))
        }
    });
    let builder = builder(tasks.clone(), limits.head_timeout);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(Watched { io, activity: activity.clone() }), service));
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                debug!(%error, "a connection broke off");
            }
            return;
        }
        () = tasks.stopping().cancelled() => {}
        () = activity.none_for(limits.head_timeout) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        // How it ends no longer matters.
        _ = connection.as_mut() => {}
        () = activity.none_for(LAST_WORDS) => {}
    }
}

fn builder(tasks: Tasks, head_timeout: Duration) -> Builder<Tasks> {
    let mut builder = Builder::new(tasks);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(MAX_HEAD);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEADER_LIST).max_concurrent_streams(MAX_STREAMS);
    builder
}

/// What goes on on a connection. Clones watch the same one.
#[derive(Debug, Clone, Default)]
struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests that wait for something else than their caller.
    under_way: AtomicUsize,
    /// Whether the caller does not take what is sent.
    is_blocked: AtomicBool,
    /// Grows with each request that ends and with all that is written.
    events: AtomicUsize,
}

impl Activity {
    /// A request waits until the guard is dropped.
    fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Resolves when nothing has gone on for so long; at the latest after twice that.
    async fn none_for(&self, limit: Duration) {
        loop {
            let before = self.0.events.load(Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            let waits = self.0.under_way.load(Ordering::Relaxed) > 0 && !self.0.is_blocked.load(Ordering::Relaxed);
            if !waits && self.0.events.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        self.0.is_blocked.store(written.is_pending(), Ordering::Relaxed);
        self.0.events.fetch_add(usize::from(written.is_ready()), Ordering::Relaxed);
    }
}

struct UnderWay(Activity);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let counts = &self.0.0;
        counts.events.fetch_add(1, Ordering::Relaxed);
        counts.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer. Its request is under way as long as more of it is waited for; whether the caller takes what
/// is there shows in what is written.
struct AnswerBody {
    body: Body,
    activity: Activity,
    under_way: Option<UnderWay>,
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
            self.under_way = None;
        } else if self.under_way.is_none() {
            self.under_way = Some(self.activity.begin());
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

/// A connection whose writes are watched.
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
        self.activity.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        self.activity.wrote(&written);
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
const MAX_STREAMS: u32 = 250;
/// How long an answer may take to be sent when the connection is wound up and nothing else is under way.
const LAST_WORDS: Duration = Duration::from_secs(2);
