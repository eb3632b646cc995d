//! What a connection carries, watched: the bodies of its requests and answers, and what is written.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use axum::body::{Body, HttpBody};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::{Activity, Exchange, UnderWay};

/// The body of a request. Its client is waited for as long as more of it is asked for than came.
pub(crate) struct RequestBody<B = Incoming> {
    body: B,
    exchange: Exchange,
    is_awaited: bool,
    /// Of the last time that it was waited for.
    arrival: Option<Arc<Arrival>>,
}

impl<B> RequestBody<B> {
    pub(crate) fn new(body: B, exchange: Exchange) -> Self {
        Self { body, exchange, is_awaited: false, arrival: None }
    }

    /// Wakes the same reader, and tells of the arrival.
    fn noticing(&mut self, reader: &Waker) -> Waker {
        let arrival = self.arrival.take().filter(|arrival| arrival.reader.will_wake(reader));
        let arrival =
            arrival.unwrap_or_else(|| Arc::new(Arrival { exchange: self.exchange.clone(), reader: reader.clone() }));
        Waker::from(Arc::clone(self.arrival.insert(arrival)))
    }
}

/// That some of a body came. Whoever waited for it may have something else to do by then, and ask for it much later; its
/// client is not waited for meanwhile.
struct Arrival {
    exchange: Exchange,
    reader: Waker,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.exchange.received();
        self.reader.wake_by_ref();
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() {
            let waker = self.noticing(context.waker());
            self.is_awaited = true;
            self.exchange.receives();
            // Once more, for what comes before this is noticed by nobody.
            polled = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(&waker));
        }
        if polled.is_ready() && mem::take(&mut self.is_awaited) {
            self.exchange.received();
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

impl<B> Drop for RequestBody<B> {
    fn drop(&mut self) {
        if self.is_awaited {
            self.exchange.received();
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    /// A body whose pieces a test sends.
    struct Steered(mpsc::Receiver<Bytes>);

    impl HttpBody for Steered {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_body_came_is_not_waited_for_though_nobody_asks_for_it() {
        let limit = Duration::from_secs(1);
        let activity = Activity::new();
        let request = activity.begin();
        let (pieces, body) = mpsc::channel(1);
        let mut body = RequestBody::new(Steered(body), request.exchange());
        for _ in 0..2 {
            let mut reader = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut body).poll_frame(&mut reader).is_pending());
            activity.none_of_ours_for(limit).await;
            pieces.send(Bytes::from_static(b"more")).await.unwrap();
            tokio::time::timeout(limit * 3, activity.none_of_ours_for(limit)).await.unwrap_err();
            assert!(Pin::new(&mut body).poll_frame(&mut reader).is_ready());
        }
    }
}
