//! How a token reaches a caller, whatever the protocol: found, allowed, obtained, counted, audited.

use std::pin::pin;

use futures_util::future::poll_immediate;
use tokenkeep::config::Action;
use tokenkeep::{Answer, Demand, Error, Key, TokenHandle};

use crate::app::App;
use crate::audit::{self, Outcome, Who};
use crate::caller::Caller;
use crate::metrics::HandOut;
use crate::problem::Problem;

impl App {
    /// A good token of the key that a request names, for a caller who may do this with it. `what` is the action in the
    /// audit line.
    pub(crate) async fn hand_out(
        &self,
        (who, caller): (&Who, &Caller),
        (action, what): (Action, &'static str),
        name: &str,
        demand: Demand,
    ) -> Result<(TokenHandle, Answer), Problem> {
        let handle = self.audited_handle((who, caller), (action, what), name)?;
        let result = self.counted(handle.key(), handle.get(demand)).await;
        let outcome = match &result {
            Ok(answer) => Outcome::HandedOut(answer.token.generation()),
            Err(problem) => Outcome::Failed(problem.code()),
        };
        audit::line(self, who, what, Some(handle.key()), outcome);
        result.map(|answer| (handle, answer)).map_err(|problem| self.explained(caller, name, problem))
    }

    /// The handle of the key that a request names, for a caller who may do this with it; if it may not, a line says so.
    pub(crate) fn audited_handle(
        &self,
        (who, caller): (&Who, &Caller),
        (action, what): (Action, &'static str),
        name: &str,
    ) -> Result<TokenHandle, Problem> {
        self.handle(caller, action, name).inspect_err(|problem| {
            audit::line(self, who, what, self.key(caller, name).ok().as_ref(), Outcome::Failed(problem.code()));
        })
    }

    /// Counts and audits what is sent to somebody who did not ask for it at this moment.
    pub(crate) fn pushed(&self, who: &Who, what: &'static str, key: &Key, result: &Result<Answer, Problem>) {
        let (hand_out, outcome) = match result {
            Ok(answer) => (HandOut::Hit, Outcome::HandedOut(answer.token.generation())),
            Err(problem) => (HandOut::Failed(problem.code()), Outcome::Failed(problem.code())),
        };
        self.metrics.asks(key).hand_out = hand_out;
        audit::line(self, who, what, Some(key), outcome);
    }

    /// Waits for a token, and counts that somebody asked for it and what came of it.
    pub(crate) async fn counted<T>(
        &self,
        key: &Key,
        getting: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Problem> {
        let mut asking = self.metrics.asks(key);
        let mut getting = pin!(getting);
        // What is there at the first look was waited for by nobody.
        let (hand_out, result) = match poll_immediate(&mut getting).await {
            Some(result) => (HandOut::Hit, result),
            None => (HandOut::Waited, getting.await),
        };
        let result = result.map_err(Problem::from);
        asking.hand_out = result.as_ref().map_or_else(|problem| HandOut::Failed(problem.code()), |_| hand_out);
        result
    }
}
