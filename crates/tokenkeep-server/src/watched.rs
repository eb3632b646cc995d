//! What a connection carries, watched: the bodies of its requests and answers, and what is written.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::{Activity, Exchange, UnderWay};

/// The body of a request. Its client is waited for as long as more of it is asked for than came.
pub(crate) struct RequestBody {
    body: Incoming,
    exchange: Exchange,
    is_awaited: bool,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, exchange: Exchange) -> Self {
        Self { body, exchange, is_awaited: false }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() != self.is_awaited {
            self.is_awaited = polled.is_pending();
            self.exchange.receives(self.is_awaited);
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

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.is_awaited {
            self.exchange.receives(false);
        }
    }
}

/// The body of an answer. Its request waits as long as more of it is to come; whether the client takes what is there
/// shows in what is asked for, so it is given in pieces.
pub(crate) struct AnswerBody {
    body: Body,
    /// What came and was not asked for yet.
    rest: Bytes,
    under_way: UnderWay,
}

impl AnswerBody {
    pub(crate) fn new(body: Body, under_way: UnderWay) -> Self {
        Self { body, rest: Bytes::new(), under_way }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = if self.rest.len() > MAX_PIECE { self.rest.split_to(MAX_PIECE) } else { mem::take(&mut self.rest) };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = self.poll_piece(context);
        self.under_way.waits(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(rest + upper);
        }
        hint
    }
}

/// A connection whose writes are noticed.
pub(crate) struct Written<I> {
    io: I,
    activity: Activity,
}

impl<I> Written<I> {
    pub(crate) fn new(io: I, activity: Activity) -> Self {
        Self { io, activity }
    }

    fn noticed<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.activity.wrote();
        }
        written
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Written<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Written<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.noticed(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        self.noticed(written)
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

/// The longest piece of an answer that is handed over at once, in bytes: so much a client must take within the time in
/// which it must have taken something.
const MAX_PIECE: usize = 64 * 1024;
