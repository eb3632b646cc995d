//! The one way in which a token reaches a caller, whatever the protocol: found, allowed, obtained, counted, audited.

use std::pin::pin;

use futures_util::future::poll_immediate;
use tokenkeep::config::Action;
use tokenkeep::{Answer, Demand, TokenHandle};

use crate::app::App;
use crate::audit::{self, Outcome, Who};
use crate::caller::Caller;
use crate::metrics::{Asking, HandOut};
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
        let handle = match self.handle(caller, action, name) {
            Ok(handle) => handle,
            Err(problem) => {
                audit::line(who, what, self.key(caller, name).ok().as_ref(), Outcome::Failed(problem.code()));
                return Err(problem);
            }
        };
        let mut asking = self.metrics.asks(handle.key());
        let result = obtain(&handle, demand, &mut asking).await;
        drop(asking);
        let outcome = match &result {
            Ok(answer) => Outcome::HandedOut(answer.token.generation()),
            Err(problem) => Outcome::Failed(problem.code()),
        };
        audit::line(who, what, Some(handle.key()), outcome);
        result.map(|answer| (handle, answer))
    }
}

async fn obtain(handle: &TokenHandle, demand: Demand, asking: &mut Asking<'_>) -> Result<Answer, Problem> {
    let mut getting = pin!(handle.get(demand));
    // What is there at the first look was waited for by nobody.
    let (hand_out, result) = match poll_immediate(&mut getting).await {
        Some(result) => (HandOut::Hit, result),
        None => (HandOut::Waited, getting.await),
    };
    let result = result.map_err(Problem::from);
    asking.hand_out = result.as_ref().map_or_else(|problem| HandOut::Failed(problem.code()), |_| hand_out);
    result
}
