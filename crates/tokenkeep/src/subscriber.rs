//! Gets the present token at once and each new one after it.
//!
//! A subscriber always sees the latest token: one that is slow misses those between, delays nobody, and holds nothing
//! but one token in memory. No subscriber has a request of its own; each marks the key as in use, so that a started
//! manager keeps its token fresh.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use crate::clock::Clock;
use crate::token::Token;

/// A stream of the tokens of one key; see [`crate::TokenHandle::subscribe`]. It ends when its manager and all its
/// handles are dropped.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// # let graph = manager.handle("graph")?;
/// graph.token().await?;
/// let mut tokens = graph.subscribe(); // also a `Stream`
/// while let Some(token) = tokens.next().await {
///     // Give it to a connection that lives longer than a token.
///     if token.generation() == 2 {
///         break;
///     }
///     graph.clear().await?;
///     graph.token().await?;
/// }
/// drop((graph, manager));
/// assert!(tokens.next().await.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscriber {
    tokens: WatchStream<Option<Token>>,
    clock: Arc<dyn Clock>,
}

impl Subscriber {
    pub(crate) fn new(tokens: watch::Receiver<Option<Token>>, clock: Arc<dyn Clock>) -> Self {
        Self { tokens: WatchStream::new(tokens), clock }
    }

    /// The present token if it was not seen yet, else the next one. Cancel safe: no token is lost by dropping the
    /// future.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// # let graph = manager.handle("graph")?;
    /// let mut tokens = graph.subscribe();
    /// let (token, _) = tokio::join!(tokens.next(), graph.token()); // this manager was not started, so somebody has to ask
    /// assert_eq!(token.map(|token| token.generation()), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Token> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Subscriber {
    type Item = Token;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Token>> {
        let this = self.get_mut();
        loop {
            match std::task::ready!(Pin::new(&mut this.tokens).poll_next(context)) {
                // It may have lain here for longer than it lives.
                Some(token) => {
                    if let Some(token) = token.and_then(|token| token.handed_out_again(this.clock.now())) {
                        return Poll::Ready(Some(token));
                    }
                }
                None => return Poll::Ready(None),
            }
        }
    }
}
