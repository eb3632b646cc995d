//! The body of an API's answer on its way to the caller, as it comes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tracing::debug;

use super::headers;
use super::patience::Patience;

/// Passes on what comes, trailers too. An API that breaks off, or is silent for too long, is an error, so that what the
/// caller has is never taken for the whole.
pub(super) struct Download {
    body: Incoming,
    patience: Patience,
}

impl Download {
    pub(super) fn new(body: Incoming, silence: Duration) -> Self {
        Self { body, patience: Patience::new(silence) }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.patience.something_happened();
                Poll::Ready(frame.map(|frame| match frame {
                    Ok(mut frame) => {
                        if let Some(trailers) = frame.trailers_mut() {
                            headers::trailers_to_caller(trailers);
                        }
                        Ok(frame)
                    }
                    Err(error) => {
                        debug!(%error, "an API broke off its answer");
                        Err(error.into())
                    }
                }))
            }
            Poll::Pending => self.patience.poll(context).map(|()| {
                debug!("an API was silent for too long in its answer");
                Some(Err(io::Error::from(io::ErrorKind::TimedOut).into()))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Nothing is known of the length where there is no body: the answer to HEAD states one that it does not have, or
    /// none, and nobody else may add one.
    fn size_hint(&self) -> SizeHint {
        if self.body.is_end_stream() { SizeHint::default() } else { self.body.size_hint() }
    }
}
