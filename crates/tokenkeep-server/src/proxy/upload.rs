//! The body of a caller's request on its way to the API, as it comes; it can be sent again from its beginning.
//!
//! All attempts read the same body. Each is cut off from it when the next begins: whatever is left of it, on a connection
//! that is about to be closed, must not take away what the next has to send.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Body as AxumBody;
use http::{HeaderMap, HeaderName};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokenkeep_middleware::Repeat;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::headers;

/// A body that one attempt sends, a second one if the beginning could be kept, and others if that was all of it.
pub(super) struct Upload(Option<Arc<Mutex<Source>>>);

/// How far a caller has come with its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// How often something came.
    pub(super) frames: u64,
    pub(super) sender: Sender,
}

/// What a caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// It has sent all, or more than was asked for.
    Ahead,
    /// It is waited for.
    Awaited,
    /// It broke off.
    Gone,
}

impl Upload {
    /// The body for an API that takes tokens under this name.
    pub(super) fn new(body: AxumBody, room: &Room, token: HeaderName) -> Self {
        if body.is_end_stream() {
            return Self(None);
        }
        let kept = (body.size_hint().lower() <= MAX_KEPT as u64).then(|| room.nothing());
        let progress = Progress { frames: 0, sender: Sender::Ahead };
        let source = Source { body, token, kept, whole: None, has_ended: false, trailers: None, attempt: 1, progress };
        Self(Some(Arc::new(Mutex::new(source))))
    }

    /// The body for the first attempt.
    pub(super) fn first(&self) -> Attempt {
        Attempt { number: 1, kept: None, trailers: None, source: self.0.clone() }
    }

    /// The body for another attempt, and the end of the one before; `None` if some of it is gone.
    pub(super) fn again(&self) -> Option<Attempt> {
        let Some(shared) = &self.0 else { return Some(self.first()) };
        let mut source = lock(shared);
        let kept = match source.whole.take() {
            Some(whole) => whole,
            None => Bytes::from_owner(source.kept.take()?),
        };
        if source.has_ended {
            source.whole = Some(kept.clone());
        }
        source.attempt += 1;
        let trailers = source.trailers.clone();
        Some(Attempt { number: source.attempt, kept: Some(kept), trailers, source: Some(Arc::clone(shared)) })
    }

    /// Whether there could be another attempt.
    pub(super) fn repeat(&self) -> Repeat {
        match &self.0 {
            None => Repeat::Possible,
            Some(shared) => Repeat::of(lock(shared).kept.as_ref()),
        }
    }

    /// There will be no other attempt: nothing more is kept.
    pub(super) fn forget(&self) {
        if let Some(shared) = &self.0 {
            let mut source = lock(shared);
            (source.kept, source.whole) = (None, None);
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.0.as_ref().map_or(Progress { frames: 0, sender: Sender::Ahead }, |shared| lock(shared).progress)
    }
}

/// What all attempts read.
struct Source {
    body: AxumBody,
    token: HeaderName,
    /// All that has come; `None` once that is too much.
    kept: Option<Kept>,
    /// The same once another attempt sends it, if nothing follows it.
    whole: Option<Bytes>,
    has_ended: bool,
    trailers: Option<HeaderMap>,
    /// The one that may read.
    attempt: u8,
    progress: Progress,
}

impl Source {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(context);
        self.progress.sender = match &polled {
            Poll::Pending => Sender::Awaited,
            Poll::Ready(Some(Err(_))) => Sender::Gone,
            Poll::Ready(Some(Ok(_)) | None) => Sender::Ahead,
        };
        self.has_ended |= matches!(polled, Poll::Ready(None)) || self.body.is_end_stream();
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            self.progress.frames += 1;
            if let Some(trailers) = frame.trailers_mut() {
                headers::trailers_to_api(trailers, &self.token);
            }
            self.keep(frame);
        }
        polled
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let (Some(kept), Some(data)) = (&mut self.kept, frame.data_ref()) else {
            if self.kept.is_some() {
                self.trailers = frame.trailers_ref().cloned();
            }
            return;
        };
        if !kept.add(data) {
            self.kept = None;
        }
    }
}

/// Room for what is kept of all bodies together: many callers must not fill the memory by that.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    fn nothing(&self) -> Kept {
        Kept { bytes: Vec::new(), room: self.clone(), taken: None }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new(MAX_KEPT_OF_ALL)
    }
}

/// What is kept of a body; gives its room back when it is dropped.
struct Kept {
    bytes: Vec<u8>,
    room: Room,
    taken: Option<OwnedSemaphorePermit>,
}

impl Kept {
    /// Whether there was room for it.
    fn add(&mut self, data: &[u8]) -> bool {
        if self.bytes.len() + data.len() > MAX_KEPT {
            return false;
        }
        let wanted = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.room.0).try_acquire_many_owned(wanted) else { return false };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        self.bytes.extend_from_slice(data);
        true
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body that is sent.
pub(super) struct Attempt {
    number: u8,
    /// What the attempt before has read.
    kept: Option<Bytes>,
    trailers: Option<HeaderMap>,
    source: Option<Arc<Mutex<Source>>>,
}

impl Body for Attempt {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(kept) = self.kept.take().filter(|kept| !kept.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(kept))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(shared) = &self.source else { return Poll::Ready(None) };
        let mut source = lock(shared);
        if source.attempt != self.number {
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted).into())));
        }
        source.poll(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        let has_kept = self.kept.as_ref().is_some_and(|kept| !kept.is_empty()) || self.trailers.is_some();
        !has_kept && self.source.as_ref().is_none_or(|shared| lock(shared).body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.kept.as_ref().map_or(0, Bytes::len) as u64;
        let Some(shared) = &self.source else { return SizeHint::with_exact(kept) };
        let rest = lock(shared).body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + kept);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + kept);
        }
        hint
    }
}

fn lock(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much of a body is kept, in bytes. Whatever is longer is sent once.
pub(super) const MAX_KEPT: usize = 1024 * 1024;
/// How much of all bodies that are on their way at once. What finds no room is sent once.
const MAX_KEPT_OF_ALL: usize = 128 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn sent(attempt: Attempt) -> usize {
        attempt.collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test]
    async fn what_is_kept_of_all_bodies_together_is_bounded_and_given_back() {
        let room = Room::new(10);
        let upload = || Upload::new(AxumBody::from("sixsix"), &room, AUTHORIZATION);
        let (first, second) = (upload(), upload());
        assert_eq!((sent(first.first()).await, sent(second.first()).await), (6, 6));
        assert_eq!((first.repeat(), second.repeat()), (Repeat::Possible, Repeat::Impossible));
        for _ in 0..2 {
            assert_eq!(sent(first.again().unwrap()).await, 6);
        }
        first.forget();
        let third = upload();
        assert_eq!((sent(third.first()).await, third.repeat()), (6, Repeat::Possible));
        third.forget();
        assert_eq!(room.0.available_permits(), 10);
    }
}
