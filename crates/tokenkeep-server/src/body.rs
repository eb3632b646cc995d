//! Bodies of requests that are read whole: not too long, and not too slow.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

use crate::problem::Problem;

/// Refuses a body whose length is known to be large, so that nobody sends it in vain, and ends one that has not come
/// within the time with an error. (One that turns out to be large is ended by whoever reads it.)
pub(crate) fn bound(mut request: Request, timeout: Duration) -> Result<Request, Problem> {
    if request.body().size_hint().lower() > MAX_BODY as u64 {
        return Err(Problem::body_too_large());
    }
    if request.body().is_end_stream() {
        return Ok(request);
    }
    DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    Ok(request.map(|body| Body::new(InTime { body, end: Box::pin(tokio::time::sleep(timeout)) })))
}

/// A body that must have come before the end.
struct InTime {
    body: Body,
    end: Pin<Box<Sleep>>,
}

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match Pin::new(&mut self.body).poll_frame(task) {
            Poll::Pending => {
                self.end.as_mut().poll(task).map(|()| Some(Err(axum::Error::new("the body came too slowly"))))
            }
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// In bytes.
const MAX_BODY: usize = 64 * 1024;
