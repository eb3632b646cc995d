//! Functions that are told each token, as Revos had them; tokenkeep's own way is a stream of tokens for each subscriber.
//!
//! Nothing of an observer runs within the manager. Each has a task, which waits for tokens, and a thread for as long as
//! it looks at one: so one that takes its time or panics keeps no other, no caller and no refresh waiting.

use std::error::Error;
use std::sync::Arc;

use tokenkeep::{Token, TokenHandle};
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};

/// How an observer fails.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The observers of one key. They go when this is dropped.
#[derive(Debug)]
pub struct Observers {
    handle: TokenHandle,
    running: JoinSet<()>,
}

impl Observers {
    /// Observers of this key, none as yet.
    pub fn of(handle: TokenHandle) -> Self {
        Self { handle, running: JoinSet::new() }
    }

    /// Tells an observer the present token at once, if there is one, and each new one after it. One that is slow is told
    /// the latest next; one that fails or panics is told the next all the same. `abort` of the answer takes it away.
    pub fn add<F>(&mut self, name: &'static str, observer: F) -> AbortHandle
    where
        F: Fn(&Token) -> Result<(), Failure> + Send + Sync + 'static,
    {
        let mut tokens = self.handle.subscribe();
        let observer = Arc::new(observer);
        self.running.spawn(async move {
            while let Some(token) = tokens.next().await {
                let (observer, generation) = (Arc::clone(&observer), token.generation());
                let told = spawn_blocking(move || observer(&token)).await;
                if let Err(error) = told.map_err(Failure::from).flatten() {
                    tracing::warn!(observer = name, generation, error, "an observer failed; it is told the next token");
                }
            }
        })
    }
}
